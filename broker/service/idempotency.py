"""Requests that may come twice: the second one gets the answer of the first, and nothing is done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.orm import Session

from broker.service.dependencies import Asking, AskingDep
from broker.service.problems import Refusal
from broker.store.tables import IdempotencyKey

Answer = tuple[int, BaseModel]
"""HTTP status and body."""


class Once:
    """Does what a request asks for, in one transaction with the memory of having done it."""

    def __init__(self, asking: Asking, key: str | None, request_sha256: str) -> None:
        self._asking, self._key, self._sha256 = asking, key, request_sha256

    def __call__(
        self, act: Callable[[Session], Answer], *, headers: dict[str, str] | None = None
    ) -> JSONResponse:
        """Act and answer; or answer as the last time.

        Parameters
        ----------
        act : callable
            Of a session of `broker.store.Store.begin`; gives status and body.
        headers : dict, optional
            Of the answer.

        Raises
        ------
        Refusal
            The key came with another request before.
        """
        asking = self._asking
        with asking.broker.store.begin() as session:
            known = self._known(session)
            if known is not None:
                replayed = {"Idempotency-Replayed": "true"}
                return JSONResponse(known.answer, known.status, headers=replayed)
            status, body = act(session)
            content: Any = body.model_dump(mode="json")
            if self._key is not None:
                now = asking.now
                session.add(
                    IdempotencyKey(
                        party_key=asking.party.key,
                        name=self._key,
                        request_sha256=self._sha256,
                        status=status,
                        answer=content,
                        created_at=now,
                        expires_at=now + asking.broker.settings.answers_kept,
                    )
                )
        return JSONResponse(content, status, headers=headers)

    def _known(self, session: Session) -> IdempotencyKey | None:
        if self._key is None:
            return None
        row = session.get(IdempotencyKey, (self._asking.party.key, self._key))
        if row is None:
            return None
        if row.expires_at <= self._asking.now:
            session.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.party_key == row.party_key, IdempotencyKey.name == row.name
                )
            )
            session.expunge(row)
            return None
        if row.request_sha256 != self._sha256:
            raise Refusal(
                422,
                "the idempotency key was used for another request; choose a new one",
                code="idempotency-key",
            )
        return row


async def _once(
    request: Request,
    asking: AskingDep,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="The same key again gives the same answer again.")
    ] = None,
) -> Once:
    body = await request.body()
    try:
        canonical = json.dumps(json.loads(body), sort_keys=True).encode() if body else b""
    except (ValueError, RecursionError):
        canonical = body
    request_line = f"{request.method} {request.url.path}\n".encode()
    return Once(asking, idempotency_key, hashlib.sha256(request_line + canonical).hexdigest())


OnceDep = Annotated[Once, Depends(_once)]
