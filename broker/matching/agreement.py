"""What may agree between two records of one person, and which match keys they share then.

A match key is a conjunction of parts, so which keys two records share is a function of what agrees of their fields.
Here all combinations are laid out as the cells of a grid. Its factors are the fields that keys read, each in one of
the states *the whole value agrees* or *it does not, and these of its functions do* (soundex, year and so on; one state
for each subset), the fields of an address together, as they change together when somebody moves, and one factor for
what makes a part of two fields agree otherwise: names that are exchanged, or a surname that is the other record's
middle name. Where that happened the fields themselves do not agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from broker.matching.evidence.model import Floats
from pprl.schema import Kind, Schema
from pprl.schema.kinds import DEFAULTS
from pprl.schema.match_keys import FUNCTIONS, Part

MAX_CELLS = 100_000
_ADDRESS = (Kind.STREET, Kind.CITY, Kind.POSTCODE)
_PARTLY = (
    0.4  # of what a field adds to the distance where it does not agree but its soundex code or year does
)
_LIKELY, _UNLIKELY = 0.85, 0.003  # prior shares: a field agrees, two fields are exchanged
_FUNCTION_AGREES = 0.5


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells.

    Attributes
    ----------
    states : ndarray of int16, shape (cells, factors)
        The state of each factor; -1 where it does not apply.
    priors : tuple of ndarray of float64, shape (states,)
        For each factor, plausible shares of its states among matches.
    agrees : ndarray of bool, shape (cells, fields)
        Whether the whole value does; all fields of the schema.
    lost : ndarray of float64, shape (cells, fields)
        What share of a field does not agree, 0 to 1; 0 for fields that no key reads.
    loads : ndarray of float64, shape (fields,)
        How much the fields weigh in their filters, 10 together.
    apart : bool
        Whether each field has a filter of its own.
    """

    states: npt.NDArray[np.int16]
    priors: tuple[Floats, ...]
    agrees: npt.NDArray[np.bool_]
    lost: Floats
    loads: Floats
    apart: bool
    _keys: tuple[tuple[tuple[Part, npt.NDArray[np.bool_]], ...], ...]
    _names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.states)

    @property
    def of_several(self) -> int:
        """Fields of which one is enough for a part to agree; bit i for the schema's field i."""
        names = {
            name for key in self._keys for part, _ in key if part.function == "either" for name in part.fields
        }
        return sum(1 << number for number, name in enumerate(self._names) if name in names)

    def shared(self, absent: int = 0) -> npt.NDArray[np.uint32]:
        """Which match keys two records of each cell share, shape (cells,); bit k for key k.

        Parameters
        ----------
        absent : int
            Fields that are not there on both sides and do not agree therefore; only those `of_several` matter.
        """
        there = np.array([not absent >> number & 1 for number in range(len(self._names))])
        agrees = self.agrees & there
        bits = np.zeros(len(self), dtype=np.uint32)
        for number, key in enumerate(self._keys):
            all_agree = np.ones(len(self), dtype=np.bool_)
            for part, otherwise in key:
                columns = agrees[:, [self._names.index(name) for name in part.fields]]
                all_agree &= otherwise | (
                    columns.any(axis=1) if part.function == "either" else columns.all(axis=1)
                )
            bits |= all_agree.astype(np.uint32) << np.uint32(number)
        return bits


def grid_of(schema: Schema) -> Grid | None:
    """The grid of a schema's match keys; None where they read no field, or there would be over `MAX_CELLS` cells."""
    keys = [key.parsed for key in schema.match_keys]
    parts = sorted({part for key in keys for part in key}, key=str)
    read = [name for name in schema.field_names if any(name in part.fields for part in parts)]
    functions = {name: [part for part in parts if part.function and part.fields == (name,)] for name in read}
    events = [part for part in parts if part.function is not None and FUNCTIONS[part.function] > 1]
    factors = _factors(schema, read, events)
    sizes = [[1 + (1 << len(functions[name])) for name in factor] for factor in factors]
    lengths = [int(np.prod(size)) for size in sizes]
    if not read or np.prod(np.array(lengths, dtype=np.float64)) * (1 + len(events)) > MAX_CELLS:
        return None
    blocks = [_product(lengths)]
    blocks[0] = np.hstack([blocks[0], np.zeros((len(blocks[0]), 1), dtype=np.int16)])
    for number, event in enumerate(events, 1):
        free = [not set(factor) & set(event.fields) for factor in factors]
        block = _product([length if use else 1 for length, use in zip(lengths, free, strict=True)])
        block[:, ~np.array(free)] = -1
        blocks.append(np.hstack([block, np.full((len(block), 1), number, dtype=np.int16)]))
    states = np.concatenate(blocks)
    # State 0 of a field is agreement, state 1 + s that those functions agree that are in the set s.
    of_field = np.full((len(states), len(schema.fields)), -1, dtype=np.int64)
    for place, (factor, size) in enumerate(zip(factors, sizes, strict=True)):
        known = states[:, place] >= 0
        unravelled = np.unravel_index(np.maximum(states[:, place], 0), size)
        for name, state in zip(factor, unravelled, strict=True):
            of_field[:, schema.field_names.index(name)] = np.where(known, state, 1)
    agreeing: dict[Part, npt.NDArray[np.bool_]] = {}
    for part in parts:
        if part in events:
            agreeing[part] = states[:, -1] == events.index(part) + 1
        elif part.function is None:
            agreeing[part] = of_field[:, schema.field_names.index(part.fields[0])] == 0
        else:
            state = of_field[:, schema.field_names.index(part.fields[0])]
            bit = functions[part.fields[0]].index(part)
            agreeing[part] = (state == 0) | ((state - 1 >> bit & 1) == 1)
    loads = np.array([field.weight * DEFAULTS[field.kind].n_tokens for field in schema.fields])
    return Grid(
        states,
        (
            *(_prior(size) for size in sizes),
            np.array([1 - _UNLIKELY * len(events), *[_UNLIKELY] * len(events)]),
        ),
        of_field == 0,
        np.where(of_field > 1, _PARTLY, (of_field == 1).astype(np.float64)),
        10 * loads / loads.sum(),
        schema.filter.layout == "field",
        tuple(tuple((part, agreeing[part]) for part in key) for key in keys),
        tuple(schema.field_names),
    )


def _factors(schema: Schema, read: Sequence[str], events: Sequence[Part]) -> list[list[str]]:
    """The fields read, those of an address together unless an event is about them."""
    in_event = {name for event in events for name in event.fields}
    kinds = dict(zip(schema.field_names, (field.kind for field in schema.fields), strict=True))
    together = [name for name in read if kinds[name] in _ADDRESS and name not in in_event]
    alone = [[name] for name in read if name not in together]
    return [*alone, together] if together else alone


def _product(lengths: Sequence[int]) -> npt.NDArray[np.int16]:
    return np.array(list(product(*map(range, lengths))), dtype=np.int16).reshape(-1, len(lengths))


def _prior(size: Sequence[int]) -> Floats:
    """Plausible shares of the joint states of some fields."""
    shares = np.ones(1)
    for n_states in size:
        n_subsets = n_states - 1
        n_agreeing = np.bitwise_count(np.arange(n_subsets))
        n_functions = n_subsets.bit_length() - 1
        subset = _FUNCTION_AGREES**n_agreeing * (1 - _FUNCTION_AGREES) ** (n_functions - n_agreeing)
        shares = np.multiply.outer(shares, np.concatenate([[_LIKELY], (1 - _LIKELY) * subset])).ravel()
    return shares
