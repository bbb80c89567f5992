"""Projects, members and datasets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broker.governance import (
    add_member,
    close_project,
    create_dataset,
    create_project,
    end_membership,
    find_dataset,
    find_project,
    retire_dataset,
    role_in,
)
from broker.journal import LOCAL, verify
from broker.store.tables import Role
from pprl.errors import ConflictError, GovernanceError, NotFoundError
from pprl.schema import schema_from_json

from .world import World, a_schema


@pytest.fixture
def world(store):
    with store.begin() as session:
        yield World(session, store), session


@pytest.fixture
def how(world):
    return {"by": LOCAL, "now": world[0].now}


def test_a_project_has_its_schema(world, how):
    (one, session) = world
    assert schema_from_json(one.project.schema_json) == a_schema("heart")
    assert one.project.schema_sha256 == a_schema("heart").fingerprint
    assert find_project(session, "heart") is find_project(session, one.project.id) is one.project
    with pytest.raises(NotFoundError):
        find_project(session, "liver")
    with pytest.raises(ConflictError, match="already"):
        create_project(session, a_schema("heart"), **how)
    with pytest.raises(GovernanceError, match="negative"):
        create_project(session, a_schema("liver"), smallest_count=-1, **how)


@pytest.mark.parametrize(
    ("party", "role", "says"),
    [
        ("steward_elsewhere", Role.CONTRIBUTOR, "is a researcher; a contributor must be a site"),
        ("stranger", Role.RECIPIENT, "must be a researcher"),
        ("operator", Role.STEWARD, "must be a researcher or a site"),
        ("disabled", Role.CONTRIBUTOR, "disabled"),
    ],
)
def test_not_everybody_can_have_every_role(world, how, party, role, says):
    one, session = world
    with pytest.raises(GovernanceError, match=says):
        add_member(session, one.project, one[party], role=role, **how)


def test_memberships_begin_and_end(world, how):
    one, session = world
    with pytest.raises(ConflictError, match="is a contributor of this project already"):
        add_member(session, one.project, one["owner"], role=Role.STEWARD, **how)
    end_membership(session, one.project, one["owner"], **how)
    assert role_in(session, one["owner"], one.project, now=one.now) is None
    with pytest.raises(NotFoundError, match="no member"):
        end_membership(session, one.project, one["owner"], **how)
    add_member(session, one.project, one["owner"], role=Role.STEWARD, **how)
    assert role_in(session, one["owner"], one.project, now=one.now) is Role.STEWARD
    # One that has run out is no obstacle.
    assert role_in(session, one["expired"], one.project, now=one.now) is None
    later = one.now + timedelta(days=1)
    add_member(session, one.project, one["expired"], role=Role.RECIPIENT, expires_at=later, **how)
    assert role_in(session, one["expired"], one.project, now=one.now) is Role.RECIPIENT
    assert role_in(session, one["expired"], one.project, now=later) is None
    with pytest.raises(GovernanceError, match="expired already"):
        add_member(session, one.elsewhere, one["named"], role=Role.RECIPIENT, expires_at=one.now, **how)


def test_datasets_belong_to_contributors(world, how):
    one, session = world
    assert find_dataset(session, one.project, "owner") is one.dataset
    assert find_dataset(session, one.project, one.dataset.id) is one.dataset
    for project, site, name, error, says in (
        (one.project, "stranger", "x", GovernanceError, "no contributor"),
        (one.project, "former", "x", GovernanceError, "no contributor"),
        (one.project, "steward", "x", GovernanceError, "no contributor"),
        (one.project, "owner", "../x", GovernanceError, "letters"),
        (one.project, "owner", "other", ConflictError, "already"),
    ):
        with pytest.raises(error, match=says):
            create_dataset(session, project, one[site], name=name, **how)
    with pytest.raises(NotFoundError):
        find_dataset(session, one.elsewhere, "owner")
    retire_dataset(session, one.dataset, **how)
    with pytest.raises(ConflictError, match="retired already"):
        retire_dataset(session, one.dataset, **how)


def test_a_closed_project_takes_nothing(world, how):
    one, session = world
    close_project(session, one.project, **how)
    for act in (
        lambda: close_project(session, one.project, **how),
        lambda: add_member(session, one.project, one["stranger"], role=Role.CONTRIBUTOR, **how),
        lambda: create_dataset(session, one.project, one["owner"], name="x", **how),
    ):
        with pytest.raises(ConflictError, match="closed"):
            act()
    found = verify(session)
    assert found.faults == ()
    assert found.n_entries > 20
