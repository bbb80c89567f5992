"""What people decide: asked once more, done once, and done as the API does it."""

from __future__ import annotations

import pytest

from broker.store.tables import Delivery
from pprl.package import Identity
from pprl.package.age import bech32

from ...population import Town
from ...tokens import site_key
from ..hospital import Hospital
from .visits import Person, Read, visit


def jobs_of(hospital: Hospital) -> list[dict]:
    return hospital.ask("stella", "GET", f"projects/{hospital.project.id}/jobs").json()["items"]


def test_a_run_is_started_once_however_often_the_form_is_sent(hospital: Hospital):
    stella, project = visit(hospital, "stella"), hospital.project.id
    form = stella.read(f"projects/{project}/runs/new").form(f"/projects/{project}/runs")
    first, again = (stella.send(form, threshold="0.8") for _ in range(2))
    assert "The run is asked for" in first.text
    assert first.url == again.url
    (job,) = jobs_of(hospital)
    assert (job["kind"], job["state"]) == ("link", "queued")
    assert stella.send(form, threshold="0.9").status_code == 422


def test_settings_that_cannot_be_are_told(hospital: Hospital):
    stella, project = visit(hospital, "stella"), hospital.project.id
    form = stella.read(f"projects/{project}/runs/new").form(f"/projects/{project}/runs")
    for changes, says in (
        ({"threshold": "2"}, "Threshold: input should be less than"),
        ({"threshold": "<b>"}, "Threshold: input should be a valid number"),
        ({"candidates": "magic"}, "Candidates: input should be"),
    ):
        answer = stella.send(form, **changes)
        assert answer.status_code == 422
        assert says in answer.text
        assert "<b>" not in answer.text
    assert jobs_of(hospital) == []


def test_progress_is_told_without_a_script(hospital: Hospital, town: Town):
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    stella, project = visit(hospital, "stella"), hospital.project.id
    form = stella.read(f"projects/{project}/runs/new").form(f"/projects/{project}/runs")
    waiting = stella.send(form)
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in waiting.text
    assert "script-src 'self'; connect-src 'self'" in waiting.headers["content-security-policy"]
    hospital.work()
    done = stella.get(str(waiting.url.path))
    assert "refresh" not in done.text
    assert "script-src" not in done.headers["content-security-policy"]
    assert "Open the run" in done.text


def test_a_job_is_cancelled(hospital: Hospital):
    stella, project = visit(hospital, "stella"), hospital.project.id
    job = hospital.ask("stella", "POST", f"projects/{project}/runs", json={}).json()["id"]
    assert f"/console/jobs/{job}/cancel" in stella.read(f"jobs/{job}").links
    confirm = stella.read(f"jobs/{job}/cancel")
    assert hospital.ask("stella", "GET", f"jobs/{job}").json()["state"] == "queued"  # asking does nothing
    assert "cancelled" in stella.send(confirm.form("/cancel")).text
    assert hospital.ask("stella", "GET", f"jobs/{job}").json()["state"] == "cancelled"
    assert stella.send(stella.read(f"jobs/{job}/cancel").form("/cancel")).status_code == 409


def test_a_permission_is_approved_and_revoked(hospital: Hospital):
    stella, project = visit(hospital, "stella"), hospital.project.id
    a, b = (hospital.datasets[name].id for name in "ab")
    form = stella.read(f"projects/{project}/permissions/new").form("/review")
    review = stella.send(form, use="count", left=a, right=b, recipients=[hospital.parties["rita"].id])
    assert "Approve: count a and b" in review.text
    listed = f"projects/{project}/permissions"
    assert len(hospital.ask("stella", "GET", listed).json()["items"]) == 1
    answer = stella.send(Read(review.text).form("/permissions"))
    assert "holds from now on" in answer.text
    made = hospital.ask("stella", "GET", listed).json()["items"][-1]
    assert (made["use"], made["recipients"]) == ("count", [hospital.parties["rita"].id])
    assert made["expires_at"] == "2027-07-25T23:59:59Z"
    anna = visit(hospital, "anna")  # the site of a dataset may revoke
    answer = anna.send(anna.read(f"permissions/{made['id']}/revoke").form("/revoke"))
    assert "The permission is revoked" in answer.text
    assert hospital.ask("stella", "GET", f"permissions/{made['id']}").json()["revoked_at"] is not None


