"""The broker's own keys, in one folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from broker.auth.access import AccessKey
from broker.journal import JournalKey
from broker.store.database import make_private
from pprl.errors import KeyFileError
from pprl.package import Identity, SigningKey
from pprl.release.keys import ReleaseKey

IDENTITY, SIGNING, RELEASE, JOURNAL = "broker.key", "redaction.key", "release.key", "journal.key"
ACCESS = "access.key"


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """What the broker opens packages and signs with.

    Attributes
    ----------
    identity : Identity
        Sites seal their packages to it; ``broker.key``, the file of ``pprl-broker keys new``.
    signing : SigningKey
        Signs packages that the broker writes anew without withdrawn records; ``redaction.key``.
    release : ReleaseKey
        Signs releases; ``release.key``, the file of ``pprl-broker keys release``.
    journal : JournalKey
        Signs checkpoints of the journal; ``journal.key``, the file of ``pprl-broker keys journal``.
    access : AccessKey or None
        Signs access tokens for Gen3 clients, and addresses of files; ``access.key``. Without it there are none.
    """

    identity: Identity = field(repr=False)
    signing: SigningKey = field(repr=False)
    release: ReleaseKey = field(repr=False)
    journal: JournalKey = field(repr=False)
    access: AccessKey | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the keys.

        Raises
        ------
        KeyFileError
            One is missing, malformed, or readable by others.
        """
        return cls(
            identity=Identity.load(folder / IDENTITY),
            signing=SigningKey.load(folder / SIGNING),
            release=ReleaseKey.load(folder / RELEASE),
            journal=JournalKey.load(folder / JOURNAL),
            access=AccessKey.load(folder / ACCESS) if (folder / ACCESS).exists() else None,
        )

    @classmethod
    def make_missing(cls, folder: Path) -> tuple[Self, list[str]]:
        """Make the keys that are not there yet, and read them all.

        Returns
        -------
        keys : BrokerKeys
        made : list of str
            Files made, without their public halves.

        Raises
        ------
        KeyFileError
            One is malformed or readable by others; or the identity is missing though others are there: packages are
            sealed to it, and a new one could open none of them.
        """
        make_private(folder)
        kinds = {IDENTITY: Identity, SIGNING: SigningKey, RELEASE: ReleaseKey, JOURNAL: JournalKey}
        missing = [name for name in kinds if not (folder / name).exists()]
        if IDENTITY in missing and len(missing) < len(kinds):
            raise KeyFileError(
                f"{folder / IDENTITY}: is missing, though the other keys are there; bring it back from a backup"
            )
        for name in missing:
            kinds[name].new().save_pair(folder / name)
        if not (folder / ACCESS).exists():
            AccessKey.new().save(folder / ACCESS)
            missing.append(ACCESS)
        return cls.load(folder), missing
