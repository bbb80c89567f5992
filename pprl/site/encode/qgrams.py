"""Values to tokens: padded bigrams, characters with their place, or the whole value.

Works on the distinct values of a column at once, on code points, without a Python loop over values. A token
is a number here (two code points, or a place and a code point, in 64 bits); its text, which is what is
hashed, is made once for each distinct token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pprl.schema import Tokens

PAD = "_"
_SHIFT = 21  # a code point needs 21 bits


@dataclass(frozen=True, slots=True)
class TokenSets:
    """The distinct tokens of each of n values.

    Attributes
    ----------
    texts : list of str, length d
        The distinct tokens over all values.
    index : ndarray of int64, shape (total,)
        Tokens of value 0, then of value 1, ..., as positions in ``texts``; no token twice in one value.
    starts : ndarray of int64, shape (n + 1,)
        Value i has ``index[starts[i]:starts[i + 1]]``, never empty.
    """

    texts: list[str]
    index: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]


def token_sets(values: Sequence[str], how: Tokens) -> TokenSets:
    """Cut values into their sets of tokens.

    Parameters
    ----------
    values : sequence of str
        Normalised and not empty.
    how : Tokens
        For positions, a blank holds its place but gives no token.

    Returns
    -------
    TokenSets

    Raises
    ------
    ValueError
        Where a value would have no token.
    """
    n = len(values)
    if any(not value or value.isspace() for value in values):
        raise ValueError("an empty value has no tokens; a missing value is null")
    if how is Tokens.WHOLE or n == 0:
        return TokenSets(list(values), np.arange(n), np.arange(n + 1))
    padding = PAD if how is Tokens.BIGRAMS else ""
    joined = "".join(f"{padding}{value}{padding}" for value in values)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    lengths = np.fromiter((len(value) for value in values), dtype=np.int64, count=n) + 2 * len(padding)
    owner = np.repeat(np.arange(n), lengths)
    first = np.concatenate(([0], np.cumsum(lengths)))
    if how is Tokens.BIGRAMS:
        inside = owner[:-1] == owner[1:]
        tokens = ((points[:-1] << _SHIFT) | points[1:])[inside]
        owner = owner[:-1][inside]
    else:
        inside = points != ord(" ")
        tokens = (((np.arange(len(points)) - first[owner]) << _SHIFT) | points)[inside]
        owner = owner[inside]
    distinct, index = np.unique(tokens, return_inverse=True)
    pairs = np.sort(owner * len(distinct) + index)  # not np.unique: its hash table is many times slower here
    pairs = pairs[np.concatenate(([True], pairs[1:] != pairs[:-1]))]  # drops repeats, keeps values in order
    owner, index = np.divmod(pairs, len(distinct))
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=n))))
    high, low = distinct >> _SHIFT, distinct & ((1 << _SHIFT) - 1)
    if how is Tokens.BIGRAMS:
        texts = [chr(a) + chr(b) for a, b in zip(high.tolist(), low.tolist(), strict=True)]
    else:
        texts = [f"{a}:{chr(b)}" for a, b in zip(high.tolist(), low.tolist(), strict=True)]
    return TokenSets(texts, index, starts)
