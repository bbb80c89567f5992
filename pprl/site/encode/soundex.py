"""American Soundex, for match keys that survive a misspelling."""

from __future__ import annotations

from functools import lru_cache

_CODES = {
    **dict.fromkeys("bfpv", "1"),
    **dict.fromkeys("cgjkqsxz", "2"),
    **dict.fromkeys("dt", "3"),
    "l": "4",
    **dict.fromkeys("mn", "5"),
    "r": "6",
}


@lru_cache(maxsize=1 << 17)
def soundex(name: str) -> str:
    """Code a normalised name.

    Parameters
    ----------
    name : str
        Lower case, Latin diacritics folded. Characters other than a-z are passed over; a name without any of
        a-z is returned as it is, since Soundex says nothing of other scripts.

    Returns
    -------
    str
        A letter and three digits, ``robert`` -> ``r163``; or ``name``.

    Notes
    -----
    The rule of the US National Archives: letters of one code that stand side by side, or are parted only by h
    or w, count once; parted by a vowel they count twice; the first letter's own code counts for this.
    """
    letters = [c for c in name if "a" <= c <= "z"]
    if not letters:
        return name
    digits = ""
    previous = _CODES.get(letters[0], "")
    for letter in letters[1:]:
        code = _CODES.get(letter, "")
        if code and code != previous:
            digits += code
            if len(digits) == 3:
                break
        if letter not in "hw":
            previous = code
    return letters[0] + digits.ljust(3, "0")
