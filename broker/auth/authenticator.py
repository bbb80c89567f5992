"""From the text that somebody comes with to what they may do: the two questions of every route.

`authenticate` tells who asks. `require` tells whether they may, and all must agree: the scopes of the token or login,
the rules of `broker.governance`, and, where somebody has logged in and there is a policy, the policy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from broker import governance
from broker.auth import identities, tokens
from broker.auth.access import AccessTokens
from broker.auth.caller import Caller, How, Login
from broker.auth.policy import EVERYTHING, Policy, resource_of
from broker.auth.scopes import OF_LOGINS, SCOPE_OF, Scope
from broker.governance import Act, Subject
from broker.store.tables import Project
from pprl.errors import AuthError, DeniedError

SubjectT = TypeVar("SubjectT", bound=Subject)


class Logins(Protocol):
    """Verifies the JWTs of login services; see `broker.auth.LoginVerifier`."""

    def verify(self, text: str, *, now: datetime) -> Login:
        """What a login service says of somebody; `AuthError` where none does that is trusted."""


class Authenticator:
    """Tells callers apart, and what they may do.

    Parameters
    ----------
    logins : Logins, optional
        Without it callers come with tokens only.
    policy : Policy, optional
        What callers with a login must be allowed by as well; nobody else is asked about.
    access : AccessTokens, optional
        Gives and takes access tokens of the broker's own, for Gen3 clients.
    """

    def __init__(
        self,
        *,
        logins: Logins | None = None,
        policy: Policy | None = None,
        access: AccessTokens | None = None,
    ) -> None:
        self._logins, self._policy, self.access = logins, policy, access

    def authenticate(self, session: Session, text: str, *, now: datetime) -> Caller:
        """Who comes with a text.

        Parameters
        ----------
        session : Session
            Of the store; nothing is written. For a login, keys may have to be fetched meanwhile, so let it be one of
            `broker.store.Store.read`.
        text : str
            What followed ``Bearer``.
        now : datetime
            With time zone.

        Raises
        ------
        AuthError
            Whatever is wrong with it.
        """
        if text.startswith(tokens.PREFIX):
            return tokens.authenticate(session, text, now=now)
        if self.access is not None and self.access.is_ours(text):
            return self.access.authenticate(session, text, now=now)
        if self._logins is None:
            raise AuthError
        login = self._logins.verify(text, now=now)
        party = identities.party_of(session, issuer=login.issuer, subject=login.subject)
        return Caller(
            party=party,
            scopes=OF_LOGINS[party.kind],
            how=How.LOGIN,
            token_id=None,
            expires_at=login.expires_at,
            login=login,
        )

    def require(
        self, session: Session, caller: Caller, act: Act, subject: Subject | None = None, *, now: datetime
    ) -> None:
        """Raise where a caller may not do something.

        A policy may have to ask over the network. It keeps an answer for a while, so ask it in a reading transaction
        before one that writes.

        Raises
        ------
        DeniedError
            The party knows of the subject, and it or its token may not do this.
        NotFoundError
            For this party there is no such subject.
        """
        caller.check_act(act)
        governance.require(session, caller.party, act, subject, now=now)
        self._check_policy(caller, SCOPE_OF[act], resource_of(session, subject))

    def find(
        self,
        session: Session,
        caller: Caller,
        act: Act,
        kind: type[SubjectT],
        public_id: str,
        *,
        now: datetime,
    ) -> SubjectT:
        """The subject that a caller names, if it may do something to it; as `broker.governance.find`.

        Raises
        ------
        DeniedError, NotFoundError
        """
        caller.check_act(act)
        found = governance.find(session, caller.party, act, kind, public_id, now=now)
        self._check_policy(caller, SCOPE_OF[act], resource_of(session, found))
        return found

    def require_scope(self, caller: Caller, scope: Scope, *, resource: str = EVERYTHING) -> None:
        """As `require`, for what is no act of governance: metrics, the metadata service.

        Raises
        ------
        DeniedError
        """
        caller.check_scope(scope)
        self._check_policy(caller, scope, resource)

    def visible_projects(self, session: Session, caller: Caller, *, now: datetime) -> list[Project]:
        """The projects that a caller may see, by name."""
        caller.check_act(Act.SEE_PROJECT)
        projects = governance.visible_projects(session, caller.party, now=now)
        return [one for one in projects if self._allows(caller, Scope.READ, resource_of(session, one))]

    def _check_policy(self, caller: Caller, scope: Scope, resource: str) -> None:
        if not self._allows(caller, scope, resource):
            raise DeniedError(f"no policy allows your login the method {scope.value} here")

    def _allows(self, caller: Caller, scope: Scope, resource: str) -> bool:
        if caller.login is None or self._policy is None:
            return True
        return self._policy.allows(caller.login, resource, scope.value)
