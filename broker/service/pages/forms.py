"""What people fill in: forms that come as they do from a browser without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from broker.service.problems import Refusal

MOST_BODY_BYTES = 64 * 1024
MOST_FIELDS = 400
_MEDIA_TYPE = "application/x-www-form-urlencoded"

BodyT = TypeVar("BodyT", bound=BaseModel)


class Fields:
    """What came with a form.

    Parameters
    ----------
    values : mapping
        Name to what was given, in order.
    """

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A field without the blanks around it; empty where it did not come."""
        return next(iter(self._values.get(name, ())), "").strip()

    def all(self, name: str) -> list[str]:
        """All values of a field that can come several times."""
        return [value.strip() for value in self._values.get(name, ()) if value.strip()]

    def items(self, *without: str) -> list[tuple[str, str]]:
        """Names and values, for a form that carries them on."""
        return [(n, value) for n, values in self._values.items() if n not in without for value in values]

    def day(self, name: str) -> datetime:
        """The end of a day, in UTC.

        Raises
        ------
        Refusal
            It is none.
        """
        try:
            found = datetime.strptime(self.text(name), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise Refusal(422, "give the last day as YEAR-MONTH-DAY, such as 2027-01-31") from None
        return datetime.combine(found, time(23, 59, 59), tzinfo=UTC)


async def fields_of(request: Request) -> Fields:
    """The body of a form.

    Raises
    ------
    Refusal
        It is none.
    """
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise Refusal(415, "this takes a form as browsers send it")
    try:
        text = (await request.body()).decode("utf-8")
        return Fields(parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Refusal(400, "the form cannot be read; load its page again") from None


FieldsDep = Annotated[Fields, Depends(fields_of)]


def query_of(request: Request) -> Fields:
    """What came in the address, from a form that only asks."""
    values: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items()[:MOST_FIELDS]:
        values.setdefault(name, []).append(value)
    return Fields(values)


QueryDep = Annotated[Fields, Depends(query_of)]


def filled_in(kind: type[BodyT], /, **values: Any) -> BodyT:
    """A request of the API's from what was filled in.

    Raises
    ------
    Refusal
        It cannot be one; the first thing that is wrong is named.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]).replace("_", " ") if first["loc"] else "the form"
        raise Refusal(422, f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
