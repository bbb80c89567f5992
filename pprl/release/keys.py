"""Ed25519 keys that the broker signs its releases with.

Their text is Bech32: ``pprlrelease1...`` is public, ``PPRL-RELEASE-KEY-1...`` secret. The prefix is the version:
another algorithm would get another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pprl.package.signing import Ed25519PublicText, Ed25519SecretText


@dataclass(frozen=True, slots=True)
class ReleaseVerifyKey(Ed25519PublicText):
    """The public half; ``str`` gives ``pprlrelease1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    prefix: ClassVar[str] = "pprlrelease"
    what: ClassVar[str] = "a broker's public key of releases"
    unfit: ClassVar[str] = "the signature does not fit; fetch the release again"

    public: bytes

    def __post_init__(self) -> None:
        self._check(self.public)


@dataclass(frozen=True, slots=True)
class ReleaseKey(Ed25519SecretText):
    """The broker's secret key of releases.

    Attributes
    ----------
    secret : bytes
        32 bytes, the seed of RFC 8032; never shown by ``repr`` or ``str``.
    """

    prefix: ClassVar[str] = "PPRL-RELEASE-KEY-"
    what: ClassVar[str] = "a broker's key of releases"
    comment: ClassVar[tuple[str, ...]] = (
        "# pprl release key: SECRET. It signs the releases of this broker.",
    )

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        self._check(self.secret)

    @property
    def public_half(self) -> ReleaseVerifyKey:
        """The public half."""
        return ReleaseVerifyKey(self._public_bytes())
