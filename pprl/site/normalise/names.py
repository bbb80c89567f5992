"""Names of people."""

from __future__ import annotations

import re

from pprl.site.normalise import placeholders
from pprl.site.normalise.fold import fold, has_letter, visible, words
from pprl.site.normalise.outcome import Absent

_TITLES = frozenset(
    {
        "dr", "doctor", "mr", "mrs", "ms", "mx", "miss", "mister", "prof", "professor", "rev", "reverend",
        "sir", "dame", "herr", "frau", "mme", "mlle",
    }
)  # fmt: skip
_SUFFIXES = frozenset(
    {
        "jr", "sr", "junior", "senior", "ii", "iii", "iv", "esq", "esquire", "md", "phd", "dds", "dmd", "dvm",
        "rn", "cpa", "mbbs",
    }
)  # fmt: skip
_ORDINALS = frozenset({"2nd", "3rd", "4th", "5th"})
_DOTTED_DEGREE = re.compile(r"(?<=[\w.])[\s,]+(?:m\.\s?d|ph\.?\s?d|d\.\s?d\.\s?s|d\.\s?o|r\.\s?n)\.?$")
_DIGITS = str.maketrans("", "", "0123456789")


def given_name(text: str) -> str | Absent:
    """A given or middle name: as a surname; what children are called before they have a name, and what somebody is to
    somebody, are placeholders.
    """
    return _name(text, of_person=True, infants=True)


def surname(text: str) -> str | Absent:
    """A family name: folded, apostrophes gone, other punctuation blank, digits, titles and suffixes dropped.

    Titles (Dr, Mrs, Prof) are dropped in front and suffixes (Jr, III, MD) at the end as long as something
    remains. A text with a letter in it is never dropped as invalid.
    """
    return _name(text, of_person=True, infants=False)


def city(text: str) -> str | Absent:
    """A town: as a surname without the rules for titles; Saint, Fort and Mount are shortened."""
    found = _name(text, of_person=False, infants=False)
    if isinstance(found, Absent):
        return found
    if found in placeholders.PLACES:
        return Absent.PLACEHOLDER
    return " ".join(_SHORT.get(word, word) for word in found.split(" "))


_SHORT = {"saint": "st", "sainte": "ste", "fort": "ft", "mount": "mt"}


def free_text(text: str) -> str | Absent:
    """Other words: folded, punctuation blank, digits kept."""
    if visible(text) in placeholders.RAW:
        return Absent.PLACEHOLDER
    folded = fold(text)
    found = words(folded)
    if not found:
        return Absent.PLACEHOLDER if visible(text) else Absent.MISSING
    return Absent.PLACEHOLDER if found in placeholders.WORDS or is_repeated(found) else found


def is_repeated(text: str) -> bool:
    """Whether it is one character, three times or more, blanks aside: XXX, 000-00-0000."""
    if text[:1] != text[-1:]:
        return False
    packed = text.replace(" ", "") if " " in text else text
    return len(packed) >= 3 and packed == packed[0] * len(packed)


def _name(text: str, *, of_person: bool, infants: bool) -> str | Absent:
    if visible(text) in placeholders.RAW:
        return Absent.PLACEHOLDER
    folded = fold(text)
    if of_person and "." in folded:
        bare = _DOTTED_DEGREE.sub("", folded)
        folded = bare if has_letter(bare) else folded
    found = words(folded)
    if not found:
        return Absent.PLACEHOLDER if visible(text) else Absent.MISSING
    if not found.isalpha():
        parts = found.split(" ")
        only_letters = found.replace(" ", "").isalpha()
        if not only_letters:
            if of_person and parts[-1] in _ORDINALS and has_letter("".join(parts[:-1])):
                parts.pop()
            parts = [part for part in (part.translate(_DIGITS) for part in parts) if part]
        if of_person:
            _drop_titles(parts)
        found = " ".join(parts)
        if not only_letters and not has_letter(found):
            return Absent.INVALID
    return Absent.PLACEHOLDER if _stands_for_nothing(found, infants=infants) else found


def _drop_titles(parts: list[str]) -> None:
    while len(parts) > 1 and parts[0] in _TITLES:
        del parts[0]
    while len(parts) > 1 and parts[-1] in _SUFFIXES:
        del parts[-1]


def _stands_for_nothing(name: str, *, infants: bool) -> bool:
    if name in placeholders.WORDS or name in placeholders.NAMES or is_repeated(name):
        return True
    first, _, rest = name.partition(" ")
    if first in placeholders.OPENINGS:
        return True
    if not infants:
        return False
    second = rest.partition(" ")[0]
    return first in placeholders.WRITTEN_AS_ONE or second in placeholders.FOLLOWED_BY.get(first, ())
