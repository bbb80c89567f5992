"""Compiled loops of the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from pprl.compiled import compiled

LANES = 8  # words of a plane, so that one of 64 * LANES records fills a vector register of 512 bits

_POINT_BITS = np.uint64(21)  # a code point needs 21 bits
_PAD, _BLANK = np.uint64(ord("_")), np.uint64(ord(" "))
_LOW_6 = np.uint64(0x3F)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 by the golden ratio
_HALF = np.uint64(32)


@compiled
def or_tokens(
    todo: Any,
    starts: Any,
    text: Any,
    valid: Any,
    bigrams: bool,
    numbers: Any,
    rows: Any,
    masks: Any,
    out: Any,
    unknown: Any,
    again: Any,
) -> tuple[int, int, int]:
    """``out[i]`` |= masks of the tokens of value i, for i of ``todo`` int64.

    ``starts``, ``text`` and ``valid`` are those of `pprl.site.text_arrays.text_arrays`; ``numbers``
    uint64[2**k] and ``rows`` int64[2**k] map token numbers to rows of ``masks`` uint64[m, words], see `find`;
    ``out`` is uint64[n, words]. Tokens that have no mask go into ``unknown`` uint64 and the values that have them
    into ``again`` int64; ends where ``unknown`` may not hold those of the next value. Gives how many of ``todo``
    were done, tokens are unknown, and values are to be done again.
    """
    n_unknown, n_again = 0, 0
    for n_done in range(len(todo)):
        i = todo[n_done]
        if not valid[i]:
            continue
        at, stop = starts[i], starts[i + 1]
        if n_unknown + (stop - at) + 1 > len(unknown):
            return n_done, n_unknown, n_again
        n_before = n_unknown
        before = _PAD if bigrams else np.uint64(0)  # or the place
        is_blank, is_more = True, True
        while is_more:
            if at < stop:
                point = np.uint64(text[at])
                if point < 0x80:
                    at += 1
                else:
                    point, at = _code_point(text, at)
                is_blank = is_blank and point == _BLANK
            else:
                point, is_more = _PAD, False
                if not bigrams:
                    break
            number = (before << _POINT_BITS) | point
            if bigrams:
                before = point
            else:
                before += np.uint64(1)
                if point == _BLANK:
                    continue
            row = rows[find(number, numbers, rows)]
            if row >= 0:
                for w in range(out.shape[1]):
                    out[i, w] |= masks[row, w]
            else:
                unknown[n_unknown] = number
                n_unknown += 1
        if is_blank:
            raise ValueError("an empty value has no tokens; a missing value is null")
        if n_unknown > n_before:
            again[n_again] = i
            n_again += 1
    return len(todo), n_unknown, n_again


@compiled
def find(number: Any, numbers: Any, rows: Any) -> Any:
    """The slot of a token in a hash table with open addressing, or the free one (row -1) where it would be."""
    last = np.uint64(len(numbers) - 1)
    slot = (np.uint64(number) * _SPREAD) >> _HALF & last
    while rows[slot] >= 0 and numbers[slot] != number:
        slot = slot + np.uint64(1) & last
    return slot


@compiled
def put(tokens: Any, numbers: Any, rows: Any) -> None:
    """Give the tokens uint64[m] the rows 0, 1, ... in an empty table."""
    for i in range(len(tokens)):
        slot = find(tokens[i], numbers, rows)
        numbers[slot] = tokens[i]
        rows[slot] = i


@compiled
def or_rows(codes: Any, masks: Any, out: Any) -> None:
    """``out[i]`` |= ``masks[codes[i]]``, where the code is not -1."""
    for i in range(out.shape[0]):
        row = codes[i]
        if row >= 0:
            for w in range(out.shape[1]):
                out[i, w] |= masks[row, w]


@compiled
def xor_taps(filters: Any, taps: Any) -> None:
    """Bit j of ``filters[i]`` becomes the XOR over t of its bits ``taps[j, t]``.

    ``filters`` is uint64[n, words]. Works on planes: words that hold one bit of 64 records, so that
    one instruction serves them all. ``taps`` int64[64 * words, n_taps] names planes where `plane_of` puts them.
    """
    n_records, n_words = filters.shape
    planes = np.empty((64, n_words * LANES), np.uint64)
    tapped = np.empty((64, n_words * LANES), np.uint64)
    sources, targets = planes.reshape(64 * n_words, LANES), tapped.reshape(64 * n_words, LANES)
    for start in range(0, n_records, 64 * LANES):
        n_here = min(64 * LANES, n_records - start)
        if n_here < 64 * LANES:
            planes[:] = 0
        for i in range(n_here):
            lane, row = i // 64, i % 64
            for w in range(n_words):
                planes[row, w * LANES + lane] = filters[start + i, w]
        _transpose(planes)
        for j in range(len(taps)):
            target, source = targets[j], sources[taps[j, 0]]
            for lane in range(LANES):
                target[lane] = source[lane]
            for t in range(1, taps.shape[1]):
                source = sources[taps[j, t]]
                for lane in range(LANES):
                    target[lane] ^= source[lane]
        _transpose(tapped)
        for i in range(n_here):
            lane, row = i // 64, i % 64
            for w in range(n_words):
                filters[start + i, w] = tapped[row, w * LANES + lane]


@compiled
def soundex_codes(starts: Any, text: Any, codes: Any, out: Any, coded: Any) -> None:
    """``out[i]`` = letter and digits of value i, where ``coded[i]``: where it has a letter of a-z.

    ``starts`` and ``text`` as in `or_tokens`, ``codes`` uint8[256] the digits of the letters; ``out``
    uint8[n, 4] is full of the digit 0, ``coded`` bool[n] of False.
    """
    for i in range(out.shape[0]):
        n_found, previous = 0, np.uint8(0)
        for at in range(starts[i], starts[i + 1]):
            letter = text[at]
            if letter < ord("a") or letter > ord("z"):
                continue
            code = codes[letter]
            if n_found == 0:
                out[i, 0], n_found, previous = letter, 1, code
                continue
            if code and code != previous:
                out[i, n_found] = code
                n_found += 1
                if n_found == out.shape[1]:
                    break
            if letter != ord("h") and letter != ord("w"):
                previous = code
        coded[i] = n_found > 0


def plane_of(position: Any, *, n_words: int) -> Any:
    """Where `xor_taps` has the plane of a bit position: after a transposition, row is bit, column is word."""
    return position % 64 * n_words + position // 64


@compiled
def _transpose(words: Any) -> None:
    """Exchange row r, bit b with row b, bit r, in every column of uint64[64, columns].

    The recursion over halves of Warren, "Hacker's Delight", section 7-3.
    """
    width, mask = 32, np.uint64(0xFFFFFFFF)
    while width:
        shift = np.uint64(width)
        for row in range(64):
            if not row & width:
                upper, lower = words[row], words[row + width]
                for column in range(words.shape[1]):
                    moved = ((upper[column] >> shift) ^ lower[column]) & mask
                    upper[column] ^= moved << shift
                    lower[column] ^= moved
        width >>= 1
        mask ^= mask << np.uint64(width)


@compiled
def _code_point(text: Any, at: Any) -> Any:
    """The code point that UTF-8 has at a place where no ASCII character is, and the place after it."""
    first = np.uint64(text[at])
    n_more = 1 + (first >= 0xE0) + (first >= 0xF0)
    point = first & (_LOW_6 >> np.uint64(n_more))
    for k in range(1, n_more + 1):
        point = (point << np.uint64(6)) | (np.uint64(text[at + k]) & _LOW_6)
    return point, at + n_more + 1
