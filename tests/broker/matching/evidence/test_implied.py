"""What match keys imply of fields, against all pairs of records that there can be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from broker.matching.candidates import Pairs, shared_keys
from broker.matching.evidence.implied import State, field_states
from pprl.schema import Schema
from pprl.schema.match_keys import Part

from ...population import FIELDS, Town
from ...tokens import a_dataset, a_schema

NAMES = ("given_name", "surname", "birth_date")
# The sets of keys; what they imply is followed through functions, exchanges and keys with two values.
SCHEMAS = {
    "wholes": ["surname", "surname,birth_date", "given_name,birth_date", "given_name,surname"],
    "pairs only": ["surname,birth_date", "given_name,birth_date"],
    "parts": ["surname,year(birth_date)", "soundex(surname),birth_date", "first3(given_name),birth_date"],
    "parts of parts": [
        "soundex(surname),year(birth_date)",
        "soundex(surname)",
        "surname,given_name",
        "year(birth_date)",
    ],
    "two parts of one": ["soundex(surname),last3(surname)", "given_name,last3(surname)", "given_name"],
    "exchanged": [
        "sorted(given_name;surname),year(birth_date)",
        "given_name,birth_date",
        "surname,birth_date",
        "birth_date",
    ],
    "exchanged or not": ["sorted(given_name;surname),birth_date", "birth_date"],
    "exchanged alone": ["sorted(given_name;surname)", "given_name"],
    "either": ["birth_date,either(surname;given_name)", "surname", "birth_date", "given_name,year(birth_date)"],
    "all of them": [
        "sorted(given_name;surname),birth_date",
        "either(surname;given_name),year(birth_date)",
        "surname,birth_date",
        "first3(given_name),surname",
        "given_name,year(birth_date)",
    ],
    "none": [],
}  # fmt: skip
VALUES = [None, "aa", "ab", "ba", "bb"]


def schema_of(keys: list[str]) -> Schema:
    def quoted(key: str) -> str:
        return ", ".join(f'"{part}"'.replace(";", ",") for part in key.split(","))

    more = "".join(f"[[match_key]]\nparts = [{quoted(key)}]\n" for key in keys)
    schema = a_schema("standard", NAMES, more)
    return schema if keys else schema.model_copy(update={"match_keys": ()})


def choices(part: Part, record: dict[str, str | None]) -> set[str]:
    """A part's values of a record: of a value two letters long a function knows the first, or the last."""
    values = [record[name] for name in part.fields]
    if part.function == "either":
        return {value for value in values if value}
    if None in values:
        return set()
    if part.function == "sorted":
        return {"".join(sorted(values))}
    return {{None: values[0], "last3": values[0][1]}.get(part.function, values[0][0])}


def masks(keys, one, two) -> tuple[int, int]:
    shared = missing = 0
    for bit, key in enumerate(keys):
        ours, theirs = ([choices(part, record) for part in key] for record in (one, two))
        if not all(ours) or not all(theirs):
            missing |= 1 << bit
        elif all(a & b for a, b in zip(ours, theirs, strict=True)):
            shared |= 1 << bit
    return shared, missing


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_state_is_claimed_only_where_all_that_could_be_agree(name):
    schema = schema_of(SCHEMAS[name])
    keys = [key.parsed for key in schema.match_keys]
    records = [dict(zip(NAMES, values, strict=True)) for values in product(VALUES, repeat=3)]
    # Of the first value of every field all letters' names are as good as any other.
    firsts = [r for r in records if all(value in (None, "aa", "ab") for value in r.values())]
    possible: dict[tuple[int, int], set[tuple[str, ...]]] = {}
    for one, two in product(firsts, records):
        crossed = one["given_name"] == two["surname"] and one["surname"] == two["given_name"]
        said = []
        for field in NAMES:
            ours, theirs = one[field], two[field]
            if ours is None or theirs is None:
                said.append(
                    "exchanged" if crossed and field != "birth_date" and ours != theirs else "missing"
                )
            elif ours == theirs:
                said.append("agrees")
            elif crossed and field != "birth_date":
                said.append("exchanged")
            else:
                said.append("alike" if ours[0] == theirs[0] or ours[1] == theirs[1] else "differs")
        possible.setdefault(masks(keys, one, two), set()).add(tuple(said))
    codes = sorted(possible)
    shared, missing = (np.array([code[side] for code in codes], np.uint32) for side in (0, 1))
    states = field_states(schema, shared, missing)
    assert states.dtype == np.uint8
    assert states.shape == (len(codes), 3)
    claimed = set()
    for code, row in zip(codes, states, strict=True):
        for place, state in enumerate(row.tolist()):
            could_be = {said[place] for said in possible[code]}
            exchange = any(
                part.function == "sorted" and NAMES[place] in part.fields and code[0] >> bit & 1
                for bit, key in enumerate(keys)
                for part in key
            )
            claimed.add(State(state))
            if state == State.DIFFERS:
                # Of a value that a side lacks keys are missing; that a key with two values is there says nothing of it.
                assert "agrees" not in could_be
            elif state == State.AGREES:
                # Of a shared sorted key alone the likelier is said.
                assert could_be <= ({"agrees", "exchanged"} if exchange else {"agrees"})
            elif state == State.EXCHANGED:
                assert could_be <= {"exchanged"}
            elif state == State.ALIKE:
                assert could_be <= {"agrees", "alike", "exchanged"}
    expected = {
        "wholes": {State.UNKNOWN, State.DIFFERS, State.AGREES},
        "parts": {State.UNKNOWN, State.DIFFERS, State.ALIKE, State.AGREES},
        "exchanged": {*State},
        "none": {State.UNKNOWN},
    }
    assert claimed >= expected.get(name, {State.UNKNOWN, State.AGREES})


