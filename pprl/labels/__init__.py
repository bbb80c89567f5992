"""What files call the categories of race and ethnicity.

The spellings and codes of ``omb.map.csv`` beside this module mean the categories of the US Office of Management and
Budget: names in full and shortened, codes of the CDC, concepts of OMOP.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

OMB_MAP = "omb.map.csv"


def label_key(text: str) -> str:
    """What two spellings of one label share: no case, single blanks."""
    return " ".join(text.split()).casefold()


def omb_text() -> str:
    """The table of spellings as a CSV ``attribute,label,category``."""
    return (resources.files("pprl.labels") / OMB_MAP).read_text(encoding="utf-8")


@cache
def omb_categories(attribute: str) -> Mapping[str, str]:
    """Keys of labels (see `label_key`) to the categories they mean; empty for an attribute not known.

    Parameters
    ----------
    attribute : str
        ``"sex"``, ``"race"`` or ``"ethnicity"``.
    """
    rows = csv.DictReader(io.StringIO(omb_text()))
    return MappingProxyType(
        {label_key(row["label"]): row["category"] for row in rows if row["attribute"] == attribute}
    )
