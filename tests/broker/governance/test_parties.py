"""Parties and their keys."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from broker.governance import (
    create_party,
    disable_party,
    find_party,
    recipient_of,
    register_site_key,
    revoke_site_key,
    set_recipient,
    site_key,
)
from broker.journal import LOCAL
from broker.store.tables import JournalEntry, PartyKind, SiteKey
from pprl.errors import ConflictError, GovernanceError, NotFoundError
from pprl.package import Identity, SigningKey

KEY, OTHER_KEY = (SigningKey(bytes([n]) * 32).verify_key for n in (1, 2))


@pytest.fixture
def how(clock):
    return {"by": LOCAL, "now": clock()}


def acts(session):
    return [
        json.loads(body)["act"]
        for body in session.scalars(select(JournalEntry.body).order_by(JournalEntry.number))
    ]


def test_a_party_is_found_by_name_and_id(store, how):
    with store.begin() as session:
        party = create_party(session, PartyKind.SITE, name="Klinik Süd", **how)
        assert find_party(session, "Klinik Süd") is party
        assert find_party(session, party.id) is party
        with pytest.raises(NotFoundError, match="party list"):
            find_party(session, "Klinik")
        with pytest.raises(ConflictError, match="already"):
            create_party(session, PartyKind.RESEARCHER, name="Klinik Süd", **how)
        assert acts(session) == ["party.created"]


@pytest.mark.parametrize("name", ["", " x", "x ", "x" * 81, "a\nb", "a\x1bb"])
def test_a_name_that_people_could_not_read(store, how, name):
    with pytest.raises(GovernanceError, match="printable"), store.begin() as session:
        create_party(session, PartyKind.SITE, name=name, **how)


def test_a_site_registers_one_key(store, how):
    with store.begin() as session:
        site, other = (create_party(session, PartyKind.SITE, name=name, **how) for name in "ab")
        researcher = create_party(session, PartyKind.RESEARCHER, name="c", **how)
        assert site_key(session, site) is None
        with pytest.raises(NotFoundError, match="no signing key"):
            revoke_site_key(session, site, **how)
        register_site_key(session, site, KEY, **how)
        assert site_key(session, site) == KEY
        with pytest.raises(ConflictError, match="revoke it before"):
            register_site_key(session, site, OTHER_KEY, **how)
        with pytest.raises(ConflictError, match="registered before"):
            register_site_key(session, other, KEY, **how)
        with pytest.raises(GovernanceError, match="no site"):
            register_site_key(session, researcher, OTHER_KEY, **how)
        revoke_site_key(session, site, **how)
        assert site_key(session, site) is None
        with pytest.raises(ConflictError, match="registered before"):
            register_site_key(session, site, KEY, **how)
        register_site_key(session, site, OTHER_KEY, **how)
        assert site_key(session, site) == OTHER_KEY
        assert acts(session)[-3:] == ["site-key.registered", "site-key.revoked", "site-key.registered"]


def test_the_database_itself_keeps_to_one_key(store, how):
    with store.begin() as session:
        site = create_party(session, PartyKind.SITE, name="a", **how)
        register_site_key(session, site, KEY, **how)
    with pytest.raises(ConflictError), store.begin() as session:
        session.add(SiteKey(party_key=site.key, public=str(OTHER_KEY), registered_at=how["now"]))


def test_what_releases_are_sealed_to(store, how):
    key = Identity.new().recipient
    with store.begin() as session:
        party = create_party(session, PartyKind.RESEARCHER, name="a", **how)
        with pytest.raises(GovernanceError, match="no public key"):
            recipient_of(party)
        set_recipient(session, party, key, **how)
        assert recipient_of(party) == key
        party.recipient = "age1nonsense"
        with pytest.raises(GovernanceError, match="malformed"):
            recipient_of(party)
        party.recipient = None


def test_a_party_is_disabled_once(store, how):
    with store.begin() as session:
        party = create_party(session, PartyKind.SITE, name="a", **how)
        disable_party(session, party, **how)
        with pytest.raises(ConflictError, match="disabled already"):
            disable_party(session, party, **how)
