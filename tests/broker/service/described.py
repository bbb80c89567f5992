"""Requests made up from the API's own description, and answers held against it."""

from __future__ import annotations

from contextlib import nullcontext

import schemathesis
from httpx2 import InvalidURL
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .everybody import Everybody, bodies, paths


@schemathesis.serializer("application/offset+octet-stream")
def as_it_is(context, value):
    """What a description without a schema of its content gives: bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
PEOPLE = ("operator", "steward", "owner", "named", "stranger", None)


def description(everybody: Everybody):
    """The API's description as it is served."""
    return schemathesis.openapi.from_dict(everybody.client.get("/openapi.json").json())


def operations(everybody: Everybody) -> list:
    """All operations of the description."""
    return [found.ok() for found in description(everybody).get_all_operations()]


def try_operation(everybody: Everybody, operation, *, n_examples: int, keep: bool = False) -> list[str]:
    """Send made-up requests to an operation, good ones and bad ones; gives the first thing that is wrong.

    Parameters
    ----------
    everybody : Everybody
        The service.
    operation : APIOperation
        Of `operations`.
    n_examples : int
        Requests.
    keep : bool
        Whether what they do stays.
    """
    found: list[str] = []
    ids = paths(everybody)
    made = bodies(everybody.world, everybody.draw).values()
    real_bodies = [body for body in made if isinstance(body, dict)]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(
        max_examples=n_examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, who=st.sampled_from(PEOPLE), real=st.sampled_from((True, True, False)))
    def send(case, who, real):
        if any("\n" in str(value) for value in case.path_parameters.values()):
            reject()  # paths with a line's end belong to no route, so what is described is not what answers
        if real:
            case.path_parameters = {
                name: ids.get(name, value) for name, value in case.path_parameters.items()
            }
            case.body = _with_real(case.body, real_bodies)
        headers = {} if who is None else {"Authorization": f"Bearer {everybody.tokens[who]}"}
        sent = case.as_transport_kwargs(base_url="http://testserver", headers=headers)
        sent.pop("cookies", None)
        if "data" in sent:  # as another client calls it
            sent["content"] = sent.pop("data")
        try:
            with nullcontext() if keep else everybody.undone():
                answer = everybody.client.request(**sent)
        except InvalidURL:  # one that the client does not send
            reject()
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseException as error:
            found.append(f"{operation.label} by {who}: {answer.status_code} {error}")
            raise

    try:
        send()
    except BaseException as error:
        return found[-1:] or [f"{operation.label}: {error!r}"]
    return []


def _with_real(body, real_bodies):
    """A body with the values of a real one where it has the same names; they are what random ones never meet."""
    if not isinstance(body, dict):
        return body
    alike = max(real_bodies, key=lambda real: len(real.keys() & body.keys()))
    changed = {name: alike[name] for name in alike.keys() & body.keys() if name in _NAMES}
    return body | changed


_NAMES = {"left", "right", "recipient", "recipients", "party", "schema", "expires_at", "public"}
