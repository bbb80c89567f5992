"""What the match keys that two records share, and those they do not, imply of their fields.

A match key is shared when all of its parts agree. So a shared key tells that each of its parts agrees; and a key
that is there on both sides and not shared, all of whose parts but one are known to agree, tells that this one differs:
of two records that share ``surname+birth_date`` and not ``given_name+birth_date`` the given names differ. A whole value
that agrees has parts that agree; a part that differs makes the value differ. All that is applied until nothing new
follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from pprl.schema import Schema
from pprl.schema.match_keys import Part

_OF_SEVERAL = ("sorted", "either")


class State(IntEnum):
    """What is known of one field of two records."""

    UNKNOWN = 0
    DIFFERS = 1
    ALIKE = 2
    """A part of it agrees, such as the year or the Soundex code; the whole value differs or is not known."""
    AGREES = 3
    EXCHANGED = 4
    """It agrees with another field, and that one with it."""


def field_states(
    schema: Schema, shared: npt.NDArray[np.uint32], missing: npt.NDArray[np.uint32]
) -> npt.NDArray[np.uint8]:
    """States of the fields.

    Parameters
    ----------
    schema : Schema
        With the match keys.
    shared, missing : ndarray of uint32, shape (pairs,)
        Which match keys each pair shares, and which a side lacks; bit k for key k.

    Returns
    -------
    ndarray of uint8, shape (pairs, fields)
        Values of `State`.
    """
    codes = shared.astype(np.uint64) << np.uint64(32) | missing
    distinct, of_pair = np.unique(codes, return_inverse=True)
    keys = [key.parsed for key in schema.match_keys]
    states = np.zeros((len(distinct), len(schema.fields)), dtype=np.uint8)
    for row, code in enumerate(distinct.tolist()):
        known = _infer(keys, code >> 32, code & 0xFFFFFFFF)
        states[row] = [_state(name, known) for name in schema.field_names]
    return states[of_pair]


def _infer(keys: Sequence[tuple[Part, ...]], shared: int, missing: int) -> dict[Part, bool]:
    """Which parts, whole values among them, are known to agree or to differ."""
    parts = list(dict.fromkeys(part for key in keys for part in key))  # in the same order in every process
    known = dict.fromkeys((part for k, key in enumerate(keys) if shared >> k & 1 for part in key), True)
    absent = [key for k, key in enumerate(keys) if not (shared | missing) >> k & 1]
    n_known = -1
    while n_known < len(known):
        n_known = len(known)
        for part in parts:
            _follow(part, known)
        for key in absent:
            rest = [part for part in key if not known.get(part, False)]
            if len(rest) == 1:
                known.setdefault(rest[0], False)
    return known


def _follow(part: Part, known: dict[Part, bool]) -> None:
    """What a part's own values imply for it, and it for them."""
    if part.function is None:
        return
    values = [Part(None, (name,)) for name in part.fields]
    agree = [known.get(value, False) for value in values]
    if any(agree) if part.function == "either" else all(agree):
        known.setdefault(part, True)
    elif known.get(part) is False and part.function not in _OF_SEVERAL:
        known.setdefault(values[0], False)


def _state(name: str, known: dict[Part, bool]) -> State:
    whole = known.get(Part(None, (name,)))
    if whole:
        return State.AGREES
    for part, agrees in known.items():
        if agrees and part.function == "sorted" and name in part.fields:
            differs = any(known.get(Part(None, (field,))) is False for field in part.fields)
            return State.EXCHANGED if differs else State.AGREES
    if any(
        agrees
        for part, agrees in known.items()
        if part.fields == (name,) and part.function not in (None, *_OF_SEVERAL)
    ):
        return State.ALIKE
    return State.UNKNOWN if whole is None else State.DIFFERS