def test_one_dataset_is_enough_to_deduplicate(hospital: Hospital):
    stella, project = visit(hospital, "stella"), hospital.project.id
    form = stella.read(f"projects/{project}/permissions/new").form("/review")
    a, b = (hospital.datasets[name].id for name in "ab")
    review = stella.send(
        form,
        use="deduplicate",
        left=a,
        right=b,
        recipients=[hospital.parties["rita"].id],
        expires="2026-12-31",
    )
    assert "Approve: deduplicate a" in review.text
    assert stella.send(Read(review.text).form("/permissions")).status_code == 200
    made = hospital.ask("stella", "GET", f"projects/{project}/permissions").json()["items"][-1]
    assert (made["left"], made["right"], made["recipients"]) == (a, a, [])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expires": "tomorrow"}, "Give the last day as YEAR-MONTH-DAY"),
        ({"expires": ""}, "Give the last day"),
        ({"left": "x"}, "Left: string should match pattern"),
        ({"left": "00000000-0000-4000-8000-000000000000"}, "Choose datasets of this project"),
        ({"use": "sell"}, "Use: input should be"),
    ],
)
def test_what_cannot_be_approved_is_told(hospital: Hospital, changes, says: str):
    stella = visit(hospital, "stella")
    form = stella.read(f"projects/{hospital.project.id}/permissions/new").form("/review")
    answer = stella.send(form, **changes)
    assert answer.status_code == 422
    assert says in answer.text


def test_a_release_is_made_and_refused_where_nothing_is_permitted(hospital: Hospital, town: Town):
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    stella, project = visit(hospital, "stella"), hospital.project.id
    hospital.ask("stella", "POST", f"projects/{project}/runs", json={})
    hospital.work()
    hospital.store.clock.forward(minutes=1)
    form = stella.read(f"projects/{project}/releases/new").form("/review")
    review = stella.send(form, recipient=hospital.parties["rita"].id)
    assert "a with b" in review.text
    answer = stella.send(Read(review.text).form("/releases"))
    hospital.work()
    assert "Open the release" in stella.get(answer.url.path).text
    permission = hospital.ask("stella", "GET", f"projects/{project}/permissions").json()["items"][0]["id"]
    hospital.ask("stella", "POST", f"permissions/{permission}/revoke")
    review = stella.send(form, recipient=hospital.parties["rita"].id)
    assert "none to this recipient" in review.text
    answer = stella.send(Read(review.text).form("/releases"))
    hospital.work()
    page = stella.get(answer.url.path).text
    assert "failed" in page
    assert "no permission lets" in page.lower()


def test_a_party_is_made_given_a_token_and_disabled(hospital: Hospital):
    olga = visit(hospital, "olga")
    answer = olga.send(olga.read("parties").form("/parties"), name="Clinic C", kind="site")
    page, where = Read(answer.text), answer.url.path
    issued = olga.send(page.form("/tokens"), name="nightly", scopes=["read", "submit"])
    assert "shown this once" in issued.text
    token = next(known["value"] for tag, known in Read(issued.text).tags if known.get("id") == "issued")
    clinic = Person(hospital)
    assert clinic.sign_in(token).url.path == "/console/"
    page = olga.read(where)
    assert token not in page.text
    revoke = next(link for link in page.links if link.endswith("/revoke"))
    assert "The token is revoked" in olga.send(olga.read(revoke).form("/revoke")).text
    assert clinic.get("").url.path == "/console/sign-in"
    assert "The party is disabled" in olga.send(olga.read(f"{where}/disable").form("/disable")).text


def test_a_token_can_give_no_more_than_it_has(hospital: Hospital):
    anna = visit(hospital, "anna")
    form = anna.read("account").form("/tokens")
    assert anna.send(form, name="x", scopes=["administer"]).status_code == 422
    assert anna.send(form, name="x", scopes=[]).status_code == 422
    assert "shown this once" in anna.send(form, name="x", scopes=["read"]).text
    assert anna.send(form, name="x", scopes=["read"]).status_code == 409  # loading the page again issues none


