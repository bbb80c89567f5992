"""Who asks, and what for: what routes take as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import BackgroundTasks, Depends, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from sqlalchemy.orm import Session

from broker.auth import Caller, note_use
from broker.governance import Act, Decision, Subject, may
from broker.service.context import Broker
from broker.store.tables import Dataset, Job, Party, Project
from broker.work import Kind, enqueue
from pprl.errors import AuthError

SubjectT = TypeVar("SubjectT", bound=Subject)

_bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="An API token of the broker's, or a login's JWT."
)


def broker_of(request: Request) -> Broker:
    """The broker that serves a request."""
    broker: Broker = request.app.state.broker
    return broker


BrokerDep = Annotated[Broker, Depends(broker_of)]


def optional_caller(
    request: Request,
    broker: BrokerDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    afterwards: BackgroundTasks,
) -> Caller | None:
    """Who asks; None where nobody says so.

    Raises
    ------
    AuthError
        What was said is not true.
    """
    if credentials is None:
        if request.headers.get("Authorization"):
            raise AuthError("the header Authorization must be: Bearer TOKEN")
        return None
    return authenticated(request, broker, credentials.credentials, afterwards)


def authenticated(request: Request, broker: Broker, text: str, afterwards: BackgroundTasks) -> Caller:
    """Who comes with a text; written down after the answer, and into its log line.

    Raises
    ------
    AuthError
        Nobody who is known.
    """
    now = broker.clock()
    with broker.store.read() as session:
        caller = broker.authenticator.authenticate(session, text, now=now)
    afterwards.add_task(note_use, broker.store, caller, now=now)
    request.state.party = caller.party.id
    return caller


OptionalCallerDep = Annotated[Caller | None, Depends(optional_caller)]


def caller_of(caller: OptionalCallerDep) -> Caller:
    """Who asks.

    Raises
    ------
    AuthError
        Nobody says so.
    """
    if caller is None:
        raise AuthError("say who you are: Authorization: Bearer TOKEN")
    return caller


CallerDep = Annotated[Caller, Depends(caller_of)]


@dataclass(frozen=True, slots=True)
class Asking:
    """A caller at a broker: every route asks here before it acts.

    Attributes
    ----------
    broker : Broker
    caller : Caller
    """

    broker: Broker
    caller: Caller

    @property
    def party(self) -> Party:
        """Who asks."""
        return self.caller.party

    @property
    def now(self) -> datetime:
        """By the store's clock."""
        return self.broker.clock()

    def require(self, session: Session, act: Act, subject: Subject | None = None) -> None:
        """Raise where the caller may not, by its token or by the rules.

        Raises
        ------
        DeniedError, NotFoundError
        """
        self.broker.authenticator.require(session, self.caller, act, subject, now=self.now)

    def enqueue(
        self,
        session: Session,
        kind: Kind,
        arguments: Mapping[str, Any],
        *,
        project: Project | None = None,
        dataset: Dataset | None = None,
    ) -> Job:
        """Ask for long work in the caller's name; that it may is asked before."""
        return enqueue(
            session,
            kind,
            by=self.party,
            arguments=arguments,
            project=project,
            dataset=dataset,
            now=self.now,
            random_bytes=self.broker.random_bytes,
        )

    def sees(self, session: Session, act: Act) -> Callable[[Subject], bool]:
        """For listings: tells of each subject whether the caller may do an act to it.

        Raises
        ------
        DeniedError
            It may do the act to none, as its token is not for it.
        """
        self.caller.check_act(act)
        return lambda subject: may(session, self.party, act, subject, now=self.now) is Decision.ALLOWED

    def find(self, session: Session, act: Act, kind: type[SubjectT], public_id: str) -> SubjectT:
        """What the caller names, if it may do something to it.

        Raises
        ------
        DeniedError, NotFoundError
        """
        return self.broker.authenticator.find(session, self.caller, act, kind, public_id, now=self.now)


def asking(broker: BrokerDep, caller: CallerDep) -> Asking:
    """The caller at this broker."""
    return Asking(broker, caller)


AskingDep = Annotated[Asking, Depends(asking)]
