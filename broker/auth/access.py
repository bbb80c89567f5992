"""Short-lived access tokens of the broker's own, for Gen3 clients, and tickets for one download.

The ``gen3`` client is given a file with an *API key*, a JWT by its form, and reads from it whom to ask. There it
changes the key for an access token, which is a JWT as well, for twenty minutes. Here the API key is one of our API
tokens in that form; and an access token says which API token it was given for, so that it is worth no more than that
and ends with it. It cannot be used to make tokens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.auth.caller import Caller, How
from broker.auth.scopes import Scope
from broker.auth.tokens import is_well_formed, resume
from broker.store.tables import Party
from pprl.errors import AuthError, KeyFileError
from pprl.files import new_file

LASTS = timedelta(minutes=20)
"""The client asks for another one five minutes before the end."""

TICKET_LASTS = timedelta(minutes=5)

SCOPES = frozenset({Scope.READ, Scope.FETCH, Scope.METADATA})
"""What access tokens are good for at most."""

_BITS, _EXPONENT = 3072, 65537
_ALGORITHM = "RS256"
_ACCESS, _API_KEY, _TICKET = "access", "api_key", "download"
_MOST_CHARACTERS = 8 * 1024
_OPTIONS: Any = {
    "require": ["iss", "sub", "aud", "exp", "iat", "jti"],
    # The time is an argument.
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_jti"), False),
}


@dataclass(frozen=True, slots=True)
class AccessKey:
    """The RSA key that the broker signs access tokens with.

    Attributes
    ----------
    secret : RSAPrivateKey
    """

    secret: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a key."""
        return cls(rsa.generate_private_key(_EXPONENT, _BITS))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a key file.

        Raises
        ------
        KeyFileError
            It is missing, malformed, or readable by others.
        """
        path = Path(path)
        try:
            if path.stat().st_mode & 0o077 and os.name == "posix":
                raise KeyFileError(f"{path}: others can read it; run chmod 600 {path}")
            secret = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, TypeError):
            raise KeyFileError(f"{path}: not a PEM file with a key") from None
        if not isinstance(secret, rsa.RSAPrivateKey) or secret.key_size < 2048:
            raise KeyFileError(f"{path}: not an RSA key of 2048 bits or more")
        return cls(secret)

    def save(self, path: str | Path) -> None:
        """Write a key file that only its owner may read; an existing one is never replaced."""
        text = self.secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with new_file(path, mode=0o600, overwrite=False) as file:
            file.write(text)

    @property
    def kid(self) -> str:
        """Its name: the thumbprint of RFC 7638."""
        canonical = json.dumps(self.jwk_members, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()

    @property
    def jwk_members(self) -> dict[str, str]:
        """The public half, as in RFC 7517."""
        numbers = self.secret.public_key().public_numbers()
        return {"kty": "RSA", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}

    @property
    def jwks(self) -> dict[str, Any]:
        """What ``/.well-known/jwks`` says."""
        return {"keys": [{**self.jwk_members, "kid": self.kid, "use": "sig", "alg": _ALGORITHM}]}


class AccessTokens:
    """Gives access tokens out and takes them back.

    Parameters
    ----------
    key : AccessKey
        Of the broker.
    url : str
        Under which others reach it.
    """

    def __init__(self, key: AccessKey, url: str) -> None:
        self._key, self._issuer = key, issuer_of(url)
        self._kid = key.kid

    @property
    def jwks(self) -> dict[str, Any]:
        """The keys that the tokens are signed with."""
        return self._key.jwks

    def issue(self, caller: Caller, *, now: datetime) -> str:
        """An access token for somebody who came with an API token.

        Raises
        ------
        AuthError
            They came with something else.
        """
        if caller.how is not How.TOKEN or caller.token_id is None:
            raise AuthError("an access token is given for an API token only")
        expires_at = min(now + LASTS, caller.expires_at)
        scopes = sorted(scope.value for scope in caller.scopes & SCOPES)
        return self._sign(
            _ACCESS, caller, now, expires_at, scope=scopes, context={"user": {"name": caller.party.id}}
        )

    def is_ours(self, text: str) -> bool:
        """Whether a text claims to be signed by this broker."""
        try:
            return len(text) <= _MOST_CHARACTERS and jwt.get_unverified_header(text).get("kid") == self._kid
        except (jwt.PyJWTError, ValueError, RecursionError):
            return False

    def authenticate(self, session: Session, text: str, *, now: datetime) -> Caller:
        """Who comes with an access token.

        Raises
        ------
        AuthError
            It is not one of ours, or has expired, or the API token it was given for is not valid any more.
        """
        return _caller(session, self._read(text, _ACCESS, now), now)

    def ticket(self, caller: Caller, object_id: str, *, now: datetime) -> str:
        """A text that lets whoever has it fetch one file for some minutes, as the caller may."""
        return self._sign(_TICKET, caller, now, now + TICKET_LASTS, object=object_id)

    def party_with_ticket(self, session: Session, text: str, object_id: str, *, now: datetime) -> Party:
        """Who asked for a ticket for a file.

        Raises
        ------
        AuthError
            It is none, for another file, or has expired; or the caller would not be known any more.
        """
        claims = self._read(text, _TICKET, now)
        if claims.get("object") != object_id:
            raise AuthError
        if claims.get("pprl_token") is not None:
            return _caller(session, claims, now).party
        party = session.scalars(select(Party).where(Party.id == claims["sub"])).first()
        if party is None or party.disabled_at is not None:
            raise AuthError
        return party

    def _sign(self, purpose: str, caller: Caller, now: datetime, expires_at: datetime, **more: object) -> str:
        claims = {
            "pur": purpose,
            "iss": self._issuer,
            "aud": [self._issuer, "gen3"],
            "sub": caller.party.id,
            "azp": "",
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": str(uuid.uuid4()),
            "pprl_token": caller.token_id,
            **more,
        }
        return jwt.encode(claims, self._key.secret, _ALGORITHM, headers={"kid": self._kid})

    def _read(self, text: str, purpose: str, now: datetime) -> dict[str, Any]:
        if len(text) > _MOST_CHARACTERS:
            raise AuthError
        try:
            claims = jwt.decode(
                text,
                self._key.secret.public_key(),
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._issuer,
                options=_OPTIONS,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise AuthError from None
        # Signed by us: these are of the types that we write.
        if claims.get("pur") != purpose or now.timestamp() >= claims["exp"]:
            raise AuthError
        return claims


def _caller(session: Session, claims: dict[str, Any], now: datetime) -> Caller:
    """Who came with the API token that an access token or a ticket was given for, and still may."""
    caller = resume(session, claims["pprl_token"], now=now)
    if caller.party.id != claims["sub"]:
        raise AuthError
    return replace(
        caller,
        scopes=caller.scopes & SCOPES,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        use_is_due=False,
    )


def issuer_of(url: str) -> str:
    """What the broker is called in tokens; clients take scheme, host and port of it."""
    return f"{url.rstrip('/')}/user"


def api_key(token: str, *, url: str, token_id: str, now: datetime, expires_at: datetime) -> dict[str, str]:
    """The file that the ``gen3`` client wants, for an API token.

    Parameters
    ----------
    token : str
        The text of an API token.
    url : str
        Under which the client reaches the broker.
    token_id : str
        The token's id.
    now, expires_at : datetime
        From when to when it is valid.
    """
    claims = {
        "pur": _API_KEY,
        "iss": issuer_of(url),
        "aud": ["gen3"],
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": token_id,
        "pprl": token,
    }
    # Nothing is to be proven by a signature: who has the token in it can sign.
    return {"api_key": jwt.encode(claims, "", "none"), "key_id": token_id}


def token_in(key: str) -> str:
    """The API token in an API key; the token itself is taken for one as well.

    Raises
    ------
    AuthError
    """
    if is_well_formed(key):
        return key
    if len(key) > _MOST_CHARACTERS:
        raise AuthError
    try:
        token = jwt.decode(key, options={"verify_signature": False}).get("pprl")
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise AuthError from None
    if not isinstance(token, str) or not is_well_formed(token):
        raise AuthError
    return token


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
