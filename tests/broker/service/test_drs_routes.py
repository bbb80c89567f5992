"""Files of releases as DRS objects, and access tokens."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

import jwt
import pytest
from sqlalchemy import select

from broker.auth import AccessKey, AccessTokens, find_token, issue, revoke
from broker.auth.access import LASTS, TICKET_LASTS, api_key
from broker.governance import disable_party
from broker.journal import LOCAL
from broker.releases.builder import build_release
from broker.store.tables import Release, ReleaseFile, ReleaseState

from .hospital import KEYS

URL = "https://broker.example.org"
DRS = "/ga4gh/drs/v1"


@cache
def key(number=0) -> AccessKey:
    return AccessKey.new()


@pytest.fixture
def service(hospital):
    """With a key for access tokens, and a release to rita that has no rows yet."""
    hospital.broker.authenticator.access = AccessTokens(key(), URL)
    hospital.release = build_release(
        hospital.store,
        hospital.project,
        hospital.parties["rita"],
        key=KEYS.release,
        by=hospital.parties["stella"],
    )
    with hospital.store.read() as session:
        found = select(ReleaseFile).where(ReleaseFile.release_key == hospital.release.key)
        hospital.files = {file.name: file for file in session.scalars(found)}
    return hospital


def object_of(service, name="matches.parquet.age"):
    return service.files[name]


def test_a_file_is_an_object(service):
    file = object_of(service)
    answer = service.ask("rita", "GET", f"{DRS}/objects/{file.id}")
    assert answer.json() == {
        "id": file.id,
        "name": "matches.parquet.age",
        "self_uri": f"drs://broker.example.org/{file.id}",
        "created_time": service.release.published_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "version": "1",
        "size": file.n_bytes,
        "checksums": [{"type": "sha-256", "checksum": file.sha256}],
        "mime_type": "application/octet-stream",
        "description": "table of release 1",
        "access_methods": [
            {
                "type": "https",
                "access_id": "https",
                "available": True,
                "authorizations": {
                    "drs_object_id": file.id,
                    "supported_types": ["BearerAuth", "BasicAuth"],
                    "bearer_auth_issuers": [URL],
                },
            }
        ],
    }


def test_a_release_is_a_bundle(service):
    got = service.ask("rita", "GET", f"{DRS}/objects/{service.release.id}").json()
    shown = {name: file for name, file in service.files.items() if file.role != "content"}
    assert {one["name"] for one in got["contents"]} == set(shown)
    assert {one["id"] for one in got["contents"]} == {file.id for file in shown.values()}
    assert got["size"] == sum(file.n_bytes for file in shown.values())
    together = "".join(sorted(file.sha256 for file in shown.values()))
    assert got["checksums"][0]["checksum"] == hashlib.sha256(together.encode()).hexdigest()
    assert service.ask("rita", "GET", f"{DRS}/objects/{got['id']}/access/https").status_code == 404


def test_bytes_by_an_address_that_lasts_for_minutes(service):
    file = object_of(service)
    got = service.ask("rita", "GET", f"{DRS}/objects/{file.id}/access/https").json()["url"]
    parts = urlsplit(got)
    assert f"{parts.scheme}://{parts.netloc}" == URL
    path = f"{parts.path}?{parts.query}"
    content = service.ask(None, "GET", path).content
    assert hashlib.sha256(content).hexdigest() == file.sha256
    part = service.ask(None, "GET", path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    other = object_of(service, "matches.csv.age").id
    for wrong in (path.replace(file.id, other), path[:-1], path.partition("?")[0] + "?ticket=x"):
        assert service.ask(None, "GET", wrong).status_code == 401
    service.store.clock.forward(seconds=TICKET_LASTS.total_seconds())
    assert service.ask(None, "GET", path).status_code == 401


@pytest.mark.parametrize("end", ["token", "party", "membership", "key"])
def test_an_address_ends_with_what_it_was_given_for(service, end):
    path = service.ask("rita", "GET", f"{DRS}/objects/{object_of(service).id}/access/https").json()["url"]
    path = path.removeprefix(URL)
    assert service.ask(None, "GET", path).status_code == 200
    rita, how = service.parties["rita"], {"by": LOCAL, "now": service.store.clock()}
    expected = 401
    with service.store.begin() as session:
        if end == "token":
            revoke(session, find_token(session, rita, "test"), **how)
        elif end == "party":
            disable_party(session, session.merge(rita), **how)
        elif end == "membership":
            from broker.governance import end_membership

            end_membership(session, service.project, rita, **how)
            expected = 403
    if end == "key":
        service.broker.authenticator.access = AccessTokens(key(1), URL)
    assert service.ask(None, "GET", path).status_code == expected


def test_who_sees_what(service):
    file = object_of(service)
    for who, seen, fetched in (
        ("rita", 200, 200),
        ("stella", 200, 403),
        ("olga", 200, 403),
        ("otto", 404, 404),
        ("anna", 404, 404),
        (None, 401, 401),
    ):
        answer = service.ask(who, "GET", f"{DRS}/objects/{file.id}")
        assert answer.status_code == seen, who
        access = service.ask(who, "GET", f"{DRS}/objects/{file.id}/access/https")
        assert access.status_code == fetched, who
        for one in (answer, access):
            if one.status_code != 200:
                assert set(one.json()) == {"msg", "status_code"}
                assert one.json()["status_code"] == one.status_code
    assert service.ask(None, "GET", f"{DRS}/objects/x").headers["WWW-Authenticate"] == "Bearer"
    own = object_of(service, "content-matches.csv")
    for unknown in (own.id, "x", "a/b", "%00"):
        assert service.ask("rita", "GET", f"{DRS}/objects/{unknown}").status_code == 404
    assert service.ask("rita", "GET", f"{DRS}/objects/{file.id}/access/other").status_code == 404


def test_a_token_as_the_password_of_basic_authentication(service):
    def with_(text):
        return {"headers": {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}}

    path = f"{DRS}/objects/{object_of(service).id}"
    assert service.ask(None, "GET", path, **with_(f"rita:{service.tokens['rita']}")).status_code == 200
    for wrong in (f"{service.tokens['rita']}:", ":", "x"):
        assert service.ask(None, "GET", path, **with_(wrong)).status_code == 401
    for wrong in ("Basic é", "Basic !", "Digest x", "Basic"):
        headers = {"Authorization": wrong.encode()}
        assert service.ask(None, "GET", path, headers=headers).status_code == 401


def test_several_objects_at_once(service):
    file = object_of(service)
    body = {"bulk_object_ids": [file.id, service.release.id, "x", file.id]}
    got = service.ask("rita", "POST", f"{DRS}/objects", json=body).json()
    assert got["summary"] == {"requested": 3, "resolved": 2, "unresolved": 1}
    assert [one["id"] for one in got["resolved_drs_object"]] == [file.id, service.release.id]
    assert got["unresolved_drs_objects"] == [{"error_code": 404, "object_ids": ["x"]}]
    wrong = service.ask("rita", "POST", f"{DRS}/objects", json={"bulk_object_ids": ["x"] * 101})
    assert (wrong.status_code, wrong.json()["status_code"]) == (400, 400)


def test_what_the_service_says_of_itself(service):
    info = service.ask(None, "GET", f"{DRS}/service-info").json()
    assert info["type"] == {"group": "org.ga4gh", "artifact": "drs", "version": "1.5.0"}
    assert {"id", "name", "organization", "version"} <= set(info)
    known = service.ask(None, "OPTIONS", f"{DRS}/objects/{object_of(service).id}").json()
    unknown = service.ask(None, "OPTIONS", f"{DRS}/objects/x").json()
    assert {**known, "drs_object_id": "x"} == unknown


def test_objects_of_a_withdrawn_release_are_gone(service):
    file = object_of(service)
    with service.store.begin() as session:
        session.get_one(Release, service.release.key).state = ReleaseState.WITHDRAWN
        for row in session.scalars(select(ReleaseFile)):
            if row.role != "manifest":
                row.sha256 = None
    for path in (file.id, f"{file.id}/access/https", service.release.id):
        answer = service.ask("rita", "GET", f"{DRS}/objects/{path}")
        assert answer.status_code == 404
        assert "records in it were withdrawn" in answer.json()["msg"]
    manifest = object_of(service, "release.json").id
    assert service.ask("rita", "GET", f"{DRS}/objects/{manifest}").status_code == 200


def test_an_api_key_is_changed_for_an_access_token(service):
    now, token = service.store.clock(), service.tokens["rita"]
    file = api_key(token, url=URL, token_id="id", now=now, expires_at=now + timedelta(days=9))
    # What the client does before it asks.
    claims = jwt.decode(file["api_key"], options={"verify_signature": False})
    assert claims["iss"] == f"{URL}/user"
    assert file["api_key"].count(".") == 2
    answer = service.ask(None, "POST", "/user/credentials/cdis/access_token", json=file)
    access = answer.json()["access_token"]
    keys = service.ask(None, "GET", "/.well-known/jwks").json()
    assert keys == service.ask(None, "GET", "/user/.well-known/jwks").json()
    (jwk,) = jwt.PyJWKSet.from_dict(keys).keys
    claims = jwt.decode(
        access, jwk, algorithms=["RS256"], audience="gen3", options={"verify_exp": False, "verify_iat": False}
    )
    assert jwt.get_unverified_header(access)["kid"] == jwk.key_id
    assert claims["pur"] == "access"
    assert claims["exp"] - claims["iat"] == LASTS.total_seconds()
    headers = {"Authorization": f"bearer {access}"}
    assert service.ask(None, "GET", "/mds/metadata", headers=headers).json() == []
    assert service.ask(None, "PUT", "/mds/metadata/x", headers=headers, json={}).status_code == 404
    got = service.ask(None, "GET", "/api/v1/me", headers=headers).json()
    assert got["scopes"] == ["fetch", "metadata", "read"]
    tokens = f"/api/v1/parties/{service.parties['rita'].id}/tokens"
    assert service.ask(None, "GET", tokens, headers=headers).status_code == 403  # it makes no tokens
    again = service.ask(None, "POST", "/user/credentials/cdis/access_token", json={"api_key": access})
    assert again.status_code == 401
    service.store.clock.forward(seconds=LASTS.total_seconds())
    assert service.ask(None, "GET", "/mds/metadata", headers=headers).status_code == 401


def test_an_access_token_ends_with_the_token_it_was_given_for(service):
    rita, now = service.parties["rita"], service.store.clock()
    with service.store.begin() as session:
        _, text = issue(
            session, rita, name="short", scopes=["metadata", "fetch"], by=LOCAL, now=now,
            expires_at=now + timedelta(minutes=3),
        )  # fmt: skip
    access = service.ask(None, "POST", "/user/credentials/cdis/access_token", json={"api_key": text}).json()[
        "access_token"
    ]
    headers = {"Authorization": f"Bearer {access}"}
    assert service.ask(None, "GET", "/mds/metadata", headers=headers).status_code == 200
    with service.store.begin() as session:
        revoke(session, find_token(session, rita, "short"), by=LOCAL, now=now)
    assert service.ask(None, "GET", "/mds/metadata", headers=headers).status_code == 401
    for wrong in (text, "x", "a.b.c", "", "eyJ.eyJ.", jwt.encode({"pprl": 5}, "x" * 32)):
        answer = service.ask(None, "POST", "/user/credentials/cdis/access_token", json={"api_key": wrong})
        assert answer.status_code == 401
        assert "API key" in answer.json()["detail"]


def test_nobody_else_signs_access_tokens(service):
    text = service.tokens["rita"]
    access = service.ask(None, "POST", "/user/credentials/cdis/access_token", json={"api_key": text}).json()[
        "access_token"
    ]
    header, claims, signature = access.split(".")
    content = jwt.decode(access, options={"verify_signature": False})
    kid = key().kid
    forged = [
        f"{header}.{claims}.",
        f"{header}.{claims}.{'A' * len(signature)}",
        jwt.encode(content, "", "none", headers={"kid": kid}),
        jwt.encode(content, "x" * 32, "HS256", headers={"kid": kid}),
        jwt.encode(content, key(1).secret, "RS256", headers={"kid": kid}),
        jwt.encode({**content, "pur": "download"}, key().secret, "RS256", headers={"kid": kid}),
        jwt.encode({**content, "iss": "https://other"}, key().secret, "RS256", headers={"kid": kid}),
        jwt.encode({**content, "aud": "other"}, key().secret, "RS256", headers={"kid": kid}),
        jwt.encode(
            {**content, "sub": service.parties["otto"].id}, key().secret, "RS256", headers={"kid": kid}
        ),
    ]
    for wrong in forged:
        answer = service.ask(None, "GET", "/mds/metadata", headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401


def test_without_a_key_there_are_none(hospital):
    for method, path in (("GET", "/.well-known/jwks"), ("POST", "/user/credentials/cdis/access_token")):
        assert hospital.ask(None, method, path, json={"api_key": "x"}).status_code == 404


def test_the_key_file(tmp_path):
    from pprl.errors import KeyFileError

    path = tmp_path / "access.key"
    key().save(path)
    assert AccessKey.load(path).kid == key().kid
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="others can read it"):
        AccessKey.load(path)
    path.chmod(0o600)
    path.write_text("x")
    with pytest.raises(KeyFileError, match="not a PEM file"):
        AccessKey.load(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        AccessKey.load(tmp_path / "none")
