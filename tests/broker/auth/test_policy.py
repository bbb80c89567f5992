"""Policies of a file, and an Arborist: what is not said to be allowed is forbidden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auth import Arborist, LocalPolicy, Login, read_issuers, resource_of
from broker.auth.policy import ANSWER_KEPT
from broker.governance import RULES
from broker.store.tables import Job, Party
from pprl.errors import GovernanceError, PprlError

from ..clocks import SetClock
from ..governance.world import World
from .service import URL

LOGIN = Login(URL, "42", "Gray@example.org", None, SetClock()(), "a.b.c")
POLICY = """
all_users_policies = ["look"]

[[roles]]
id = "reader"
permissions = [{ id = "reader", action = { service = "pprl", method = "read" } }]

[[roles]]
id = "everything"
permissions = [{ id = "everything", action = { service = "*", method = "*" } }]

[[policies]]
id = "look"
role_ids = ["reader"]
resource_paths = ["/pprl/project/open"]

[[policies]]
id = "heart"
description = "all of one project"
role_ids = ["reader", "everything"]
resource_paths = ["/pprl/project/heart"]

[[policies]]
id = "all"
role_ids = ["everything"]
resource_paths = ["/"]

[users."gray@example.org"]
policies = ["heart"]

[users.7]
policies = ["all"]
issuer = "https://id.example.org"

