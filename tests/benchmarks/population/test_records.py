"""Records: every kind of error, about as often as asked for, and no value outside its form."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks.population import BLOCK_PEOPLE, COLUMNS, PRESETS, Noise, Population, Site
from benchmarks.population.words import plain, words

N = 2 * BLOCK_PEOPLE
EVEN = {"uneven_care": 0.0, "uneven_groups": 0.0}


def records(noise: Noise, **habits) -> pd.DataFrame:
    site = Site(name="a", noise=noise, **habits)
    population = Population(N, seed=4, sites=[site], overlap=0, names="small")
    return population.site_table(0).to_pandas().fillna("").set_index("record_id").sort_index()


CLEAN = records(Noise())


def changed(column: str, rate: dict[str, float]) -> tuple[pd.Series, pd.Series]:
    """Return old and new values of what such noise changes."""
    noisy = records(Noise(**EVEN, **rate))[column]
    different = noisy != CLEAN[column]
    return CLEAN[column][different], noisy[different]


def test_clean_records_say_what_is_true():
    population = Population(N, seed=4, sites=[Site(name="a", noise=Noise())], overlap=0, names="small")
    people = [population.people(block) for block in range(2)]
    assert sorted(CLEAN["given_name"]) == sorted(np.concatenate([p.given for p in people]).tolist())
    surnames = np.concatenate([p.surnames.now for p in people])
    assert sorted(CLEAN["surname"]) == sorted(surnames.tolist())
    assert sorted(CLEAN["sex"]) == sorted(["FM"[s] for p in people for s in p.sex.tolist()])
    assert (CLEAN.drop(columns="middle_name") != "").all(axis=None)


@pytest.mark.parametrize("name", ["given_name", "surname"])
@pytest.mark.parametrize("kind", ["typing", "ocr", "phonetic"])
def test_misspelling(name, kind):
    old, new = changed(name, {kind: 0.1})
    length = CLEAN[name].str.len()
    expected = 0.1 * np.minimum(0.4 + 0.1 * length, 2.0).mean()
    assert len(old) / N == pytest.approx(expected, rel=0.12)
    assert abs(old.str.len() - new.str.len()).max() <= 3


def test_streets_and_cities_are_mistyped():
    for column in ("street", "city"):
        old, new = changed(column, {"typing": 0.1})
        assert 0.04 < len(old) / N < 0.12
        assert abs(old.str.len() - new.str.len()).max() <= 2


def test_nicknames():
    table = words()["nicknames"]
    old, new = changed("given_name", {"nickname": 0.3})
    possible = CLEAN["given_name"].map(plain).isin(table).sum()
    assert len(old) / possible == pytest.approx(0.3, rel=0.1)
    assert all(n in table[plain(o)] for o, n in zip(old, new, strict=True))


def test_names_in_each_others_column():
    noisy = records(Noise(**EVEN, given_surname_exchanged=0.2))
    swapped = noisy["given_name"] == CLEAN["surname"]
    assert swapped.mean() == pytest.approx(0.2, abs=0.01)
    assert (noisy["surname"][swapped] == CLEAN["given_name"][swapped]).all()
    has_middle = CLEAN["middle_name"] != ""
    for rate, column in (("goes_by_middle", "given_name"), ("surname_middle_exchanged", "surname")):
        noisy = records(Noise(**EVEN, **{rate: 0.2}))
        swapped = has_middle & (noisy["middle_name"] == CLEAN[column])
        assert swapped.sum() / has_middle.sum() == pytest.approx(0.2, abs=0.015)


def test_parts_of_names():
    two = CLEAN["surname"].str.contains("[ -]")
    old, new = changed("surname", {"part_dropped": 0.3})
    assert len(old) / two.sum() == pytest.approx(0.3, abs=0.05)
    assert all(
        n in re.split("[ -]", o) or o.startswith(n) or o.endswith(n) for o, n in zip(old, new, strict=True)
    )
    old, new = changed("surname", {"parts_joined": 0.3})
    assert len(old) / two.sum() == pytest.approx(0.3, abs=0.05)
    assert all(re.sub("[ -]", "", o) == re.sub("[ -]", "", n) for o, n in zip(old, new, strict=True))


def test_suffixes():
    _, new = changed("surname", {"suffix_written": 1.0})
    assert all(value.endswith((" Jr", " Sr")) for value in new)
    assert 0.005 < len(new) / N < 0.03


def test_diacritics():
    marked = CLEAN["surname"].map(lambda name: not name.isascii())
    assert marked.mean() > 0.02
    old, new = changed("surname", {"marks_dropped": 0.4})
    assert len(old) / marked.sum() == pytest.approx(0.4, abs=0.06)
    assert all(plain(o) == n for o, n in zip(old, new, strict=True))
    without = records(Noise(), diacritics=False)
    assert all(value.isascii() for value in without["surname"])
    assert without["surname"].tolist() == CLEAN["surname"].map(plain).tolist()


def test_middle_names():
    has = CLEAN["middle_name"] != ""
    noisy = records(Noise(**EVEN, middle_missing=0.3))["middle_name"]
    assert (noisy[has] == "").mean() == pytest.approx(0.3, abs=0.02)
    noisy = records(Noise(**EVEN, middle_initial=0.3))["middle_name"]
    assert (noisy[has].str.len() == 1).mean() == pytest.approx(0.3, abs=0.02)
    assert set(records(Noise(), initials=True)["middle_name"].str.len()) == {0, 1}


def test_placeholders():
    noisy = records(Noise(**EVEN, record_age_years=5, baby_name=1.0))["given_name"]
    baby = noisy.isin(["BABY GIRL", "BABY BOY", "BABYGIRL", "BABYBOY", "GIRL", "BOY", "NEWBORN", "BABY"])
    assert 0.02 < baby.mean() < 0.15
    old, new = changed("given_name", {"unknown_name": 0.1})
    assert set(new) == {"UNKNOWN"}
    assert len(old) / N == pytest.approx(0.1, abs=0.01)


def test_old_records_show_what_was():
    noisy = records(Noise(**EVEN, record_age_years=5))
    share = {column: (noisy[column] != CLEAN[column]).mean() for column in CLEAN.columns}
    assert share["street"] == pytest.approx(0.38, abs=0.08)
    assert 0.1 < share["postcode"] < share["street"]
    assert 0.02 < share["city"] < share["postcode"]
    assert 0.15 < share["phone"] < 0.45
    assert 0.02 < share["surname"] < 0.08
    assert share["given_name"] == share["birth_date"] == share["sex"] == share["national_id"] == 0
    # a move changes the whole address: who kept the postcode kept the city
    kept = noisy["postcode"] == CLEAN["postcode"]
    assert (noisy["city"] == CLEAN["city"])[kept].all()
    women = (CLEAN["sex"] == "F") & (noisy["surname"] != CLEAN["surname"])
    assert women.sum() == (noisy["surname"] != CLEAN["surname"]).sum()


@pytest.mark.parametrize(
    ("rate", "column"),
    [
        ("sex_wrong", "sex"),
        ("house_number_wrong", "street"),
        ("postcode_wrong", "postcode"),
        ("phone_wrong", "phone"),
        ("national_id_wrong", "national_id"),
    ],
)
def test_wrong_values(rate, column):
    old, new = changed(column, {rate: 0.2})
    assert len(old) / N == pytest.approx(0.2, abs=0.012)
    assert (old.str.len() == new.str.len()).all()


@pytest.mark.parametrize(
    ("rate", "columns"),
    [
        ("given_missing", ["given_name"]),
        ("surname_missing", ["surname"]),
        ("birth_date_missing", ["birth_date"]),
        ("sex_missing", ["sex"]),
        ("street_missing", ["street"]),
        ("city_missing", ["city"]),
        ("postcode_missing", ["postcode"]),
        ("address_missing", ["street", "city", "postcode"]),
        ("phone_missing", ["phone"]),
        ("national_id_missing", ["national_id"]),
        ("race_missing", ["race"]),
        ("ethnicity_missing", ["ethnicity"]),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_missing_values(rate, columns, share):
    noisy = records(Noise(**EVEN, **{rate: share}))
    for column in columns:
        assert (noisy[column] == "").mean() == pytest.approx(share, abs=0.012)
    if len(columns) > 1:
        gone = noisy[columns] == ""
        assert (gone.all(axis=1) == gone.any(axis=1)).all()


def test_relatives_and_races():
    old, _ = changed("phone", {"phone_of_relative": 0.5})
    assert 0.05 < len(old) / N < 0.5
    old, _ = changed("national_id", {"national_id_of_relative": 0.5})
    assert len(old) / N == pytest.approx(0.5 * 0.58, abs=0.05)
    _, new = changed("race", {"race_other": 0.2})
    assert set(new) == {"Other"}


def test_addresses_in_two_styles():
    short, long = CLEAN["street"], records(Noise(), spelled_out=True)["street"]
    assert short.str.contains(r" (?:St|Ave|Rd|Dr)(?: Apt|$)").mean() > 0.2
    assert long.str.contains(r" (?:Street|Avenue|Road|Drive)(?: Apt|$)").mean() > 0.2
    mixed = records(Noise(**EVEN, street_style=0.3))["street"]
    assert (mixed == long)[long != short].mean() == pytest.approx(0.3, abs=0.02)
    flat = CLEAN["street"].str.contains(" Apt ")
    assert flat.mean() == pytest.approx(0.22, abs=0.05)
    dropped = records(Noise(**EVEN, unit_dropped=0.3))["street"]
    assert (~dropped[flat].str.contains(" Apt ")).mean() == pytest.approx(0.3, abs=0.03)


def test_errors_come_together():
    rates = {"typing": 0.03, "sex_wrong": 0.03, "phone_wrong": 0.03, "postcode_wrong": 0.03}
    together = {}
    for care in (0.0, 1.0):
        noisy = records(Noise(uneven_groups=0.0, uneven_care=care, **rates))
        wrong = pd.DataFrame({c: noisy[c] != CLEAN[c] for c in ("surname", "sex", "phone", "postcode")})
        assert wrong.mean().to_numpy() == pytest.approx(np.full(4, 0.033), abs=0.008)
        together[care] = (wrong.sum(axis=1) >= 2).mean()
    assert together[1.0] > 2 * together[0.0]


def test_groups_differ():
    rate = {"typing": 0.05, "uneven_care": 0.0}
    for uneven, low, high in ((0.0, 0.85, 1.2), (1.0, 1.25, 1.8)):
        noisy = records(Noise(uneven_groups=uneven, **rate))
        wrong = noisy["given_name"] != CLEAN["given_name"]
        asian, white = CLEAN["race"] == "Asian", CLEAN["race"] == "White"
        assert (
            low
            < wrong[asian].mean() / wrong[white & (CLEAN["ethnicity"] != "Hispanic or Latino")].mean()
            < high
        )


FORMS = {
    "given_name": r"(?:[^\W\d_]|[0-9' -]){1,40}",
    "middle_name": r"(?:[^\W\d_]|[0-9' -]){0,40}",
    "surname": r"(?:[^\W\d_]|[0-9' -]){1,40}",
    "birth_date": r"(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?",
    "sex": "[FM]",
    "street": r"[0-9A-Za-z' ]{3,40}",
    "city": r"[0-9A-Za-z ]{2,30}",
    "postcode": r"\d{5}",
    "phone": r"\d{3}-\d{3}-\d{4}",
    "national_id": r"\d{3}-\d{2}-\d{4}",
    "race": r"[A-Za-z ]{5,45}",
    "ethnicity": r"(?:Not )?Hispanic or Latino",
}


@pytest.mark.parametrize("noise", ["default", "hard"])
def test_no_value_is_outside_its_form(noise):
    frame = records(PRESETS[noise], capitals=noise == "hard")
    assert list(frame.columns) == list(COLUMNS[1:])
    for column, form in FORMS.items():
        values = frame[column][frame[column] != ""]
        assert values.str.fullmatch(form).all(), values[~values.str.fullmatch(form)].head().tolist()
        assert (values == values.str.strip()).all()
    if noise == "hard":
        assert (frame["surname"] == frame["surname"].str.upper()).all()


def test_columns_may_be_lacking():
    frame = records(PRESETS["default"], lacks=("national_id", "middle_name"))
    assert list(frame.columns) == [c for c in COLUMNS[1:] if c not in ("national_id", "middle_name")]


def test_full_noise_survives():
    everything = Noise(**{name: 1.0 for name in Noise.__slots__ if not name.endswith("_missing")})
    frame = records(everything)
    assert len(frame) == N
