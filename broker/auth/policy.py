"""What callers with a login may do beside the rules of governance: a file of Arborist's shape, or an Arborist.

A policy speaks of *resources*, paths of which each holds those below it, and of *methods*, which are the scopes
(`broker.auth.scopes.SCOPE_OF` has that of every act), of the service ``pprl``::

    /pprl                       the broker as a whole
    /pprl/project/NAME          a project, and all that belongs to it
    /pprl/party/ID              a party

It only narrows: what governance does not allow, no policy does. Callers with an API token are not asked about.
"""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session

from broker.auth.caller import Login
from broker.governance import Subject
from broker.governance.relations import project_of
from broker.store.tables import Party

SERVICE = "pprl"
EVERYTHING = f"/{SERVICE}"
"""The broker as a whole."""


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
