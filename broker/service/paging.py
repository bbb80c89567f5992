"""Lists in pieces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
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
        found: list[Any] = list(session.scalars(self._behind(session, table, rows).limit(self.limit + 1)))
        return self._page(found, shown)

    def of_seen(
        self,
        session: Session,
        table: Any,
        rows: Select[RowT],
        sees: Callable[[Any], bool],
        shown: Callable[[Any], ItemT],
    ) -> Page[ItemT]:
        """As `of`, of those rows that the caller sees; no more are looked at than it takes.

        Raises
        ------
        Refusal
            There is no row to go on behind.
        """
        behind = self._behind(session, table, rows, sees).execution_options(yield_per=self.limit + 1)
        found = list(islice((row for row in session.scalars(behind) if sees(row)), self.limit + 1))
        return self._page(found, shown)

    def of_list(self, items: list[Any], shown: Callable[[Any], ItemT]) -> Page[ItemT]:
        """The piece of rows that are few and at hand."""
        start = 0
        if self.after is not None:
            ids = [item.id for item in items]
            if self.after not in ids:
                raise Refusal(422, "there is no such place in the list; take `next` of the piece before")
            start = ids.index(self.after) + 1
        return self._page(items[start : start + self.limit + 1], shown)

    def _behind(
        self,
        session: Session,
        table: Any,
        rows: Select[RowT],
        sees: Callable[[Any], bool] = lambda _: True,
    ) -> Select[RowT]:
        """The rows behind the last one that was given."""
        if self.after is None:
            return rows.order_by(table.key)
        # Among these rows alone: elsewhere there may be one that the caller is not to know of.
        last: Any = session.scalars(rows.where(table.id == self.after)).first()
        if last is None or not sees(last):
            raise Refusal(422, "there is no such place in the list; take `next` of the piece before")
        return rows.where(table.key > last.key).order_by(table.key)

    def _page(self, found: list[Any], shown: Callable[[Any], ItemT]) -> Page[ItemT]:
        """A piece of the rows found, of which one more than the piece holds tells that there are more."""
        items = found[: self.limit]
        more = len(found) > self.limit
        return Page[ItemT](items=[shown(row) for row in items], next=items[-1].id if more else None)


PieceDep = Annotated[Piece, Depends()]
