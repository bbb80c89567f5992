"""What all routes have in common: problems, repeated requests, lists in pieces, logs, metrics."""

from __future__ import annotations

import io
import json
import logging

import pytest
from sqlalchemy import func, select

from broker import logs
from broker.store.tables import ApiToken, IdempotencyKey, Party, Run
from pprl.errors import StoreBusyError

from .hospital import API, Hospital


def new_party(name: str) -> dict:
    return {"kind": "site", "name": name}


def n_parties(hospital: Hospital) -> int:
    with hospital.store.read() as session:
        return session.scalar(select(func.count()).select_from(Party))


def test_who_am_i(hospital):
    me = hospital.ask("anna", "GET", "me").json()
    assert (me["party"]["name"], me["party"]["kind"]) == ("anna", "site")
    assert "submit" in me["scopes"]
    broker = hospital.ask("anna", "GET", "broker").json()
    assert broker["recipient"].startswith("age1")
    assert broker["release_key"].startswith("pprlrelease1")


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer pprl_1x", "Basic YTpi", "Bearer a.b.c", "Bearer é"])
def test_who_is_not_known_is_told_nothing(hospital, text):
    refused = hospital.client.get(f"{API}/me", headers={"Authorization": text.encode()})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "unauthenticated"


def test_a_request_that_comes_twice_is_carried_out_once(hospital):
    before, headers = n_parties(hospital), {"Idempotency-Key": "k1"}
    first = hospital.ask("olga", "POST", "parties", json=new_party("carl"), headers=headers)
    again = hospital.ask("olga", "POST", "parties", json=new_party("carl"), headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert n_parties(hospital) == before + 1
    other = hospital.ask("olga", "POST", "parties", json=new_party("cora"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key")


def test_an_idempotency_key_is_a_partys_own_and_ends(hospital):
    headers = {"Idempotency-Key": "k1"}
    path = f"projects/{hospital.project.id}/runs"
    first = hospital.ask("stella", "POST", path, json={}, headers=headers).json()
    assert hospital.ask("olga", "POST", path, json={}, headers=headers).json()["id"] != first["id"]
    hospital.store.clock.forward(days=3)
    assert hospital.ask("stella", "POST", path, json={}, headers=headers).json()["id"] != first["id"]


def test_what_failed_is_not_remembered(hospital):
    headers = {"Idempotency-Key": "k1"}
    body = {"name": "a", "stable_guids": False}
    path = f"projects/{hospital.project.id}/datasets"
    assert hospital.ask("anna", "POST", path, json=body, headers=headers).status_code == 409
    with hospital.store.read() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0


def test_lists_come_in_pieces(hospital):
    for number in range(7):
        hospital.ask("olga", "POST", "parties", json=new_party(f"site {number}"))
    names, after, pieces = [], None, 0
    while True:
        query = {"limit": 4} | ({} if after is None else {"after": after})
        page = hospital.ask("olga", "GET", "parties", params=query).json()
        names += [one["name"] for one in page["items"]]
        pieces, after = pieces + 1, page["next"]
        if after is None:
            break
    assert pieces == 4
    assert len(names) == len(set(names)) == n_parties(hospital)
    nowhere = {"after": "00000000-0000-4000-8000-000000000000"}
    assert hospital.ask("olga", "GET", "parties", params=nowhere).status_code == 422


def test_what_was_sent_is_not_in_what_is_answered(hospital):
    secret = "pprl_1" + "q" * 58
    refused = hospital.ask("olga", "POST", "parties", json={"kind": secret, "name": "x", "also": secret})
    assert refused.status_code == 422
    assert secret not in refused.text
    assert refused.json()["errors"]


def test_a_body_that_is_too_large_is_refused(hospital):
    body = json.dumps({"kind": "site", "name": "x" * 9_000_000})
    assert hospital.ask("olga", "POST", "parties", content=body).status_code == 413


def test_a_fault_of_the_program_tells_nothing_but_a_reference(hospital, monkeypatch, caplog):
    def fault(*arguments, **more):
        raise ZeroDivisionError("Ada Lovelace")

    monkeypatch.setattr("broker.service.routes.parties.party_out", fault)
    refused = hospital.ask("anna", "GET", "me")
    assert refused.status_code == 500
    assert "Lovelace" not in refused.text + caplog.text
    reference = refused.json()["detail"].split()[-1]
    assert reference in [getattr(record, "reference", None) for record in caplog.records]


def test_a_store_that_is_busy(hospital, monkeypatch):
    def busy(*arguments, **more):
        raise StoreBusyError("the store's database cannot be used now")

    monkeypatch.setattr(type(hospital.store), "read", busy)
    refused = hospital.ask("anna", "GET", "me")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert hospital.client.get("/healthz").status_code == 200
    assert hospital.client.get("/readyz").status_code == 503


def test_headers_of_every_answer(hospital):
    for path in ("/healthz", "/nowhere", f"{API}/me"):
        headers = hospital.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]


def test_logs_have_routes_and_no_paths_or_secrets(hospital):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logger = logging.getLogger("broker")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        hospital.ask("anna", "GET", f"datasets/{hospital.datasets['a'].id}?after=somebody")
        logger.info("a slip: %s", hospital.tokens["anna"])
    finally:
        logger.removeHandler(handler)
    first, slip = map(json.loads, stream.getvalue().splitlines())
    assert first["route"] == "/api/v1/datasets/{dataset_id}"
    assert (first["party"], first["status"]) == (hospital.parties["anna"].id, 200)
    assert hospital.datasets["a"].id not in stream.getvalue()
    assert "somebody" not in stream.getvalue()
    assert hospital.tokens["anna"] not in stream.getvalue()
    assert slip["message"] == "a slip: [secret]"


def test_metrics(hospital):
    hospital.ask("anna", "GET", "me")
    assert hospital.ask("anna", "GET", "/metrics").status_code == 403
    text = hospital.ask("olga", "GET", "/metrics").text
    assert 'pprl_broker_requests_total{method="GET",route="/api/v1/me",status="200"} 1.0' in text
    assert "pprl_broker_store_up 1.0" in text
    assert "anna" not in text
    assert hospital.project.name not in text


def test_tokens(hospital):
    party = hospital.parties["anna"].id
    expires = "2026-12-01T00:00:00Z"
    asked = {"name": "laptop", "scopes": ["read"], "expires_at": expires}
    made = hospital.ask("anna", "POST", f"parties/{party}/tokens", json=asked)
    assert made.status_code == 201, made.text
    text = made.json()["token"]
    with hospital.store.read() as session:
        assert text not in repr(session.execute(select(ApiToken.__table__)).all())
    headers = {"Authorization": f"Bearer {text}"}
    assert hospital.client.get(f"{API}/me", headers=headers).json()["scopes"] == ["read"]
    refused = hospital.client.get(f"{API}/parties/{party}/tokens", headers=headers)
    assert refused.status_code == 403
    listed = hospital.ask("anna", "GET", f"parties/{party}/tokens").json()["items"]
    assert [one["name"] for one in listed] == ["test", "laptop"]
    assert all("token" not in one for one in listed)
    gone = hospital.ask("anna", "DELETE", f"parties/{party}/tokens/{made.json()['id']}")
    assert gone.status_code == 204
    assert hospital.client.get(f"{API}/me", headers=headers).status_code == 401


def test_members_see_who_governs_and_nobody_else(hospital):
    path = f"projects/{hospital.project.id}/members"
    names = {
        who: [one["name"] for one in hospital.ask(who, "GET", path).json()["items"]]
        for who in ("stella", "anna", "rita")
    }
    assert names["stella"] == ["anna", "bert", "rita", "stella"]
    assert names["anna"] == ["anna", "stella"]
    assert names["rita"] == ["rita", "stella"]
    assert hospital.ask("otto", "GET", path).status_code == 404


def test_runs_are_for_those_who_govern(hospital):
    with hospital.store.begin() as session:
        session.add(
            Run(
                id="00000000-0000-4000-8000-000000000001",
                project_key=hospital.project.key,
                program="test",
                settings={},
                quality={},
                n_records=0,
                n_links=0,
                n_entities=0,
                created_at=hospital.store.clock(),
            )
        )
    path = f"projects/{hospital.project.id}/runs"
    assert len(hospital.ask("stella", "GET", path).json()["items"]) == 1
    assert hospital.ask("anna", "GET", path).json()["items"] == []


def test_the_journal_is_told_to_those_who_may(hospital):
    hospital.ask("olga", "POST", "parties", json=new_party("carl"))
    entries = hospital.ask("olga", "GET", "journal", params={"limit": 500}).json()["items"]
    assert json.loads(entries[-1]["body"])["act"] == "party.created"
    of_project = hospital.ask("stella", "GET", f"projects/{hospital.project.id}/journal").json()["items"]
    acts = [json.loads(entry["body"])["act"] for entry in of_project]
    assert "project.created" in acts
    assert "party.created" not in acts
    assert hospital.ask("stella", "GET", "journal").status_code == 403
    assert hospital.ask("anna", "GET", f"projects/{hospital.project.id}/journal").status_code == 403


def test_the_description_is_whole(hospital):
    described = hospital.client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    operations = [one for path in described["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert all(one.get("description") or one.get("summary") for one in operations)
