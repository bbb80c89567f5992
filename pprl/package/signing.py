"""Ed25519 keys: what all that sign have in common, and those that sites sign their packages with.

Their text is Bech32, as that of age keys: a site's ``pprlsite1...`` is public, ``PPRL-SITE-KEY-1...`` secret. The
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


class Ed25519PublicText(PublicTextKey):
    """A public half that signatures are checked with.

    Attributes
    ----------
    unfit : str
        What is said of a signature that does not fit, and the fix.
    """

    __slots__ = ()
    unfit: ClassVar[str]

    def is_signed(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature fits."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature.

        Raises
        ------
        SignatureError
        """
        if not self.is_signed(signature, message):
            raise SignatureError(self.unfit)


class Ed25519SecretText(SecretTextKey):
    """A secret half that signs; its bytes are the seed of RFC 8032."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes (Ed25519, RFC 8032)."""
        return self._key().sign(message)

    def _public_bytes(self) -> bytes:
        return self._key().public_key().public_bytes_raw()

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True, slots=True)
class VerifyKey(Ed25519PublicText):
    """The public half of a site's signing key; ``str`` gives ``pprlsite1...``.

    Attributes
    ----------
    public : bytes
        32 bytes.
    """

    prefix: ClassVar[str] = "pprlsite"
    what: ClassVar[str] = "a site's public key"
    unfit: ClassVar[str] = "its signature does not fit its manifest; ask the site for it again"

    public: bytes

    def __post_init__(self) -> None:
        self._check(self.public)


@dataclass(frozen=True, slots=True)
class SigningKey(Ed25519SecretText):
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
        return VerifyKey(self._public_bytes())

    @property
    def public_half(self) -> VerifyKey:
        """The public half."""
        return self.verify_key
