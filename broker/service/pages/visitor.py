"""Somebody who has signed in, and what they may do: pages ask the same questions as the API, and get its answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import BackgroundTasks, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.orm import Session

from broker.auth import Scope, note_use, resume
from broker.governance import Act, Subject
from broker.service.dependencies import Asking, BrokerDep
from broker.service.idempotency import Once
from broker.service.pages.attempts import Attempts
from broker.service.pages.forms import FieldsDep
from broker.service.pages.sessions import ConsoleSession, Sessions
from broker.service.problems import Refusal
from broker.store.tables import PartyKind
from pprl.errors import AuthError, DeniedError, NotFoundError

SubjectT = TypeVar("SubjectT", bound=Subject)
T = TypeVar("T")

ROOT = "/console"


@dataclass(frozen=True)
class Console:
    """What the console remembers while the service runs.

    Attributes
    ----------
    sessions : Sessions
    attempts : Attempts
    cookie : str
        Its name.
    is_secure : bool
        Whether the service is reached by https alone.
    """

    sessions: Sessions
    attempts: Attempts
    cookie: str
    is_secure: bool


def console_of(request: Request) -> Console:
    """The console of the service."""
    console: Console = request.app.state.console
    return console


ConsoleDep = Annotated[Console, Depends(console_of)]


@dataclass(frozen=True)
class Visitor:
    """Somebody who has signed in.

    Attributes
    ----------
    asking : Asking
        As every route of the API has it.
    session : ConsoleSession
    """

    asking: Asking
    session: ConsoleSession

    @property
    def name(self) -> str:
        """Of the party."""
        return self.asking.party.name

    @property
    def id(self) -> str:
        """Of the party."""
        return self.asking.party.id

    @property
    def kind(self) -> str:
        """Of the party."""
        return self.asking.party.kind.value

    @property
    def is_operator(self) -> bool:
        """For what a page offers; what it does is asked of `Asking`."""
        return self.asking.party.kind is PartyKind.OPERATOR

    @cached_property
    def scopes(self) -> list[str]:
        """Of the token, sorted."""
        return sorted(scope.value for scope in self.asking.caller.scopes)

    def has(self, scope: str) -> bool:
        """Whether the token has a scope."""
        return Scope(scope) in self.asking.caller.scopes

    def sees(self, ask: Callable[[], T]) -> T | None:
        """An answer, or None where the API would refuse it."""
        try:
            return ask()
        except (DeniedError, NotFoundError):
            return None

    def check(self, act: Act, kind: type[SubjectT] | None = None, public_id: str = "") -> None:
        """Refuse a page for what the API would refuse.

        Raises
        ------
        DeniedError, NotFoundError
        """
        with self.asking.broker.store.read() as session:
            if kind is None:
                self.asking.require(session, act)
            else:
                self.asking.find(session, act, kind, public_id)

    def can(self, act: Act, kind: type[SubjectT] | None = None, public_id: str = "") -> bool:
        """Whether a button is offered."""
        try:
            self.check(act, kind, public_id)
        except (DeniedError, NotFoundError):
            return False
        return True

    def seen(self, session: Session, act: Act, rows: Iterable[SubjectT], most: int) -> list[SubjectT]:
        """The first rows of many that may be seen; no more are looked at than it takes."""
        may_see = self.sees(lambda: self.asking.sees(session, act))
        return [] if may_see is None else list(islice(filter(may_see, rows), most))


def visitor_of(
    request: Request, broker: BrokerDep, console: ConsoleDep, afterwards: BackgroundTasks
) -> Visitor:
    """Who has signed in.

    Raises
    ------
    AuthError
        Nobody has, or their token holds no more.
    """
    cookie = request.cookies.get(console.cookie)
    if cookie is None:
        raise AuthError("sign in first")
    now = broker.clock()
    session = console.sessions.find(cookie, now=now)
    with broker.store.read() as reading:
        caller = resume(reading, session.token_id, now=now)
    afterwards.add_task(note_use, broker.store, caller, now=now)
    request.state.party = caller.party.id
    visitor = Visitor(Asking(broker, caller), session)
    request.state.visitor = visitor
    return visitor


VisitorDep = Annotated[Visitor, Depends(visitor_of)]


def check_same_site(request: Request) -> None:
    """Refuse what another site had the browser send. Older browsers do not tell; for them there are the other checks.

    Raises
    ------
    Refusal
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Refusal(403, "the form was sent by another site; nothing was done")


class Deed:
    """A form that a visitor has sent, and the one way to carry it out: once, however often it is sent.

    Parameters
    ----------
    visitor : Visitor
    fields : Fields
        Without what protects the form.
    once : Once
        As routes of the API take it.
    """

    def __init__(self, visitor: Visitor, fields: FieldsDep, once: Once) -> None:
        self.visitor, self.fields, self.once = visitor, fields, once

    def done(self, where: str, notice: str) -> RedirectResponse:
        """Show the page that tells of it."""
        self.visitor.session.notice = notice
        return RedirectResponse(where, 303)


def deed_of(request: Request, visitor: VisitorDep, fields: FieldsDep) -> Deed:
    """The form that was sent, once it is certain that it is the visitor's own.

    Raises
    ------
    Refusal
        It is not.
    """
    check_same_site(request)
    given = fields.text("form_key").encode("utf-8", "replace")
    if not hmac.compare_digest(given, visitor.session.form_key.encode()):
        raise Refusal(403, "the form is not of this session; go back, load its page again, and send it anew")
    number = fields.text("form_id")[:64]
    content = json.dumps([request.url.path, sorted(fields.items("form_key"))]).encode()
    once = Once(visitor.asking, f"console {number}" if number else None, hashlib.sha256(content).hexdigest())
    return Deed(visitor, fields, once)


DeedDep = Annotated[Deed, Depends(deed_of)]


def answer_of(response: JSONResponse) -> Any:
    """What a route of the API answered."""
    return json.loads(bytes(response.body))
