"""Records that are shared with a project: read by those alone who may have all links that they might tell."""

from __future__ import annotations

import pytest

from broker.gen3 import metadata
from broker.gen3.metadata import Sharing
from broker.gen3.readers import may_share
from broker.gen3.search import search
from broker.releases.builder import build_release
from broker.store.tables import Member, Permission, PermissionRecipient, ReleaseState
from pprl.release import ReleaseKey

from ..ledger.projects import allow, make_project
from .test_documents import BDC, MIDRC, subject

KEY = ReleaseKey(b"\x07" * 32)


@pytest.fixture
def made(store, clock):
    """Rita may link a, b and c, and was shown all of them; she shares a crosswalk."""
    made = make_project(store, clock, links=False)
    for pair in ("ab", "ac", "bc"):
        allow(made, pair, "rita")
    made.run({"a": {1: 0}, "b": {11: 0}, "c": {21: 0}}, [[("a", 1), ("b", 11), ("c", 21)]])
    release_to(made, "rita")
    with store.begin() as session:
        metadata.create(
            session,
            "g",
            subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}),
            by=made.parties["rita"],
            now=clock(),
            sharing=Sharing(project=made.project),
        )
    return made


def release_to(made, name, **settings):
    made.clock.forward(minutes=1)
    return build_release(
        made.store, made.project, made.parties[name], key=KEY, by=made.parties["olga"], **settings
    )


def also_allow(made, name, *pairs):
    """Name a party in permissions that are there."""
    with made.store.begin() as session:
        for pair in pairs:
            left, right = sorted(made.datasets[dataset].key for dataset in pair)
            permission = session.query(Permission).filter_by(left_key=left, right_key=right).one()
            session.add(
                PermissionRecipient(permission_key=permission.key, recipient_key=made.parties[name].key)
            )


def seen_by(made, name):
    with made.store.read() as session:
        return [one.guid for one in search(session, {}, party=made.parties[name], now=made.clock())]


def test_who_may_have_all_the_links_and_gets_releases_reads_what_is_shared(made):
    assert seen_by(made, "rita") == ["g"]
    assert seen_by(made, "rob") == []
    also_allow(made, "rob", "ab", "ac")
    release_to(made, "rob", datasets=("a", "b"))
    assert seen_by(made, "rob") == []  # the link of b and c is in it
    also_allow(made, "rob", "bc")
    assert seen_by(made, "rob") == ["g"]


def test_permissions_alone_are_not_enough_nor_is_a_release_once_they_are_revoked(made):
    also_allow(made, "rob", "ab", "ac", "bc")
    assert seen_by(made, "rob") == []
    release = release_to(made, "rob")
    assert release.state is ReleaseState.PUBLISHED
    assert seen_by(made, "rob") == ["g"]
    with made.store.begin() as session:
        for row in session.query(Permission).all():
            row.revoked_at, row.revoked_by_key = made.clock(), made.parties["olga"].key
    assert seen_by(made, "rob") == []
    assert seen_by(made, "rita") == ["g"]


def test_sites_and_stewards_and_former_members_read_nothing(made):
    for name in ("anna", "bert", "olga"):
        assert seen_by(made, name) == []
    also_allow(made, "rob", "ab", "ac", "bc")
    release_to(made, "rob")
    with made.store.begin() as session:
        for member in session.query(Member).filter_by(party_key=made.parties["rob"].key):
            member.ended_at = made.clock()
        assert not may_share(session, made.parties["rob"], made.project, now=made.clock())
        assert may_share(session, made.parties["rita"], made.project, now=made.clock())
    assert seen_by(made, "rob") == []