def test_who_has_signed_in_can_revoke_the_token_they_came_with(hospital: Hospital):
    anna = visit(hospital, "anna")
    revoke = next(link for link in anna.read("account").links if link.endswith("/revoke"))
    page = anna.read(revoke)
    assert "you will be signed out" in page.text
    assert anna.send(page.form("/revoke")).url.path == "/console/sign-in"


def secret_text(key) -> str:
    return bech32.encode(key.prefix, key.secret)


def test_keys_are_registered_and_secret_ones_refused(hospital: Hospital):
    olga = visit(hospital, "olga")
    answer = olga.send(olga.read("parties").form("/parties"), name="Clinic C", kind="site")
    issued = olga.send(Read(answer.text).form("/tokens"), name="t", scopes=["read", "account"])
    token = next(known["value"] for tag, known in Read(issued.text).tags if known.get("id") == "issued")
    clinic = Person(hospital)
    clinic.sign_in(token)
    assert "Register your signing key" in clinic.read("").text
    identity, key = Identity(b"c" * 32), site_key("c")
    for name, field, secret, public in (
        ("recipient", "recipient", secret_text(identity), str(identity.recipient)),
        ("site-key", "public", secret_text(key), str(key.verify_key)),
    ):
        form = clinic.read("account").form(f"/{name}/review")
        refused = clinic.send(form, **{field: secret[:100]})
        assert refused.status_code == 422
        assert secret[:30] not in refused.text
        assert secret[:30] not in str(refused.url)
        review = clinic.send(form, **{field: public})
        assert public in review.text
        assert clinic.send(Read(review.text).form(f"/{name}")).url.path == "/console/account"
        assert public in clinic.get("account").text
    assert "Register your signing key" not in clinic.read("").text


def test_a_token_without_scopes_shows_what_it_may(hospital: Hospital):
    olga = visit(hospital, "olga")
    form = olga.read(f"parties/{hospital.parties['stella'].id}").form("/tokens")
    issued = olga.send(form, name="fetching", scopes=["fetch"])
    token = next(known["value"] for tag, known in Read(issued.text).tags if known.get("id") == "issued")
    stella = Person(hospital)
    stella.sign_in(token)
    assert "has not the scope read" in " ".join(stella.read("").text.split())
    account = " ".join(stella.read("account").text.split())
    assert "has not the scope account" in account
    answer = stella.get(f"projects/{hospital.project.id}")
    assert answer.status_code == 403
    assert "does not have the scope read" in answer.text


def test_members_and_datasets_are_made_and_ended(hospital: Hospital):
    olga, project = visit(hospital, "olga"), hospital.project.id
    page = olga.read(f"projects/{project}")
    answer = olga.send(page.form("/members"), party=hospital.parties["otto"].id, role="recipient")
    assert "The party is a member now" in answer.text
    otto = hospital.parties["otto"].id
    assert "has ended" in olga.send(olga.read(f"projects/{project}/members/{otto}/end").form("/end")).text
    anna = visit(hospital, "anna")
    answer = anna.send(anna.read(f"projects/{project}").form("/datasets"), name="second", stable_guids="yes")
    assert "The dataset second is there" in answer.text


@pytest.mark.parametrize(
    "quality",
    [
        {},
        {"warnings": "no list"},
        {"fields": [{"no": "name"}, 3, {"field": "sex", "share": "half"}], "records": 7, "over_frequent": []},
        {
            "version": 9,
            "fields": {"a": 1},
            "patterns": [{"fields": None}],
            "alike": {"verdict": None},
            "changes": 1,
        },
        {"fill_drift": [{"filter": "x", "distance": None}], "warnings": ["<i>odd</i>"]},
    ],
)
def test_a_quality_of_another_program_is_shown_as_far_as_it_goes(hospital: Hospital, town: Town, quality):
    job = hospital.submit("a", hospital.pack("a", town))
    with hospital.store.begin() as session:
        session.query(Delivery).one().quality = quality
    page = visit(hospital, "anna").get(f"deliveries/{job['result']['delivery']}")
    assert page.status_code == 200
    assert "<i>" not in page.text
