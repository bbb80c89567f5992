"""The way from a site's own ids to the GUIDs of its records, which only the site has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pprl.files import scratch_file
from pprl.guid import GUID_BYTES, to_text
from pprl.site.previous_ids import PreviousIds


def find_records(
    path: str | Path, local_ids: Sequence[str], *, advance: Callable[[int], None] = lambda _: None
) -> list[str | None]:
    """Look local ids up in an ids file, whatever its length.

    Parameters
    ----------
    path : str or Path
        ``record_guid,local_id``, as `pprl.site.tokenise` writes it.
    local_ids : sequence of str
        No two the same.
    advance : callable
        Called with the number of bytes just read.

    Returns
    -------
    list of (str or None)
        For each its record's GUID, or None where it is not in the file.

    Raises
    ------
    InputError
        The file is not one of ids.
    """
    folder = Path(path).parent  # which holds the ids anyway; the scratch files hold none
    guids = np.zeros((len(local_ids), GUID_BYTES), np.uint8)
    with scratch_file(folder) as scratch, scratch_file(folder) as ordered:
        PreviousIds(path, scratch, ordered, advance=advance).keep(pa.array(local_ids, pa.string()), guids)
    there = np.asarray(guids.any(axis=1))
    return [text if there[number] else None for number, text in enumerate(to_text(guids))]
