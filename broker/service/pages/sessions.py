"""Who has signed in at the console: random ids in a cookie, and what they stand for in this process' memory.

A session holds the id of the token that somebody came with, never the token. So nothing that a browser keeps is worth
more than the session, which ends with the process, after `LASTS`, with the token, and when somebody signs out.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.auth import Caller
from pprl.errors import AuthError
from pprl.guid import RandomBytes

LASTS = timedelta(hours=8)
MOST_OF_A_TOKEN = 10
"""More than that, and the oldest one ends."""

_ID_BYTES = 32


@dataclass(slots=True)
class ConsoleSession:
    """Somebody who has signed in.

    Attributes
    ----------
    token_id : str
        Of the token they came with.
    form_key : str
        What every form of theirs must bring back.
    ends_at : datetime
    notice : str or None
        What the next page is to say, once.
    """

    token_id: str
    form_key: str
    ends_at: datetime
    notice: str | None = None

    def take_notice(self) -> str | None:
        """What is to be said now, and not again."""
        notice, self.notice = self.notice, None
        return notice


class Sessions:
    """All sessions of a service.

    Parameters
    ----------
    random_bytes : callable
        Source of their ids.
    """

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._by_digest: dict[str, ConsoleSession] = {}

    def begin(self, caller: Caller, *, now: datetime) -> tuple[str, ConsoleSession]:
        """Let somebody in who came with a token.

        Returns
        -------
        str
            For the cookie.
        ConsoleSession

        Raises
        ------
        AuthError
            They came with something else.
        """
        if caller.token_id is None:
            raise AuthError("the console takes API tokens alone")
        text = self._random_bytes(_ID_BYTES).hex()
        session = ConsoleSession(
            token_id=caller.token_id,
            form_key=self._random_bytes(_ID_BYTES).hex(),
            ends_at=min(now + LASTS, caller.expires_at),
        )
        with self._lock:
            self._forget_past(now)
            theirs = [d for d, one in self._by_digest.items() if one.token_id == caller.token_id]
            for digest in theirs[: max(len(theirs) - MOST_OF_A_TOKEN + 1, 0)]:
                del self._by_digest[digest]
            self._by_digest[_digest(text)] = session
        return text, session

    def find(self, text: str, *, now: datetime) -> ConsoleSession:
        """The session of a cookie.

        Raises
        ------
        AuthError
            There is none, or it has ended.
        """
        session = self._by_digest.get(_digest(text))
        if session is None or session.ends_at <= now:
            raise AuthError("your session is over; sign in again")
        return session

    def end(self, text: str) -> None:
        """Sign somebody out."""
        with self._lock:
            self._by_digest.pop(_digest(text), None)

    def _forget_past(self, now: datetime) -> None:
        for digest in [d for d, one in self._by_digest.items() if one.ends_at <= now]:
            del self._by_digest[digest]


def _digest(text: str) -> str:
    # Looked up by digest: how long that takes tells nothing of the ids there are.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
