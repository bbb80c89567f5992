"""JWTs of login services: Fence's access tokens, and those of OpenID Connect.

Signatures are checked by PyJWT, with keys of the issuer alone and by RS256 alone, whatever a token says of itself.
The times in it are checked here, as the time is an argument.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from broker.auth.addresses import Fetch, HttpFetch
from broker.auth.caller import Login
from broker.auth.identities import is_subject
from broker.auth.keys import Issuer, KeyRing
from pprl.errors import AuthError

LEEWAY = timedelta(seconds=30)
"""How far clocks may be apart."""

LONGEST = timedelta(days=1)
"""A token that is valid for longer is none that somebody logs in with."""

_MOST_CHARACTERS = 16 * 1024
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ALGORITHM = "RS256"
_PYJWT: Any = {
    "require": ["iss", "sub", "aud", "exp", "iat"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_jti": False,
}


class LoginVerifier:
    """Verifies the JWTs of login services.

    Parameters
    ----------
    issuers : iterable of Issuer
        Who is trusted; nobody else is asked for keys, whatever a token says.
    fetch : Fetch, optional
        Asks them; over the network by default.
    """

    def __init__(self, issuers: Iterable[Issuer], *, fetch: Fetch | None = None) -> None:
        fetch = HttpFetch() if fetch is None else fetch
        self._issuers = {one.url: (one, KeyRing(one, fetch=fetch)) for one in issuers}

    def verify(self, text: str, *, now: datetime) -> Login:
        """What a login service says of somebody.

        Parameters
        ----------
        text : str
            A JWT, or whatever was given for one.
        now : datetime
            With time zone.

        Raises
        ------
        AuthError
            It is malformed, of an issuer that is not trusted, not signed by it, not for us, expired or not yet valid;
            or the issuer's keys cannot be fetched. Nothing tells which.
        """
        if len(text) > _MOST_CHARACTERS or not _FORM.fullmatch(text):
            raise AuthError
        try:
            return self._verify(text, now)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise AuthError from None

    def _verify(self, text: str, now: datetime) -> Login:
        header = jwt.get_unverified_header(text)
        kid = header.get("kid")
        if header.get("alg") != _ALGORITHM or "crit" in header or not isinstance(kid, str):
            raise AuthError
        issuer, keys = self._issuer_of(text)
        key = keys.find(kid, now=now)
        if key is None:
            raise AuthError
        claims = jwt.decode(
            text, key, algorithms=[_ALGORITHM], audience=issuer.audience, issuer=issuer.url, options=_PYJWT
        )
        if issuer.is_fence and claims.get("pur") != "access":
            raise AuthError  # Fence signs refresh tokens and API keys with the same keys
        subject, client = claims["sub"], claims.get("azp")
        if not is_subject(subject) or not (client is None or isinstance(client, str)):
            raise AuthError
        return Login(
            issuer=issuer.url,
            subject=subject,
            name=_user_name(claims, subject) if issuer.is_fence else subject,
            client=client or None,
            expires_at=_expiry(claims, now),
            text=text,
        )

    def _issuer_of(self, text: str) -> tuple[Issuer, KeyRing]:
        """Whom a token claims to be of; the signature has still to show it."""
        claimed = jwt.decode(text, options={"verify_signature": False}).get("iss")
        found = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if found is None:
            raise AuthError
        return found


def _expiry(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Until when a token is valid; `AuthError` where it is not."""
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    expires, issued = _seconds(claims["exp"]), _seconds(claims["iat"])
    begins = _seconds(claims.get("nbf", issued))
    if not (max(issued, begins) <= at + leeway and at < expires + leeway):
        raise AuthError
    if expires - at > LONGEST.total_seconds():
        raise AuthError
    return datetime.fromtimestamp(expires, UTC)


def _seconds(value: object) -> float:
    """A time of RFC 7519: seconds, also with a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AuthError
    return float(value)


def _user_name(claims: Mapping[str, Any], subject: str) -> str:
    context = claims.get("context")
    user = context.get("user") if isinstance(context, dict) else None
    name = user.get("name") if isinstance(user, dict) else None
    return name if isinstance(name, str) and is_subject(name) else subject
