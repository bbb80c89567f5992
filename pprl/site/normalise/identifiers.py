"""Numbers and codes that name a person: phone, national identifier, e-mail; and codes of any other kind."""

from __future__ import annotations

import re

from pprl.site.normalise import placeholders
from pprl.site.normalise.fold import alphanumerics, plain, words
from pprl.site.normalise.names import is_repeated
from pprl.site.normalise.outcome import Absent

_POINT_ZERO = re.compile(r"^([0-9]+)\.0+$")
_EXTENSION = re.compile(r"(?:ext(?:ension|n)?|x|#)\.?:?\s*[0-9]*$")
_MAILTO = re.compile(r"^(?:mailto:)+")
_EMAIL = re.compile(r"[^@]+@[^@.]+(?:\.[^@.]+)+")

# Country codes of one and two digits (ITU-T E.164, assignments); all others have three.
_SHORT_COUNTRY_CODES = frozenset(
    {
        "1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65",
        "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    }
)  # fmt: skip


class _OnlyDigits(dict[int, int | None]):
    """A translation table that keeps ASCII digits."""

    def __missing__(self, codepoint: int) -> int | None:
        self[codepoint] = kept = codepoint if 48 <= codepoint <= 57 else None
        return kept


_DIGITS = _OnlyDigits()
MIN_PHONE, MAX_PHONE = 7, 10
_MAX_E164 = 15
MIN_NATIONAL_ID, MAX_NATIONAL_ID = 5, 20


def phone(text: str) -> str | Absent:
    """A phone number: its national digits without country code and leading zeros, at most the last ten.

    So +44 20 7946 0958, 0044 20 7946 0958 and 020 7946 0958 agree, and +1 (212) 555-0123 with 212.555.0123.
    An extension is dropped. Without ``+`` or ``00`` no country code is looked for.
    """
    found = plain(text)
    if not found:
        return Absent.MISSING
    if "." in found:
        found = _POINT_ZERO.sub(r"\1", found)
    if "#" in found or found.islower():
        found = _EXTENSION.sub("", found)
    digits = found.translate(_DIGITS)
    if not digits:
        return _without_digits(plain(text))
    if is_repeated(digits):
        return Absent.PLACEHOLDER
    if len(digits) > _MAX_E164 + 2:
        return Absent.INVALID
    if found.startswith("00"):
        digits = _without_country(digits[2:])
    elif "+" in found[:2]:
        digits = _without_country(digits)
    national = digits.lstrip("0")[-MAX_PHONE:].lstrip("0")
    if national in placeholders.PHONES or digits in placeholders.PHONES or is_repeated(national):
        return Absent.PLACEHOLDER
    return national if len(national) >= MIN_PHONE else Absent.INVALID


def national_id(text: str) -> str | Absent:
    """A national identifier: letters and digits in lower case. Masked ones (***-**-1234) are invalid."""
    found = plain(text)
    if not found:
        return Absent.MISSING
    packed = alphanumerics(_POINT_ZERO.sub(r"\1", found) if "." in found else found)
    if packed in placeholders.NATIONAL_IDS or is_repeated(packed):
        return Absent.PLACEHOLDER
    if not any(char.isdigit() for char in packed):
        return _without_digits(found)
    is_masked = "*" in found or "#" in found or packed.startswith("xxx")
    return packed if MIN_NATIONAL_ID <= len(packed) <= MAX_NATIONAL_ID and not is_masked else Absent.INVALID


def email(text: str) -> str | Absent:
    """An e-mail address: lower case, blanks gone; exactly one ``@`` and a dot after it."""
    found = plain("".join(plain(text).split()))
    found = _MAILTO.sub("", found)
    if not found:
        return Absent.MISSING
    if "@" not in found:
        return _without_digits(plain(text))
    if not _EMAIL.fullmatch(found):
        return Absent.INVALID
    name = words(found.partition("@")[0]).replace(" ", "")
    return Absent.PLACEHOLDER if name in placeholders.EMAIL_NAMES else found


def code(text: str) -> str | Absent:
    """A code: lower case, blanks at the ends gone and those within made one."""
    found = " ".join(plain(text).split())
    if not found:
        return Absent.MISSING
    return Absent.PLACEHOLDER if found == "n/a" or found in placeholders.WORDS else found


def _without_country(digits: str) -> str:
    digits = digits.lstrip("0")
    length = next((n for n in (1, 2) if digits[:n] in _SHORT_COUNTRY_CODES), 3)
    return digits[length:]


def _without_digits(found: str) -> Absent:
    spelt = words(found)
    is_remark = (
        not spelt or spelt in placeholders.WORDS or spelt in ("na", "nan", "no", "no phone", "no email")
    )
    return Absent.PLACEHOLDER if is_remark else Absent.INVALID
