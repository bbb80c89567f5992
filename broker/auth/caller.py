"""Who asks, once it is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from broker.auth.scopes import SCOPE_OF, Scope
from broker.governance import Act
from broker.store.tables import Party
from pprl.errors import DeniedError


class How(StrEnum):
    """By what a caller is known."""

    TOKEN = "token"  # noqa: S105 (no password)
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Login:
    """What a login service says of somebody, verified.

    Attributes
    ----------
    issuer, subject : str
        Which service, and whom it means.
    name : str
        What policies know them by: Fence's user name; where there is none, the subject.
    client : str or None
        The program they have logged in by (``azp``).
    expires_at : datetime
    text : str
        The JWT, for Arborist; never shown by ``repr``.
    """

    issuer: str
    subject: str
    name: str
    client: str | None
    expires_at: datetime
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for at most.

    Attributes
    ----------
    party : Party
        A row of the session that it was found in.
    scopes : frozenset of Scope
        What it may ask for, as far as the party may.
    how : How
    token_id : str or None
        Of the API token, where it came with one.
    expires_at : datetime
        When the token or login ends.
    login : Login or None
        Where it came with one.
    use_is_due : bool
        Whether `broker.auth.note_use` has something to write down.
    """

    party: Party
    scopes: frozenset[Scope]
    how: How
    token_id: str | None
    expires_at: datetime
    login: Login | None = None
    use_is_due: bool = False

    def check_scope(self, scope: Scope) -> None:
        """Refuse what the token or login is not for.

        Raises
        ------
        DeniedError
        """
        if scope not in self.scopes:
            raise DeniedError(
                f"your {self.how.value} does not have the scope {scope.value}, which this takes"
            )

    def check_act(self, act: Act) -> None:
        """Refuse an act that the token or login is not for; that the party may do it is not said.

        Raises
        ------
        DeniedError
        """
        self.check_scope(SCOPE_OF[act])

    def check_can_give(self, party: Party, scopes: Iterable[Scope]) -> None:
        """Refuse a token that would let the party do more than the one it comes with.

        Raises
        ------
        DeniedError
            It is for the party itself, and has scopes that the caller does not have.
        """
        if party.key == self.party.key and (more := frozenset(scopes) - self.scopes):
            raise DeniedError(
                f"you do not have the scope {min(more).value} yourself, and cannot give it away"
            )