[clients.portal]
policies = ["look"]
"""


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "policy.toml").write_text(POLICY)
    return LocalPolicy.load(tmp_path / "policy.toml")


@pytest.mark.parametrize(
    ("resource", "method", "allowed"),
    [
        ("/pprl/project/heart", "read", True),
        ("/pprl/project/heart", "govern", True),
        ("/pprl/project/heart/below", "read", True),
        ("/pprl/project/heart-two", "read", False),
        ("/pprl/project", "read", False),
        ("/pprl", "read", False),
        ("/pprl/project/lung", "read", False),
        ("/pprl/project/open", "read", True),
        ("/pprl/project/open", "fetch", False),
        ("", "read", False),
    ],
)
def test_a_policy_of_a_file(policy, resource, method, allowed):
    assert policy.allows(LOGIN, resource, method) is allowed


def test_who_is_meant(policy):
    heart, everywhere = ("/pprl/project/heart", "read"), ("/pprl/party/x", "administer")
    assert not policy.allows(replace(LOGIN, name="somebody else"), *heart)
    assert policy.allows(replace(LOGIN, name="somebody else"), "/pprl/project/open", "read")
    assert not policy.allows(replace(LOGIN, name="7"), *everywhere)  # another issuer's 7
    assert policy.allows(replace(LOGIN, name="7", issuer="https://id.example.org"), *everywhere)


def test_a_program_must_be_allowed_as_well(policy):
    by_portal, by_other = replace(LOGIN, client="portal"), replace(LOGIN, client="other")
    assert policy.allows(by_portal, "/pprl/project/open", "read")
    assert not policy.allows(by_portal, "/pprl/project/heart", "read")
    assert not policy.allows(by_other, "/pprl/project/open", "read")


def test_an_empty_policy_allows_nothing(tmp_path):
    (tmp_path / "policy.json").write_text("{}")
    assert not LocalPolicy.load(tmp_path / "policy.json").allows(LOGIN, "/pprl", "read")


_ROLE = (
    '[[roles]]\nid = "r"\npermissions = [{{ id = "r", action = {{ service = "pprl", method = "{}" }} }}]\n'
)
_POLICY = '[[policies]]\nid = "p"\nrole_ids = ["{}"]\nresource_paths = ["{}"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[", "is malformed"),
        ("groups = []", "groups: extra"),
        (_ROLE.format("fly"), "roles.0.permissions.0.action.method"),
        (_ROLE.format("read") * 2, "the role 'r' is there twice"),
        (_POLICY.format("none", "/pprl"), "there is no role 'none'"),
        (_ROLE.format("read") + _POLICY.format("r", "pprl"), "policies.0.resource_paths.0"),
        (_ROLE.format("read") + _POLICY.format("r", "/pprl/"), "policies.0.resource_paths.0"),
        (_ROLE.format("read") + _POLICY.format("r", "/pprl/*"), "policies.0.resource_paths.0"),
        ('all_users_policies = ["none"]', "there is no policy 'none'"),
        ('[users.x]\npolicies = ["none"]', "there is no policy 'none'"),
        ("[users.x]\npolicies = []\n[users.X]\npolicies = []", "the user 'x' is there twice"),
        ("[users.x]\npolicies = 7", r"users\.x\.policies"),
    ],
)
def test_policies_that_mean_nothing(tmp_path, text, says):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PprlError, match=says) as raised:
        LocalPolicy.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_of_policies(tmp_path):
    with pytest.raises(PprlError, match="cannot be read"):
        LocalPolicy.load(tmp_path / "none.toml")
    for content in (b"\xff", b"[" * 100_000, b"[]", b"null"):
        (tmp_path / "policy.json").write_bytes(content)
        with pytest.raises(PprlError, match=r"policy\.json"):
            LocalPolicy.load(tmp_path / "policy.json")


def test_every_subject_is_a_resource(store):
    with store.begin() as session:
        world = World(session, store)
        kinds = {kind for rule in RULES.values() for kind in rule.subjects}
        found = {kind: resource_of(session, world.subject(kind)) for kind in kinds}
        assert found.pop(Party) == f"/pprl/party/{world['owner'].id}"
        assert set(found.values()) == {"/pprl/project/heart"}
        assert resource_of(session, None) == "/pprl"
        assert resource_of(session, Job(project_key=None)) == "/pprl"


class AnArborist:
    """Counts what it is asked, and answers as it is told."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def __call__(self, url, *, body=None):
        self.asked.append((url, json.loads(body)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_an_arborist_is_asked():
    server, clock = AnArborist(b'{"auth": true}'), SetClock()
    policy = Arborist("https://data.example.org/authz/", fetch=server, clock=clock)
    assert policy.allows(LOGIN, "/pprl/project/heart", "read")
    assert server.asked == [
        (
            "https://data.example.org/authz/auth/request",
            {
                "user": {"token": "a.b.c"},
                "requests": [
                    {"resource": "/pprl/project/heart", "action": {"service": "pprl", "method": "read"}}
                ],
            },
        )
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b'{"auth": false}', b'{"auth": 1}', b'{"auth": "true"}', b"{}", b"[true]", b"true", b"", b"\xff",
        b"[" * 100_000,
        ConnectionError("down"), TimeoutError(), RuntimeError("anything"), GovernanceError("x"),
    ],
    ids=lambda answer: repr(answer)[:20],
)  # fmt: skip
def test_no_answer_is_a_no(answer):
    policy = Arborist("https://data.example.org", fetch=AnArborist(answer), clock=SetClock())
    assert policy.allows(LOGIN, "/pprl", "read") is False


def test_answers_are_kept_for_a_while_and_failures_are_not():
    server, clock = AnArborist(ConnectionError("down")), SetClock()
    policy = Arborist("https://data.example.org", fetch=server, clock=clock)
    ask = lambda **other: policy.allows(replace(LOGIN, **other), "/pprl", "read")  # noqa: E731
    assert not ask()
    server.answer = b'{"auth": true}'
    assert [ask(), ask()] == [True, True]
    assert len(server.asked) == 2
    server.answer = b'{"auth": false}'
    assert ask()
    assert not ask(text="d.e.f")
    assert not policy.allows(LOGIN, "/pprl", "govern")
    clock.forward(seconds=ANSWER_KEPT.total_seconds())
    assert not ask()
    server.answer = b'{"auth": true}'
    assert not ask()
    clock.forward(hours=-1)
    assert ask()


def test_answers_do_not_pile_up(monkeypatch):
    from broker.auth import policy as module

    monkeypatch.setattr(module, "_MOST_ANSWERS", 3)
    policy = Arborist("https://data.example.org", fetch=AnArborist(b'{"auth": true}'), clock=SetClock())
    for number in range(10):
        assert policy.allows(LOGIN, f"/pprl/{number}", "read")
        assert len(policy._answers) <= 3


def test_an_arborist_needs_https():
    with pytest.raises(GovernanceError, match="an Arborist needs https"):
        Arborist("http://arborist-service")


@given(st.text(), st.text())
def test_whatever_is_asked_an_answer_is_no_more_than_a_path_below(resource, method):
    from broker.auth.policy import PolicyFile

    rules = {
        "roles": [{"id": "r", "permissions": [{"id": "r", "action": {"service": "pprl", "method": "read"}}]}],
        "policies": [{"id": "p", "role_ids": ["r"], "resource_paths": ["/pprl/a"]}],
        "all_users_policies": ["p"],
    }
    allowed = LocalPolicy(PolicyFile.model_validate(rules)).allows(LOGIN, resource, method)
    assert allowed == (method == "read" and (resource == "/pprl/a" or resource.startswith("/pprl/a/")))


def test_the_documented_files_are_read(tmp_path):
    blocks = (Path(__file__).parents[3] / "docs" / "auth.md").read_text().split("```toml\n")[1:]
    for name, block in zip(("issuers.toml", "policy.toml"), blocks, strict=True):
        (tmp_path / name).write_text(block.split("```")[0])
    assert read_issuers(tmp_path / "issuers.toml")[0].url == URL
    policy = LocalPolicy.load(tmp_path / "policy.toml")
    assert policy.allows(replace(LOGIN, client="portal"), "/pprl/project/heart-registry", "fetch")
    assert not policy.allows(LOGIN, "/pprl/project/heart-registry", "govern")
