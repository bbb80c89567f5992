"""From a text to what its bearer may do, by all ways there are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auth import OF_LOGINS, Authenticator, How, Issuer, LoginVerifier, Scope, issue, link_identity
from broker.governance import Act, disable_party
from broker.journal import LOCAL
from broker.store.tables import Dataset, PartyKind, Project
from pprl.errors import AuthError, DeniedError, NotFoundError

from ..clocks import SetClock
from ..governance.world import World
from .service import AUDIENCE, URL, Service


class APolicy:
    """Allows what it is told to, and remembers what it was asked."""

    def __init__(self, *allowed):
        self.allowed, self.asked = set(allowed), []

    def allows(self, login, resource, method):
        self.asked.append((login.name, resource, method))
        return (resource, method) in self.allowed


@pytest.fixture
def world(store, clock):
    with store.begin() as session:
        made = World(session, store)
        for name in ("steward", "disabled"):
            if made[name].disabled_at is None:
                link_identity(session, made[name], issuer=URL, subject=name, by=LOCAL, now=made.now)
    clock.now = made.now
    return made


@pytest.fixture
def logins(service):
    return LoginVerifier([Issuer(URL, audience=AUDIENCE)], fetch=service)


def a_token(store, party, *scopes):
    now = store.clock()
    with store.begin() as session:
        return issue(
            session, party, name="x", scopes=scopes, expires_at=now + timedelta(days=1), by=LOCAL, now=now
        )[1]


def test_by_token_and_by_login(store, world, logins, service, clock):
    auth = Authenticator(logins=logins)
    text = a_token(store, world["owner"], "read")
    with store.read() as session:
        by_token = auth.authenticate(session, text, now=clock())
        by_login = auth.authenticate(session, service.login(sub="steward"), now=clock())
    assert (by_token.how, by_token.party.name, by_token.login) == (How.TOKEN, "owner", None)
    assert (by_login.how, by_login.party.name, by_login.token_id) == (How.LOGIN, "steward", None)
    assert by_login.scopes == OF_LOGINS[PartyKind.RESEARCHER]
    assert by_login.expires_at == clock() + timedelta(minutes=20)
    assert not by_login.use_is_due


def test_logins_of_nobody(store, world, logins, service, clock):
    auth = Authenticator(logins=logins)
    with store.begin() as session:
        for text in (service.login(sub="stranger"), service.login()[:-1], "", "x", "Bearer x"):
            with pytest.raises(AuthError):
                auth.authenticate(session, text, now=clock())
        with pytest.raises(AuthError):
            Authenticator().authenticate(session, service.login(sub="steward"), now=clock())
        auth.authenticate(session, service.login(sub="steward"), now=clock())
        disable_party(session, session.merge(world["steward"]), by=LOCAL, now=clock())
        with pytest.raises(AuthError):
            auth.authenticate(session, service.login(sub="steward"), now=clock())


def test_a_scope_gives_no_more_than_governance(store, world, clock):
    auth = Authenticator()
    text = a_token(store, world["owner"], "read", "govern")
    with store.read() as session:
        caller = auth.authenticate(session, text, now=clock())
        auth.require(session, caller, Act.SEE_DATASET, world.dataset, now=clock())
        assert (
            auth.find(session, caller, Act.SEE_DATASET, Dataset, world.dataset.id, now=clock()).name
            == "owner"
        )
        with pytest.raises(DeniedError, match="your token does not have the scope submit"):
            auth.require(session, caller, Act.SUBMIT, world.dataset, now=clock())
        with pytest.raises(DeniedError, match="you may not start a run"):
            auth.require(session, caller, Act.START_RUN, world.project, now=clock())
        with pytest.raises(NotFoundError):
            auth.require(session, caller, Act.SEE_PROJECT, world.elsewhere, now=clock())
        # Without the scope one is told the same of what there is and of what there is not.
        for public_id in (world.elsewhere.id, world.project.id, "none"):
            with pytest.raises(DeniedError, match="the scope administer"):
                auth.find(session, caller, Act.CHANGE_PROJECT, Project, public_id, now=clock())
        auth.require_scope(caller, Scope.GOVERN)
        with pytest.raises(DeniedError, match="metrics"):
            auth.require_scope(caller, Scope.METRICS)


def test_a_policy_narrows_logins_alone(store, world, logins, service, clock):
    heart = "/pprl/project/heart"
    policy = APolicy((heart, "read"), ("/pprl", "metadata"), ("/pprl/project/lung", "read"))
    auth = Authenticator(logins=logins, policy=policy)
    text = a_token(store, world["steward"], "read", "govern")
    with store.read() as session:
        by_token = auth.authenticate(session, text, now=clock())
        by_login = auth.authenticate(session, service.login(sub="steward"), now=clock())
        auth.require(session, by_token, Act.START_RUN, world.project, now=clock())
        assert policy.asked == []
        auth.require(session, by_login, Act.SEE_RUN, world.run, now=clock())
        assert policy.asked == [("Gray@example.org", heart, "read")]
        with pytest.raises(DeniedError, match="no policy allows your login the method govern here"):
            auth.require(session, by_login, Act.START_RUN, world.project, now=clock())
        with pytest.raises(DeniedError, match="no policy"):
            auth.find(session, by_login, Act.MANAGE_MEMBERS, Project, world.project.id, now=clock())
        with pytest.raises(NotFoundError):  # what the policy allows, governance still does not
            auth.require(session, by_login, Act.SEE_PROJECT, world.elsewhere, now=clock())
        with pytest.raises(DeniedError, match="your login does not have the scope account"):
            auth.require(session, by_login, Act.SET_KEYS, by_login.party, now=clock())
        auth.require_scope(by_login, Scope.METADATA)
        with pytest.raises(DeniedError):
            auth.require_scope(by_login, Scope.METADATA, resource="/pprl/x")
        assert [one.name for one in auth.visible_projects(session, by_login, now=clock())] == ["heart"]
        policy.allowed.clear()
        assert auth.visible_projects(session, by_login, now=clock()) == []
        assert [one.name for one in auth.visible_projects(session, by_token, now=clock())] == ["heart"]


@given(
    st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.text().map("pprl_".__add__))
)
def test_any_bearer_text_is_known_or_not(text):
    clock = SetClock()
    logins = LoginVerifier([Issuer(URL, audience=AUDIENCE)], fetch=Service(clock))
    for auth in (Authenticator(), Authenticator(logins=logins)):
        with pytest.raises(AuthError):
            auth.authenticate(None, text, now=clock())
