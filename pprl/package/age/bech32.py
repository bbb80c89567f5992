"""Bech32 (BIP 173) without its length limit, as age writes keys.

A string is ``prefix`` + ``1`` + data, five bits a character; the last six are a checksum that finds any four
wrong ones. It is all lower or all upper case.
"""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LETTERS = 6


def encode(prefix: str, data: bytes) -> str:
    """Write bytes as Bech32.

    Parameters
    ----------
    prefix : str
        Its case is the case of the whole.
    data : bytes
        What is written.

    Raises
    ------
    ValueError
        Where the prefix is empty, of mixed case or not printable ASCII.
    """
    _check_prefix(prefix)
    lower = prefix.lower()
    values = _regroup(data, 8, 5, pad=True)
    residue = _polymod(_expanded(lower) + values + [0] * _CHECKSUM_LETTERS) ^ 1
    values += [residue >> 5 * (5 - i) & 31 for i in range(_CHECKSUM_LETTERS)]
    text = lower + "1" + "".join(_ALPHABET[value] for value in values)
    return text.upper() if prefix != lower else text


def decode(text: str) -> tuple[str, bytes]:
    """Read Bech32; the inverse of `encode`.

    Returns
    -------
    prefix : str
        In the case it was written in.
    data : bytes

    Raises
    ------
    ValueError
        Where it is malformed or the checksum fails. The text, which may be a secret, is not repeated.
    """
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixes lower and upper case")
    prefix, separator, letters = text.rpartition("1")
    if not separator or len(letters) < _CHECKSUM_LETTERS:
        raise ValueError("is too short for a key")
    _check_prefix(prefix)
    try:
        values = [_VALUES[letter] for letter in letters.lower()]
    except KeyError:
        raise ValueError("holds a character that keys do not have") from None
    if _polymod(_expanded(prefix.lower()) + values) != 1:
        raise ValueError("has a wrong character (its checksum does not fit)")
    return prefix, bytes(_regroup(values[:-_CHECKSUM_LETTERS], 5, 8, pad=False))


def _check_prefix(prefix: str) -> None:
    if not prefix or any(not 33 <= ord(letter) <= 126 for letter in prefix):
        raise ValueError("has no proper prefix")
    if prefix not in (prefix.lower(), prefix.upper()):
        raise ValueError("mixes lower and upper case")


def _expanded(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(values: list[int]) -> int:
    """The BCH remainder over GF(32); BIP 173, section 'Checksum'."""
    residue = 1
    for value in values:
        top = residue >> 25
        residue = (residue & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            if top >> bit & 1:
                residue ^= term
    return residue


def _regroup(values: bytes | list[int], width: int, new_width: int, *, pad: bool) -> list[int]:
    """Cut a run of ``width``-bit values into ``new_width``-bit ones, most significant bit first."""
    out, held, n_held = [], 0, 0
    for value in values:
        held = held << width | value
        n_held += width
        while n_held >= new_width:
            n_held -= new_width
            out.append(held >> n_held & (1 << new_width) - 1)
        held &= (1 << n_held) - 1
    if pad:
        if n_held:
            out.append(held << new_width - n_held)
    elif n_held >= width or held:
        raise ValueError("is padded in a way that keys are not")
    return out
