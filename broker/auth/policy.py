"""What callers with a login may do beside the rules of governance: a file of Arborist's shape, or an Arborist.

A policy speaks of *resources*, paths of which each holds those below it, and of *methods*, which are the scopes
(`broker.auth.scopes.SCOPE_OF` has that of every act), of the service ``pprl``::

    /pprl                       the broker as a whole
    /pprl/project/NAME          a project, and all that belongs to it
    /pprl/party/ID              a party

It only narrows: what governance does not allow, no policy does. Callers with an API token are not asked about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from broker.auth.addresses import Fetch, HttpFetch, check_address
from broker.auth.caller import Login
from broker.auth.files import read_settings
from broker.auth.scopes import Scope
from broker.clock import Clock, system_clock
from broker.governance import Subject
from broker.governance.relations import project_of
from broker.store.tables import Party

SERVICE = "pprl"
EVERYTHING = f"/{SERVICE}"
"""The broker as a whole."""

ANSWER_KEPT = timedelta(seconds=30)
"""How long an Arborist's answer counts, so long, too, after it was changed there."""

_ANY = "*"
_MOST_ANSWERS = 10_000


def resource_of(session: Session, subject: Subject | None) -> str:
    """What policies call a subject; those that belong to a project have its name."""
    if isinstance(subject, Party):
        return f"{EVERYTHING}/party/{subject.id}"
    project = None if subject is None else project_of(session, subject)
    return EVERYTHING if project is None else f"{EVERYTHING}/project/{project.name}"


class Policy(Protocol):
    """Decides about callers with a login."""

    def allows(self, login: Login, resource: str, method: str) -> bool:
        """Whether somebody may use a method on a resource. It never raises: what is not certain is forbidden."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Action(_Table):
    service: Literal["pprl", "*"]
    method: Literal["*"] | Annotated[Scope, Field(strict=False)]


class _Permission(_Table):
    id: str
    action: _Action


class _Role(_Table):
    id: str
    description: str = ""
    permissions: list[_Permission]


class _PolicyTable(_Table):
    id: str
    description: str = ""
    role_ids: list[str]
    resource_paths: list[Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$|^/$")]]


class _Holder(_Table):
    policies: list[str]


class _User(_Holder):
    issuer: str | None = None


class PolicyFile(_Table):
    """What a file of policies says, in Arborist's words.

    Attributes
    ----------
    roles, policies : list
        What may be done; where it may be done, and as which roles.
    users, clients : dict
        Who holds which policies: people by user name or subject, programs by the ``azp`` of their logins.
    all_users_policies : list of str
        What everybody with a login holds.
    """

    roles: list[_Role] = []
    policies: list[_PolicyTable] = []
    users: dict[str, _User] = {}
    clients: dict[str, _Holder] = {}
    all_users_policies: list[str] = []

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Refuse what names nothing, as it would forbid without a word, or two things."""
        roles, policies = [one.id for one in self.roles], [one.id for one in self.policies]
        for what, names in (
            ("role", roles),
            ("policy", policies),
            ("user", [name.lower() for name in self.users]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"the {what} {twice[0]!r} is there twice")
        holders = [*self.users.values(), *self.clients.values()]
        for what, named, there in (
            ("role", [name for one in self.policies for name in one.role_ids], roles),
            (
                "policy",
                [*self.all_users_policies, *(name for one in holders for name in one.policies)],
                policies,
            ),
        ):
            if missing := sorted(set(named) - set(there)):
                raise ValueError(f"there is no {what} {missing[0]!r}")
        return self

    def grants(self) -> Iterator[tuple[str, set[tuple[str, str]]]]:
        """Every policy's name, and the paths and methods that it allows."""
        methods = {role.id: {str(one.action.method) for one in role.permissions} for role in self.roles}
        for policy in self.policies:
            allowed = {method for role in policy.role_ids for method in methods[role]}
            yield policy.id, {(path, method) for path in policy.resource_paths for method in allowed}


class LocalPolicy:
    """A policy of a file; made by `LocalPolicy.load`.

    Parameters
    ----------
    rules : PolicyFile
        What the file says.
    """

    def __init__(self, rules: PolicyFile) -> None:
        self._grants = dict(rules.grants())
        self._users = {name.lower(): one for name, one in rules.users.items()}
        self._clients, self._all = rules.clients, rules.all_users_policies

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a policy from TOML or, where the name ends in ``.json``, from JSON.

        Raises
        ------
        PprlError
            It is missing or malformed, or says something that means nothing.
        """
        return cls(read_settings(path, PolicyFile))

    def allows(self, login: Login, resource: str, method: str) -> bool:
        """As `Policy`. Where somebody comes by a program, the program must be allowed as well, as with Arborist."""
        user, held = self._users.get(login.name.lower()), list(self._all)
        if user is not None and user.issuer in {None, login.issuer}:
            held += user.policies
        if not self._any(held, resource, method):
            return False
        if login.client is None:
            return True
        client = self._clients.get(login.client)
        return client is not None and self._any(client.policies, resource, method)

    def _any(self, policies: Iterable[str], resource: str, method: str) -> bool:
        return any(
            (path == "/" or resource == path or resource.startswith(f"{path}/")) and allowed in {method, _ANY}
            for policy in policies
            for path, allowed in self._grants[policy]
        )


class Arborist:
    """A policy that an Arborist decides, for the user whose login it is.

    Parameters
    ----------
    base : str
        Its URL; ``/auth/request`` is asked below it.
    fetch : Fetch, optional
        Asks it; over the network by default.
    clock : Clock
        What time it is: its answers are kept for half a minute.

    Raises
    ------
    GovernanceError
        The URL is none, or without https.
    """

    def __init__(self, base: str, *, fetch: Fetch | None = None, clock: Clock = system_clock) -> None:
        check_address(base, what="an Arborist")
        self._url = base.rstrip("/") + "/auth/request"
        self._fetch, self._clock = HttpFetch() if fetch is None else fetch, clock
        self._answers: dict[tuple[bytes, str, str], tuple[bool, datetime]] = {}

    def allows(self, login: Login, resource: str, method: str) -> bool:
        """As `Policy`; no answer, or one that is not understood, is a no."""
        now = self._clock()
        question = hashlib.sha256(login.text.encode("ascii")).digest(), resource, method
        answer, until = self._answers.get(question, (False, now))
        if now < until <= now + ANSWER_KEPT:
            return answer
        try:
            answer = self._ask(login.text, resource, method)
        except Exception:  # whatever went wrong, it is not known that it is allowed
            return False
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[question] = answer, now + ANSWER_KEPT
        return answer

    def _ask(self, text: str, resource: str, method: str) -> bool:
        action = {"service": SERVICE, "method": method}
        request = {"user": {"token": text}, "requests": [{"resource": resource, "action": action}]}
        found = json.loads(self._fetch(self._url, body=json.dumps(request).encode("utf-8")))
        return isinstance(found, dict) and found.get("auth") is True
