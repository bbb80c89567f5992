"""The application: routes, errors, logs and metrics put together."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from broker.service.context import Broker
from broker.service.metrics import Metrics
from broker.service.pages import add_console
from broker.service.problems import add_handlers, may_answer
from broker.service.routes import (
    credentials,
    drs,
    journal,
    metadata,
    operations,
    parties,
    permissions,
    projects,
    releases,
    uploads,
    work,
)
from broker.service.watching import Watching
from pprl import __version__

MOST_BODY_BYTES, SMALL_BODY_BYTES = 8 * 1024 * 1024, 64 * 1024

_DESCRIPTION = """\
An honest broker for privacy-preserving record linkage. It holds no key to the tokens that sites send, matches them, and
gives each recipient a match table of opaque GUIDs, as far as the permissions of a project allow.

Errors are problem details (RFC 9457). Lists come in pieces: `next` of one is `after` of the following one.
POSTs take an `Idempotency-Key`: a request that is repeated with it is not carried out again."""


def create_app(broker: Broker) -> FastAPI:
    """Make the application of a broker.

    Parameters
    ----------
    broker : Broker
        Its store is open, and stays so.
    """

    app = FastAPI(
        title="pprl broker",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # the pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation,
        responses=may_answer(400, 401, 403, 404, 409, 413, 422, 503),
    )
    app.state.broker = broker
    app.state.metrics = Metrics(broker.store)
    add_handlers(app)
    for module in (parties, projects, permissions, work, releases, journal):
        app.include_router(module.router, max_body_size=MOST_BODY_BYTES)
    app.include_router(uploads.router)  # it limits what comes by what was announced
    for other in (operations, credentials, drs):
        app.include_router(other.router, max_body_size=SMALL_BODY_BYTES)
    app.include_router(metadata.router, max_body_size=metadata.BATCH_BYTES)
    add_console(app, broker)
    app.add_middleware(Watching, metrics=app.state.metrics)
    _describe_problems(app)
    return app


def _operation(route: APIRoute) -> str:
    """The name of an operation for those who make clients of the description."""
    return route.name


def _describe_problems(app: FastAPI) -> None:
    """Add the form of a problem to the description."""
    made = app.openapi

    def openapi() -> dict[str, object]:
        described = made()
        described.setdefault("components", {}).setdefault("schemas", {})["Problem"] = {
            "type": "object",
            "required": ["type", "title", "status", "detail", "code"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "code": {"type": "string"},
                "errors": {"type": "array", "items": {"type": "object"}},
            },
        }
        return described

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it
