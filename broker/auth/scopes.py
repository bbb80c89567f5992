"""What a token may be used for. Scopes only narrow: what a party may not do, no scope of its tokens lets it do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from broker.governance import RULES, Act, Relation
from broker.store.tables import PartyKind
from pprl.errors import GovernanceError


class Scope(StrEnum):
    """What a token may be used for; also the *method* that policies are asked about."""

    READ = "read"
    """See what there is and how it stands; no results of linkage."""
    SUBMIT = "submit"
    """Make datasets and deliver them."""
    WITHDRAW = "withdraw"
    """Take records back."""
    FETCH = "fetch"
    """Get what linkage has found: releases and counts."""
    GOVERN = "govern"
    """Decide about a project or a dataset: members, permissions, runs, releases, jobs, the end of a dataset."""
    ADMINISTER = "administer"
    """Make and disable parties, found and close projects."""
    ACCOUNT = "account"
    """Change a party's keys, make and revoke its tokens: so it is worth as much as all others together."""
    METADATA = "metadata"
    """Write records of the metadata service, as Gen3 clients do."""
    METRICS = "metrics"
    """Read the service's metrics."""


SCOPE_OF = {
    Act.LIST_PARTIES: Scope.READ,
    Act.CREATE_PARTY: Scope.ADMINISTER,
    Act.CREATE_PROJECT: Scope.ADMINISTER,
    Act.READ_JOURNAL: Scope.READ,
    Act.SEE_PARTY: Scope.READ,
    Act.DISABLE_PARTY: Scope.ADMINISTER,
    Act.SET_KEYS: Scope.ACCOUNT,
    Act.MANAGE_TOKENS: Scope.ACCOUNT,
    Act.SEE_PROJECT: Scope.READ,
    Act.CHANGE_PROJECT: Scope.ADMINISTER,
    Act.MANAGE_MEMBERS: Scope.GOVERN,
    Act.CREATE_DATASET: Scope.SUBMIT,
    Act.APPROVE_PERMISSION: Scope.GOVERN,
    Act.START_RUN: Scope.GOVERN,
    Act.MAKE_RELEASE: Scope.GOVERN,
    Act.READ_PROJECT_JOURNAL: Scope.READ,
    Act.SEE_DATASET: Scope.READ,
    Act.SEE_QUALITY: Scope.READ,
    Act.SUBMIT: Scope.SUBMIT,
    Act.WITHDRAW: Scope.WITHDRAW,
    Act.RETIRE_DATASET: Scope.GOVERN,
    Act.SEE_DELIVERY: Scope.READ,
    Act.UPLOAD: Scope.SUBMIT,
    Act.SEE_WITHDRAWAL: Scope.READ,
    Act.SEE_PERMISSION: Scope.READ,
    Act.REVOKE_PERMISSION: Scope.GOVERN,
    Act.SEE_COUNT: Scope.FETCH,
    Act.SEE_RUN: Scope.READ,
    Act.SEE_JOB: Scope.READ,
    Act.CANCEL_JOB: Scope.GOVERN,
    Act.SEE_RELEASE: Scope.READ,
    Act.FETCH_RELEASE: Scope.FETCH,
    Act.ACKNOWLEDGE_RELEASE: Scope.FETCH,
}
"""The scope that each act takes."""

_REACHABLE = {
    PartyKind.SITE: {
        Relation.STEWARD,
        Relation.CONTRIBUTOR,
        Relation.OWNER,
        Relation.ADDRESSEE,
        Relation.SELF,
    },
    PartyKind.RESEARCHER: {Relation.STEWARD, Relation.RECIPIENT, Relation.ADDRESSEE, Relation.SELF},
    PartyKind.OPERATOR: {Relation.OPERATOR, Relation.SELF},
}
_ARTICLED = {
    PartyKind.SITE: "a site",
    PartyKind.RESEARCHER: "a researcher",
    PartyKind.OPERATOR: "an operator",
}
_BESIDES_ACTS = {
    PartyKind.SITE: {Scope.METADATA},
    PartyKind.RESEARCHER: {Scope.METADATA},
    PartyKind.OPERATOR: {Scope.METADATA, Scope.METRICS},
}


def _useful(kind: PartyKind) -> frozenset[Scope]:
    acts = {
        SCOPE_OF[act]
        for act, rule in RULES.items()
        if any(wanted <= _REACHABLE[kind] for wanted in rule.allowed)
    }
    return frozenset(acts | _BESIDES_ACTS[kind])


USEFUL = {kind: _useful(kind) for kind in PartyKind}
"""The scopes that a party of a kind can come to use."""

DEFAULT = {
    PartyKind.SITE: frozenset({Scope.READ, Scope.SUBMIT, Scope.WITHDRAW, Scope.FETCH}),
    PartyKind.RESEARCHER: frozenset({Scope.READ, Scope.FETCH}),
    PartyKind.OPERATOR: USEFUL[PartyKind.OPERATOR],
}
"""The scopes of a token where none are named."""

OF_LOGINS = {kind: scopes - {Scope.ACCOUNT} for kind, scopes in USEFUL.items()}
"""The scopes of whoever comes with a login: not to make tokens, as a stolen login must not outlive its hour."""


def read_scopes(names: Iterable[str], kind: PartyKind) -> frozenset[Scope]:
    """The scopes that a person names for a party of a kind.

    Raises
    ------
    GovernanceError
        There is no such scope, the kind has no use for it, or none is named.
    """
    found = set()
    for name in names:
        try:
            scope = Scope(name)
        except ValueError:
            raise GovernanceError(f"there is no scope {name!r}; there are {', '.join(Scope)}") from None
        if scope not in USEFUL[kind]:
            raise GovernanceError(
                f"the scope {scope.value} is of no use to a party that is {_ARTICLED[kind]}"
            )
        found.add(scope)
    if not found:
        raise GovernanceError("a token needs a scope at least")
    return frozenset(found)
