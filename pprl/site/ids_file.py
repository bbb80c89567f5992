"""The file that stays at the site: which record of the package is which of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.guid import TEXT_CHARACTERS, to_characters
from pprl.site.text_arrays import string_array, text_arrays

HEADER = b"record_guid,local_id\n"

_TO_BE_QUOTED = b'",\r\n'


def ids_lines(guids: npt.NDArray[np.uint8], local_ids: pa.StringArray) -> bytes:
    """Lines of the ids file, CSV in UTF-8.

    Parameters
    ----------
    guids : ndarray of uint8, shape (n, 16)
        The records' GUIDs.
    local_ids : pyarrow.StringArray, length n
        Never null; one with a comma, a quotation mark or a line break is quoted.

    Returns
    -------
    bytes
        n lines, each ended.
    """
    if any(bytes([character]) in _text_of(local_ids) for character in _TO_BE_QUOTED):
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(local_ids, '"', '""'), '"', "")
        local_ids = pc.if_else(pc.match_substring_regex(local_ids, r'[",\r\n]'), quoted, local_ids)
    return _text_of(pc.binary_join_element_wise(_guid_cells(guids), local_ids, "\n", ""))


def _guid_cells(guids: npt.NDArray[np.uint8]) -> pa.StringArray:
    """GUIDs as text, each with a comma behind it."""
    cells = np.full((len(guids), TEXT_CHARACTERS + 1), ord(","), np.uint8)
    cells[:, :-1] = to_characters(guids)
    starts = np.arange(0, cells.size + 1, TEXT_CHARACTERS + 1, dtype=np.int32)
    return string_array(starts, cells, np.ones(len(guids), np.bool_))


def _text_of(values: pa.StringArray) -> bytes:
    """All values, one behind the other."""
    starts, text, _ = text_arrays(values)
    return text[starts[0] : starts[-1]].tobytes()
