"""Lists in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import Session

from broker.service.models import Id, Page
from broker.service.problems import Refusal

MOST = 500

RowT = TypeVar("RowT")
ItemT = TypeVar("ItemT", bound=BaseModel)


class Piece:
    """Which piece of a list is asked for.

    Parameters
    ----------
    after : str, optional
        ``next`` of the piece before.
    limit : int
        Most items.
    """

    def __init__(
        self,
        after: Annotated[Id | None, Query(description="`next` of the piece before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> None:
        self.after, self.limit = after, limit

    def of(
        self, session: Session, table: Any, rows: Select[RowT], shown: Callable[[RowT], ItemT]
    ) -> Page[ItemT]:
        """The piece of a statement's rows, in the order of their keys.

        Raises
        ------
        Refusal
            There is no row to go on behind.
        """
        statement = rows.order_by(table.key).limit(self.limit + 1)
        if self.after is not None:
            # Among the rows alone: elsewhere there may be one that the caller is not to know of.
            place: Select[Any] = rows.with_only_columns(table.key)
            key = session.scalar(place.where(table.id == self.after))
            if key is None:
                raise Refusal(422, "there is no such place in the list; take `next` of the piece before")
            statement = statement.where(table.key > key)
        found: list[Any] = list(session.scalars(statement))
        more = len(found) > self.limit
        items = found[: self.limit]
        return Page[ItemT](items=[shown(row) for row in items], next=items[-1].id if more else None)

    def of_list(self, items: list[Any], shown: Callable[[Any], ItemT]) -> Page[ItemT]:
        """The piece of rows that are few and at hand."""
        start = 0
        if self.after is not None:
            ids = [item.id for item in items]
            if self.after not in ids:
                raise Refusal(422, "there is no such place in the list; take `next` of the piece before")
            start = ids.index(self.after) + 1
        piece = items[start : start + self.limit]
        more = start + self.limit < len(items)
        return Page[ItemT](items=[shown(row) for row in piece], next=piece[-1].id if more else None)


PieceDep = Annotated[Piece, Depends()]
