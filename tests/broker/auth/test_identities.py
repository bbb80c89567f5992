"""Whom login services know the parties as."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from broker.auth import link_identity, list_identities, unlink_identity
from broker.auth.identities import party_of
from broker.governance import disable_party, find_party
from broker.store.tables import JournalEntry
from pprl.errors import AuthError, ConflictError, GovernanceError, NotFoundError

from .service import URL


def test_a_login_is_one_party(store, parties, how):
    login = {"issuer": URL, "subject": "42"}
    with store.begin() as session:
        site, researcher = (find_party(session, name) for name in ("site", "researcher"))
        link_identity(session, researcher, **login, **how)
        link_identity(session, researcher, issuer=URL, subject="43", **how)
        link_identity(session, site, issuer="https://id.example.org", subject="42", **how)
        with pytest.raises(ConflictError, match="that of 'researcher'"):
            link_identity(session, site, **login, **how)
        assert party_of(session, **login) is researcher
        assert party_of(session, issuer="https://id.example.org", subject="42") is site
        assert [one.subject for one in list_identities(session, researcher)] == ["42", "43"]
        for other in ({"subject": "44"}, {"issuer": URL + "/"}):
            with pytest.raises(AuthError):
                party_of(session, **{**login, **other})
        with pytest.raises(NotFoundError, match="'site' has no such login"):
            unlink_identity(session, site, **login, **how)
        unlink_identity(session, researcher, **login, **how)
        with pytest.raises(AuthError):
            party_of(session, **login)
        link_identity(session, site, **login, **how)


def test_a_disabled_party_is_nobody(store, parties, how):
    with store.begin() as session:
        site = find_party(session, "site")
        link_identity(session, site, issuer=URL, subject="42", **how)
        disable_party(session, site, **how)
        with pytest.raises(AuthError):
            party_of(session, issuer=URL, subject="42")
        with pytest.raises(GovernanceError, match="disabled"):
            link_identity(session, site, issuer=URL, subject="43", **how)


def test_the_journal_says_that_and_not_whom(store, parties, how):
    with store.begin() as session:
        site = find_party(session, "site")
        login = {"issuer": URL, "subject": "gray@example.org"}
        link_identity(session, site, **login, **how)
        unlink_identity(session, site, **login, **how)
        bodies = session.scalars(select(JournalEntry.body).order_by(JournalEntry.number)).all()[-2:]
    assert [json.loads(body)["act"] for body in bodies] == ["login.linked", "login.unlinked"]
    assert all(json.loads(body)["subjects"] == {"party": parties["site"]} for body in bodies)
    assert "example.org" not in "".join(bodies)


@pytest.mark.parametrize(
    ("issuer", "subject", "says"),
    [
        ("http://data.example.org", "42", "an issuer needs https"),
        ("data.example.org", "42", "an issuer is a URL"),
        (URL, "", "printable"),
        (URL, "x" * 256, "printable"),
        (URL, "a\x00", "printable"),
    ],
)
def test_logins_that_cannot_be(store, parties, how, issuer, subject, says):
    with pytest.raises(GovernanceError, match=says), store.begin() as session:
        link_identity(session, find_party(session, "site"), issuer=issuer, subject=subject, **how)
