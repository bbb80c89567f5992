"""American Soundex, for match keys that survive a misspelling."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pprl.site.text_arrays import string_array, text_arrays

_CODES = np.zeros(256, np.uint8)  # by character; 0 for vowels and what is no letter
for _digit, _letters in enumerate((b"bfpv", b"cgjkqsxz", b"dt", b"l", b"mn", b"r"), start=ord("1")):
    _CODES[list(_letters)] = _digit


def soundex(names: pa.StringArray) -> pa.StringArray:
    """Code normalised names.

    Parameters
    ----------
    names : pyarrow.StringArray, length n
        Lower case, Latin diacritics folded. Characters other than a-z are passed over; a name without any of
        a-z is returned as it is, since Soundex says nothing of other scripts. Null gives null.

    Returns
    -------
    pyarrow.StringArray, length n
        A letter and three digits, ``robert`` -> ``r163``; or the name.

    Notes
    -----
    The rule of the US National Archives: letters of one code that stand side by side, or are parted only by h
    or w, count once; parted by a vowel they count twice; the first letter's own code counts for this.
    """
    from pprl.site.encode._kernels import soundex_codes

    starts, text, _ = text_arrays(names)
    codes = np.full((len(names), 4), ord("0"), np.uint8)
    coded = np.zeros(len(names), np.bool_)
    soundex_codes(starts, text, _CODES, codes, coded)
    fours = np.arange(0, 4 * len(names) + 1, 4, dtype=np.int32)
    return pc.coalesce(string_array(fours, codes, coded), names)
