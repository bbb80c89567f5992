"""The encoding as docs/encoding.md tells it, one record at a time, in plain Python.

Imports nothing of the engine: the standard library, and bitarray for the filters. Slow, and meant to be read.
Section numbers are those of the document.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from bitarray import bitarray


class NaiveEncoder:
    """Encodes records under a resolved schema (the object of its canonical JSON) and a secret of 32 bytes."""

    def __init__(self, schema: dict[str, Any], secret: bytes) -> None:
        self.schema, self.secret = schema, secret
        self.fields = {field["name"]: field for field in schema["fields"]}
        canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.fingerprint = hashlib.sha256(canonical.encode("utf-8")).hexdigest()

    # Section 2: keys.

    def key(self, label: str) -> bytes:
        info = "|".join(["pprl/v1", self.schema["project"], self.fingerprint, self.schema["epoch"], label])
        return hmac.digest(self.secret, info.encode("utf-8") + b"\x01", "sha256")

    # Section 4: filters.

    def positions(self, field: dict[str, Any], token: str) -> list[int]:
        key = self.key("tok/" + field["key_group"])
        message = field["key_group"].encode() + b"\x00" + token.encode("utf-8")
        stream = b"".join(hmac.digest(key, message + bytes([block]), "sha256") for block in range(8))
        n_bits = self.schema["filter"]["n_bits"]
        words = [int.from_bytes(stream[4 * i : 4 * i + 4], "little") for i in range(field["n_hashes"])]
        return [word * n_bits // 2**32 for word in words]

    def plain_filter(self, field: dict[str, Any], value: str) -> bitarray:
        bits = bitarray(self.schema["filter"]["n_bits"], endian="little")
        for token in tokens(field, value):
            for position in self.positions(field, token):
                bits[position] = 1
        return bits

    def diffused(self, label: str, bits: bitarray) -> bitarray:
        out = bitarray(len(bits), endian="little")
        taps_of = taps(self.key("eld/" + label), len(bits), self.schema["filter"]["n_taps"])
        for place, chosen in enumerate(taps_of):
            out[place] = sum(bits[tap] for tap in chosen) % 2
        return out

    # Section 5: exact tokens.

    def exact(self, label: str, value: str | None) -> int | None:
        if value is None:
            return None
        digest = hashlib.blake2b(value.encode("utf-8"), digest_size=8, key=self.key(label)).digest()
        return int.from_bytes(digest, "little") or 1

    # Section 6: match keys.

    def known(self, name: str, record: dict[str, str | None]) -> str | None:
        value = record[name]
        if self.fields[name]["kind"] == "birth_date" and value is not None:
            return None if value.endswith("00") or value.startswith("0000") else value
        return value

    def part(self, text: str, choice: int, record: dict[str, str | None]) -> str | None:
        function, _, listed = text.rstrip(")").rpartition("(")
        names = listed.split(",")
        if function == "year":
            year = (record[names[0]] or "")[:4]
            return None if year in ("", "0000") else year
        values = [self.known(name, record) for name in names]
        if function == "either":
            return values[choice]
        if None in values:
            return None
        match function:
            case "":
                return values[0]
            case "soundex":
                return soundex(values[0])
            case "first3" | "area":
                return values[0][:3]
            case "last3":
                return values[0][-3:]
            case "initial":
                return values[0][:1]
            case "sorted":
                return "\x1f".join(sorted(values, key=lambda value: value.encode("utf-8")))
        raise AssertionError(function)

    def match_key(self, key: dict[str, Any], choice: int, record: dict[str, str | None]) -> int | None:
        parts = [self.part(text, choice, record) for text in key["parts"]]
        if any(part is None for part in parts):
            return None
        return self.exact("mk/" + key["name"], "\x1f".join(part for part in parts if part is not None))

    # Section 7: the row.

    def encode(self, record: dict[str, str | None]) -> dict[str, bytes | int | None]:
        """One row of the token table, without its GUID."""
        fields = self.schema["fields"]
        row: dict[str, bytes | int | None] = {
            "presence": sum(1 << bit for bit, field in enumerate(fields) if record[field["name"]] is not None)
        }
        layout, n_bits = self.schema["filter"]["layout"], self.schema["filter"]["n_bits"]
        if layout == "record":
            bits = bitarray(n_bits, endian="little")
            for field in fields:
                value = record[field["name"]]
                if value is not None:
                    bits |= self.plain_filter(field, value)
            row["filter:record"] = self.diffused("record", bits).tobytes()
        if layout == "field":
            for field in fields:
                value = record[field["name"]]
                if field["n_hashes"]:
                    bits = bitarray(n_bits, endian="little")
                    if value is not None and not (field["kind"] == "middle_name" and len(value) == 1):
                        bits = self.diffused(field["key_group"], self.plain_filter(field, value))
                    row[f"filter:{field['name']}"] = bits.tobytes()
            for field in fields:
                value = record[field["name"]]
                for part, label, text in exact_parts(field, value):
                    row[f"exact:{field['name']}:{part}"] = self.exact(f"xt/{field['name']}/{label}", text)
        for key in self.schema["match_keys"]:
            row[f"key:{key['name']}"] = self.match_key(key, 0, record)
            if any(text.startswith("either(") for text in key["parts"]):
                row[f"key:{key['name']}#2"] = self.match_key(key, 1, record)
        return row


# Section 3: tokens.


def tokens(field: dict[str, Any], value: str) -> set[str]:
    match field["tokens"]:
        case "whole":
            return {value}
        case "bigrams":
            padded = f"_{value}_"
            return {padded[i : i + 2] for i in range(len(padded) - 1)}
        case "positions":
            found = {f"{place}:{character}" for place, character in enumerate(value) if character != " "}
            if field["kind"] == "birth_date":
                if value[:4] == "0000":
                    found -= {f"{place}:0" for place in range(4)}
                if value[4:6] == "00":
                    found -= {"4:0", "5:0"}
                if value[6:8] == "00":
                    found -= {"6:0", "7:0"}
            return found
    raise AssertionError(field["tokens"])


# Section 4: diffusion.


def chacha20_block(key: bytes, counter: int) -> list[int]:
    """Sixteen words of key stream, RFC 8439 section 2.3, the nonce zero."""
    key_words = [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key_words, counter, 0, 0, 0]
    state = start.copy()
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for into, other, turned, left in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[into] = (state[into] + state[other]) & 0xFFFFFFFF
                word = state[turned] ^ state[into]
                state[turned] = (word << left | word >> (32 - left)) & 0xFFFFFFFF
    return [(one + two) & 0xFFFFFFFF for one, two in zip(state, start, strict=True)]


def key_stream(key: bytes) -> Iterator[int]:
    counter = 0
    while True:
        yield from chacha20_block(key, counter)
        counter += 1


def below(n: int, stream: Iterator[int]) -> int:
    while True:
        word = next(stream)
        if word < 2**32 // n * n:
            return word % n


def shuffled(n: int, stream: Iterator[int]) -> list[int]:
    numbers = list(range(n))
    for i in reversed(range(1, n)):
        j = below(i + 1, stream)
        numbers[i], numbers[j] = numbers[j], numbers[i]
    return numbers


@cache
def taps(key: bytes, n_bits: int, n_taps: int) -> list[list[int]]:
    stream, pool, found = key_stream(key), [], []
    for _ in range(n_bits):
        chosen = pool[:n_taps]
        pool = pool[n_taps:]
        if len(chosen) < n_taps:
            pool = shuffled(n_bits, stream)
            fresh = [position for position in pool if position not in chosen][: n_taps - len(chosen)]
            pool = [position for position in pool if position not in fresh]
            chosen = chosen + fresh
        found.append(chosen)
    return found


# Section 5: which exact tokens a field has.


def exact_parts(field: dict[str, Any], value: str | None) -> list[tuple[str, str, str | None]]:
    """Part, label of its key, and the text that is hashed."""
    if field["kind"] == "birth_date":
        year, month, day = (value[:4], value[4:6], value[6:]) if value else (None, None, None)
        return [
            ("year", "year", None if year == "0000" else year),
            ("month", "day_or_month", None if month == "00" else month),
            ("day", "day_or_month", None if day == "00" else day),
        ]
    if field["kind"] == "middle_name":
        return [("initial", "initial", value[0] if value else None)]
    return [("value", "value", value)] if field["tokens"] == "whole" else []


# Section 6: Soundex.


def soundex(name: str) -> str:
    groups = {"bfpv": "1", "cgjkqsxz": "2", "dt": "3", "l": "4", "mn": "5", "r": "6"}
    letters = [letter for letter in name if letter in "abcdefghijklmnopqrstuvwxyz"]
    if not letters:
        return name
    heard = [letters[0]] + [letter for letter in letters[1:] if letter not in "hw"]
    codes = [next((code for group, code in groups.items() if letter in group), "0") for letter in heard]
    kept = [code for before, code in pairwise(codes) if code not in ("0", before)]
    return (letters[0] + "".join(kept) + "000")[:4]
