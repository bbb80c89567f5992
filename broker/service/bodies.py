"""Bodies of requests that are any JSON, up to a size."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from fastapi import Request

from broker.service.problems import Refusal


def json_of_at_most(most_bytes: int) -> Callable[[Request], Awaitable[Any]]:
    """A dependency: the JSON that a request brings; what is longer is not read to its end."""

    async def read(request: Request) -> Any:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > most_bytes:
                raise Refusal(
                    413, f"a request like this may have {most_bytes} bytes at most; send less at once"
                )
        try:
            return json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise Refusal(422, "the request is not JSON") from None

    return read


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
