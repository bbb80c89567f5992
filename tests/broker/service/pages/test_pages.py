"""Every page for everybody: it shows what the API would show, and hides what it would hide."""

from __future__ import annotations

import pytest

from ...population import Town
from ..hospital import Hospital
from .visits import Person, Read, visit

EVERYBODY = ("anna", "bert", "rita", "stella", "otto", "olga")


@pytest.fixture
def at_work(hospital: Hospital, town: Town) -> Hospital:
    """A hospital where two deliveries came, were linked and released."""
    for name in "ab":
        assert hospital.submit(name, hospital.pack(name, town))["result"]["state"] == "accepted"
    project = hospital.project.id
    job = hospital.ask("stella", "POST", f"projects/{project}/runs", json={}).json()
    hospital.work()
    hospital.run = hospital.ask("stella", "GET", f"jobs/{job['id']}").json()["result"]["run"]
    hospital.store.clock.forward(minutes=1)
    recipient = {"recipient": hospital.parties["rita"].id}
    hospital.release_job = hospital.ask(
        "stella", "POST", f"projects/{project}/releases", json=recipient
    ).json()["id"]
    hospital.work()
    (release,) = hospital.ask("rita", "GET", "releases").json()["items"]
    hospital.release = release["id"]
    hospital.deliveries = {
        name: hospital.ask("stella", "GET", f"datasets/{dataset.id}").json()["current_delivery"]["id"]
        for name, dataset in hospital.datasets.items()
    }
    return hospital


def pages_of(hospital: Hospital) -> dict[str, str]:
    """Every kind of page: its address here, and who may see it."""
    project, members = f"projects/{hospital.project.id}", "anna bert rita stella olga"
    permission = hospital.ask("stella", "GET", f"{project}/permissions").json()["items"][0]["id"]
    return {
        "": "anna bert rita stella otto olga",
        "account": "anna bert rita stella otto olga",
        "releases": "anna bert rita stella otto olga",
        project: members,
        f"{project}/permissions": members,
        f"{project}/jobs": members,
        f"{project}/releases": members,
        f"{project}/journal": "stella olga",
        f"{project}/permissions/new": "stella olga",
        f"{project}/runs/new": "stella olga",
        f"{project}/releases/new": "stella olga",
        f"{project}/members/{hospital.parties['rita'].id}/end": "stella olga",
        f"permissions/{permission}/revoke": "anna bert stella olga",
        f"datasets/{hospital.datasets['a'].id}": members,
        f"deliveries/{hospital.deliveries['a']}": "anna stella olga",
        f"jobs/{hospital.release_job}": "stella olga",
        f"runs/{hospital.run}": "stella olga",
        f"runs/{hospital.run}/report": "stella olga",
        f"releases/{hospital.release}": "rita stella olga",
        f"releases/{hospital.release}/files/release.json": "rita",
        f"releases/{hospital.release}/acknowledge": "rita",
        "parties": "olga",
        f"parties/{hospital.parties['anna'].id}": "olga",
        f"parties/{hospital.parties['anna'].id}/disable": "olga",
        "journal": "olga",
    }


def test_each_page_is_for_whom_the_api_serves(at_work: Hospital):
    people = {who: visit(at_work, who) for who in EVERYBODY}
    for path, allowed in pages_of(at_work).items():
        for who, person in people.items():
            answer = person.get(path)
            expected = who in allowed.split()
            assert (answer.status_code == 200) is expected, (path, who, answer.status_code)
            if not expected:
                assert answer.status_code in (403, 404)
                assert answer.headers["content-type"].startswith("text/html")


def test_every_page_is_whole_and_closed(at_work: Hospital):
    """Headings in order, everything labelled, one main part; and nothing from elsewhere is let in."""
    people = {who: visit(at_work, who) for who in ("anna", "rita", "stella", "olga")}
    for path, allowed in pages_of(at_work).items():
        if "/files/" in path or path.endswith("/report"):
            continue
        for who in set(allowed.split()) & set(people):
            answer = people[who].get(path)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'self'"), path
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"
            check_whole(path, answer.text)


