"""What all tables share: the declarative base and the types of columns."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from pprl.guid import GUID_BYTES, TEXT_CHARACTERS


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC to the microsecond; goes in and comes out with its time zone, in either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without zone: whose clock it was cannot be told later."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone; all it holds is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_KEY: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers INTEGER keys only

PrimaryKey = Annotated[int, mapped_column(_KEY, primary_key=True, autoincrement=True)]
"""A row's number, which never leaves the broker: it would tell how many there are."""

Key = Annotated[int, mapped_column(_KEY)]
"""Another row's number."""

PublicId = Annotated[str, mapped_column(String(TEXT_CHARACTERS), unique=True)]
"""A random GUID as text: what a row is called in the API and in the journal."""

Guid = Annotated[bytes, mapped_column(LargeBinary(GUID_BYTES))]
"""16 bytes, as in packages."""

Sha256 = Annotated[str, mapped_column(String(64))]
"""64 hexadecimal digits."""

Label = Annotated[str, mapped_column(String(100))]
"""A short name or a key's text."""

Count = Annotated[int, mapped_column(BigInteger)]
"""Of records, rows or bytes."""

Time = Annotated[datetime, mapped_column(UtcTime)]


class Base(DeclarativeBase):
    """Of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def one_of(kind: type[StrEnum], name: str) -> Mapped[Any]:
    """A column that holds a value of an enumeration as text, checked by the database."""
    return mapped_column(
        Enum(
            kind,
            name=name,
            native_enum=False,
            create_constraint=True,
            length=20,
            values_callable=lambda members: [member.value for member in members],
        )
    )
