"""The metadata service over HTTP, with the calls that Gen3 clients make."""

from __future__ import annotations

import dataclasses
import json
import uuid

import pytest
from sqlalchemy import select

from broker.gen3 import metadata
from broker.service.app import create_app
from broker.store.tables import JournalEntry

from ..gen3.test_documents import BDC, MIDRC, subject

BOTH = subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}, ["m"])


@pytest.fixture
def publish(hospital):
    def publish(guid, document, *, who="rita", status=201, **parameters):
        answer = hospital.ask(who, "POST", f"/mds-admin/metadata/{guid}", json=document, params=parameters)
        assert answer.status_code == status, answer.text
        return answer.json()

    return publish


def set_up(hospital, **settings):
    """Give the broker other settings."""
    changed = dataclasses.replace(hospital.broker.settings, **settings)
    hospital.app.state.broker = dataclasses.replace(hospital.broker, settings=changed)


@pytest.mark.parametrize(("reads", "writes"), [("/mds", "/mds-admin"), ("", "")])
def test_the_calls_of_the_client(hospital, reads, writes):
    set_up(hospital, guid_prefix="dg.TEST/")
    minted = hospital.ask(None, "GET", f"{'/index' if reads else ''}/guid/mint?count=1000").json()["guids"]
    assert len(set(minted)) == 1000
    guid, other = minted[:2]
    assert uuid.UUID(guid.removeprefix("dg.TEST/")).version == 4
    for value in ("A-1", "S-1"):
        assert hospital.ask(None, "GET", f"{reads}/metadata/{value}").status_code == 401
    path = f"{writes}/metadata/{guid}"
    made = hospital.ask("rita", "POST", f"{path}?overwrite=False", json=BOTH)
    assert (made.status_code, made.json()) == (201, BOTH)
    named = hospital.ask("rita", "POST", f"{path}/aliases", json={"aliases": ["A-1", "S-1", ""]})
    assert (named.status_code, named.json()) == (201, {"guid": guid, "aliases": ["A-1", "S-1"]})
    found = hospital.ask("rita", "GET", f"{reads}/metadata?_guid_type=subject&data=True&limit=500&offset=0")
    assert found.json() == {guid: BOTH}
    for name in (guid, "A-1", "S-1"):
        assert hospital.ask("rita", "GET", f"{reads}/metadata/{name}").json() == BOTH
    # Once more, by a client that looked without a token and so took it for unknown.
    more = subject({(MIDRC, "Case"): "A-1", (MIDRC, "Other"): "O-1"})
    again = hospital.ask("rita", "POST", f"{writes}/metadata/{other}?overwrite=False", json=more)
    assert again.status_code == 200
    assert again.json() == hospital.ask("rita", "GET", f"{reads}/metadata/{guid}").json()
    assert set(again.json()["crosswalk"]["subject"][MIDRC]) == {"Case", "Other"}
    path = f"{writes}/metadata/{other}/aliases"
    named = hospital.ask("rita", "POST", path, json={"aliases": ["A-1", "O-1"]})
    assert named.status_code == 201
    # And by one that found it, and updates it under a GUID of its own.
    last = hospital.ask("rita", "PUT", f"{writes}/metadata/{minted[2]}?merge=True", json=again.json())
    assert (last.status_code, last.json()) == (200, again.json())
    named = hospital.ask(
        "rita", "PUT", f"{writes}/metadata/{minted[2]}/aliases?merge=True", json={"aliases": ["A-1"]}
    )
    assert named.json()["aliases"] == ["A-1", "O-1", "S-1"]
    assert hospital.ask("rita", "GET", f"{reads}/metadata?_guid_type=subject").json() == [guid]
    assert hospital.ask("rita", "DELETE", f"{writes}/metadata/{guid}").json() == again.json()
    assert hospital.ask("rita", "GET", f"{reads}/metadata/A-1").status_code == 404


