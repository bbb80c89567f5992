"""A login service with keys of its own, which the tests ask in place of the network."""

from __future__ import annotations

import base64
import json
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

URL = "https://data.example.org/user"
AUDIENCE = "gen3"


@cache
def a_key(number: int, bits: int = 2048) -> RSAPrivateKey:
    """One of a few keys; the number only tells them apart."""
    del number
    return generate_private_key(public_exponent=65537, key_size=bits)


def a_jwk(kid: str, key: RSAPrivateKey, **more: object) -> dict[str, object]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def a_pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Service:
    """Fence, as far as it matters: keys that it publishes, and logins that it signs.

    It is a `broker.auth.Fetch`, which counts what it is asked.
    """

    def __init__(self, clock, *, form: str = "jwks") -> None:
        self.clock, self.form = clock, form
        self.keys = {"one": a_key(1)}
        self.asked: list[str] = []
        self.is_down = False

    def __call__(self, url: str, *, body: bytes | None = None) -> bytes:
        assert body is None
        self.asked.append(url)
        paths = {"jwks": "/.well-known/jwks", "pairs": "/jwt/keys"}
        if self.is_down or url != URL + paths[self.form]:
            raise ConnectionError("the server answers with status 404")
        if self.form == "jwks":
            return json.dumps({"keys": [a_jwk(kid, key) for kid, key in self.keys.items()]}).encode()
        return json.dumps([[kid, a_pem(key)] for kid, key in self.keys.items()]).encode()

    def claims(self, **changes: object) -> dict[str, object]:
        """Of an access token of 20 minutes, with changes; a change to None leaves the claim out."""
        at = int(self.clock().timestamp())
        claims = {
            "iss": URL, "sub": "42", "aud": [AUDIENCE, "openid"], "iat": at, "exp": at + 1200, "pur": "access",
            "jti": "x", "azp": "", "scope": ["openid"], "context": {"user": {"name": "Gray@example.org"}},
        }  # fmt: skip
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def login(self, kid: str = "one", *, signed_by: RSAPrivateKey | None = None, **changes: object) -> str:
        key = self.keys.get(kid) if signed_by is None else signed_by
        return jwt.api_jws.encode(
            json.dumps(self.claims(**changes)).encode(), key, "RS256", headers={"kid": kid}
        )


def without_signature(header: dict[str, object], claims: dict[str, object], signature: bytes = b"x") -> str:
    """A JWT with any header at all."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
