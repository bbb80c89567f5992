"""API tokens: made, used, revoked; and everything that is none."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from broker.auth import (
    LONGEST_DAYS,
    Caller,
    How,
    Scope,
    authenticate,
    find_token,
    is_well_formed,
    issue,
    list_tokens,
    note_use,
    resume,
    revoke,
)
from broker.auth import tokens as tokens_module
from broker.governance import Act, disable_party, find_party
from broker.store.tables import ApiToken, JournalEntry
from pprl.errors import AuthError, ConflictError, DeniedError, GovernanceError, NotFoundError, StoreBusyError
from pprl.package.age import bech32

SCANNER = re.compile(r"pprl_1[02-9ac-hj-np-z]{58}")  # as docs/auth.md gives it
A_TOKEN = bech32.encode("pprl_", bytes(range(32)))


def give(session, party, how, *, days=30, **more):
    told = {"name": "nightly", "scopes": ["read", "submit"], **how, **more}
    return issue(session, party, expires_at=how["now"] + timedelta(days=days), **told)


@pytest.fixture
def issued(store, parties, how):
    """A site's token."""
    with store.begin() as session:
        return give(session, find_party(session, "site"), how)[1]


def test_who_comes_with_a_token(store, parties, issued, clock):
    with store.read() as session:
        caller = authenticate(session, issued, now=clock())
    assert (caller.party.name, caller.scopes, caller.how) == ("site", {Scope.READ, Scope.SUBMIT}, How.TOKEN)
    assert caller.expires_at == clock() + timedelta(days=30)
    assert caller.login is None
    caller.check_act(Act.SUBMIT)
    with pytest.raises(DeniedError, match="your token does not have the scope withdraw"):
        caller.check_act(Act.WITHDRAW)


def test_of_the_token_itself_nothing_is_kept(store, parties, issued):
    with store.read() as session:
        token = session.scalars(select(ApiToken)).one()
        kept = [str(value) for value in vars(token).values()]
        kept += session.scalars(select(JournalEntry.body))
    assert token.token_sha256 == hashlib.sha256(issued.encode()).hexdigest()
    assert not [text for text in kept if issued[6:26] in text]
    assert "sha256" not in json.dumps([text for text in kept if "token.issued" in text])


def test_the_journal_tells_of_it(store, parties, how):
    with store.begin() as session:
        token, _ = give(session, find_party(session, "site"), how)
        revoke(session, token, **how)
        bodies = session.scalars(select(JournalEntry.body).order_by(JournalEntry.number)).all()
    made, revoked = (json.loads(body) for body in bodies[-2:])
    assert made["act"] == "token.issued"
    assert made["subjects"] == revoked["subjects"] == {"party": parties["site"], "token": token.id}
    assert made["words"] == {"expires": "2026-03-31", "scope_1": "read", "scope_2": "submit"}
    assert revoked["act"] == "token.revoked"


def test_all_that_is_no_token_is_told_alike(store, parties, how, clock):
    with store.begin() as session:
        site, researcher = (find_party(session, name) for name in ("site", "researcher"))
        revoked, revoked_text = give(session, site, how, name="revoked")
        _, expired_text = give(session, site, how, name="expired", days=1)
        _, disabled_text = give(session, researcher, how, name="disabled", scopes=["read"])
        _, good_text = give(session, site, how)
        revoke(session, revoked, **how)
        disable_party(session, researcher, **how)
    clock.forward(days=1)
    mistyped = good_text[:20] + ("q" if good_text[20] != "q" else "p") + good_text[21:]
    told = set()
    with store.read() as session:
        assert authenticate(session, good_text, now=clock()).party.name == "site"
        for text in (
            revoked_text, expired_text, disabled_text, A_TOKEN, mistyped, good_text.upper(), f"{good_text} ", "pprl_",
            "",
        ):  # fmt: skip
            with pytest.raises(AuthError) as raised:
                authenticate(session, text, now=clock())
            told.add(str(raised.value))
    assert told == {"the caller is not known; a valid token is needed"}


def test_a_token_ends_on_the_second(store, issued, clock):
    with store.read() as session:
        authenticate(session, issued, now=clock() + timedelta(days=30, microseconds=-1))
        with pytest.raises(AuthError):
            authenticate(session, issued, now=clock() + timedelta(days=30))


def test_a_mistyped_token_does_not_reach_the_database():
    assert is_well_formed(A_TOKEN)
    assert SCANNER.fullmatch(A_TOKEN)
    for place in range(len("pprl_1"), len(A_TOKEN)):
        wrong = "q" if A_TOKEN[place] != "q" else "p"
        with pytest.raises(AuthError):
            authenticate(None, A_TOKEN[:place] + wrong + A_TOKEN[place + 1 :], now=None)


@given(st.binary(min_size=32, max_size=32))
def test_scanners_find_every_token(raw):
    text = bech32.encode("pprl_", raw)
    assert SCANNER.search(f'token = "{text}"').group() == text
    assert is_well_formed(text)


