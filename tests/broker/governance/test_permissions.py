"""The matrix of permissions: empty unless filled in, and how entries end."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.governance import (
    close_project,
    disable_party,
    end_membership,
    grant,
    permitted,
    permitted_to,
    retire_dataset,
    revoke,
)
from broker.journal import LOCAL
from broker.store.tables import JournalEntry, Use
from pprl.errors import ConflictError, DeniedError, GovernanceError, NotFoundError

from .world import World


@pytest.fixture
def world(store):
    with store.begin() as session:
        yield World(session, store), session


def uses(session, one, *asked, now=None):
    pairs = permitted(session, one.project, *asked, now=now or one.now)
    return [(pair.permission.use, pair.left.name, pair.right.name) for pair in pairs]


def uses_for(session, one, name, *asked):
    pairs = permitted_to(session, one.project, one[name], *asked, now=one.now)
    return [pair.permission.use for pair in pairs]


def test_what_nobody_allowed_is_forbidden(world):
    one, session = world
    assert permitted(session, one.elsewhere, now=one.now) == []
    assert uses(session, one) == [(Use.COUNT, "owner", "other")]
    assert uses(session, one, Use.LINK, Use.DEDUPLICATE) == []
    one.allow(session, Use.LINK)
    one.allow(session, Use.DEDUPLICATE)
    assert uses(session, one, Use.LINK) == [(Use.LINK, "owner", "other")]
    assert uses(session, one, Use.DEDUPLICATE) == [(Use.DEDUPLICATE, "owner", "owner")]
    assert len(uses(session, one)) == 3


def test_only_those_named_get_anything(world):
    one, session = world
    assert uses_for(session, one, "named") == [Use.COUNT]
    for name in ("unnamed", "expired", "owner", "steward", "operator", "stranger"):
        assert uses_for(session, one, name) == []
    one.allow(session, Use.LINK, ["unnamed"])
    assert uses_for(session, one, "unnamed") == [Use.LINK]
    assert uses_for(session, one, "named", Use.LINK) == []
    end_membership(session, one.project, one["unnamed"], by=LOCAL, now=one.now)
    assert uses_for(session, one, "unnamed") == []
    disable_party(session, one["named"], by=LOCAL, now=one.now)
    assert uses_for(session, one, "named") == []


def test_a_permission_expires(world):
    one, session = world
    end = one.permission.expires_at
    assert uses(session, one, now=end - timedelta(microseconds=1))
    assert not uses(session, one, now=end)
    assert not uses(session, one, now=one.permission.approved_at - timedelta(seconds=1))


@pytest.mark.parametrize("revoker", ["operator", "steward", "owner", "other"])
def test_a_permission_is_revoked_by_those_concerned(world, revoker):
    one, session = world
    revoke(session, one.permission, revoker=one[revoker], by=one[revoker].id, now=one.now)
    assert not uses(session, one)
    with pytest.raises(ConflictError, match="already"):
        revoke(session, one.permission, revoker=one[revoker], by=LOCAL, now=one.now)


def test_a_permission_is_revoked_by_nobody_else(world):
    one, session = world
    for name, error in (("named", DeniedError), ("former", NotFoundError), ("stranger", NotFoundError)):
        with pytest.raises(error):
            revoke(session, one.permission, revoker=one[name], by=LOCAL, now=one.now)
    assert uses(session, one)


def test_a_retired_dataset_and_a_closed_project_permit_nothing(world):
    one, session = world
    retire_dataset(session, one.other_dataset, by=LOCAL, now=one.now)
    assert not uses(session, one)
    one.allow(session, Use.DEDUPLICATE)
    assert uses(session, one)
    close_project(session, one.project, by=LOCAL, now=one.now)
    assert not uses(session, one)


def test_granting_again_takes_the_place_of_what_was(world):
    one, session = world
    later = one.allow(session, Use.COUNT, ["unnamed"])
    assert one.permission.revoked_at == one.now
    assert uses(session, one) == [(Use.COUNT, "owner", "other")]
    assert uses_for(session, one, "named") == []
    assert uses_for(session, one, "unnamed") == [Use.COUNT]
    body = json.loads(session.scalars(select(JournalEntry.body).order_by(JournalEntry.number.desc())).first())
    assert body["act"] == "permission.granted"
    assert body["subjects"]["permission"] == later.id
    assert body["subjects"]["replaces"] == one.permission.id
    assert body["words"] == {"use": "count", "expires": "2026-03-31"}


def test_what_cannot_be_granted(world):
    one, session = world
    good = {
        "recipients": [],
        "approver": one["steward"],
        "expires_at": one.now + timedelta(days=1),
        "by": LOCAL,
        "now": one.now,
    }
    a, b = one.dataset, one.other_dataset
    retired = one.former_dataset
    retire_dataset(session, retired, by=LOCAL, now=one.now)
    for use, left, right, more, error, says in (
        (Use.LINK, a, a, {}, GovernanceError, "two different datasets"),
        (Use.DEDUPLICATE, a, b, {}, GovernanceError, "takes one dataset"),
        (Use.LINK, a, retired, {}, GovernanceError, "retired"),
        (Use.LINK, a, b, {"expires_at": one.now}, GovernanceError, "expired already"),
        (Use.LINK, a, b, {"approver": one["owner"]}, DeniedError, "may not approve"),
        (Use.LINK, a, b, {"approver": one["named"]}, DeniedError, "may not approve"),
        (Use.LINK, a, b, {"approver": one["steward_elsewhere"]}, NotFoundError, "no such project"),
        (Use.LINK, a, b, {"recipients": [one["expired"]]}, GovernanceError, "no recipient"),
        (Use.LINK, a, b, {"recipients": [one["other"]]}, GovernanceError, "no recipient"),
        (Use.COUNT, a, b, {"recipients": [one["steward"]]}, GovernanceError, "no recipient"),
        (Use.DEDUPLICATE, a, a, {"recipients": [one["named"]]}, GovernanceError, "nobody gets anything"),
    ):
        with pytest.raises(error, match=says):
            grant(session, use, left, right, **{**good, **more})
    grant(
        session,
        Use.COUNT,
        b,
        a,
        **{**good, "recipients": [one["owner"], one["owner"]], "approver": one["operator"]},
    )
    assert uses_for(session, one, "owner") == [Use.COUNT]
