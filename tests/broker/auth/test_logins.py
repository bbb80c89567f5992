"""Logins of Fence and OpenID Connect: whose are believed, and whose are not."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from hypothesis import given
from hypothesis import strategies as st

from broker.auth import Issuer, LoginVerifier, read_issuers
from broker.auth.keys import LIFETIME, PAUSE, read_keys
from pprl.errors import AuthError, GovernanceError, PprlError

from ..clocks import SetClock
from .service import AUDIENCE, URL, Service, a_jwk, a_key, a_pem, without_signature

FENCE = Issuer(URL, audience=AUDIENCE)


@pytest.fixture
def verifier(service):
    return LoginVerifier([FENCE], fetch=service)


def test_a_login(verifier, service, clock):
    text = service.login(azp="portal")
    login = verifier.verify(text, now=clock())
    assert (login.issuer, login.subject, login.name, login.client) == (
        URL,
        "42",
        "Gray@example.org",
        "portal",
    )
    assert login.expires_at == clock() + timedelta(minutes=20)
    assert login.text == text
    assert text not in repr(login)
    assert verifier.verify(service.login(azp=""), now=clock()).client is None


@pytest.mark.parametrize("form", ["jwks", "pairs"])
def test_keys_are_fetched_once_in_either_form(clock, form):
    service = Service(clock, form=form)
    verifier = LoginVerifier([FENCE], fetch=service)
    for _ in range(3):
        verifier.verify(service.login(), now=clock())
    assert service.asked == [URL + "/.well-known/jwks", URL + "/jwt/keys"][: 1 if form == "jwks" else 2]


def test_a_given_place_of_keys_is_the_only_one(service, clock):
    verifier = LoginVerifier([Issuer(URL, AUDIENCE, keys_url="https://keys.example.org/all")], fetch=service)
    with pytest.raises(AuthError):
        verifier.verify(service.login(), now=clock())
    assert service.asked == ["https://keys.example.org/all"]


def test_a_new_key_is_found_and_an_old_one_is_forgotten(verifier, service, clock):
    verifier.verify(service.login(), now=clock())
    old = service.login(exp=int(clock().timestamp()) + 20_000)
    service.keys = {"two": a_key(2)}
    clock.forward(seconds=PAUSE.total_seconds())
    verifier.verify(service.login("two"), now=clock())
    assert len(service.asked) == 2
    with pytest.raises(AuthError):
        verifier.verify(old, now=clock())


def test_a_withdrawn_key_counts_for_an_hour_at_most(verifier, service, clock):
    login = service.login(exp=int(clock().timestamp()) + 20_000)
    service.keys["two"] = a_key(2)
    verifier.verify(login, now=clock())
    del service.keys["one"]
    verifier.verify(login, now=clock.forward(seconds=LIFETIME.total_seconds() - 1))
    with pytest.raises(AuthError):
        verifier.verify(login, now=clock.forward(seconds=1))


def test_strange_ids_of_keys_do_not_hammer_the_issuer(verifier, service, clock):
    verifier.verify(service.login(), now=clock())
    for number in range(50):
        with pytest.raises(AuthError):
            verifier.verify(service.login(f"strange-{number}", signed_by=a_key(2)), now=clock())
        verifier.verify(service.login(), now=clock.forward(seconds=1))
    assert len(service.asked) == 1
    clock.forward(seconds=10)
    for number in range(50):
        with pytest.raises(AuthError):
            verifier.verify(service.login(f"strange-{number}", signed_by=a_key(2)), now=clock())
    assert len(service.asked) == 2


def test_an_issuer_that_is_down(verifier, service, clock):
    service.is_down = True
    for _ in range(5):
        with pytest.raises(AuthError):
            verifier.verify(service.login(), now=clock())
    assert len(service.asked) == 2  # both places, once
    service.is_down = False
    clock.forward(minutes=1)
    verifier.verify(service.login(), now=clock())
    service.is_down = True
    clock.forward(minutes=59)
    verifier.verify(service.login(), now=clock())
    with pytest.raises(AuthError):
        verifier.verify(service.login(), now=clock.forward(minutes=1))


def test_a_clock_that_was_set_back_asks_anew(verifier, service, clock):
    verifier.verify(service.login(), now=clock())
    clock.forward(hours=-2)
    verifier.verify(service.login(), now=clock())
    assert len(service.asked) == 2


AT = int(SetClock()().timestamp())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example.org/user"},
        {"iss": URL + "/"},
        {"iss": 7},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": None},
        {"aud": {"gen3": 1}},
        {"pur": None},
        {"pur": "refresh"},
        {"pur": "api_key"},
        {"pur": ["access"]},
        {"exp": AT - 30},
        {"exp": AT + 86_401},
        {"exp": None},
        {"exp": "soon"},
        {"exp": str(AT + 60)},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"iat": AT + 31},
        {"iat": None},
        {"nbf": AT + 31},
        {"nbf": "x"},
        {"sub": None},
        {"sub": ""},
        {"sub": 42},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"sub": "\ud800"},
        {"azp": 7},
    ],
    ids=str,
)
def test_claims_that_are_refused(verifier, service, clock, changes):
    with pytest.raises(AuthError, match=r"^the caller is not known; a valid token is needed$"):
        verifier.verify(service.login(**changes), now=clock())


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": AT - 29},
        {"iat": AT + 30},
        {"nbf": AT + 30},
        {"aud": AUDIENCE},
        {"exp": AT + 0.5},
        {"context": 1},
    ],
    ids=str,
)
def test_claims_that_will_do(verifier, service, clock, changes):
    assert verifier.verify(service.login(**changes), now=clock()).subject == "42"


def test_nobody_is_asked_for_the_keys_of_a_stranger(verifier, service, clock):
    text = jwt.encode(
        service.claims(iss="https://evil.example.org"),
        a_key(2),
        "RS256",
        headers={"kid": "one", "jku": "https://evil.example.org/keys", "jwk": a_jwk("one", a_key(2))},
    )
    with pytest.raises(AuthError):
        verifier.verify(text, now=clock())
    assert service.asked == []


def test_signatures_that_are_none(verifier, service, clock):
    claims, good = service.claims(), service.login()
    head, body, signature = good.split(".")
    hmac_key = a_pem(a_key(1)).encode()
    ec = generate_ec_key(SECP256R1())
    forged = [
        without_signature({"alg": "none", "kid": "one"}, claims),
        without_signature({"alg": "none", "kid": "one"}, claims, b""),
        without_signature({"alg": "RS256", "kid": "one"}, claims),
        without_signature({"alg": "HS256", "kid": "one"}, claims),
        jwt.encode(claims, "k" * 32, "HS256", headers={"kid": "one"}),
        jwt.encode(claims, ec, "ES256", headers={"kid": "one"}),
        *(jwt.encode(claims, a_key(1), name, headers={"kid": "one"}) for name in ("RS384", "RS512", "PS256")),
        jwt.encode(claims, a_key(2), "RS256", headers={"kid": "one"}),
        jwt.encode(claims, a_key(2), "RS256", headers={"kid": "one", "jwk": a_jwk("one", a_key(2))}),
        jwt.encode(claims, a_key(1), "RS256"),
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}",
        f"{good}.{signature}",
        f"{good}\n",
        good + "=",
    ]
    with_pem = without_signature({"alg": "HS256", "kid": "one"}, claims, hmac_key)
    for text in [*forged, with_pem]:
        with pytest.raises(AuthError):
            verifier.verify(text, now=clock())
    for header in (
        {"alg": "RS256", "kid": 1},
        {"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1},
        {"alg": ["RS256"]},
    ):
        with pytest.raises(AuthError):
            verifier.verify(without_signature(header, claims), now=clock())
    verifier.verify(good, now=clock())


def test_a_login_of_one_service_is_none_of_another(service, clock):
    """Two that are trusted; the one signs in the name of the other."""
    other = Issuer("https://other.example.org", audience=AUDIENCE, is_fence=False)

    def fetch(url, *, body=None):
        key = a_key(1) if url.startswith(other.url) else a_key(2)
        return json.dumps({"keys": [a_jwk("one", key)]}).encode()

    verifier = LoginVerifier([FENCE, other], fetch=fetch)
    login = verifier.verify(service.login(iss=other.url, pur=None), now=clock())
    assert login.name == "42"  # the user name of Fence's means nothing from others
    with pytest.raises(AuthError):
        verifier.verify(service.login(iss=URL), now=clock())


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_any_text_is_no_login(text):
    with pytest.raises(AuthError):
        LoginVerifier([FENCE], fetch=Service(SetClock())).verify(text, now=SetClock()())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["alg", "kid", "crit", "b64", "iss", "sub", "aud", "exp", "iat", "nbf", "pur", "azp", "context"]
)


@given(
    st.dictionaries(_NAMES, _JSON).map(lambda more: {"alg": "RS256", "kid": "one", **more}),
    st.dictionaries(_NAMES, _JSON),
    st.binary(max_size=300),
)
def test_any_jwt_without_its_signature_is_none(header, claims, signature):
    service = Service(SetClock())
    text = without_signature(header, {**service.claims(), **claims}, signature)
    with pytest.raises(AuthError):
        LoginVerifier([FENCE], fetch=service).verify(text, now=service.clock())


@given(st.dictionaries(_NAMES, _JSON))
def test_any_signed_claims_are_a_login_or_none(claims):
    service = Service(SetClock())
    key = a_key(1)
    text = jwt.api_jws.encode(
        json.dumps({**service.claims(), **claims}).encode(), key, "RS256", headers={"kid": "one"}
    )
    try:
        login = LoginVerifier([FENCE], fetch=service).verify(text, now=service.clock())
    except AuthError:
        return
    assert login.issuer == URL
    assert login.expires_at <= service.clock() + timedelta(days=1)


def test_the_deepest_claims_are_none(verifier, clock):
    deep = without_signature({"alg": "RS256", "kid": "one"}, {})
    head, _, tail = deep.split(".")
    body = base64.urlsafe_b64encode(b"[" * 9_000).rstrip(b"=").decode()
    with pytest.raises(AuthError):
        verifier.verify(f"{head}.{body}.{tail}", now=clock())


def test_keys_that_are_of_no_use_are_left_out():
    good, other = a_key(1), a_key(2)
    ec = {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"}
    weak = a_jwk("weak", a_key(3, 1024))
    private = {**a_jwk("leaked", other), "d": "AQAB"}
    entries = [
        a_jwk("good", good), {**a_jwk("good", other)}, ec, weak, private, a_jwk("for-encryption", good, use="enc"),
        a_jwk("ps", good, alg="PS256"), {"kid": "empty"}, {"kty": "RSA", "kid": "odd", "n": 7, "e": []}, "x", None,
        {**a_jwk("x", good), "kid": ["x"]}, {**a_jwk("", good)}, {**a_jwk("x" * 256, good)},
    ]  # fmt: skip
    found = read_keys(json.dumps({"keys": entries}).encode())
    assert set(found) == {"good", "leaked"}
    assert found["good"].public_numbers() == good.public_key().public_numbers()
    assert found["leaked"].public_numbers() == other.public_key().public_numbers()
    pairs = [["good", a_pem(good)], ["bad", "-----BEGIN"], ["bad"], ["bad", 7], [7, a_pem(good)], "x"]
    assert set(read_keys(json.dumps(pairs).encode())) == {"good"}
    for raw in (b"", b"7", b'{"keys": 7}', b"{}", b"[" * 100_000, b"\xff"):
        with pytest.raises(ValueError, match=r"JWK set|value|deep|decode"):
            read_keys(raw)


@given(st.one_of(st.binary(), _JSON.map(lambda value: json.dumps(value).encode())))
def test_any_document_holds_keys_or_is_none(raw):
    with suppress(ValueError):
        assert read_keys(raw) == {}


def test_issuers_of_a_file(tmp_path):
    path = tmp_path / "issuers.toml"
    path.write_text(
        f'[[issuer]]\nurl = "{URL}"\naudience = "gen3"\n\n'
        '[[issuer]]\nurl = "https://id.example.org"\naudience = "pprl"\nis_fence = false\n'
        'keys_url = "https://id.example.org/keys"\n'
    )
    first, second = read_issuers(path)
    assert first == FENCE
    assert first.key_urls == (URL + "/.well-known/jwks", URL + "/jwt/keys")
    assert second.key_urls == ("https://id.example.org/keys",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("issuer = 7", "issuer: "),
        ("", "issuer: field required"),
        ("[[issuer]]\nurl = 'https://a'\n", "issuer.0.audience"),
        ("[[issuer]]\nurl = 'https://a'\naudience = 'x'\nfence = true\n", "issuer.0.fence"),
        ("[[issuer]]\nurl = 'http://a.example.org'\naudience = 'x'\n", "needs https"),
        ("[[issuer]]\nurl = 'https://a'\naudience = ''\n", "audience"),
        ("[[issuer]]\nurl = 'https://a'\naudience = 'x'\nkeys_url = 'http://a'\n", "needs https"),
        ("[[issuer]]\nurl = 'https://a'\naudience = 'x'\n" * 2, "twice"),
        ("[[", "malformed"),
    ],
)
def test_issuers_that_cannot_be(tmp_path, text, says):
    path = tmp_path / "issuers.toml"
    path.write_text(text)
    with pytest.raises(PprlError, match=says) as raised:
        read_issuers(path)
    assert str(path) in str(raised.value)
    with pytest.raises(PprlError, match="cannot be read"):
        read_issuers(tmp_path / "none")


def test_an_issuer_is_checked_however_it_is_made():
    with pytest.raises(GovernanceError):
        Issuer("http://data.example.org", audience="gen3")
    assert datetime.fromtimestamp(AT, UTC) == SetClock()()
