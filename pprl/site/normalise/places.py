"""Streets and postcodes."""

from __future__ import annotations

import re
from functools import lru_cache

from pprl.site.normalise import placeholders
from pprl.site.normalise.fold import alphanumerics, fold, plain, visible, words
from pprl.site.normalise.names import is_repeated
from pprl.site.normalise.outcome import Absent

# Of the forms of the US Postal Service, those that other English-speaking countries use too.
_SHORT = {
    "street": "st", "str": "st", "saint": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr",
    "drv": "dr", "lane": "ln", "court": "ct", "crt": "ct", "place": "pl", "boulevard": "blvd", "boul": "blvd",
    "circle": "cir", "circuit": "cct", "crescent": "cres", "terrace": "ter", "terr": "ter", "tce": "ter",
    "parkway": "pkwy", "highway": "hwy", "expressway": "expy", "freeway": "fwy", "turnpike": "tpke",
    "square": "sq", "trail": "trl", "parade": "pde", "alley": "aly", "grove": "grv", "gr": "grv",
    "heights": "hts", "gardens": "gdns", "garden": "gdns", "close": "cl", "esplanade": "esp", "plaza": "plz",
    "route": "rte", "mount": "mt", "fort": "ft", "building": "bldg", "floor": "fl", "room": "rm",
    "suite": "ste", "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne",
    "northwest": "nw", "southeast": "se", "southwest": "sw", "apartment": "apt", "apartments": "apt",
    "unit": "apt", "flat": "apt", "pobox": "po box",
}  # fmt: skip
_PO_BOX = re.compile(r"\b(?:p o|post office) box\b")
_APT_TWICE = re.compile(r"\bapt(?: apt)+\b")
_POINT_ZERO = re.compile(r"\.0+$")
_ZIP_PLUS_4 = re.compile(r"[0-9]{9}")
MIN_POSTCODE, MAX_POSTCODE = 3, 10


def street(text: str) -> str | Absent:
    """A street and number: folded, punctuation blank, common words shortened (Street st, North n, # apt)."""
    if visible(text) in placeholders.RAW:
        return Absent.PLACEHOLDER
    spelt, short = shortened(text)
    if not short or not words(fold(text)):  # "#" alone
        return Absent.PLACEHOLDER if visible(text) else Absent.MISSING
    is_remark = spelt in placeholders.WORDS or spelt in placeholders.PLACES or is_repeated(short)
    return Absent.PLACEHOLDER if is_remark else short


@lru_cache(maxsize=1 << 16)
def shortened(text: str) -> tuple[str, str]:
    """The words of a street, and they with the common ones shortened; remembers the last."""
    spelt = words(fold(text).replace("#", " apt "))
    short = " ".join([_SHORT.get(word, word) for word in spelt.split(" ")])
    if "box" in short:
        short = _PO_BOX.sub("po box", short)
    return spelt, _APT_TWICE.sub("apt", short) if "apt apt" in short else short


def postcode(text: str) -> str | Absent:
    """A postcode: letters and digits in lower case; a US ZIP+4 is cut to five digits.

    A zero lost in front is not guessed: 2139 stays a postcode of four digits, as Australia has them.
    """
    found = plain(text)
    if not found:
        return Absent.MISSING
    packed = alphanumerics(_POINT_ZERO.sub("", found) if "." in found else found)
    if not packed or words(found) in placeholders.WORDS or packed in ("na", "nan"):
        return Absent.PLACEHOLDER
    if _ZIP_PLUS_4.fullmatch(packed):
        packed = packed[:5]
    if packed in placeholders.POSTCODES or (is_repeated(packed) and packed[0] in "09x"):
        return Absent.PLACEHOLDER
    if not MIN_POSTCODE <= len(packed) <= MAX_POSTCODE or not any(char.isdigit() for char in packed):
        return Absent.INVALID
    return packed