def test_answers_as_of_the_service_that_clients_know(hospital, publish):
    publish("dg.1/g", {"a": 1})
    publish("dg.1/g", {"a": 1}, status=409)
    assert publish("dg.1/g", {"b": 1}, overwrite=True, status=200) == {"b": 1}

    def status(method, path, who="rita", **more):
        return hospital.ask(who, method, f"/mds-admin/metadata{path}", **more).status_code

    assert status("PUT", "/unknown", json={}) == 404
    assert status("PUT", "/dg.1/g?merge=true", json={"c": 1}) == 200
    assert status("DELETE", "/unknown") == 404
    assert status("POST", "/unknown/aliases", json={"aliases": ["x"]}) == 404
    assert status("POST", "/dg.1/g/aliases", json={"aliases": ["x/y", "z"]}) == 201
    assert status("PUT", "/dg.1/g/aliases", json={"aliases": ["x/y"]}) == 201
    got = hospital.ask("rita", "GET", "/mds/metadata/dg.1/g/aliases").json()
    assert got == {"guid": "dg.1/g", "aliases": ["x/y"]}
    assert status("DELETE", "/dg.1/g/aliases/x/y") == 204
    assert status("DELETE", "/dg.1/g/aliases") == 404
    batch = [{"guid": "dg.1/g", "data": {}}, {"guid": "h", "data": BOTH}]
    assert hospital.ask("rita", "POST", "/mds-admin/metadata", json=batch).json() == {
        "created": ["h"],
        "updated": ["dg.1/g"],
        "conflict": [],
    }
    assert hospital.ask("rita", "GET", "/mds/metadata").json() == ["dg.1/g", "h"]
    assert hospital.ask(None, "GET", "/mds/_status").json() == {"status": "OK"}
    assert hospital.ask(None, "GET", "/mds/version").status_code == 200
    assert hospital.ask(None, "GET", "/index/guid/mint").json()["guids"]
    assert hospital.ask(None, "GET", "/index/guid/mint?count=10001").status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[", 422),
        (b"[]", 422),
        (b'{"a": NaN}', 422),
        (b'{"a": "\\u0000"}', 422),
        (b"[" * 100_000, 422),
        (json.dumps({"a": "b" * 70_000}).encode(), 422),
        (json.dumps({"a": "b" * 200_000}).encode(), 413),
    ],
)
def test_what_is_no_record_is_refused(hospital, body, status):
    for method in ("POST", "PUT"):
        answer = hospital.ask("rita", method, "/mds-admin/metadata/g", content=body)
        assert answer.status_code == status
        assert "bbb" not in answer.text


def test_odd_names_are_not_there(hospital):
    for name in ("%00", "a" * 600, "%0A", "%ED%A0%80", "%20"):
        for method in ("GET", "DELETE"):
            assert hospital.ask("rita", method, f"/mds/metadata/{name}").status_code == 404, name
    assert hospital.ask("rita", "POST", "/mds/metadata/%00", json={}).status_code == 422
    assert hospital.ask("rita", "GET", "/mds/metadata?a=%00").status_code == 422
    assert hospital.ask("rita", "GET", "/mds/metadata?%00=1").status_code == 422


def test_who_may_read_and_write(hospital, publish):
    publish("g", BOTH)
    for who, status in ((None, 401), ("otto", 404), ("olga", 403)):
        assert hospital.ask(who, "GET", "/mds/metadata/A-1").status_code == status
    assert hospital.ask("otto", "GET", "/mds/metadata").json() == []
    for method in ("PUT", "DELETE"):
        assert hospital.ask("otto", method, "/mds-admin/metadata/g", json={}).status_code == 404
        assert hospital.ask(None, method, "/mds-admin/metadata/g", json={}).status_code == 401
    publish("h", BOTH, who="otto")  # nobody learns by a conflict that somebody else has these values


def test_records_are_open_where_broker_and_owner_say_so(hospital, publish):
    publish("g", BOTH, share="everybody", status=403)
    set_up(hospital, open_metadata=True)
    publish("g", BOTH, share="everybody")
    publish("h", {})
    for who in (None, "otto"):
        assert hospital.ask(who, "GET", "/mds/metadata").json() == ["g"]
        assert hospital.ask(who, "GET", "/mds/metadata/S-1").json() == BOTH
    assert hospital.ask("otto", "PUT", "/mds-admin/metadata/g", json={}).status_code == 403
    hospital.ask("rita", "PUT", "/mds-admin/metadata/g?share=nobody", json=BOTH)
    assert hospital.ask(None, "GET", "/mds/metadata").json() == []


def test_records_are_shared_with_ones_own_projects(hospital, publish):
    project = hospital.project.id
    publish("g", BOTH, share=project)
    publish("h", {}, share=project, who="otto", status=404)
    publish("h", {}, share="nothing known", status=404)


def test_the_journal_tells_that_records_were_published_and_nothing_of_them(hospital, publish):
    publish("g", BOTH)
    hospital.ask("rita", "POST", "/mds-admin/metadata", json=[{"guid": "h", "data": {}}])
    hospital.ask("rita", "DELETE", "/mds-admin/metadata/g")
    publish("h", {}, status=409)
    with hospital.store.read() as session:
        bodies = list(session.scalars(select(JournalEntry.body).order_by(JournalEntry.number)))
    entries = [json.loads(body) for body in bodies if '"metadata.' in body]
    assert [entry["act"] for entry in entries] == [
        "metadata.published",
        "metadata.published",
        "metadata.deleted",
    ]
    assert entries[1]["counts"] == {"created": 1, "updated": 0, "conflict": 0}
    assert {entry["by"] for entry in entries} == {hospital.parties["rita"].id}
    assert "A-1" not in "".join(bodies)


def test_a_batch_has_a_most(hospital):
    items = [{"guid": f"g{number}", "data": {}} for number in range(metadata.MOST_IN_BATCH + 1)]
    assert hospital.ask("rita", "POST", "/mds-admin/metadata", json=items).status_code == 422


def test_the_description_has_the_service_once(hospital):
    paths = create_app(hospital.broker).openapi()["paths"]
    assert "/mds/metadata/{guid}" in paths
    assert "/index/guid/mint" in paths
    assert not any(path.startswith(("/mds-admin", "/metadata", "/guid")) for path in paths)
