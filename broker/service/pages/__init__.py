"""The console: the broker for people, as pages that the server makes.

::

    entrance    sign in with a token, sign out       sessions, attempts, forms: what keeps others out
    overview    what waits for whom (waiting)        each page asks the functions of `broker.service.routes` as the
    projects    datasets, members, matrix            API does, so that it can show and do nothing that the API would
    ...                                              refuse

Pages load one style sheet, and those on which something goes on one script, from here and from nowhere else; all works
without the script.
"""

from __future__ import annotations

from fastapi import FastAPI

from broker.service.context import Broker
from broker.service.pages import (
    account,
    deliveries,
    entrance,
    jobs,
    journal,
    overview,
    parties,
    permissions,
    projects,
    releases,
    runs,
)
from broker.service.pages.attempts import Attempts
from broker.service.pages.errors import add_error_pages
from broker.service.pages.forms import MOST_BODY_BYTES
from broker.service.pages.sessions import Sessions
from broker.service.pages.visitor import ROOT, Console

_MODULES = (
    entrance,
    overview,
    projects,
    deliveries,
    permissions,
    jobs,
    runs,
    releases,
    journal,
    parties,
    account,
)


def add_console(app: FastAPI, broker: Broker) -> None:
    """Add the pages to an application that has its handlers of errors already."""
    is_secure = broker.settings.public_url.startswith("https:")
    app.state.console = Console(
        Sessions(broker.random_bytes),
        Attempts(),
        # Browsers take a name that begins so from this host alone, by https alone.
        "__Host-pprl-console" if is_secure else "pprl-console",
        is_secure,
    )
    for module in _MODULES:
        app.include_router(module.router, prefix=ROOT, include_in_schema=False, max_body_size=MOST_BODY_BYTES)
    add_error_pages(app)
