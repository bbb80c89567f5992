"""Ed25519 keys that the broker signs its releases with.

Their text is Bech32: ``pprlrelease1...`` is public, ``PPRL-RELEASE-KEY-1...`` secret. The prefix is the version:
another algorithm would get another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pprl.errors import SignatureError
from pprl.package.text_keys import PublicTextKey, SecretTextKey


@dataclass(frozen=True, slots=True)
class ReleaseVerifyKey(PublicTextKey):
    """The public half; ``str`` gives ``pprlrelease1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    prefix: ClassVar[str] = "pprlrelease"
    what: ClassVar[str] = "a broker's public key of releases"

    public: bytes

    def __post_init__(self) -> None:
        self._check(self.public)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature.

        Raises
        ------
        SignatureError
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise SignatureError("the signature does not fit; fetch the release again") from None


@dataclass(frozen=True, slots=True)
class ReleaseKey(SecretTextKey):
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
        return ReleaseVerifyKey(
            Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        )

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
