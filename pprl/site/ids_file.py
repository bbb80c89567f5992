"""The file that stays at the site: which record of the package is which of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pprl.guid import to_text

HEADER = b"record_guid,local_id\n"


def ids_lines(guids: npt.NDArray[np.uint8], local_ids: pa.Array) -> bytes:
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
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(local_ids, '"', '""'), '"', "")
    cells = pc.if_else(pc.match_substring_regex(local_ids, r'[",\r\n]'), quoted, local_ids)
    lines = pc.binary_join_element_wise(pa.array(to_text(guids), pa.string()), cells, ",")
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode("utf-8")