def state_names(schema, shared: list[str], missing: list[str] = ()) -> list[str]:
    names = [key.name for key in schema.match_keys]
    assert set(shared) | set(missing) <= set(names)
    bits = [np.array([sum(1 << names.index(key) for key in keys)], np.uint32) for keys in (shared, missing)]
    return [State(state).name for state in field_states(schema, *bits)[0].tolist()]


def test_by_hand():
    schema = schema_of(SCHEMAS["wholes"])
    assert state_names(schema, ["surname", "surname+birth_date"]) == ["DIFFERS", "AGREES", "AGREES"]
    assert state_names(schema, ["given_name+birth_date"]) == ["AGREES", "DIFFERS", "AGREES"]
    assert state_names(schema, ["surname"]) == ["DIFFERS", "AGREES", "DIFFERS"]
    assert state_names(schema, []) == ["UNKNOWN", "DIFFERS", "UNKNOWN"]
    without = ["given_name+birth_date", "given_name+surname"]
    assert state_names(schema, ["surname", "surname+birth_date"], without) == ["UNKNOWN", "AGREES", "AGREES"]
    schema = schema_of(SCHEMAS["exchanged"])
    both = "sorted(given_name,surname)+year(birth_date)"
    # Nothing says whether each agrees with itself or with the other: the likelier is taken.
    assert state_names(schema, [both]) == ["AGREES", "AGREES", "ALIKE"]
    assert state_names(schema, [both, "birth_date"]) == ["EXCHANGED", "EXCHANGED", "AGREES"]


def test_a_pair_has_its_own_states_whatever_the_others():
    schema = a_schema("standard")
    random = np.random.default_rng(0)
    n_keys = len(schema.match_keys)
    shared, missing = random.integers(0, 1 << n_keys, (2, 60), dtype=np.uint32)
    whole = field_states(schema, shared, missing & ~shared)
    for row in range(60):
        alone = field_states(schema, shared[row : row + 1], (missing & ~shared)[row : row + 1])
        assert alone.tolist() == whole[row : row + 1].tolist()
    assert field_states(schema, shared[:0], missing[:0]).shape == (0, len(FIELDS))


@pytest.mark.parametrize("profile", ["standard", "strict", "tokens"])
def test_states_of_real_tokens_hold_of_the_records(profile):
    """Of records in normal form through the real encoder, where keys have functions with rules of their own."""
    town = Town(8, n_people=150, holds=((0, 1), (0, 1)))
    schema = a_schema(profile)
    left, right = (a_dataset(schema, rows, name) for rows, name in zip(town.records, "ab", strict=True))
    rows, columns = (side.ravel() for side in np.indices((150, 150)))
    shared, missing = shared_keys(left, right, Pairs(rows, columns, 150 * 150))
    states = field_states(schema, shared, missing)
    n_claims = 0
    for i, j, said in zip(rows.tolist(), columns.tolist(), states.tolist(), strict=True):
        one, two = town.records[0][i], town.records[1][j]
        crossed = one["given_name"] == two["surname"] and one["surname"] == two["given_name"]
        for name, state in zip(FIELDS, said, strict=True):
            if state == State.DIFFERS:
                assert one[name] != two[name]
            elif state == State.AGREES:
                assert one[name] == two[name] or crossed
            elif state == State.EXCHANGED:
                assert crossed
            n_claims += state != State.UNKNOWN
    assert n_claims > 300
