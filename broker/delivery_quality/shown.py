"""What of a dataset's counts may be shown: a part of a whole, and a table of patterns whose margins are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pprl.suppression import cells_to_hide, shown_counts

Counts = npt.NDArray[np.int64]


def shown_part(part: int, whole: int, smallest: int) -> tuple[int | None, float | None]:
    """How many of a known whole, and their share.

    Returns
    -------
    int or None
        None where it must not be shown: it is small, or what it leaves is.
    float or None
        Four digits. Where the count is hidden 0.0 is hardly any and 1.0 nearly all; None says nothing.
    """
    if not whole:
        return 0, None
    if None not in shown_counts((part, whole - part), smallest):
        return part, round(part / whole, 4)
    if whole < 2 * smallest:
        return None, None
    return None, float(2 * part > whole)


def shown_patterns(masks: Counts, counts: Counts, *, n_fields: int, at_most: int, smallest: int) -> list[int]:
    """The patterns of presence whose counts may be shown when those of the fields are known.

    What the shown ones leave of the records, of those with a value for a field, and of those without, is not small;
    so nothing small follows by subtraction, unless these were few to begin with and all in what is left.

    Parameters
    ----------
    masks : ndarray of int64, shape (patterns,)
        Bit i: field i has a value.
    counts : ndarray of int64, shape (patterns,)
        Records of each.
    n_fields, at_most, smallest : int
        Of the schema; patterns to show; the smallest count.

    Returns
    -------
    list of int
        Positions, the most frequent first.
    """
    order = np.lexsort((masks, -counts))
    hidden = cells_to_hide(counts.tolist(), smallest)
    if hidden is None:
        return []
    chosen = [int(place) for place in order if int(place) not in hidden][:at_most]
    bits = (masks[:, None] >> np.arange(n_fields)) & 1
    margins = np.hstack([np.ones_like(bits[:, :1]), bits, 1 - bits])
    whole = counts @ margins
    while chosen:
        left = whole - counts[chosen] @ margins[chosen]
        if not ((left > 0) & (left < smallest) & (whole >= smallest)).any():
            break
        chosen.pop()
    return chosen
