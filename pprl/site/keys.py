"""The linkage key of a project and epoch, and the tree of keys derived from it.

One secret of 32 bytes, the linkage key, is shared by the sites of a project for one epoch; the broker never
has it. Everything keyed is derived from it, bound to project, schema and epoch as well as to its purpose: two
sites with different schemas get tokens that cannot be compared, and their packages say so by the key-check
value::

    K(label) = HKDF-Expand-SHA256(secret, info = "pprl/v1|project|schema fingerprint|epoch|label")

Labels in use: ``tok/<key group>`` (q-gram tokens of a field or group), ``eld/record`` or ``eld/<key group>``
(diffusion), ``xt/<field>/<part>`` (exact tokens), ``mk/<match key>`` (exact match keys), ``kcv`` (the key-check
value).

The key file is text. ``check`` covers the other lines, so that a damaged or hand-edited file is noticed, and
two people can compare their copies over the phone::

    # pprl linkage key: SECRET. ...
    pprl-linkage-key: 1
    project: heart-registry
    epoch: 2026
    secret: 64 hexadecimal digits
    check: 16 hexadecimal digits
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from pprl.errors import CorruptError, KeyFileError, PackageError, WrongProjectError
from pprl.files import new_file
from pprl.guid import RandomBytes
from pprl.package.age import Identity, Recipient, open_sealed, seal
from pprl.package.keyfiles import (
    MAX_KEY_FILE_BYTES,
    check_unused,
    meaningful_lines,
    read_secret_file,
    write_secret_file,
)
from pprl.schema import Schema

KEY_BYTES = 32
MAX_DERIVED_BYTES = 255 * 32  # HKDF's own limit, RFC 5869 section 2.3

_FORMAT = "1"
_FIELDS = ("pprl-linkage-key", "project", "epoch", "secret", "check")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WHAT = "a linkage key"


@dataclass(frozen=True, slots=True)
class LinkageKey:
    """The secret that the sites of a project share for one epoch.

    Attributes
    ----------
    project, epoch : str
        Letters, digits, ``_``, ``.`` and ``-``, at most 64 characters.
    secret : bytes
        32 uniformly random bytes; never shown by ``repr`` or ``str``.

    Raises
    ------
    ValueError
        Where a name or the secret's length is wrong.
    """

    project: str
    epoch: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for what, name in (("project", self.project), ("epoch", self.epoch)):
            if _NAME.fullmatch(name) is None:
                raise ValueError(
                    f"{what} {name!r}: may hold 64 letters, digits, '_', '.', '-', beginning with no sign"
                )
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"the secret has {len(self.secret)} bytes, not {KEY_BYTES}")

    @classmethod
    def new(cls, project: str, epoch: str, *, random_bytes: RandomBytes = os.urandom) -> LinkageKey:
        """Draw a linkage key.

        Parameters
        ----------
        project, epoch : str
            All keys are bound to them; they must be those of the schema.
        random_bytes : callable
            ``random_bytes(k)`` gives ``k`` bytes.

        Raises
        ------
        ValueError
            Where a name is malformed.
        """
        return cls(project, epoch, random_bytes(KEY_BYTES))

    @classmethod
    def load(cls, path: str | Path) -> LinkageKey:
        """Read a key file.

        Raises
        ------
        KeyFileError
            Where it is missing, malformed, damaged, of an unknown version, or readable by group or others.
        """
        return cls.parse(read_secret_file(path, what=_WHAT), source=str(path))

    def save(self, path: str | Path) -> None:
        """Write a key file that only its owner may read (0600); an existing file is never replaced.

        Raises
        ------
        KeyFileError
            Where the file exists.
        PprlError
            Where it cannot be written.
        """
        write_secret_file(path, self.lines())

    def save_sealed(
        self, path: str | Path, recipients: Sequence[Recipient], *, random_bytes: RandomBytes = os.urandom
    ) -> None:
        """Write the key file sealed to the identities of sites; an existing file is never replaced.

        Sealing does not say who sealed: the receiver compares ``check_value`` with the sender.

        Raises
        ------
        KeyFileError
            Where the file exists.
        """
        check_unused(Path(path))
        with new_file(path, overwrite=False) as file:
            sealed = seal(file, recipients, random_bytes=random_bytes)
            sealed.write("".join(f"{line}\n" for line in self.lines()).encode())
            sealed.finish()

    @classmethod
    def load_sealed(cls, path: str | Path, identity: Identity) -> LinkageKey:
        """Read what `save_sealed` wrote.

        Raises
        ------
        KeyFileError
            Where it is missing, damaged, sealed to somebody else, or holds no linkage key.
        """
        try:
            with Path(path).open("rb") as file:
                _, content = open_sealed(file, identity)
                text = content.read(MAX_KEY_FILE_BYTES)
                if content.read(1):
                    raise CorruptError(f"is sealed, but holds no {_WHAT.removeprefix('a ')}")
        except OSError as error:
            raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from None
        except PackageError as error:
            raise KeyFileError(f"{path}: {error}") from None
        return cls.parse(meaningful_lines(text, source=str(path), what=_WHAT), source=str(path))

    @classmethod
    def parse(cls, lines: list[str], *, source: str = _WHAT) -> LinkageKey:
        """Read the lines of a key file, comments and blanks removed; ``source`` names it in errors.

        Raises
        ------
        KeyFileError
        """
        split = [line.partition(":") for line in lines]
        pairs = [(name.strip(), value.strip()) for name, _, value in split]
        values = dict(pairs)
        if not pairs or pairs[0][0] != _FIELDS[0]:
            raise KeyFileError(f"{source}: is not {_WHAT} (its first line is not '{_FIELDS[0]}: {_FORMAT}')")
        if pairs[0][1] != _FORMAT:
            raise KeyFileError(f"{source}: is {_WHAT} of a version not known here; update this program")
        if len(pairs) != len(_FIELDS) or set(values) != set(_FIELDS):
            raise KeyFileError(f"{source}: is not {_WHAT}: expected one line each of {', '.join(_FIELDS)}")
        if re.fullmatch(r"[0-9a-f]{64}", values["secret"]) is None:
            raise KeyFileError(f"{source}: the secret is not 64 hexadecimal digits; ask for the key again")
        try:
            key = cls(values["project"], values["epoch"], bytes.fromhex(values["secret"]))
        except ValueError as error:
            raise KeyFileError(f"{source}: {error}") from None
        if not hmac.compare_digest(values["check"].encode(), key.check_value.encode()):
            raise KeyFileError(
                f"{source}: its check value does not fit: the file was changed; ask for the key again"
            )
        return key

    def lines(self) -> list[str]:
        """The lines of the key file, the secret among them."""
        return [
            "# pprl linkage key: SECRET. Whoever holds it can try names against the tokens of the project.",
            "# For the sites of the project only, never for the broker. Two copies are equal if 'check' is.",
            f"{_FIELDS[0]}: {_FORMAT}",
            f"project: {self.project}",
            f"epoch: {self.epoch}",
            f"secret: {self.secret.hex()}",
            f"check: {self.check_value}",
        ]

    @property
    def check_value(self) -> str:
        """Names this key without giving it away; 16 hexadecimal digits over secret, project and epoch."""
        info = f"pprl/v1|{self.project}|{self.epoch}|linkage key check"
        return _expand(self.secret, info, 8).hex()

    def tree(self, schema: Schema) -> KeyTree:
        """The keys for one schema.

        Raises
        ------
        WrongProjectError
            Where the schema is of another project or epoch than the key.
        """
        if (schema.project, schema.epoch) != (self.project, self.epoch):
            raise WrongProjectError(
                f"the linkage key is of project {self.project}, epoch {self.epoch}; the schema of project "
                f"{schema.project}, epoch {schema.epoch}; use the key made for it"
            )
        return KeyTree(f"pprl/v1|{self.project}|{schema.fingerprint}|{self.epoch}|", self.secret)


@dataclass(frozen=True, slots=True)
class KeyTree:
    """All keys of one linkage key and one schema; made by `LinkageKey.tree`.

    Attributes
    ----------
    prefix : str
        What every label is bound to.
    """

    prefix: str
    _secret: bytes = field(repr=False)

    def derive(self, label: str, n_bytes: int = 32) -> bytes:
        """The key for one purpose, HKDF-Expand-SHA256 (RFC 5869, section 2.3).

        Parameters
        ----------
        label : str
            The purpose, such as ``"tok/surname"``.
        n_bytes : int
            Length, at most 8160. A longer key begins with the shorter of the same label.

        Raises
        ------
        ValueError
            Where the label is empty or the length out of range.
        """
        if not label or not 0 < n_bytes <= MAX_DERIVED_BYTES:
            raise ValueError(
                f"a key has a label and 1 to {MAX_DERIVED_BYTES} bytes, not {label!r} and {n_bytes}"
            )
        return _expand(self._secret, self.prefix + label, n_bytes)

    @property
    def check_value(self) -> str:
        """What a package shows of the key: 8 bytes of an HMAC under the key ``kcv``, in hexadecimal.

        Equal for two packages only where linkage key, project, epoch and schema are equal.
        """
        return hmac.digest(self.derive("kcv"), b"pprl key check", "sha256")[:8].hex()


def _expand(secret: bytes, info: str, n_bytes: int) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=n_bytes, info=info.encode("utf-8")).derive(secret)
