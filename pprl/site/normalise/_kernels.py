"""Compiled loops of cleaning: values of the usual shape, all in ASCII.

``starts``, ``text`` and ``valid`` are those of `pprl.site.text_arrays`. What is found goes to ``out`` uint8, value
behind value from ``out_starts`` int32[n + 1]; ``usual`` bool[n] tells for which values.
"""

from __future__ import annotations

from typing import Any

from pprl.compiled import compiled

_A, _Z, _SMALL_A, _SMALL_Z = ord("A"), ord("Z"), ord("a"), ord("z")
_TO_SMALL = _SMALL_A - _A
_0, _9 = ord("0"), ord("9")
_MINUS, _BLANK = ord("-"), ord(" ")


@compiled
def single_words(starts: Any, text: Any, valid: Any, out_starts: Any, out: Any, usual: Any) -> None:
    """One word of letters, not one letter over and over: in lower case."""
    end = 0
    for i in range(len(valid)):
        out_starts[i] = end
        n = starts[i + 1] - starts[i]
        fits, differ = valid[i] and n > 0, n < 3
        for k in range(n if fits else 0):
            letter = text[starts[i] + k]
            if _A <= letter <= _Z:
                letter += _TO_SMALL
            elif letter < _SMALL_A or letter > _SMALL_Z:
                fits = False
                break
            out[end + k] = letter
            differ = differ or letter != out[end]
        usual[i] = fits and differ
        if usual[i]:
            end += n
    out_starts[len(valid)] = end


@compiled
def dates(
    starts: Any, text: Any, valid: Any, earliest: int, latest: int, out_starts: Any, out: Any, usual: Any
) -> None:
    """Dates of the calendar from ``earliest`` to ``latest`` (20261231), as 2026-12-31 or 20261231: in eight digits."""
    end = 0
    for i in range(len(valid)):
        out_starts[i] = end
        n = starts[i + 1] - starts[i]
        fits, date, n_digits = valid[i] and (n == 8 or n == 10), 0, 0
        for k in range(n if fits else 0):
            digit = text[starts[i] + k]
            if _0 <= digit <= _9:
                out[end + n_digits] = digit
                date, n_digits = 10 * date + (digit - _0), n_digits + 1
            elif n == 8 or digit != _MINUS or (k != 4 and k != 7):
                fits = False
                break
        usual[i] = fits and n_digits == 8 and earliest <= date <= latest and _is_day(date)
        if usual[i]:
            end += 8
    out_starts[len(valid)] = end


@compiled
def _is_day(date: int) -> bool:
    year, month, day = date // 10000, date // 100 % 100, date % 100
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 1 <= day <= (29 if leap else 28)
    return 1 <= month <= 12 and 1 <= day <= (30 if month in (4, 6, 9, 11) else 31)


@compiled
def numbered(
    starts: Any,
    text: Any,
    valid: Any,
    out_starts: Any,
    out: Any,
    rest_starts: Any,
    rest: Any,
    usual: Any,
) -> None:
    """Digits, a blank and more: the digits, and in ``rest`` from ``rest_starts`` what follows the blank."""
    end, rest_end = 0, 0
    for i in range(len(valid)):
        out_starts[i], rest_starts[i], usual[i] = end, rest_end, False
        if not valid[i]:
            continue
        at, stop = starts[i], starts[i + 1]
        while at < stop and _0 <= text[at] <= _9:
            at += 1
        n_digits, n_rest = at - starts[i], stop - at - 1
        if n_digits == 0 or n_rest <= 0 or text[at] != _BLANK:
            continue
        fits = True
        for k in range(n_rest):
            rest[rest_end + k] = text[at + 1 + k]
            fits = fits and text[at + 1 + k] < 0x80
        if fits:
            usual[i] = True
            rest_end += n_rest
            for k in range(n_digits):
                out[end + k] = text[starts[i] + k]
            end += n_digits
    out_starts[len(valid)], rest_starts[len(valid)] = end, rest_end
