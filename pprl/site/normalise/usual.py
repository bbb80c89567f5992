"""Values of the usual shape, cleaned a column at a time.

Most names are one word of ASCII letters, most dates ISO 8601, most streets a number and a name that other streets
have too. Their normal forms, which the rules of their kinds give, are found here without a Python object for each;
what has another shape is left to the rule.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.schema import Kind
from pprl.site.normalise import placeholders
from pprl.site.normalise.places import shortened
from pprl.site.text_arrays import string_array, text_arrays

_EARLIEST = 19020101  # before it are placeholders
_SINGLE_WORDS = pa.array(sorted(placeholders.SINGLE_WORDS))


def usual_forms(values: pa.StringArray, kind: Kind, *, today: datetime.date) -> pa.StringArray:
    """Normal forms of the values that have the usual shape of their kind.

    Parameters
    ----------
    values : pyarrow.StringArray, length n
        Raw.
    kind : Kind
        The field's.
    today : datetime.date
        Later dates are not usual.

    Returns
    -------
    pyarrow.StringArray, length n
        Null for every other value; the rule of the kind decides on it.
    """
    match kind:
        case Kind.GIVEN_NAME | Kind.MIDDLE_NAME | Kind.SURNAME:
            return _names(values)
        case Kind.BIRTH_DATE:
            return _dates(values, today)
        case Kind.STREET:
            return _streets(values)
    return pa.nulls(len(values), pa.string())


def _names(values: pa.StringArray) -> pa.StringArray:
    from pprl.site.normalise._kernels import single_words

    starts, text, valid = text_arrays(values)
    ends, out, usual = _room(values, starts)
    single_words(starts, text, valid, ends, out, usual)
    found = string_array(ends, out, usual)
    return pc.if_else(pc.is_in(found, _SINGLE_WORDS), None, found)


def _dates(values: pa.StringArray, today: datetime.date) -> pa.StringArray:
    from pprl.site.normalise._kernels import dates

    starts, text, valid = text_arrays(values)
    ends, out, usual = _room(values, starts)
    dates(starts, text, valid, _EARLIEST, int(f"{today:%Y%m%d}"), ends, out, usual)
    return string_array(ends, out, usual)


def _streets(values: pa.StringArray) -> pa.StringArray:
    from pprl.site.normalise._kernels import numbered

    starts, text, valid = text_arrays(values)
    ends, out, usual = _room(values, starts)
    rest_ends, rest, _ = _room(values, starts)
    numbered(starts, text, valid, ends, out, rest_ends, rest, usual)
    names = string_array(rest_ends, rest, usual).dictionary_encode()
    short = [shortened(name)[1] for name in names.dictionary.to_pylist()]
    # A number of more numbers alone may be one digit over and over.
    known = pa.array(
        [None if name.replace(" ", "").isdecimal() or not name else name for name in short], pa.string()
    )
    return pc.binary_join_element_wise(string_array(ends, out, usual), known.take(names.indices), " ")


def _room(values: pa.StringArray, starts: npt.NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """Arrays for what a loop finds: starts, text, and of which values it is."""
    n = len(values)
    return np.empty(n + 1, np.int32), np.empty(starts[-1] - starts[0], np.uint8), np.empty(n, np.bool_)
