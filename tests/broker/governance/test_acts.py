"""Every act by everybody: what the documentation says, what the table says, and what the store says."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import pytest

from broker.governance import (
    RULES,
    Act,
    Decision,
    Relation,
    close_project,
    decide,
    find,
    may,
    relations_of,
    require,
    visible_projects,
)
from broker.journal import LOCAL
from broker.store.tables import Job, Party, Release
from pprl.errors import DeniedError, NotFoundError

from .world import World

DOCUMENT = Path(__file__).parents[3] / "docs" / "governance.md"
SEE = {
    "party": "see the party",
    "project": "see the project",
    "dataset": "see the dataset",
    "delivery": "see the delivery",
    "upload": "see the delivery",
    "withdrawal": "see the withdrawal",
    "permission": "see the permission",
    "run": "see the run",
    "job": "see the job",
    "release": "see the release",
    "releasefile": "see the release",
}

# a: allowed, d: denied, .: for this party there is no such thing
PEOPLE = (
    *("operator", "steward", "owner", "other", "former", "named", "unnamed", "expired"),
    *("stranger", "steward_elsewhere", "disabled"),
)
MATRIX = """
list parties                    a d d d d d d d d d d
create a party                  a d d d d d d d d d d
create a project                a d d d d d d d d d d
read the journal                a d d d d d d d d d d
see the party                   a . a . . . . . . . .
disable the party               a . d . . . . . . . .
set the party's keys            a . a . . . . . . . .
manage the party's tokens       a . a . . . . . . . .
see the project                 a a a a . a a . . . .
change the project              a d d d . d d . . . .
manage the project's members    a a d d . d d . . . .
create a dataset                d d a a . d d . . . .
approve a permission            a a d d . d d . . . .
start a run                     a a d d . d d . . . .
make a release                  a a d d . d d . . . .
read the project's journal      a a d d . d d . . . .
see the dataset                 a a a a . a a . . . .
see the dataset's quality       a a a d . d d . . . .
submit to the dataset           d d a d . d d . . . .
withdraw records of the dataset d d a d . d d . . . .
retire the dataset              a d a d . d d . . . .
see the delivery                a a a . . . . . . . .
go on with the upload           d d a . . . . . . . .
see the withdrawal              a a a . . . . . . . .
see the permission              a a a a . a . a . . .
revoke the permission           a a a a . d . d . . .
see the count                   d d d d . a . d . . .
see the run                     a a . . . . . . . . .
see the job                     a a a . . . . . . . .
cancel the job                  a a a . . . . . . . .
see the release                 a a . . . a . . . . .
fetch the release               d d . . . a . . . . .
acknowledge the release         d d . . . a . . . . .
"""
LETTERS = {"a": Decision.ALLOWED, "d": Decision.DENIED, ".": Decision.HIDDEN}


def documented():
    """The table of the documentation: act to who may do it, and whether in a closed project."""
    found = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] in set(Act):
            who = [frozenset(one.split(" and ")) for one in cells[2].split("; ")]
            found[cells[0]] = (who, cells[3] == "yes")
    return found


def all_sets(items):
    return chain.from_iterable(combinations(items, n) for n in range(len(items) + 1))


@pytest.mark.parametrize("act", Act)
def test_the_documentation_is_the_table(act):
    """Over all sets of relations, decided once more from the documentation alone."""
    table = documented()
    assert set(table) == {one.value for one in Act}
    who, in_closed = table[act]
    for kind in RULES[act].subjects or (None,):
        for relations in all_sets(list(Relation)):
            held = {relation.value for relation in relations}
            for closed in (False, True):
                expected = Decision.HIDDEN if kind else Decision.DENIED
                if kind and any(one <= held for one in table[SEE[kind.__name__.lower()]][0]):
                    expected = Decision.DENIED
                if any(one <= held for one in who) and (in_closed or not closed):
                    expected = Decision.ALLOWED
                assert decide(act, relations, kind, closed=closed) is expected


def test_everybody_and_every_act(store):
    rows = {line[:32].strip(): line[32:].split() for line in MATRIX.strip().splitlines()}
    assert set(rows) == {act.value for act in Act}
    with store.begin() as session:
        world = World(session, store)
        found = {
            (act, kind, name): may(session, world[name], act, world.subject(kind), now=world.now)
            for act, rule in RULES.items()
            for kind in rule.subjects or (None,)
            for name in PEOPLE
        }
    wrong = {
        (act.value, name): decision.name
        for (act, _, name), decision in found.items()
        if decision is not LETTERS[rows[act.value][PEOPLE.index(name)]]
    }
    assert wrong == {}


def test_a_site_that_left_keeps_its_rights_over_its_dataset(store):
    with store.begin() as session:
        world = World(session, store)
        ask = {"subject": world.former_dataset, "now": world.now}
        assert may(session, world["former"], Act.WITHDRAW, **ask) is Decision.ALLOWED
        assert may(session, world["former"], Act.SEE_DATASET, **ask) is Decision.ALLOWED
        assert may(session, world["former"], Act.SUBMIT, **ask) is Decision.DENIED


def test_a_closed_project(store):
    with store.begin() as session:
        world = World(session, store)
        close_project(session, world.project, by=LOCAL, now=world.now)
        owner, steward, now = world["owner"], world["steward"], world.now
        require(session, owner, Act.WITHDRAW, world.dataset, now=now)
        require(session, owner, Act.REVOKE_PERMISSION, world.permission, now=now)
        with pytest.raises(DeniedError, match="project is closed; nobody can submit"):
            require(session, owner, Act.SUBMIT, world.dataset, now=now)
        with pytest.raises(DeniedError, match="closed"):
            require(session, steward, Act.START_RUN, world.project, now=now)
        with pytest.raises(NotFoundError):
            require(session, world["stranger"], Act.START_RUN, world.project, now=now)


def test_what_is_hidden_is_told_as_what_is_not_there(store):
    with store.begin() as session:
        world = World(session, store)
        with pytest.raises(NotFoundError, match=r"^there is no such file$"):
            require(session, world["stranger"], Act.FETCH_RELEASE, world.file, now=world.now)
        with pytest.raises(DeniedError, match=r"^you may not fetch the release$"):
            require(session, world["operator"], Act.FETCH_RELEASE, world.file, now=world.now)
        require(session, world["named"], Act.FETCH_RELEASE, world.file, now=world.now)


def test_a_subject_is_found_by_those_who_may(store):
    with store.begin() as session:
        world = World(session, store)
        ask = {"kind": Release, "now": world.now}
        for name in ("named", "steward", "operator"):
            assert find(session, world[name], Act.SEE_RELEASE, public_id="release", **ask) is world.release
        with pytest.raises(DeniedError):
            find(session, world["steward"], Act.FETCH_RELEASE, public_id="release", **ask)
        told = set()
        for public_id in ("release", "other"):  # there is one, and there is none
            with pytest.raises(NotFoundError) as caught:
                find(session, world["unnamed"], Act.SEE_RELEASE, public_id=public_id, **ask)
            told.add(str(caught.value))
        assert told == {"there is no such release"}


def test_a_listing_holds_what_may_be_seen(store):
    with store.begin() as session:
        world = World(session, store)
        seen = {
            name: [one.name for one in visible_projects(session, world[name], now=world.now)]
            for name in PEOPLE
        }
    assert seen["operator"] == ["heart", "lung"]
    for name in ("steward", "owner", "other", "named", "unnamed"):
        assert seen[name] == ["heart"]
    assert seen["stranger"] == seen["steward_elsewhere"] == ["lung"]
    assert seen["former"] == seen["expired"] == seen["disabled"] == []


def test_relations_end(store, clock):
    with store.begin() as session:
        world = World(session, store)
        named, permission = world["named"], world.permission
        both = {Relation.ADDRESSEE, Relation.RECIPIENT}
        assert relations_of(session, named, permission, now=world.now) == both
        assert relations_of(session, named, permission, now=permission.expires_at) == {Relation.RECIPIENT}
        permission.revoked_at, permission.revoked_by_key = world.now, world["owner"].key
        assert relations_of(session, named, permission, now=world.now) == {Relation.RECIPIENT}
        assert relations_of(session, world["other"], permission, now=world.now) == {
            Relation.CONTRIBUTOR,
            Relation.OWNER,
        }
        assert relations_of(session, world["owner"], world["owner"], now=world.now) == {Relation.SELF}
        own = Job(project_key=None, dataset_key=None, created_by_key=named.key)
        assert relations_of(session, named, own, now=world.now) == {Relation.SELF}


def test_an_act_is_done_to_its_own_kind_of_subject():
    for kind in (Release, None):
        with pytest.raises(TypeError):
            decide(Act.SUBMIT, {Relation.OPERATOR}, kind)
    with pytest.raises(TypeError):
        decide(Act.CREATE_PARTY, {Relation.OPERATOR}, Party)
