"""Scopes: every act takes one, and they only narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.auth import DEFAULT, OF_LOGINS, SCOPE_OF, USEFUL, Scope, read_scopes
from broker.governance import RULES, Act, Relation
from broker.store.tables import PartyKind
from pprl.errors import GovernanceError

DOCUMENT = Path(__file__).parents[3] / "docs" / "auth.md"


def test_every_act_takes_a_scope():
    assert set(SCOPE_OF) == set(Act) == set(RULES)
    assert set(Scope) == set(SCOPE_OF.values()) | {Scope.METADATA, Scope.METRICS}


def test_the_documentation_says_which():
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    said = {
        act.strip(): row[1].strip(" `")
        for row in rows
        if len(row) == 5
        for act in row[3].split(";")
        if act.strip()
    }
    assert said == {act.value: scope.value for act, scope in SCOPE_OF.items()}


def test_reading_changes_nothing():
    changing = (
        "create",
        "change",
        "set",
        "manage",
        "make",
        "start",
        "submit",
        "withdraw",
        "retire",
        "revoke",
    )
    for act, scope in SCOPE_OF.items():
        if scope is Scope.READ:
            assert not act.value.startswith(changing), act


def test_what_the_kinds_can_use():
    assert USEFUL[PartyKind.SITE] == set(Scope) - {Scope.ADMINISTER, Scope.METRICS}
    assert USEFUL[PartyKind.RESEARCHER] == {
        Scope.READ, Scope.FETCH, Scope.GOVERN, Scope.ACCOUNT, Scope.METADATA,
    }  # fmt: skip
    # The operator gets no rows, and has none to deliver or to take back.
    assert USEFUL[PartyKind.OPERATOR] == set(Scope) - {Scope.SUBMIT, Scope.WITHDRAW, Scope.FETCH}
    for kind in PartyKind:
        assert DEFAULT[kind] <= USEFUL[kind]
        assert OF_LOGINS[kind] == USEFUL[kind] - {Scope.ACCOUNT}


@pytest.mark.parametrize("kind", [PartyKind.SITE, PartyKind.RESEARCHER])
def test_a_token_of_a_site_or_researcher_makes_no_tokens_unless_somebody_says_so(kind):
    assert Scope.ACCOUNT not in DEFAULT[kind]


def test_the_operators_relations_are_nobody_elses():
    operators = {act for act, rule in RULES.items() if rule.allowed == (frozenset({Relation.OPERATOR}),)}
    assert {SCOPE_OF[act] for act in operators} <= {Scope.ADMINISTER, Scope.READ}


def test_scopes_that_people_name():
    assert read_scopes(["read", "submit", "read"], PartyKind.SITE) == {Scope.READ, Scope.SUBMIT}
    with pytest.raises(GovernanceError, match="no scope 'write'; there are read, submit"):
        read_scopes(["write"], PartyKind.SITE)
    with pytest.raises(GovernanceError, match="the scope fetch is of no use to a party that is an operator"):
        read_scopes(["fetch"], PartyKind.OPERATOR)
    with pytest.raises(GovernanceError, match="at least"):
        read_scopes([], PartyKind.SITE)
