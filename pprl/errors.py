"""Every error the project raises on purpose.

Each message is one line for a person: what was found, where, and the fix. No message carries an identifier,
a token or a key; rows are named by number and values by field.

::

    PprlError                    the command line prints it and exits 1
    ├── SchemaError              the linkage schema is wrong
    ├── KeyFileError             a key file is missing, malformed, or readable by others
    ├── InputError               a site's input file is wrong (row and column named)
    ├── PackageError             a token package cannot be accepted
    │   ├── NotAPackageError     not a .pprl file, or of a version not known here
    │   ├── TruncatedError       it ends too early
    │   ├── CorruptError         a bit differs: header, payload, digest or Arrow stream
    │   ├── WrongRecipientError  sealed to somebody else
    │   ├── SignatureError       the signature fails, or its key is not trusted
    │   ├── WrongProjectError    another project or epoch
    │   ├── WrongSchemaError     another linkage schema
    │   ├── WrongKeyError        another linkage key (the key-check values differ)
    │   ├── ExpiredError         past its expiry
    │   └── ReplayedError        an older delivery, or the same dataset twice
    ├── LinkageError             a linkage run cannot be done, or its estimate cannot be trusted
    ├── StoreError               the broker's store cannot be used, or is not what it should be
    │   ├── StoreExistsError     there is one already
    │   ├── StoreBusyError       its database cannot be reached or is held by others; try again later
    │   ├── StoreFullError       its disk is full; try again once there is room
    │   └── JournalError         its journal was changed
    ├── GovernanceError          a party asks for what cannot be
    │   ├── DeniedError          it may not do this
    │   ├── NotFoundError        there is no such thing, or none that it may know of
    │   ├── AuthError            nobody knows who asks
    │   └── ConflictError        it exists already, or what there is stands against it
    ├── ServiceError             a broker's service cannot be reached, refuses, or answers what it should not
    └── CohortError              a cohort, reference or category map is wrong
"""

from __future__ import annotations


class PprlError(Exception):
    """Base of the tree: an input or a run is bad."""


class SchemaError(PprlError):
    """The linkage schema is wrong."""


class KeyFileError(PprlError):
    """A key file is missing, malformed, or readable by others."""


class _PlacedError(PprlError):
    """An error that names its place in a file.

    Parameters
    ----------
    message : str
        What was found and the fix; never a value that identifies somebody.
    path : str, optional
        The file, as the user named it.
    row : int, optional
        1-based line or record number, the header counted where there is one.
    column : str, optional
        The column's header.
    """

    def __init__(
        self, message: str, *, path: str | None = None, row: int | None = None, column: str | None = None
    ) -> None:
        self.path, self.row, self.column = path, row, column
        place = [part for part in (path, f"row {row}" if row is not None else None) if part]
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {message}" if place else message)


class InputError(_PlacedError):
    """A site's input file is wrong."""


class PackageError(PprlError):
    """A token package cannot be accepted."""


class NotAPackageError(PackageError):
    """Not a token package, or of a version that is not known here."""


class TruncatedError(PackageError):
    """The package ends too early."""


class CorruptError(PackageError):
    """Some bit of the package differs from what was written."""


class WrongRecipientError(PackageError):
    """The package is sealed to somebody else."""


class SignatureError(PackageError):
    """The signature fails, or the key that made it is not trusted."""


class WrongProjectError(PackageError):
    """The package belongs to another project or epoch."""


class WrongSchemaError(PackageError):
    """The package was made with another linkage schema."""


class WrongKeyError(PackageError):
    """The package was made with another linkage key."""


class ExpiredError(PackageError):
    """The package is past its expiry."""


class ReplayedError(PackageError):
    """The package is an older delivery than one accepted before, or given twice."""


class LinkageError(PprlError):
    """A linkage run cannot be done, or its estimate cannot be trusted."""


class StoreError(PprlError):
    """The broker's store cannot be used, or is not what it should be."""


class StoreExistsError(StoreError):
    """There is a store already where one was to be made."""


class StoreBusyError(StoreError):
    """The store's database cannot be reached or is held by others; the same may succeed later."""


class StoreFullError(StoreError):
    """The disk of the store is full; the same succeeds once there is room."""


class JournalError(StoreError):
    """The journal was changed, or cannot be checked."""


class GovernanceError(PprlError):
    """A party asks for what cannot be."""


class DeniedError(GovernanceError):
    """The party may not do this."""


class NotFoundError(GovernanceError):
    """There is no such thing, or none that the party may know of."""


class AuthError(GovernanceError):
    """The caller is not known; what is wrong with the token is told to nobody."""

    def __init__(self, message: str = "the caller is not known; a valid token is needed") -> None:
        super().__init__(message)


class ConflictError(GovernanceError):
    """It exists already, or what there is stands against it."""


class ServiceError(PprlError):
    """A broker's service cannot be reached, refuses, or answers what it should not.

    Parameters
    ----------
    message : str
        What happened, where, and the fix; never the token.
    code : str
        For programs: the service's own, such as ``denied``, ``not-found`` or ``busy``; ``unreachable`` where no
        answer came, ``answer`` where it was none that is known.
    status : int, optional
        Of the HTTP answer, where there was one.
    """

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        self.code, self.status = code, status
        super().__init__(message)


class CohortError(_PlacedError):
    """A cohort, a reference population or a category map is wrong."""
