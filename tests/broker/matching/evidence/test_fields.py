"""What the field evidence says of pairs of records, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from broker.matching.candidates import Pairs
from broker.matching.evidence import FieldEvidence
from broker.matching.evidence.fields import model
from broker.matching.evidence.fields.household import PART, household_column
from pprl.schema import Schema, parse_schema

from ...tokens import a_dataset, a_schema

ANN = {
    "given_name": "katharina",
    "middle_name": "maria",
    "surname": "smithson",
    "birth_date": "19800513",
    "sex": "f",
    "street": "12 mulberry street",
    "city": "springfield",
    "postcode": "12345",
}
# What changes on the left, what on the right, and what the evidence says then.
CASES = {
    "nothing": ({}, {}, {"given_name": "equal", "surname": "equal", "middle_name": "equal", "sex": "agree"}),
    "close": ({}, {"surname": "smitthson"}, {"surname": "close"}),
    "similar": ({}, {"surname": "smithsen"}, {"surname": "similar"}),
    "another": ({}, {"surname": "brown"}, {"surname": "disagree"}),
    "no surname": ({"surname": None}, {}, {"surname": None, "given_name": "equal"}),
    "exchanged": (
        {"given_name": "smithson", "surname": "katharina"},
        {},
        {"given_name": "exchanged", "surname": None},
    ),
    "exchanged with a slip": (
        {"given_name": "smitthson", "surname": "katharina"},
        {},
        {"given_name": "exchanged", "surname": None},
    ),
    "half exchanged": (
        {"given_name": "smithson", "surname": "brown"},
        {},
        {"given_name": "disagree", "surname": "disagree"},
    ),
    "married": (
        {},
        {"middle_name": "smithson", "surname": "brown"},
        {"surname": "moved", "given_name": "equal", "middle_name": "disagree"},
    ),
    "married, the other way": ({"middle_name": "smithson", "surname": "brown"}, {}, {"surname": "moved"}),
    "called by the middle name": ({}, {"given_name": "maria", "middle_name": None}, {"given_name": "moved"}),
    "middle, close": ({}, {"middle_name": "marria"}, {"middle_name": "similar"}),
    "middle, same initial": ({}, {"middle_name": "mehitabel"}, {"middle_name": "same initial, other name"}),
    "middle, another": ({}, {"middle_name": "joan"}, {"middle_name": "disagree"}),
    "middle, initial": ({}, {"middle_name": "m"}, {"middle_name": "initials agree"}),
    "middle, two initials": ({"middle_name": "m"}, {"middle_name": "m"}, {"middle_name": "initials agree"}),
    "middle, another initial": ({}, {"middle_name": "k"}, {"middle_name": "disagree"}),
    "middle, none": ({}, {"middle_name": None}, {"middle_name": None}),
    "date, all": ({}, {}, {"birth_date": "all parts agree"}),
    "date, exchanged": (
        {"birth_date": "19801205"},
        {"birth_date": "19800512"},
        {"birth_date": "day and month exchanged"},
    ),
    "date, exchanged in another year": (
        {"birth_date": "19801205"},
        {"birth_date": "19550512"},
        {"birth_date": "nothing agrees"},
    ),
    "date, a slip in the day": ({}, {"birth_date": "19800518"}, {"birth_date": "year and one part, near"}),
    "date, a slip in the year": ({}, {"birth_date": "19810513"}, {"birth_date": "two parts, not the year, near"}),
    "date, another year": ({}, {"birth_date": "20350513"}, {"birth_date": "two parts, not the year"}),
    "date, year only": ({}, {"birth_date": "19801128"}, {"birth_date": "year only"}),
    "date, another": ({}, {"birth_date": "19491128"}, {"birth_date": "nothing agrees"}),
    "date, one part": ({}, {"birth_date": "19490528"}, {"birth_date": "nothing agrees"}),
    "date, year known": (
        {},
        {"birth_date": "19800000"},
        {"birth_date": "the year agrees, the rest not known"},
    ),
    "date, year not known": ({}, {"birth_date": "00000513"}, {"birth_date": "known parts agree"}),
    "date, month known": ({}, {"birth_date": "19800500"}, {"birth_date": "known parts agree"}),
    "date, another month known": ({}, {"birth_date": "19800600"}, {"birth_date": "a known part disagrees"}),
    "date, another year known": ({}, {"birth_date": "19790000"}, {"birth_date": "a known part disagrees"}),
    "date, two years": (
        {"birth_date": "19800000"},
        {"birth_date": "19800000"},
        {"birth_date": "the year agrees, the rest not known"},
    ),
    "date, none": ({}, {"birth_date": None}, {"birth_date": None}),
    "sex": ({}, {"sex": "m"}, {"sex": "disagree"}),
    "sex, none": ({"sex": None}, {"sex": None}, {"sex": None}),
    "address": (
        {},
        {},
        {"postcode": "equal", "city": "equal, postcode equal", "street": "equal, postcode equal"},
    ),
    "address, elsewhere in town": (
        {},
        {"postcode": "98760", "street": "7 oxford avenue"},
        {"postcode": "disagree", "city": "equal, postcode disagree", "street": "disagree, postcode disagree"},
    ),
    "address, a slip": ({}, {"city": "springgfield"}, {"city": "close, postcode equal"}),
    "address, no postcode": (
        {"postcode": None},
        {},
        {"postcode": None, "city": "equal, postcode missing"},
    ),
    "address, a slip in the postcode": (
        {},
        {"postcode": "12346"},
        {"postcode": "close", "city": "equal, postcode close", "street": "equal, postcode close"},
    ),
    "household, both": ({}, {}, {PART: "street and surname alike, and both"}),
    "household, a slip": ({}, {"surname": "smitthson"}, {PART: "street and surname alike, and both"}),
    "household, relatives": (
        {},
        {"given_name": "robert", "birth_date": "19491128"},
        {PART: "street and surname alike"},
    ),
    "household, twins": ({}, {"given_name": "robert"}, {PART: "street and surname alike, and birth date"}),
    "household, namesakes": (
        {},
        {"birth_date": "19491128"},
        {PART: "street and surname alike, and given name"},
    ),
    "household, another surname": ({}, {"surname": "brown"}, {PART: "street alike, surname not"}),
    "household, no surname": ({}, {"surname": None}, {PART: None}),
    "household, elsewhere": ({}, {"street": "7 oxford avenue"}, {PART: None}),
    "address, no city": ({}, {"city": None}, {"city": None, "street": "equal, postcode equal"}),
}  # fmt: skip


def said(evidence: FieldEvidence, left, right) -> list[dict[str, str | None]]:
    """What the evidence says of row 0 and row 0, row 1 and row 1, ...: a label a part."""
    rows = np.arange(len(left))
    left, right = evidence.prepare(left), evidence.prepare(right)
    measured = evidence.measure(evidence.compare(left, right, Pairs(rows, rows, len(left) ** 2)))
    assert measured.dtype == np.float32
    assert set(np.unique(measured)) <= {0, 1}
    out = []
    for row in measured:
        labels: dict[str, str | None] = dict.fromkeys(feature.part for feature in evidence.features)
        for feature, value in zip(evidence.features, row, strict=True):
            if value:
                assert labels[feature.part] is None
                labels[feature.part] = feature.label.split(", 1 in")[0]
        out.append(labels)
    return out


def of_rows(schema: Schema, left, right) -> list[dict[str, str | None]]:
    a, b = a_dataset(schema, left, "a"), a_dataset(schema, right, "b")
    return said(FieldEvidence(schema, (a, b)), a, b)


@pytest.fixture(scope="module")
def answers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "_SAMPLE", 1000)
        left, right = ([ANN | case[side] for case in CASES.values()] for side in (0, 1))
        return dict(zip(CASES, of_rows(a_schema("fields"), left, right), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_what_the_evidence_says(answers, case):
    expected = CASES[case][2]
    assert {part: answers[case][part] for part in expected} == expected


@pytest.fixture
def small_sample(monkeypatch):
    monkeypatch.setattr(model, "_SAMPLE", 1000)


def test_what_one_dataset_lacks_is_not_compared(small_sample):
    schema = a_schema("fields")
    (labels,) = of_rows(schema, [ANN], [ANN | {"sex": None, "postcode": None}])
    assert set(labels) == {"given_name", "middle_name", "surname", "birth_date", "street", "city", PART}
    # The street then depends on the city.
    assert labels["street"] == "equal, city equal"
    assert labels["city"] == "equal"


def test_middle_names_count_as_initials_where_a_site_has_little_else(small_sample):
    schema = a_schema("fields")
    (labels,) = of_rows(schema, [ANN], [ANN | {"middle_name": "m"}])
    assert labels["middle_name"] == "initials agree"
    left, right = [ANN] * 10, [ANN | {"middle_name": "m"}] * 9 + [ANN]
    assert {labels["middle_name"] for labels in of_rows(schema, left, right)} == {"initials agree"}
    right = [ANN | {"middle_name": "m"}] * 7 + [ANN] * 3
    assert {labels["middle_name"] for labels in of_rows(schema, left, right)} == {"initials agree", "equal"}


def test_the_first_of_two_surnames_is_the_one_that_moves(small_sample):
    fields = '"given_name", "middle_name"'
    schema = parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "e"\nprofile = "fields"\nfields = [{fields}]\n'
        '[[field]]\nname = "surname"\nkind = "surname"\n[[field]]\nname = "birth_name"\nkind = "surname"\n'
    )
    before = {"given_name": "ann", "middle_name": "maria", "surname": "smithson", "birth_name": "smithson"}
    after = {"given_name": "ann", "middle_name": "smithson", "surname": "brown", "birth_name": "jonkers"}
    (labels,) = of_rows(schema, [before], [after])
    assert labels == {
        "given_name": "equal",
        "middle_name": "disagree",
        "surname": "moved",
        "birth_name": "disagree",
    }


@pytest.mark.parametrize("kind", ANN)
def test_any_field_may_be_compared_whole(small_sample, kind):
    others = [name for name in ANN if name != kind]
    schema = parse_schema(
        f'[linkage]\nproject = "p"\nepoch = "e"\nprofile = "fields"\nfields = {others}\n'.replace("'", '"')
        + f'[[field]]\nname = "{kind}"\nkind = "{kind}"\ntokens = "whole"\n'
    )
    rows = [ANN, ANN | {kind: "19491128" if kind == "birth_date" else "x"}, ANN | {kind: None}]
    dataset = a_dataset(schema, [ANN] * 3, "a"), a_dataset(schema, rows, "b")
    evidence = FieldEvidence(schema, dataset)
    same, different, missing = (labels[kind] for labels in said(evidence, *dataset))
    if kind == "birth_date":
        assert (same, different, missing) == ("all parts agree", "nothing agrees", None)
    elif kind == "middle_name":
        assert (same, different, missing) == ("initials agree", "disagree", None)
    else:
        assert (same, different, missing) == ("agree", "disagree", None)
    rows, _ = evidence.near(*(evidence.prepare(d) for d in dataset))
    assert len(rows) > 0


def test_priors_speak_for_agreement_and_against_its_opposite(datasets):
    evidence = FieldEvidence(a_schema("fields"), tuple(datasets("fields")))
    prior = {(feature.part, feature.label): feature.prior for feature in evidence.features}
    for name in ("given_name", "surname"):
        rare_to_common = [prior[name, f"equal, 1 in {2**bits}"] for bits in range(9, 4, -1)]
        assert rare_to_common == sorted(rare_to_common, reverse=True)
        assert prior[name, "close"] > prior[name, "similar"] > prior[name, "disagree"]
        assert prior[name, "disagree"] < 0 < prior[name, "exchanged"]
    assert prior["birth_date", "all parts agree"] > prior["birth_date", "year and one part, near"] > 0
    assert prior["birth_date", "nothing agrees"] < 0
    assert prior["sex", "disagree"] < 0 < prior["sex", "agree"] < 1
    # A city says little more where the postcodes are equal already.
    assert prior["city", "equal, postcode equal"] < prior["city", "equal, postcode disagree"]


def households(n, *, slip):
    """Two people of each of n homes in a town of 40 postcodes; in some homes one has a slip in the postcode."""
    random = np.random.default_rng(0)
    rows = []
    for home in range(n):
        postcode = f"{11111 * (1 + home % 8)}"[:3] + f"{home % 40:02d}"
        address = {"street": f"{home} {random.choice(list('abcdefgh'))}ton road", "postcode": postcode}
        year = str(1950 + home % 50)
        slipped = postcode[:-1] + ("7" if postcode[-1] != "7" else "2")
        other = slipped if random.random() < slip else postcode
        rows.append({"given_name": "ann", "birth_date": f"{year}0512", "city": "here", **address})
        rows.append(
            {"given_name": "tom", "birth_date": f"{year}1128", "city": "here", **address, "postcode": other}
        )
    return rows


def street_priors(rows):
    data = a_dataset(
        a_schema("fields", ("given_name", "birth_date", "street", "city", "postcode")), rows, "a"
    )
    features = FieldEvidence(data.schema, (data, data)).features
    return {feature.label: feature.prior for feature in features if feature.part == "street"}


def test_strangers_of_one_home_are_counted_in_each_context_of_the_street():
    """A slip in the postcode of one of them does not make the street that they share proof."""
    few, many = (street_priors(households(600, slip=slip)) for slip in (0.01, 0.5))
    assert many["equal, postcode close"] < few["equal, postcode close"] - 1.5
    assert many["equal, postcode equal"] > few["equal, postcode equal"]


def test_duplicates_are_not_counted_as_strangers_of_one_home():
    rows = households(600, slip=0.01)
    twice = street_priors([*rows, *rows[:600]])["equal, postcode equal"]
    assert twice == pytest.approx(street_priors(rows)["equal, postcode equal"], abs=0.3)


def test_no_level_weighs_more_than_a_better_one_in_its_context(datasets):
    evidence = FieldEvidence(a_schema("fields"), tuple(datasets("fields")))
    for name in ("street", "city"):
        labels = [f.label for f in evidence.features if f.part == name]
        prior = {f.label: f.prior for f in evidence.features if f.part == name}
        contexts = {label.split(", ", 1)[1] for label in labels}
        assert len(contexts) == 6
        for context in contexts:
            weights = [prior[label] for label in labels if label.endswith(f", {context}")]
            assert len(weights) == 5
            assert weights == sorted(weights)


def test_the_same_seed_gives_the_same_priors(datasets):
    pair = tuple(datasets("fields"))
    one, two, other = (FieldEvidence(pair[0].schema, pair, seed=seed).features for seed in (3, 3, 4))
    assert one == two
    assert one != other
    assert [f.prior for f in one] == pytest.approx([f.prior for f in other], abs=1)


def test_near_pairs_hold_the_matches(datasets, town):
    left, right = datasets("fields")
    evidence = FieldEvidence(left.schema, (left, right))
    rows = evidence.near(evidence.prepare(left), evidence.prepare(right))
    pairs = set(zip(*(side.tolist() for side in rows), strict=True))
    matches = town.matches()
    assert len(pairs & matches) >= 0.97 * len(matches)
    assert 10 * 1080 < len(pairs) < 40 * 1080  # about 20 a record


def test_datasets_of_one_row(datasets):
    left, right = (dataset.rows(0, 1) for dataset in datasets("fields"))
    evidence = FieldEvidence(left.schema, (left, right))
    assert {feature.prior for feature in evidence.features} == {0}
    assert len(evidence.near(evidence.prepare(left), evidence.prepare(right))[0]) <= 1


# Households


def test_what_a_household_has_in_common_is_counted_without_duplicates(small_sample):
    """Of 40 homes of parent and child some have twins, a namesake, or a person twice; other people live alone."""
    random = np.random.default_rng(0)

    def person(home, **more):
        letters = [chr(97 + random.integers(26)) for _ in range(8)]
        born = f"{random.integers(1930, 2020)}{random.integers(1, 13):02}{random.integers(1, 28):02}"
        plain = {"given_name": "".join(letters[:4]), "surname": f"{home}son", "birth_date": born}
        return ANN | plain | {"street": f"{home} street", "sex": "f", "middle_name": None} | more

    names = ["".join(chr(97 + k // 26**j % 26) for j in range(3)) + "mann" for k in range(400)]
    rows = []
    for home, name in enumerate(names):
        first = person(name)
        rows.append(first)
        if home < 40:
            rows.append(person(name))
        if home in (0, 1):
            rows.append(person(name, birth_date=first["birth_date"]))  # a twin, and so two pairs of relatives
        if home == 2:
            rows.append(person(name, given_name=first["given_name"]))
        if home in (50, 51, 52):
            rows.append(dict(first))  # the same person again
    schema = a_schema("fields")
    dataset = a_dataset(schema, rows, "a", duplicate_free=False)
    column = household_column(schema, schema.fields, (dataset,))
    n = len(rows)
    relatives = 40 + 2 + 1  # pairs of parent and child, and with the further child of three homes
    same_home = 40 + 2 * 3 - 3 + 3
    possible = n * (n - 1) / 2
    kin = np.log((same_home / possible) / (relatives / same_home))
    weights = column.weights(np.zeros(6))
    assert weights[0] == 0
    assert weights[2] == weights[5]
    assert weights[2] == pytest.approx(kin, abs=0.15)
    assert weights[3] < weights[2]
    assert weights[4] < weights[2]
    # Another copy of everybody who is there twice changes little.
    again = a_dataset(schema, rows + rows[-3:], "a", duplicate_free=False)
    other = household_column(schema, schema.fields, (again,)).weights(np.zeros(6))
    assert other == pytest.approx(weights, abs=0.3)


def test_without_an_address_there_are_no_households():
    schema = a_schema("fields", ("given_name", "surname", "birth_date"))
    dataset = a_dataset(schema, [{name: ANN[name] for name in schema.field_names}] * 3, "a")
    assert household_column(schema, schema.fields, (dataset,)) is None
