"""Every route, asked by everybody: who gets what, who is refused, and for whom there is no such thing.

A route that has no line here fails the first test, so that none is added without a thought about who may use it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts

from broker.auth import USEFUL
from pprl.guid import new_guid

from .everybody import Everybody, bodies, paths

API = "/api/v1"
PEOPLE = (
    *("operator", "steward", "owner", "other", "named", "unnamed"),
    *("former", "expired", "stranger", "steward_elsewhere", "disabled", "nobody"),
)
# a: the answer of one who may (the status in the line); d: 403; .: 404, as if it were not there; u: 401; other letters
# below. The columns are those of PEOPLE. Then the scope that it takes, and which body is sent.
MATRIX = """
GET    /openapi.json                              200 a a a a a a a a a a a a -
GET    /healthz                                   200 a a a a a a a a a a a a -
GET    /readyz                                    200 a a a a a a a a a a a a -
GET    /metrics                                   200 a d d d d d d d d d u u metrics
GET    ~/broker                                   200 a a a a a a a a a a u u -
GET    ~/me                                       200 a a a a a a a a a a u u -
PUT    ~/me/recipient                             200 a a a a a a a a a a u u account recipient
PUT    ~/me/site-key                              200 i i a a i i a i a i u u account site-key
GET    ~/parties                                  200 a d d d d d d d d d u u read
POST   ~/parties                                  201 a d d d d d d d d d u u administer party
GET    ~/parties/{party_id}                       200 a . a . . . . . . . u u read
POST   ~/parties/{party_id}/disable               200 a . d . . . . . . . u u administer
GET    ~/parties/{party_id}/tokens                200 a . a . . . . . . . u u account
POST   ~/parties/{party_id}/tokens                201 a . a . . . . . . . u u account token
DELETE ~/parties/{party_id}/tokens/{token_id}     204 a . a . . . . . . . u u account
GET    ~/projects                                 200 a a a a a a a a a a u u read
POST   ~/projects                                 201 a d d d d d d d d d u u administer project
GET    ~/projects/{project_id}                    200 a a a a a a . . . . u u read
GET    ~/projects/{project_id}/schema             200 a a a a a a . . . . u u read
POST   ~/projects/{project_id}/close              200 a d d d d d . . . . u u administer
GET    ~/projects/{project_id}/members            200 a a a a a a . . . . u u read
POST   ~/projects/{project_id}/members            201 a a d d d d . . . . u u govern member
DELETE ~/projects/{project_id}/members/{party_id} 204 a a d d d d . . . . u u govern
GET    ~/projects/{project_id}/datasets           200 a a a a a a . . . . u u read
POST   ~/projects/{project_id}/datasets           201 d d a a d d . . . . u u submit dataset
GET    ~/datasets/{dataset_id}                    200 a a a a a a . . . . u u read
POST   ~/datasets/{dataset_id}/retire             200 a d a d d d . . . . u u govern
GET    ~/datasets/{dataset_id}/deliveries         200 a a a d d d . . . . u u read
GET    ~/deliveries/{delivery_id}                 200 a a a . . . . . . . u u read
POST   ~/datasets/{dataset_id}/uploads            201 d d a d d d . . . . u u submit upload
GET    ~/uploads/{upload_id}                      200 a a a . . . . . . . u u read
HEAD   ~/uploads/{upload_id}                      200 d d a . . . . . . . u u submit
DELETE ~/uploads/{upload_id}                      204 d d a . . . . . . . u u submit
PATCH  ~/uploads/{upload_id}                      204 d d a . . . . . . . u u submit
GET    ~/projects/{project_id}/jobs               200 a a a a a a . . . . u u read
GET    ~/jobs/{job_id}                            200 a a a . . . . . . . u u read
POST   ~/jobs/{job_id}/cancel                     409 a a a . . . . . . . u u govern
POST   ~/datasets/{dataset_id}/withdrawals        202 d d a d d d . . . . u u withdraw withdrawal
GET    ~/datasets/{dataset_id}/withdrawals        200 a a a d d d . . . . u u read
GET    ~/withdrawals/{withdrawal_id}              200 a a a . . . . . . . u u read
GET    ~/projects/{project_id}/permissions        200 a a a a a a . . . . u u read
POST   ~/projects/{project_id}/permissions        201 a a d d d d . . . . u u govern permission
GET    ~/permissions/{permission_id}              200 a a a a a . . a . . u u read
POST   ~/permissions/{permission_id}/revoke       200 a a a a d . . d . . u u govern
GET    ~/permissions/{permission_id}/count        200 d d d d a . . d . . u u fetch
GET    ~/projects/{project_id}/runs               200 a a a a a a . . . . u u read
POST   ~/projects/{project_id}/runs               202 a a d d d d . . . . u u govern run
GET    ~/runs/{run_id}                            200 a a . . . . . . . . u u read
GET    ~/runs/{run_id}/quality                    200 a a . . . . . . . . u u read
GET    ~/runs/{run_id}/report                     200 a a . . . . . . . . u u read
POST   ~/projects/{project_id}/releases           202 a a d d d d . . . . u u govern release
GET    ~/releases                                 200 a a a a a a a a a a u u read
GET    ~/projects/{project_id}/releases           200 a a a a a a . . . . u u read
GET    ~/releases/{release_id}                    200 a a . . a . . . . . u u read
GET    ~/releases/{release_id}/files/{name}       200 d d . . a . . . . . u u fetch
POST   ~/releases/{release_id}/acknowledge        200 d d . . a . . . . . u u fetch
GET    ~/journal                                  200 a d d d d d d d d d u u read
GET    ~/journal/checkpoints                      200 a a a a a a a a a a u u -
GET    ~/projects/{project_id}/journal            200 a a d d d d . . . . u u read
GET    /ga4gh/drs/v1/service-info                 200 a a a a a a a a a a a a -
GET    /ga4gh/drs/v1/objects/{object_id:path}     200 a a . . a . . . . . u u read
OPTIONS /ga4gh/drs/v1/objects/{object_id:path}    200 a a a a a a a a a a a a -
POST   /ga4gh/drs/v1/objects                      200 a a a a a a a a a a u u - objects
GET    /ga4gh/drs/v1/objects/{object_id:path}/access/{access_id} 200 d d . . a . . . . . u u fetch
GET    /ga4gh/drs/v1/bytes/{object_id}            400 a a a a a a a a a a a a -
POST   /user/credentials/cdis/access_token        401 a a a a a a a a a a a a - api-key
GET    /.well-known/jwks                          200 a a a a a a a a a a a a -
GET    /user/.well-known/jwks                     200 a a a a a a a a a a a a -
GET    /index/guid/mint                           200 a a a a a a a a a a a a -
GET    /index/guid/prefix                         200 a a a a a a a a a a a a -
GET    /mds/_status                               200 a a a a a a a a a a a a -
GET    /mds/version                               200 a a a a a a a a a a a a -
GET    /mds/metadata                              200 a a a a a a a a a a u u fetch
POST   /mds/metadata                              200 a a a a a a a a a a u u metadata batch
GET    /mds/metadata/{guid:path}                  200 . . . . a . . . . . u u fetch
POST   /mds/metadata/{guid:path}                  409 a a a a a a a a a a u u metadata record
PUT    /mds/metadata/{guid:path}                  200 . . . . a . . . . . u u metadata record
DELETE /mds/metadata/{guid:path}                  200 . . . . a . . . . . u u metadata
GET    /mds/metadata/{guid:path}/aliases          200 . . . . a . . . . . u u fetch
POST   /mds/metadata/{guid:path}/aliases          201 . . . . a . . . . . u u metadata aliases
PUT    /mds/metadata/{guid:path}/aliases          201 . . . . a . . . . . u u metadata aliases
DELETE /mds/metadata/{guid:path}/aliases          204 . . . . a . . . . . u u metadata
DELETE /mds/metadata/{guid:path}/aliases/{alias:path} 204 . . . . a . . . . . u u metadata
"""
# The same functions under other names, as clients of Gen3 have them.
ALSO = {"/mds/": ("/mds-admin/", "/"), "/index/": ("/",)}
STATUSES = {"d": 403, ".": 404, "u": 401, "i": 422}


class Line:
    """A route and what is expected of it."""

    def __init__(self, text: str) -> None:
        cells = text.split()
        self.method, self.path = cells[0], cells[1].replace("~", API)
        self.allowed, letters = int(cells[2]), cells[3 : 3 + len(PEOPLE)]
        self.expected = dict(zip(PEOPLE, letters, strict=True))
        self.scope = None if cells[3 + len(PEOPLE)] == "-" else cells[3 + len(PEOPLE)]
        self.body = cells[4 + len(PEOPLE)] if len(cells) > 4 + len(PEOPLE) else None

    @property
    def first(self) -> str | None:
        """The first id in its path."""
        names = [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]
        return names[0].removesuffix(":path") if names else None

    def filled(self, ids: dict[str, str]) -> str:
        """Its path with ids in it."""
        return self.path.replace(":path}", "}").format(**ids)

    def status(self, name: str) -> int:
        return STATUSES.get(self.expected[name], self.allowed)

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


LINES = [Line(text) for text in MATRIX.strip().splitlines()]


@pytest.fixture
def everybody(store) -> Iterator[Everybody]:
    made = Everybody(store)
    with made.client:
        yield made


def routes(app) -> set[tuple[str, str]]:
    found = set()
    for route in iter_route_contexts(app.routes):
        if route.path.startswith("/console"):
            continue  # for people, who sign in there: asked in `pages/`, and its functions are those of the API
        for method in route.methods or {"?"}:
            # Starlette answers HEAD where there is GET, by the same function.
            if method != "HEAD" or "GET" not in route.methods:
                found.add((method, route.path))
    return found


def ask(everybody: Everybody, line: Line, token: str | None, **ids: str):
    more = {}
    if line.body is not None:
        more["json"] = bodies(everybody.world, everybody.draw)[line.body]
    if line.method == "PATCH":
        more = {
            "content": b"",
            "headers": {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        }
    with everybody.undone():
        return everybody.ask(token, line.method, line.filled(paths(everybody) | ids), **more)


def test_every_route_is_in_the_table(everybody):
    known = {(line.method, line.path) for line in LINES}
    for under, others in ALSO.items():
        known |= {
            (line.method, line.path.replace(under, other, 1))
            for line in LINES
            for other in others
            if line.path.startswith(under)
        }
    assert known == routes(everybody.app)


def test_everybody_at_every_route(everybody):
    wrong = {}
    for line in LINES:
        for name in PEOPLE:
            answer = ask(everybody, line, everybody.tokens.get(name))
            if answer.status_code != line.status(name):
                wrong[f"{line} by {name}"] = (line.status(name), answer.status_code, answer.text[:200])
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert wrong == {}


def test_what_is_hidden_is_answered_as_what_is_not_there(everybody):
    """To the byte, and with the same headers, but for the id of the request."""
    wrong = []
    for line in LINES:
        first = line.first
        for name in PEOPLE:
            if line.expected[name] != ".":
                continue
            token = everybody.tokens[name]
            there = ask(everybody, line, token)
            nowhere = ask(everybody, line, token, **{first: new_guid(everybody.draw)})
            if told(there) != told(nowhere):
                wrong.append(f"{line} by {name}: {there.text} {nowhere.text}")
    assert wrong == []


def told(answer) -> tuple:
    headers = sorted((k, v) for k, v in answer.headers.items() if k != "x-request-id")
    return answer.status_code, headers, answer.content


def test_a_wrong_token_is_told_as_none(everybody):
    """Whatever is wrong with it."""
    answers = set()
    token = everybody.tokens["owner"]
    for bad in (
        token[:-1],
        token[:-1] + ("q" if token[-1] != "q" else "p"),
        "x",
        everybody.tokens["disabled"],
    ):
        answer = everybody.ask(bad, "GET", f"{API}/me")
        assert answer.status_code == 401
        answers.add(answer.text)
    assert len(answers) == 1


def test_a_token_without_the_scope_does_not_do(everybody):
    """And with nothing but the scope it does."""
    wrong = {}
    for line in LINES:
        if line.scope is None:
            continue
        useful, name = next(
            (USEFUL[everybody.world[name].kind], name)
            for name in PEOPLE
            if line.expected[name] == "a" and line.scope in USEFUL[everybody.world[name].kind]
        )
        less = everybody.token_with(name, useful - {line.scope})
        answer = ask(everybody, line, less)
        if answer.status_code != 403:
            wrong[f"{line} without {line.scope}"] = (answer.status_code, answer.text[:200])
        # Nor does it tell what there is.
        if "{" in line.path and "{token_id}" not in line.path:
            nowhere = ask(everybody, line, less, **{line.first: new_guid(everybody.draw)})
            assert told(answer) == told(nowhere), line
        alone = {line.scope} | ({"read"} if line.body == "token" else set())  # it gives away what it has
        answer = ask(everybody, line, everybody.token_with(name, alone))
        if answer.status_code != line.allowed:
            wrong[f"{line} with {line.scope} alone"] = (answer.status_code, answer.text[:200])
    assert wrong == {}


def test_nobody_finds_out_what_there_is_elsewhere(everybody):
    """Not by the places of lists, nor by filters, nor by what stands in bodies."""
    world, unknown = everybody.world, new_guid(everybody.draw)
    own = world.elsewhere.id
    lists = {
        f"{API}/projects/{own}/datasets": world.dataset.id,
        f"{API}/projects/{own}/jobs": world.job.id,
        f"{API}/projects/{own}/runs": world.run.id,
        f"{API}/projects/{own}/permissions": world.permission.id,
        f"{API}/projects/{own}/releases": world.release.id,
        f"{API}/projects": world.project.id,
        f"{API}/releases": world.release.id,
    }
    token = everybody.tokens["steward_elsewhere"]
    for path, hidden in lists.items():
        assert told(everybody.ask(token, "GET", path, params={"after": hidden})) == told(
            everybody.ask(token, "GET", path, params={"after": unknown})
        ), path
    tokens = f"{API}/parties/{world['stranger'].id}/tokens"
    there, nowhere = (
        told(everybody.ask(everybody.tokens["stranger"], "GET", tokens, params={"after": one}))
        for one in (everybody.token_ids["owner"], unknown)
    )
    assert there == nowhere
    assert told(everybody.ask(token, "GET", f"{API}/releases", params={"project": world.project.id})) == told(
        everybody.ask(token, "GET", f"{API}/releases", params={"project": unknown})
    )
    body = bodies(world, everybody.draw)["permission"]
    permit = f"{API}/projects/{own}/permissions"
    refused = everybody.ask(token, "POST", permit, json=body)
    assert refused.status_code == 404
    assert told(refused) == told(
        everybody.ask(token, "POST", permit, json=body | {"left": unknown, "right": unknown})
    )


def test_lists_hold_what_the_party_may_see(everybody):
    world = everybody.world

    def items(name: str, path: str) -> list[str]:
        return [
            one["id"] for one in everybody.ask(everybody.tokens[name], "GET", f"{API}/{path}").json()["items"]
        ]

    here = {"operator", "steward", "owner", "other", "named", "unnamed"}
    for name in set(PEOPLE) - {"disabled", "nobody"}:
        assert (world.project.id in items(name, "projects")) == (name in here), name
        assert (world.elsewhere.id in items(name, "projects")) == (
            name in {"operator", "stranger", "steward_elsewhere"}
        ), name
        sees = name in {"operator", "steward", "named"}
        assert items(name, "releases") == ([world.release.id] if sees else []), name
        assert items(name, f"releases?project={world.project.id}") == ([world.release.id] if sees else [])
    of_project = f"projects/{world.project.id}"
    for name in here:
        governs = name in {"operator", "steward"}
        assert items(name, f"{of_project}/jobs") == ([world.job.id] if governs or name == "owner" else [])
        assert items(name, f"{of_project}/runs") == ([world.run.id] if governs else [])
        sees = name in {"operator", "steward", "named"}
        assert items(name, f"{of_project}/releases") == ([world.release.id] if sees else []), name
        assert items(name, f"{of_project}/permissions") == (
            [] if name == "unnamed" else [world.permission.id]
        ), name


def test_members_are_shown_to_those_who_govern(everybody):
    path = f"{API}/projects/{everybody.world.project.id}/members"
    for name in ("owner", "other", "named", "unnamed"):
        told = everybody.ask(everybody.tokens[name], "GET", path).json()["items"]
        assert {one["name"] for one in told} == {"steward", name}


def test_nobody_does_as_another(everybody):
    """Neither submits, nor takes back, nor gives tokens away, nor repeats a request of somebody else's."""
    world = everybody.world
    for path in (f"datasets/{world.dataset.id}/uploads", f"datasets/{world.dataset.id}/withdrawals"):
        body = bodies(world, everybody.draw)[path.rpartition("/")[2].removesuffix("s")]
        assert everybody.ask(everybody.tokens["other"], "POST", f"{API}/{path}", json=body).status_code == 403
    headers = {"Idempotency-Key": "the same"}
    path = f"{API}/projects/{world.project.id}/datasets"
    for name in ("owner", "other"):
        answer = everybody.ask(
            everybody.tokens[name], "POST", path, json={"name": f"of-{name}"}, headers=headers
        )
        assert answer.status_code == 201
        assert answer.json()["site"] == world[name].id
        assert "Idempotency-Replayed" not in answer.headers
    less = everybody.token_with("owner", {"account"})
    answer = everybody.ask(
        less, "POST", f"{API}/parties/{world['owner'].id}/tokens", json=bodies(world, everybody.draw)["token"]
    )
    assert answer.status_code == 403