def check_whole(path: str, html: str) -> None:
    page = Read(html)
    names = [tag for tag, _ in page.tags]
    assert names.count("main") == names.count("h1") == 1, path
    levels = [int(name[1]) for name in names if name in ("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False)), (
        path,
        levels,
    )
    ids = [known["id"] for _, known in page.tags if known.get("id")]
    assert len(ids) == len(set(ids)), path
    for tag, known in page.tags:
        assert "style" not in known, (path, tag)
        assert not any(name.startswith("on") for name in known), (path, tag)
        for name in ("href", "src", "action"):
            assert (known.get(name) or "/").startswith(("/", "?", "#", "data:")), (path, known)
        for reference in (known.get("aria-labelledby"), known.get("aria-describedby"), known.get("for")):
            assert all(one in ids for one in (reference or "").split()), (path, reference)
        if tag == "th" and "tables" not in html:
            assert known.get("scope"), (path, known)
    labelled = {known["for"] for tag, known in page.tags if tag == "label" and "for" in known}
    for tag, known in page.tags:
        is_field = tag == "select" or (
            tag == "input" and known.get("type") not in ("hidden", "checkbox", "radio")
        )
        assert not is_field or known["id"] in labelled, (path, known)
    assert names.count("table") == names.count("caption"), path


def test_the_overview_says_whose_turn_it_is(hospital: Hospital, town: Town):
    assert "First delivery of a" in visit(hospital, "anna").read("").text
    for name in "ab":
        hospital.submit(name, hospital.pack(name, town))
    stella = visit(hospital, "stella")
    assert "Start a run" in stella.read("").text
    hospital.ask("stella", "POST", f"projects/{hospital.project.id}/runs", json={})
    assert "Start a run" not in stella.read("").text
    hospital.work()
    hospital.store.clock.forward(minutes=1)
    text = stella.read("").text
    assert "Make a release to rita" in text
    hospital.ask(
        "stella",
        "POST",
        f"projects/{hospital.project.id}/releases",
        json={"recipient": hospital.parties["rita"].id},
    )
    hospital.work()
    assert "Make a release" not in stella.read("").text
    rita = visit(hospital, "rita")
    page = rita.read("")
    assert "Fetch release 1 and acknowledge it" in page.text
    where = next(link for link in page.links if link.startswith("/console/releases/"))
    page = rita.read(where)
    file = next(link for link in page.links if link.endswith("release.json"))
    assert rita.get(file).headers["content-disposition"].startswith("attachment")
    confirm = rita.read(f"{where}/acknowledge")
    assert "acknowledged" in rita.send(confirm.form("/acknowledge")).text
    assert "Nothing waits for you" in rita.read("").text


def test_a_stranger_learns_nothing(at_work: Hospital):
    otto = visit(at_work, "otto")
    home = otto.read("").text
    assert "You are in no project" in home
    for name in ("town", "anna", "bert", "rita", "stella"):
        assert name not in home
    for path in (f"projects/{at_work.project.id}", "projects/00000000-0000-4000-8000-000000000000"):
        answer = otto.get(path)
        assert answer.status_code == 404
        assert "There is no such project" in answer.text


def test_a_recipient_sees_neither_deliveries_nor_other_members(at_work: Hospital):
    text = visit(at_work, "rita").read(f"projects/{at_work.project.id}").text
    assert "not for you to see" in text
    assert "stella" in text  # who governs is told
    members = text[text.index("Members") :]
    assert "anna" not in members
    assert "bert" not in members


def test_a_run_shows_what_its_estimates_are(at_work: Hospital):
    quality = at_work.ask("stella", "GET", f"runs/{at_work.run}/quality").json()
    estimate = quality["comparisons"][0]["estimate"]
    page = visit(at_work, "stella").read(f"runs/{at_work.run}")
    for name in ("precision", "recall"):
        for value in estimate[name].values():
            assert f"{100 * value:.1f} %" in page.text
    assert ("line", "cut") in {(tag, known.get("class")) for tag, known in page.tags}
    assert f"/console/runs/{at_work.run}/report" in page.links


def test_counts_that_are_hidden_stay_hidden(at_work: Hospital):
    hospital = at_work
    body = {
        "use": "count", "left": hospital.datasets["a"].id, "right": hospital.datasets["b"].id,
        "recipients": [hospital.parties["rita"].id], "expires_at": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    one = hospital.ask("stella", "POST", f"projects/{hospital.project.id}/permissions", json=body).json()[
        "id"
    ]
    rita = visit(hospital, "rita")
    shown = hospital.ask("rita", "GET", f"permissions/{one}/count").json()
    assert f"{shown['both']}" in rita.read(f"permissions/{one}/count").text
    with hospital.store.begin() as session:
        session.merge(hospital.project).smallest_count = 100_000
    page = rita.read(f"permissions/{one}/count").text
    assert "The counts are hidden" in page
    assert f" {shown['both']} " not in page
    assert visit(hospital, "stella").get(f"permissions/{one}/count").status_code == 403


def test_a_name_is_never_markup(hospital: Hospital):
    name = "<script>alert(1)</script>\"'&"
    body = {"kind": "site", "name": name}
    party = hospital.ask("olga", "POST", "parties", json=body).json()
    member = {"party": party["id"], "role": "contributor"}
    hospital.ask("olga", "POST", f"projects/{hospital.project.id}/members", json=member)
    olga = visit(hospital, "olga")
    for path in ("parties", f"parties/{party['id']}", f"projects/{hospital.project.id}", "journal",
                 f"parties/{party['id']}/disable"):  # fmt: skip
        html = olga.get(path).text
        assert "<script>alert" not in html, path
        assert "&lt;script&gt;" in html, path


def test_a_refusal_is_escaped_and_told(hospital: Hospital, town: Town):
    hospital.submit("a", hospital.pack("a", town))
    job = hospital.submit("a", hospital.pack("a", town, rows=slice(0, 50)))
    assert job["result"]["state"] == "refused"
    page = visit(hospital, "anna").read(f"jobs/{job['id']}")
    assert "The delivery was refused: the package is delivery 1" in page.text
    for path in ("", f"datasets/{hospital.datasets['a'].id}"):
        assert "the package is delivery 1" in visit(hospital, "anna").read(path).text.lower()
    assert "The last delivery of a was refused" in visit(hospital, "stella").read("").text


def test_unknown_pages_and_methods_are_pages(hospital: Hospital):
    person = Person(hospital)
    answer = person.get("nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert person.client.put("/console/sign-in").status_code == 405
    assert hospital.client.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_a_fault_is_a_page_with_a_reference(hospital: Hospital, monkeypatch):
    person = visit(hospital, "olga")
    monkeypatch.setattr("broker.service.pages.parties.list_parties", lambda *_: 1 / 0)
    answer = person.get("parties")
    assert answer.status_code == 500
    assert "the log has it under" in answer.text
    assert "ZeroDivision" not in answer.text


def test_the_journal_is_told_in_words(at_work: Hospital):
    olga = visit(at_work, "olga")
    text = olga.read("journal").text
    assert "Somebody at the broker's command line founded the project town" in text
    assert "Anna delivered a: delivery 1 with" in text or "anna delivered a" in text.lower()
    text = olga.read(f"projects/{at_work.project.id}/journal").text
    assert "Stella approved to link a and b until" in text
    checked = olga.send(olga.read("journal").form("/journal/check"))
    assert "entries are as they were written" in checked.text
