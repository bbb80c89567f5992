"""Unicode: one spelling for what readers take for the same letters.

Latin and Greek letters lose their case and their diacritics. Letters of other scripts keep their marks, for
there a mark is a vowel or another letter (Devanagari signs, Cyrillic short i); only the optional points of
Arabic and Hebrew go. Characters that cannot be seen are dropped everywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache

APOSTROPHES = "'`´‘’‚‛′‵ʹʻʼʽʾʿˈˊˋ΄᾽᾿׳Ꞌꞌ＇"

# Letters of the Latin script that no decomposition takes apart.
_SPELT = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "ı": "i", "ȷ": "j",
    "ħ": "h", "ŧ": "t", "ŋ": "n", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y", "ə": "e", "ǝ": "e", "ɛ": "e",
    "ɔ": "o", "ɨ": "i", "ʉ": "u", "ƶ": "z", "ɩ": "i", "ʋ": "v", "ɣ": "g", "ĸ": "k",
}  # fmt: skip

_UNSEEN = {
    0x0640,  # Arabic tatweel, which stretches a word
    0x034F,  # combining grapheme joiner
    *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
    *(0x17B4, 0x17B5),  # Khmer inherent vowels
    *range(0x180B, 0x1810),  # Mongolian variation selectors
    *range(0xFE00, 0xFE10),  # variation selectors
    *range(0xE0100, 0xE01F0),
}
_POINTS = {*range(0x064B, 0x0653), 0x0670, *range(0x06D6, 0x06EE), *range(0x0591, 0x05C8)}


class _Table(dict[int, str | int | None]):
    """A translation table that finds out about each character once."""

    def __init__(self, *, drop_apostrophes: bool, keep_other: bool = True) -> None:
        super().__init__()
        self._drop_apostrophes, self._keep_other = drop_apostrophes, keep_other

    def __missing__(self, codepoint: int) -> str | int | None:
        self[codepoint] = found = self._find(codepoint)
        return found

    def _find(self, codepoint: int) -> str | int | None:
        char = chr(codepoint)
        category = unicodedata.category(char)
        if codepoint in _UNSEEN or category == "Cf":
            return None
        if self._drop_apostrophes and char in APOSTROPHES:
            return None
        if category == "Nd":
            return str(unicodedata.decimal(char))
        if unicodedata.decomposition(char).startswith("<fraction>"):
            return f" {char}"  # which NFKC writes as 1⁄2, and 3½ must not become 31
        if self._keep_other:
            return " " if category in ("Cc", "Zl", "Zp") else codepoint
        return codepoint if category[0] in "LM" else " "


class _Latin(dict[int, str | int]):
    """A translation table that folds Latin letters of one character, which no others can change."""

    def __missing__(self, codepoint: int) -> str | int:
        is_letter = unicodedata.category(chr(codepoint))[0] == "L" and _loses_marks(chr(codepoint))
        self[codepoint] = found = _settle(chr(codepoint), _fold_once) if is_letter else codepoint
        return found


class _Codes(dict[int, int | None]):
    """A translation table that keeps letters and digits."""

    def __missing__(self, codepoint: int) -> int | None:
        self[codepoint] = kept = codepoint if unicodedata.category(chr(codepoint))[0] in "LN" else None
        return kept


_VISIBLE = _Table(drop_apostrophes=False)
_BEFORE = _Table(drop_apostrophes=True)
_CODES = _Codes()
_LATIN = _Latin()
_WORDS = _Table(drop_apostrophes=True, keep_other=False)
_ASCII_WORDS = bytes(code if chr(code).isalnum() and code < 128 else ord(" ") for code in range(256))


def visible(text: str) -> str:
    """The text as written, without what cannot be seen and blanks at the ends."""
    return text.strip() if text.isascii() and text.isprintable() else text.translate(_VISIBLE).strip()


def plain(text: str) -> str:
    """Case-folded and compatibility-composed (NFKC), without what cannot be seen; diacritics stay.

    Digits of every script become ASCII digits, control characters blanks; blanks at the ends go.
    """
    if text.isascii():
        return (text if text.isprintable() else text.translate(_VISIBLE)).lower().strip()
    return _settle(text, _plain_once).strip()


def fold(text: str) -> str:
    """As `plain`, with Latin and Greek diacritics folded and apostrophes gone."""
    if not text.isascii():
        spelt = text.translate(_LATIN)
        if not spelt.isascii():
            return _settle(text, _fold_once).strip()
        text = spelt
    shown = text if text.isprintable() else text.translate(_VISIBLE)
    return shown.replace("'", "").replace("`", "").lower().strip()


def words(folded: str) -> str:
    """Letters, marks and digits of a folded text; apostrophes dropped, everything else one blank."""
    if folded.isascii():
        if folded.isalnum():
            return folded
        return " ".join(folded.encode().translate(_ASCII_WORDS, b"'`").decode().split())
    return " ".join(folded.translate(_WORDS).split())


def alphanumerics(text: str) -> str:
    """Letters and digits of a `plain` text, one behind the other."""
    if text.isascii():
        return text if text.isalnum() else text.translate(_CODES)
    return unicodedata.normalize("NFC", text.translate(_CODES))


def has_letter(text: str) -> bool:
    """Whether there is a letter of any script."""
    return text.isalpha() or any(char.isalpha() for char in text)


def _compose(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _settle(text: str, step: Callable[[str], str]) -> str:
    # A step can uncover work for another: a ligature that holds an apostrophe, a mark that becomes a letter.
    while (further := step(text)) != text:
        text = further
    return text


def _plain_once(text: str) -> str:
    return unicodedata.normalize("NFKC", _compose(text.translate(_VISIBLE)))


def _fold_once(text: str) -> str:
    folded: list[str] = []
    on = ""  # what a mark would stand on: "" nothing, "folded" or "kept"
    for char in unicodedata.normalize("NFD", _compose(text.translate(_BEFORE))):
        category = unicodedata.category(char)
        if category[0] == "M":
            if on == "kept" and category != "Me" and ord(char) not in _POINTS:
                folded.append(char)
        elif category[0] == "L":
            on = "folded" if _loses_marks(char) else "kept"
            folded.append(_SPELT.get(char, char))
        else:
            on = ""
            folded.append(char)
    return unicodedata.normalize("NFC", "".join(folded))


@cache
def _loses_marks(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "GREEK"))