@given(
    st.one_of(
        st.text(),
        st.binary().map(lambda raw: "pprl_1" + raw.decode("latin-1")),
        st.text().map("pprl_1".__add__),
    )
)
def test_any_text_is_a_token_or_none(text):
    assert not is_well_formed(text)
    with pytest.raises(AuthError):
        authenticate(None, text, now=None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": " x"}, "printable"),
        ({"scopes": []}, "a scope at least"),
        ({"scopes": ["administer"]}, "no use to a party that is a site"),
        ({"days": 0}, "expired already"),
        ({"days": LONGEST_DAYS + 0.01}, "400 days at most"),
    ],
)
def test_tokens_that_cannot_be(store, parties, how, change, says):
    with pytest.raises(GovernanceError, match=says), store.begin() as session:
        give(session, find_party(session, "site"), how, **change)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(ApiToken)) == 0


def test_a_disabled_party_gets_none(store, parties, how):
    with store.begin() as session:
        site = find_party(session, "site")
        disable_party(session, site, **how)
        with pytest.raises(GovernanceError, match="disabled"):
            give(session, site, how)


def test_names_are_for_people_to_tell_tokens_apart(store, parties, how, clock, monkeypatch):
    monkeypatch.setattr(tokens_module, "MOST_VALID", 2)
    with store.begin() as session:
        site = find_party(session, "site")
        first, _ = give(session, site, how, days=LONGEST_DAYS)
        with pytest.raises(ConflictError, match="has a token 'nightly'"):
            give(session, site, how)
        assert find_token(session, site, "nightly") is first is find_token(session, site, first.id)
        revoke(session, first, **how)
        with pytest.raises(ConflictError, match="revoked already"):
            revoke(session, first, **how)
        second, _ = give(session, site, how)
        assert find_token(session, site, "nightly") is second
        assert list_tokens(session, site) == [first, second]
        assert list_tokens(session, site, now=clock()) == [second]
        assert list_tokens(session, site, now=clock() + timedelta(days=30)) == []
        give(session, site, how, name="more")
        with pytest.raises(ConflictError, match="has 2 tokens"):
            give(session, site, how, name="too many")
        with pytest.raises(NotFoundError, match="no such token"):
            find_token(session, find_party(session, "researcher"), "nightly")


def test_use_is_noted_once_an_hour(store, parties, issued, clock):
    def use() -> bool:
        with store.read() as session:
            caller = authenticate(session, issued, now=clock())
        note_use(store, caller, now=clock())
        return caller.use_is_due

    def noted():
        with store.read() as session:
            return session.scalars(select(ApiToken.last_used_at)).one()

    assert noted() is None
    first = clock()
    assert use()
    assert noted() == first
    clock.forward(minutes=59)
    assert not use()
    assert noted() == first
    clock.forward(minutes=1)
    assert use()
    assert noted() == clock()


def test_that_a_use_cannot_be_noted_is_no_reason_to_fail(store, issued, clock):
    class Busy:
        def begin(self):
            raise StoreBusyError("busy")

    with store.read() as session:
        caller = authenticate(session, issued, now=clock())
    note_use(Busy(), caller, now=clock())


def test_a_scope_of_a_later_version_gives_nothing(store, parties, issued, clock):
    with store.begin() as session:
        session.scalars(select(ApiToken)).one().scopes = ["read", "fly"]
    with store.read() as session:
        assert authenticate(session, issued, now=clock()).scopes == {Scope.READ}


def test_nobody_gives_themselves_more(store, parties, clock):
    with store.read() as session:
        site, operator = (find_party(session, name) for name in ("site", "operator"))
        mine = Caller(site, frozenset({Scope.READ, Scope.ACCOUNT}), How.TOKEN, "x", clock())
        mine.check_can_give(site, {Scope.READ})
        with pytest.raises(DeniedError, match="the scope submit yourself"):
            mine.check_can_give(site, {Scope.READ, Scope.SUBMIT})
        theirs = Caller(operator, frozenset({Scope.ACCOUNT}), How.TOKEN, "x", clock())
        theirs.check_can_give(site, {Scope.SUBMIT})


def test_who_came_before_goes_on_while_the_token_holds(store, parties, issued, clock):
    with store.read() as session:
        caller = authenticate(session, issued, now=clock())
        assert resume(session, caller.token_id, now=clock()) == caller
        with pytest.raises(AuthError):
            resume(session, caller.token_id, now=caller.expires_at)
        with pytest.raises(AuthError):
            resume(session, "00000000-0000-4000-8000-000000000000", now=clock())
    with store.begin() as session:
        disable_party(session, find_party(session, "site"), by="local", now=clock())
    with store.read() as session, pytest.raises(AuthError):
        resume(session, caller.token_id, now=clock())
