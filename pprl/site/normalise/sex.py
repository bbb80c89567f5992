"""Sex or gender: ``m``, ``f``, or ``x`` for anything else that was stated."""

from __future__ import annotations

from pprl.site.normalise import placeholders
from pprl.site.normalise.fold import plain, words
from pprl.site.normalise.outcome import Absent

# English words; ISO/IEC 5218 (0 and 9 are unknown); OMOP concepts; FHIR administrative gender; HL7 v2 table
# 0001.
_STATED = {
    **dict.fromkeys(("m", "male", "man", "boy", "1", "8507"), "m"),
    **dict.fromkeys(("f", "female", "woman", "girl", "w", "2", "8532"), "f"),
    **dict.fromkeys(("x", "other", "o", "nonbinary", "non binary", "nb", "intersex", "diverse"), "x"),
    **dict.fromkeys(("indeterminate", "ambiguous", "a", "8521"), "x"),
}
_UNKNOWN = frozenset(
    {"u", "un", "0", "9", "8551", "n", "na", "nan", "asked but unknown", "asku", "unknown or not known"}
)


def sex(text: str) -> str | Absent:
    """Sex or gender as ``m``, ``f`` or ``x``; unknown is a placeholder, what is not recognised invalid."""
    found = plain(text)
    if not found:
        return Absent.MISSING
    spelt = words(found.removesuffix(".0"))
    if spelt in _STATED:
        return _STATED[spelt]
    return (
        Absent.PLACEHOLDER
        if not spelt or spelt in _UNKNOWN or spelt in placeholders.WORDS
        else Absent.INVALID
    )
