"""Who gets in, for how long, and what keeps others out."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.auth import Authenticator, issue
from broker.service.app import create_app
from broker.service.context import Broker, Settings
from broker.service.pages.attempts import MOST, WITHIN, Attempts
from broker.service.pages.sessions import LASTS, MOST_OF_A_TOKEN
from broker.store.tables import ApiToken, Party

from ...tokens import NOW
from ..hospital import KEYS, Hospital
from .visits import HTTPS, Person, Read, visit


def cookie_of(answer) -> str:
    first = answer.history[0] if answer.history else answer
    return next(one for one in first.headers.get_list("set-cookie") if "console=" in one)


def test_the_cookie_is_kept_from_scripts_and_other_sites(hospital: Hospital):
    person = Person(hospital)
    cookie = cookie_of(person.sign_in(hospital.tokens["anna"]))
    assert cookie.startswith("__Host-pprl-console=")
    for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/", f"Max-Age={int(LASTS.total_seconds())}"):
        assert part in cookie
    assert hospital.tokens["anna"] not in cookie


def test_the_token_is_in_no_page_address_or_log(hospital: Hospital, caplog):
    token = hospital.tokens["stella"]
    with caplog.at_level(logging.DEBUG):
        person = visit(hospital, "stella")
        seen = [person.get(path) for path in ("", "account", f"projects/{hospital.project.id}")]
        failed = Person(hospital).sign_in(token[:-1])
    for answer in (*seen, failed):
        assert token[:20] not in answer.text
        assert token[:20] not in str(answer.url)
    assert token[:20] not in caplog.text
    assert all(token not in str(vars(record)) for record in caplog.records)


def test_a_token_may_be_pasted_with_blanks_and_breaks(hospital: Hospital):
    token = hospital.tokens["anna"]
    assert Person(hospital).sign_in(f"  {token[:30]}\n {token[30:]}\n").url.path == "/console/"


@pytest.mark.parametrize("token", ["", "pprl_1", "x" * 5000, "pprl_1" + "q" * 58, "\N{SNOWMAN}", "a\x00b"])
def test_what_is_no_token_gets_nobody_in(hospital: Hospital, token: str):
    answer = Person(hospital).sign_in(token)
    assert answer.status_code == 401
    assert "Nobody is known by this token" in answer.text
    assert "console=" not in str(answer.headers.get_list("set-cookie")).replace("sign-in", "")


def test_attempts_are_limited_and_right_ones_not_counted(hospital: Hospital):
    person = Person(hospital)
    for _ in range(MOST + 5):
        assert person.sign_in(hospital.tokens["anna"]).status_code == 200
    for _ in range(MOST):
        assert person.sign_in("pprl_1wrong").status_code == 401
    answer = person.sign_in(hospital.tokens["anna"])
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) == WITHIN.total_seconds()
    assert "wait 10 minutes" in answer.text
    hospital.store.clock.forward(minutes=10)
    assert person.sign_in(hospital.tokens["anna"]).status_code == 200


def test_attempts_are_counted_by_address():
    attempts = Attempts()
    for _ in range(MOST):
        assert attempts.attempt("2001:db8::1", now=NOW) is None
    assert attempts.attempt("2001:db8::ffff", now=NOW) == WITHIN  # the same network
    assert attempts.attempt("2001:db8:0:1::1", now=NOW) is None
    assert attempts.attempt("192.0.2.1", now=NOW) is None
    assert attempts.attempt("2001:db8::1", now=NOW + WITHIN) is None


def test_a_session_ends_by_itself(hospital: Hospital):
    person = visit(hospital, "anna")
    hospital.store.clock.now += LASTS - timedelta(seconds=1)
    assert person.get("account").status_code == 200
    hospital.store.clock.forward(seconds=1)
    answer = person.get("account")
    assert answer.url.path == "/console/sign-in"
    assert answer.url.query == b"next=/console/account"


def test_a_session_ends_with_its_token(hospital: Hospital):
    store = hospital.store
    with store.begin() as session:
        _, text = issue(
            session, session.merge(hospital.parties["anna"]), name="short", scopes={"read"},
            expires_at=store.clock() + timedelta(hours=1), by="local", now=store.clock(),
        )  # fmt: skip
    person = Person(hospital)
    assert "Max-Age=3600" in cookie_of(person.sign_in(text))
    with store.begin() as session:
        session.scalars(select(ApiToken).where(ApiToken.name == "short")).one().revoked_at = store.clock()
    assert person.get("").url.path == "/console/sign-in"


def test_a_session_ends_with_its_party(hospital: Hospital):
    person = visit(hospital, "anna")
    with hospital.store.begin() as session:
        session.get_one(Party, hospital.parties["anna"].key).disabled_at = hospital.store.clock()
    assert person.get("").url.path == "/console/sign-in"


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(hospital: Hospital):
    person, copy = visit(hospital, "anna"), Person(hospital)
    copy.client.cookies.update(person.client.cookies)
    assert copy.get("account").status_code == 200
    page = person.read("")
    assert person.send(page.form("/sign-out")).url.path == "/console/sign-in"
    assert copy.get("account").url.path == "/console/sign-in"


def test_a_new_sign_in_gives_a_new_session(hospital: Hospital):
    person = visit(hospital, "anna")
    old = Person(hospital)
    old.client.cookies.update(person.client.cookies)
    person.sign_in(hospital.tokens["bert"])
    assert "bert" in person.read("").text
    assert old.get("").url.path == "/console/sign-in"


def test_the_oldest_of_many_sessions_ends(hospital: Hospital):
    people = [visit(hospital, "anna") for _ in range(MOST_OF_A_TOKEN + 1)]
    assert [person.get("account").url.path for person in people[:2]] == [
        "/console/sign-in",
        "/console/account",
    ]


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example",
        "//evil.example",
        "/api/v1/me",
        "/console/../x",
        "/console/sign-in",
        "/console//x",
    ],
)
def test_one_gets_to_no_other_place_than_the_console(hospital: Hospital, place: str):
    person = Person(hospital)
    page = Read(person.client.get("/console/sign-in", params={"next": place}).text)
    assert person.send(page.form("/sign-in"), token=hospital.tokens["anna"]).url.path == "/console/"
    page = Read(person.client.get("/console/sign-in").text)
    answer = person.send(page.form("/sign-in"), token=hospital.tokens["anna"], next=place)
    assert str(answer.url) == f"{HTTPS}/console/"


def test_the_sign_in_form_must_come_from_its_page(hospital: Hospital):
    page = Read(Person(hospital).client.get("/console/sign-in").text)
    stranger = Person(hospital)  # with no cookie from the page
    assert stranger.send(page.form("/sign-in"), token=hospital.tokens["anna"]).status_code == 403
    person = Person(hospital)
    form = Read(person.client.get("/console/sign-in").text).form("/sign-in")
    assert person.send(form, token=hospital.tokens["anna"], form_key="0" * 64).status_code == 403
    assert person.get("").url.path == "/console/sign-in"


def test_a_form_needs_the_key_of_its_session(hospital: Hospital):
    project = hospital.project.id
    stella, olga = visit(hospital, "stella"), visit(hospital, "olga")
    form = stella.read(f"projects/{project}/runs/new").form(f"/projects/{project}/runs")
    for key in (None, "", "0" * 64, dict(olga.read("").form("/sign-out").values)["form_key"]):
        answer = stella.send(form, form_key=key)
        assert answer.status_code == 403
        assert "not of this session" in answer.text
    other_site = stella.client.post(
        form.action, data=dict(form.values), headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert other_site.status_code == 403
    assert hospital.ask("stella", "GET", f"projects/{project}/jobs").json()["items"] == []
    assert stella.send(form).url.path.startswith("/console/jobs/")


def test_forms_are_taken_as_browsers_send_them_and_no_other_way(hospital: Hospital):
    stella = visit(hospital, "stella")
    path = f"/console/projects/{hospital.project.id}/runs"
    assert stella.client.post(path, json={}).status_code == 415
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert stella.client.post(path, content=b"a=%ff", headers=kind).status_code == 400
    assert stella.client.post(path, content=b"a=1&" * 1000, headers=kind).status_code == 400
    assert stella.client.post(path, content=b"a" * 200_000, headers=kind).status_code == 413


def test_a_token_as_for_the_api_opens_no_page_and_the_cookie_no_api(hospital: Hospital):
    answer = hospital.ask("anna", "GET", "/console/account", follow_redirects=False)
    assert answer.status_code == 303
    assert visit(hospital, "anna").client.get("/api/v1/me").status_code == 401


def test_assets_are_named_by_their_content(hospital: Hospital):
    person = Person(hospital)
    page = Read(person.client.get("/console/sign-in").text)
    (path,) = (known["href"] for tag, known in page.tags if tag == "link" and known["rel"] == "stylesheet")
    answer = person.client.get(path)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert person.client.get("/console/assets/0/base.html.j2").status_code == 404
    assert person.client.get("/console", follow_redirects=False).headers["location"] == "/console/"


def test_over_http_the_cookie_has_another_name(hospital: Hospital):
    plain = Hospital.__new__(Hospital)
    plain.app = create_app(Broker(hospital.store, KEYS, Authenticator(), Settings("http://127.0.0.1:8440")))
    person = Person(plain, base_url="http://127.0.0.1:8440")
    cookie = cookie_of(person.sign_in(hospital.tokens["anna"]))
    assert cookie.startswith("pprl-console=")
    assert "Secure" not in cookie
