"""Ed25519 keys that sites sign their packages with.

Their text is Bech32, as that of age keys: ``pprlsite1...`` is public, ``PPRL-SITE-KEY-1...`` secret. The
prefix is the version: another algorithm would get another prefix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pprl.errors import SignatureError
from pprl.package.text_keys import PublicTextKey, SecretTextKey

SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class VerifyKey(PublicTextKey):
    """The public half of a site's signing key; ``str`` gives ``pprlsite1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    prefix: ClassVar[str] = "pprlsite"
    what: ClassVar[str] = "a site's public key"

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
            raise SignatureError(
                "its signature does not fit its manifest; ask the site for it again"
            ) from None


@dataclass(frozen=True, slots=True)
class SigningKey(SecretTextKey):
    """A site's secret signing key.

    Attributes
    ----------
    secret : bytes
        32 bytes, the seed of RFC 8032; never shown by ``repr`` or ``str``.
    """

    prefix: ClassVar[str] = "PPRL-SITE-KEY-"
    what: ClassVar[str] = "a site's signing key"
    comment: ClassVar[tuple[str, ...]] = ("# pprl site key: SECRET. It signs the packages of this site.",)

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        self._check(self.secret)

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    @property
    def public_half(self) -> VerifyKey:
        """The public half."""
        return self.verify_key

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes (Ed25519, RFC 8032)."""
        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
