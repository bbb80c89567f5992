"""What goes wrong between a person and a record, letter by letter.

The keyboard's slips (a neighbouring key, a letter left out, two exchanged, one twice) are done for many values
at once, on the matrix of their characters; a scanner's misreadings and names put down as they sound are rules
of ``words.toml``, applied to the few values that have them one by one.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.population.chance import Bools, Floats, Ints, Text, below, pick
from benchmarks.population.words import words

Codes = npt.NDArray[np.uint32]

_NEIGHBOUR, _OMITTED, _EXCHANGED, _DOUBLED, _INSERTED = range(5)
_SHARES = (0.30, 0.28, 0.20, 0.14, 0.08)
_FIRST_LETTER: Final = 0.12
"""How many slips may hit the first letter; people look at that one."""

_KEYS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def typed(text: Text, uniform: Floats) -> Text:
    """Put one slip of the keyboard into each value; a value of less than two letters stays.

    Parameters
    ----------
    text : str[n]
        Values.
    uniform : float64[4, n]
        In [0, 1): which slip, where, whether the first letter may be hit, which key.
    """
    codes = _codes(text, spare=2)
    width = codes.shape[1]
    letters = _is_letter(codes)
    short = letters.sum(axis=1) < 2
    kind = pick(uniform[0], _SHARES)
    first = uniform[2] < _FIRST_LETTER

    near = letters & (_n_near()[np.minimum(codes, 127)] > 0) & (codes < 128)
    follows = np.zeros_like(letters)
    follows[:, :-1] = letters[:, :-1] & letters[:, 1:] & (codes[:, :-1] != codes[:, 1:])
    needs = np.select([kind == _NEIGHBOUR, kind == _INSERTED, kind == _EXCHANGED], [0, 0, 1], default=2)
    valid = np.where(needs[:, None] == 0, near, np.where(needs[:, None] == 1, follows, letters))
    impossible = ~valid.any(axis=1)
    kind = np.where(impossible, _OMITTED, kind)
    valid[impossible] = letters[impossible]
    at = _place(valid, uniform[1], first)

    rows = np.arange(len(codes))
    here, behind = codes[rows, at], codes[rows, np.minimum(at + 1, width - 1)]
    key = _near()[np.minimum(here, 127), below(uniform[3], np.maximum(_n_near()[np.minimum(here, 127)], 1))]
    columns = np.arange(width)
    shift = np.where(
        (kind == _OMITTED)[:, None],
        columns >= at[:, None],
        -(np.isin(kind, (_DOUBLED, _INSERTED))[:, None] & (columns > at[:, None])).astype(np.int64),
    )
    result = np.take_along_axis(codes, np.clip(columns + shift, 0, width - 1), axis=1)
    neighbour, exchanged, inserted = (kind == which for which in (_NEIGHBOUR, _EXCHANGED, _INSERTED))
    result[rows[neighbour], at[neighbour]] = key[neighbour]
    result[rows[inserted], at[inserted] + 1] = key[inserted]
    result[rows[exchanged], at[exchanged]] = behind[exchanged]
    result[rows[exchanged], at[exchanged] + 1] = here[exchanged]
    result[short] = codes[short]
    return _text(result)


def digits_slipped(text: Text, uniform: Floats) -> Text:
    """Change one digit of each value, or exchange two that follow each other and differ.

    Parameters
    ----------
    text : str[n]
        Values; what has no digit stays.
    uniform : float64[3, n]
        In [0, 1): which of both, where, which digit.
    """
    codes = _codes(text, spare=1)
    digits = (codes >= ord("0")) & (codes <= ord("9"))
    follows = np.zeros_like(digits)
    follows[:, :-1] = digits[:, :-1] & digits[:, 1:] & (codes[:, :-1] != codes[:, 1:])
    exchange = (uniform[0] < 0.3) & follows.any(axis=1)
    change = ~exchange & digits.any(axis=1)
    rows = np.arange(len(codes))
    at = _place(np.where(exchange[:, None], follows, digits), uniform[1], np.ones(len(codes), dtype=np.bool_))
    here = codes[rows, at]
    result = codes.copy()
    other = (here - ord("0") + 1 + below(uniform[2], 9)) % 10 + ord("0")
    result[rows[change], at[change]] = other[change]
    result[rows[exchange], at[exchange]] = codes[rows[exchange], at[exchange] + 1]
    result[rows[exchange], at[exchange] + 1] = here[exchange]
    return _text(result)


def respelt(text: Text, kind: str, uniform: Floats) -> Text:
    """Apply one rule to each value where one fits; ``kind`` is ``ocr`` or ``phonetic``."""
    values = []
    for value, u in zip(text.tolist(), uniform.tolist(), strict=True):
        spellings = _spellings(value, kind)
        values.append(spellings[int(u * len(spellings))] if spellings else value)
    return np.array(values, dtype=f"<U{max(map(len, values), default=1) or 1}")


@lru_cache(maxsize=20_000)
def _spellings(value: str, kind: str) -> tuple[str, ...]:
    """Return what the rules make of a value, one change each; rules of several letters count thrice."""
    lower, found = value.lower(), []
    if len(lower) != len(value):
        return ()
    for pattern, replacement in words()[kind]["rules"]:
        start = lower.find(pattern.lower())
        while start >= 0:
            new = replacement
            if value[start].isupper() and new[0].isalpha():
                new = new[0].upper() + new[1:]
            changed = value[:start] + new + value[start + len(pattern) :]
            if changed != value:
                found.extend([changed] * (3 if len(pattern) > 1 else 1))
            start = lower.find(pattern.lower(), start + 1)
    return tuple(found)


def _place(valid: Bools, uniform: Floats, first: Bools) -> Ints:
    """Return a column where each row is valid, the first one only where ``first`` or there is no other."""
    valid = valid.copy()
    others = valid[:, 1:].any(axis=1)
    valid[:, 0] &= first | ~others
    rank = below(uniform, np.maximum(valid.sum(axis=1), 1))
    at: Ints = np.argmax(np.cumsum(valid, axis=1) > rank[:, None], axis=1)
    return at


def _codes(text: Text, *, spare: int) -> Codes:
    """Return characters as numbers, one row a value, with some empty columns behind."""
    wide = text.astype(f"<U{text.dtype.itemsize // 4 + spare}")
    return wide.view(np.uint32).reshape(len(text), wide.dtype.itemsize // 4)


def _text(codes: Codes) -> Text:
    codes = np.ascontiguousarray(codes)
    return codes.view(f"<U{codes.shape[1]}").reshape(-1)


def _is_letter(codes: Codes) -> Bools:
    """Return where there is a letter or digit."""
    signs = np.array([ord(sign) for sign in " -'."], dtype=np.uint32)
    return (codes > 0) & ~np.isin(codes, signs)


@cache
def _near_keys() -> tuple[Codes, Ints]:
    near = np.zeros((128, 8), dtype=np.uint32)
    n_near = np.zeros(128, dtype=np.int64)
    for row, keys in enumerate(_KEYS):
        for column, key in enumerate(keys):
            around = [keys[c] for c in (column - 1, column + 1) if 0 <= c < len(keys)]
            if row != 0:  # digits are mistaken for digits, letters for letters
                for other in (row - 1, row + 1):
                    if 1 <= other < len(_KEYS):
                        around += [
                            _KEYS[other][c]
                            for c in (column, column + 1 - 2 * (other > row))
                            if 0 <= c < len(_KEYS[other])
                        ]
            for name, found in ((key, around), (key.upper(), [k.upper() for k in around])):
                near[ord(name), : len(found)] = [ord(k) for k in found]
                n_near[ord(name)] = len(found)
    return near, n_near


def _near() -> Codes:
    return _near_keys()[0]


def _n_near() -> Ints:
    return _near_keys()[1]
