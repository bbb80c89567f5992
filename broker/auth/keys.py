"""The login services that are trusted, and the keys that they sign with: fetched from them alone, kept, seldom asked.

Fence publishes its keys twice: as a JWK set (RFC 7517), and as a list ``[[kid, PEM], ...]``. Both are read.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict

from broker.auth.addresses import Fetch, check_address
from broker.auth.files import read_settings
from pprl.errors import PprlError

LIFETIME = timedelta(hours=1)
"""Keys that were fetched longer ago are not trusted; so one that was withdrawn counts for an hour at most."""

PAUSE = timedelta(minutes=1)
"""Between two attempts to fetch an issuer's keys, however many strange tokens come."""

_PATHS = ("/.well-known/jwks", "/jwt/keys")  # Fence has both, older ones the second alone
_BITS = range(2048, 8192 + 1)
_MOST_KEYS = 100
_MOST_KID_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Issuer:
    """A login service that is trusted.

    Attributes
    ----------
    url : str
        Exactly as in its claim ``iss``: ``https://data.example.org/user``.
    audience : str
        What its tokens must be meant for: one of their ``aud``.
    keys_url : str or None
        Where its keys are. None: below its own URL, where Fence has them.
    is_fence : bool
        Whether it is a Fence: then only its access tokens count (``pur``), and people are known to policies by their
        user names.

    Raises
    ------
    GovernanceError
        A URL is none, or without https.
    """

    url: str
    audience: str
    keys_url: str | None = None
    is_fence: bool = True

    def __post_init__(self) -> None:
        check_address(self.url, what="an issuer")
        if self.keys_url is not None:
            check_address(self.keys_url, what="where keys are")
        if not self.audience:
            raise PprlError("an issuer needs the audience that its tokens are meant for")

    @property
    def key_urls(self) -> tuple[str, ...]:
        """Where its keys may be, to be tried in turn."""
        if self.keys_url is not None:
            return (self.keys_url,)
        return tuple(self.url.rstrip("/") + path for path in _PATHS)


class _IssuerTable(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    url: str
    audience: str
    keys_url: str | None = None
    is_fence: bool = True


class _IssuersFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    issuer: list[_IssuerTable]


def read_issuers(path: str | Path) -> list[Issuer]:
    """Read the issuers of a file: ``[[issuer]]`` with ``url``, ``audience``, ``keys_url`` and ``is_fence``.

    Raises
    ------
    PprlError
        It is missing or malformed, or names an issuer twice.
    """
    found = read_settings(path, _IssuersFile).issuer
    try:
        issuers = [Issuer(**one.model_dump()) for one in found]
    except PprlError as error:
        raise PprlError(f"{path}: {error}") from None
    if len({one.url for one in issuers}) < len(issuers):
        raise PprlError(f"{path}: names an issuer twice")
    return issuers


class KeyRing:
    """An issuer's keys, as it published them last; several threads may ask.

    Parameters
    ----------
    issuer : Issuer
        Whose.
    fetch : Fetch
        Asks it.
    """

    def __init__(self, issuer: Issuer, *, fetch: Fetch) -> None:
        self._issuer, self._fetch = issuer, fetch
        self._held: tuple[Mapping[str, RSAPublicKey], datetime] | None = None
        self._tried_at: datetime | None = None
        self._asking = threading.Lock()

    def find(self, kid: str, *, now: datetime) -> RSAPublicKey | None:
        """The key of an id; None where the issuer has none, or cannot be asked."""
        key = self._fresh(now).get(kid)
        if key is not None:
            return key
        with self._asking:
            key = self._fresh(now).get(kid)  # somebody else may have asked meanwhile
            if key is None and not _is_recent(self._tried_at, now, PAUSE):
                self._tried_at = now
                found = self._ask()
                if found:
                    self._held = found, now
                key = self._fresh(now).get(kid)
        return key

    def _fresh(self, now: datetime) -> Mapping[str, RSAPublicKey]:
        held = self._held
        return held[0] if held is not None and _is_recent(held[1], now, LIFETIME) else {}

    def _ask(self) -> dict[str, RSAPublicKey]:
        for url in self._issuer.key_urls:
            try:
                found = read_keys(self._fetch(url))
            except (OSError, ValueError, PprlError):
                continue
            if found:
                return found
        return {}


def read_keys(raw: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys for signatures that a document holds, by their ids; others are left out.

    Parameters
    ----------
    raw : bytes
        JSON: a JWK set, or Fence's pairs of id and PEM.

    Raises
    ------
    ValueError
        It is neither.
    """
    try:
        document = json.loads(raw)
    except RecursionError:
        raise ValueError("nested too deep") from None
    found: dict[str, RSAPublicKey] = {}
    for kid, key in _entries(document):
        if not isinstance(kid, str) or not 0 < len(kid) <= _MOST_KID_CHARACTERS:
            continue
        if isinstance(key, RSAPublicKey) and key.key_size in _BITS:
            found.setdefault(kid, key)
    return found


def _entries(document: object) -> Iterator[tuple[object, object]]:
    if isinstance(document, dict) and isinstance(document.get("keys"), list):
        for entry in document["keys"][:_MOST_KEYS]:
            if isinstance(entry, dict):
                yield entry.get("kid"), _of_jwk(entry)
    elif isinstance(document, list):
        for entry in document[:_MOST_KEYS]:
            if isinstance(entry, list) and len(entry) == 2:
                yield entry[0], _of_pem(entry[1])
    else:
        raise ValueError("neither a JWK set nor pairs of id and PEM")


def _of_jwk(entry: dict[str, object]) -> object:
    if entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
        return None
    try:
        # The public numbers alone: a private key that somebody published by mistake is read as its public half.
        return RSAAlgorithm.from_jwk({name: entry[name] for name in ("kty", "n", "e")})
    except (jwt.PyJWTError, LookupError, ValueError, TypeError):
        return None


def _of_pem(text: object) -> object:
    try:
        return load_pem_public_key(text.encode("ascii")) if isinstance(text, str) else None
    except (ValueError, UnsupportedAlgorithm):
        return None


def _is_recent(then: datetime | None, now: datetime, span: timedelta) -> bool:
    """Also not where the clock was set back: such a time says nothing."""
    return then is not None and timedelta() <= now - then < span
