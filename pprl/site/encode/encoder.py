"""The encoder: a normalised batch becomes a batch of tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.guid import GUID_BYTES
from pprl.schema import FieldSpec, Kind, Schema, Tokens
from pprl.schema.columns import byte_column, exact_parts, token_columns
from pprl.site.encode.bloom import TokenHasher
from pprl.site.encode.diffusion import Diffusion
from pprl.site.encode.exact import (
    date_part,
    exact_tokens,
    exact_tokens_of_few,
    is_partly_known,
    match_key_values,
)
from pprl.site.keys import KeyTree

Words = npt.NDArray[np.uint64]


class Encoder:
    """Encodes batches under one schema and one linkage key.

    Parameters
    ----------
    schema : Schema
        Decides what a record's tokens are.
    keys : KeyTree
        The linkage key's tree for this schema.

    Attributes
    ----------
    columns : pyarrow.Schema
        Of the batches that `encode` returns.

    Notes
    -----
    docs/encoding.md specifies every bit of the result. Most of the time goes into the keyed hashing of match keys.
    """

    def __init__(self, schema: Schema, keys: KeyTree) -> None:
        self._schema, self._keys = schema, keys
        self.columns = token_columns(schema)
        filters = schema.filter
        self._hashers = {
            _hashing(field): TokenHasher(
                keys.derive(f"tok/{field.key_group}"),
                label=field.key_group,
                tokens=field.tokens,
                n_hashes=field.n_hashes,
                n_bits=filters.n_bits,
            )
            for field in schema.fields
            if field.n_hashes
        }
        labels = {group for group, _, _ in self._hashers} if filters.layout == "field" else {filters.layout}
        self._diffusions = {
            label: Diffusion(keys.derive(f"eld/{label}"), n_bits=filters.n_bits, n_taps=filters.n_taps)
            for label in labels - {"none"}
        }

    def __repr__(self) -> str:
        return f"Encoder({self._schema.project}, {self._schema.profile}, keys redacted)"

    def encode(
        self,
        batch: pa.RecordBatch,
        guids: npt.NDArray[np.uint8],
        *,
        strata: Mapping[str, npt.NDArray[np.uint8]] | None = None,
    ) -> pa.RecordBatch:
        """Encode one batch.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            Normalised: one string column per field of the schema, null where missing.
        guids : ndarray of uint8, shape (n, 16)
            The records' GUIDs.
        strata : mapping of str to ndarray of uint8, shape (n,), optional
            Numbers of categories, which go along as they are; a stratum that is not there is missing.

        Returns
        -------
        pyarrow.RecordBatch
            With the columns of `pprl.schema.columns.token_columns`.
        """
        schema = self._schema
        present = {name: np.asarray(pc.is_valid(batch.column(name))) for name in schema.field_names}
        presence = np.zeros(batch.num_rows, dtype=np.uint32)
        for bit, name in enumerate(schema.field_names):
            presence |= present[name].astype(np.uint32) << np.uint32(bit)
        columns: list[pa.Array] = [byte_column(guids.reshape(-1, GUID_BYTES)), pa.array(presence)]
        if schema.filter.layout == "record":
            columns.append(byte_column(self._record_filters(batch)))
        elif schema.filter.layout == "field":
            for name in schema.filter_names:
                columns.append(byte_column(self._field_filters(batch, schema.field(name))))
            for field in schema.fields:
                columns += [self._exact(batch, field, part) for part in exact_parts(field)]
        for key in schema.match_keys:
            secret = self._keys.derive(f"mk/{key.name}")
            hashed = exact_tokens if len(key.parts) > 1 else exact_tokens_of_few
            columns += [hashed(values, secret) for values in match_key_values(key, batch, schema)]
        none = np.zeros(batch.num_rows if schema.strata else 0, dtype=np.uint8)
        columns += [pa.array((strata or {}).get(stratum.name, none)) for stratum in schema.strata]
        return pa.record_batch(columns, schema=self.columns)

    def _record_filters(self, batch: pa.RecordBatch) -> Words:
        filters = np.zeros((batch.num_rows, self._schema.filter.n_bits // 64), np.uint64)
        for field in self._schema.fields:
            self._add_filters(field, batch.column(field.name), filters)
        self._diffusions["record"].apply(filters)
        return filters

    def _field_filters(self, batch: pa.RecordBatch, field: FieldSpec) -> Words:
        values = batch.column(field.name)
        if field.kind is Kind.MIDDLE_NAME:  # a bare initial shows by having no filter; its token is compared
            values = pc.if_else(pc.greater(pc.utf8_length(values), 1), values, None)
        filters = np.zeros((batch.num_rows, self._schema.filter.n_bits // 64), np.uint64)
        self._add_filters(field, values, filters)
        self._diffusions[field.key_group].apply(filters)
        return filters

    def _add_filters(self, field: FieldSpec, values: pa.StringArray, filters: Words) -> None:
        if field.kind is Kind.BIRTH_DATE and field.tokens is Tokens.POSITIONS:
            values = _with_blanks(values)
        self._hashers[_hashing(field)].add(values, filters)

    def _exact(self, batch: pa.RecordBatch, field: FieldSpec, part: str) -> pa.Array:
        values = batch.column(field.name)
        label = part
        if part == "initial":
            values = pc.utf8_slice_codeunits(values, 0, 1)
        elif part != "value":
            values = date_part(values, part)
            # Day and month share a key, so that an exchange of the two shows.
            label = "year" if part == "year" else "day_or_month"
        return exact_tokens_of_few(values, self._keys.derive(f"xt/{field.name}/{label}"))


def _hashing(field: FieldSpec) -> tuple[str, int, Tokens]:
    """What fields must have in common to share the masks of their tokens."""
    return field.key_group, field.n_hashes, field.tokens


def _with_blanks(dates: pa.StringArray) -> pa.StringArray:
    """Blanks for an unknown year, month or day: missing is missing, it gives no token."""
    partly = pc.fill_null(is_partly_known(dates), False)
    known = [
        "".join(part if int(part) else " " * len(part) for part in (date[:4], date[4:6], date[6:]))
        for date in dates.filter(partly).to_pylist()
    ]
    return pc.replace_with_mask(dates, partly, pa.array(known, pa.string())) if known else dates
