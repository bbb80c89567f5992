"""What is said of a delivery: nothing of a clean one, and of each planted fault that fault alone."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import numpy as np
import pytest

from broker.delivery_quality import Changes, describe_quality, measure_quality
from broker.delivery_quality.measure import VERSION

from ..population import Record
from ..tokens import NOW, a_dataset, a_schema
from .deliveries import a_manifest, first_quality, planted, quality_of, two_deliveries

PROFILES = ["standard", "fields", "tokens"]
Random = np.random.Generator


def some(records: list[Record], random: Random, share: float) -> list[Record]:
    chosen = random.choice(len(records), int(share * len(records)), replace=False)
    return [records[one] for one in chosen]


def default_date(records: list[Record], random: Random) -> None:
    for record in some(records, random, 0.02):
        record["birth_date"] = "19540701"


def no_postcodes(records: list[Record], random: Random) -> None:
    for record in records:
        record["postcode"] = None


def surnames_cut(records: list[Record], random: Random) -> None:
    for record in records:
        record["surname"] = (record["surname"] or "")[:3] or None


def written_twice(records: list[Record], random: Random) -> None:
    records += [dict(record) for record in some(records, random, 0.03)]


def patients_for_tests(records: list[Record], random: Random) -> None:
    nobody = dict.fromkeys(("given_name", "middle_name", "surname", "street", "city"), "zz")
    records += [{**nobody, "birth_date": "19990909", "sex": "f", "postcode": "55555"} for _ in range(60)]


def unnamed(records: list[Record], random: Random) -> None:
    for record in some(records, random, 0.4):
        record["given_name"] = "baby girl"


@pytest.mark.parametrize("profile", [*PROFILES, "strict"])
@pytest.mark.parametrize("seed", range(4))
def test_clean_deliveries_give_no_warning(seed: int, profile: str) -> None:
    first = first_quality(seed, profile)
    second = quality_of(a_schema(profile), two_deliveries(seed)[1], first)
    assert (first["warnings"], first["verdict"]) == ([], "good")
    assert (second["warnings"], second["verdict"]) == ([], "good")
    assert (first["compared_with"], second["compared_with"]) == (None, 1)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (default_date, r"birth_date: [12]\.\d % of the records have one value, five times as often"),
        (no_postcodes, r"postcode: none of the records have a value, 9\d\.\d % the last time"),
        (surnames_cut, r"filter (record|surname): the numbers of set bits differ"),
        (written_twice, r"[456]\.\d % of the records share \d+ of \d+ match keys or more with another one"),
    ],
)
def test_each_fault_gives_its_warning_and_no_other(seed, profile, fault, said) -> None:
    quality = planted(seed, profile, fault)
    if fault is surnames_cut and profile == "tokens":  # which has no filters
        assert quality["warnings"] == []
        return
    (warning,) = quality["warnings"]
    assert re.match(said, warning)
    assert quality["verdict"] == "look into"
    assert f"warning: {warning}" in describe_quality(quality)


def test_test_patients_are_one_warning_by_their_whole_filter() -> None:
    quality = planted(0, "standard", patients_for_tests)
    assert {one["of"] for one in quality["over_frequent"]["values"]} >= {"field", "filter"}
    (warning,) = quality["warnings"]
    assert re.match(r"1\.\d % of the records are of one kind, the same in all fields", warning)


def test_a_name_for_the_nameless_is_seen_where_each_field_has_its_filter() -> None:
    (warning,) = planted(0, "fields", unnamed)["warnings"]
    assert re.match(r"given_name: (39|40)\.\d % of the records have one value", warning)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_answer_is_json_without_a_token_or_value(profile: str) -> None:
    schema, (records, _) = a_schema(profile), two_deliveries(0)
    quality = planted(0, profile, default_date)
    text = json.dumps(quality, allow_nan=False)
    assert json.loads(text) == quality
    assert json.loads(json.dumps(planted(0, profile, default_date))) == quality
    dataset = a_dataset(schema, records)
    tokens = [int(token) for columns in dataset.keys for column in columns for token in column[:200]]
    assert not set(map(str, tokens)) & set(re.findall(r"\d{5,}", text))
    assert "19540701" not in text
    assert "1954-07-01" not in text


def test_small_counts_are_hidden() -> None:
    records = [dict(record) for record in two_deliveries(0)[0]]
    for record in records:
        record["sex"] = record["sex"] or "f"
    for record in records[:4]:
        record["sex"] = None
    quality = quality_of(a_schema(), records)
    sex = next(one for one in quality["fields"] if one["field"] == "sex")
    assert (sex["records"], sex["share"]) == (None, 1.0)
    assert all(one["records"] >= 11 for one in quality["patterns"])
    assert all("sex" in one["fields"] for one in quality["patterns"])
    shown = sum(one["records"] for one in quality["patterns"])
    assert shown + quality["other_patterns"] == len(records)
    assert quality_of(a_schema(), records, smallest=0)["fields"][4]["records"] == len(records) - 4


def test_a_hidden_share_is_compared_as_all_or_none() -> None:
    records = [dict(record) for record in two_deliveries(0)[0]]
    for record in records:
        record["sex"] = record["sex"] or "f"
    records[0]["sex"] = None
    first = quality_of(a_schema(), records)
    for record in records[: len(records) // 10]:
        record["sex"] = None
    (warning,) = quality_of(a_schema(), records, first)["warnings"]
    assert re.match(r"sex: 90\.\d % of the records have a value, nearly all the last time", warning)


def test_an_empty_field_is_said_once() -> None:
    records = [{**record, "city": None} for record in two_deliveries(0)[0]]
    first = quality_of(a_schema(), records)
    (warning,) = first["warnings"]
    assert re.match(r"city: none of the records have a value; name its column with --columns", warning)
    assert quality_of(a_schema(), records, first)["warnings"] == []


def test_sizes() -> None:
    records = two_deliveries(0)[0]
    first = first_quality(0, "standard")
    fewer = quality_of(a_schema(), records[: len(records) // 2], first)
    assert fewer["records"] == {"count": len(records) // 2, "last": len(records), "verdict": "fewer"}
    (warning,) = fewer["warnings"]
    assert warning.startswith("2,025 records came, 4,050 the last time")
    more = quality_of(a_schema(), records, fewer)
    assert more["records"]["verdict"] == "more"
    few = quality_of(a_schema(), records[:10])
    assert quality_of(a_schema(), records[:15], few)["records"]["verdict"] == "as before"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (Changes(50, 40, 60), (50, 40, 910, 60)),
        (Changes(5, 40, 60), (None, None, 955, None)),  # what is gone tells what is new
        (Changes(50, 3, 60), (None, None, 947, None)),
        (Changes(50, 40, 5), (None, None, 910, None)),
        (Changes(0, 0, 0), (0, 0, 1000, 0)),
        (Changes(995, 0, 60), (None, 0, None, None)),  # few came again
    ],
)
def test_changes_hide_what_is_small(changes: Changes, shown: tuple[int | None, ...]) -> None:
    quality = quality_of(a_schema(), two_deliveries(0)[0][:1000], changes=changes)
    found = quality["changes"]
    assert tuple(found[name] for name in ("added", "changed", "unchanged", "removed")) == shown
    assert found["verdict"] == "usual"


def test_that_most_records_changed_is_said() -> None:
    records = two_deliveries(0)[0][:1000]
    quality = quality_of(a_schema(), records, changes=Changes(20, 700, 20))
    (warning,) = quality["warnings"]
    assert warning.startswith("most records that were there before have other tokens than then")


def test_duplicates_are_no_fault_of_a_site_that_says_so() -> None:
    records = [*two_deliveries(0)[0]]
    records += [dict(record) for record in records[:200]]
    quality = quality_of(a_schema(), records, duplicate_free=False)
    assert quality["alike"]["verdict"] == "many"
    assert quality["warnings"] == []


def test_other_schemas_and_versions_are_not_compared_by_fill() -> None:
    first = first_quality(0, "standard")
    records = two_deliveries(0)[1]
    other = quality_of(a_schema(more='[[match_key]]\nparts = ["surname", "birth_date"]\n'), records, first)
    assert other["fill_drift"] == []
    assert other["fields"][0]["verdict"] == "as before"
    unknown = quality_of(a_schema(), records, first | {"version": VERSION + 1})
    assert unknown["compared_with"] is None
    assert unknown["records"]["last"] is None


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("n", [0, 1, 12])
def test_small_deliveries_are_described_too(profile: str, n: int) -> None:
    quality = quality_of(a_schema(profile), two_deliveries(0)[0][:n])
    assert quality["warnings"] == []
    assert describe_quality(quality)[0] == f"{n} records"
    json.dumps(quality, allow_nan=False)
    again = quality_of(a_schema(profile), two_deliveries(0)[0][:n], quality)
    assert again["warnings"] == []


def test_schemas_without_match_keys() -> None:
    schema = a_schema(fields=("birth_date", "street", "city"))
    assert not schema.match_keys
    records = [*two_deliveries(0)[0]]
    records += [dict(record) for record in records[:200]]
    (warning,) = quality_of(schema, records)["warnings"]
    assert re.match(r"9\.\d % of the records are the same as another one in all fields", warning)


def test_the_manifest_tells_which_delivery_it_is() -> None:
    dataset = a_dataset(a_schema(), two_deliveries(0)[0][:50])
    manifest = a_manifest(dataset, 7, expires=NOW + timedelta(days=1))
    quality = measure_quality(dataset, manifest)
    assert (quality["version"], quality["dataset"], quality["sequence"]) == (VERSION, "a", 7)
    assert quality["schema_sha256"] == dataset.schema.fingerprint
