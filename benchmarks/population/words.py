"""The generator's own words, from ``words.toml``."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.population.chance import Ints, Text

FILE = Path(__file__).with_name("words.toml")


@cache
def words() -> dict[str, Any]:
    """Return the file's tables."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def plain(value: str) -> str:
    """Return a value without diacritics, in ASCII where that is possible."""
    for marked, letters in (("ø", "o"), ("Ø", "O"), ("ı", "i"), ("ß", "ss"), ("ł", "l"), ("Ł", "L")):
        value = value.replace(marked, letters)
    return "".join(c for c in unicodedata.normalize("NFD", value) if not unicodedata.combining(c))


def without_marks(values: Text) -> Text:
    """Drop diacritics from many values; the few that have some are looked at one by one."""
    codes = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), values.dtype.itemsize // 4)
    marked = np.flatnonzero((codes > 127).any(axis=1))
    if not len(marked):
        return values
    result = values.copy()
    result[marked] = [plain(value) for value in values[marked].tolist()]
    return result


def zero_padded(numbers: Ints, n_digits: int) -> Text:
    """Return whole numbers as text of so many digits."""
    digits = numbers[:, None] // 10 ** np.arange(n_digits - 1, -1, -1) % 10 + ord("0")
    return np.ascontiguousarray(digits, dtype=np.uint32).view(f"<U{n_digits}").reshape(-1)


@cache
def accents(kind: str) -> dict[str, str]:
    """Return, for names without marks, how bearers write them; ``kind`` is ``hispanic`` or ``other``."""
    return {plain(name): name for name in words()["accents"][kind]}


@cache
def surname_forms() -> dict[str, str]:
    """Return, for surnames in capitals run together, how they are written: O'Brien, De La Cruz."""
    table = words()["words_in_surnames"]
    forms = {name.replace(" ", "").upper(): name for name in table["two"]}
    return forms | {name.replace("'", "").upper(): name for name in table["apostrophe"]}
