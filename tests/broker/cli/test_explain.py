"""``pprl-broker explain`` as the broker's operator meets it."""

from __future__ import annotations

import json
import re
import signal
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from broker.cli import cli, main
from broker.matching.pipeline import link
from broker.release import write_run

from ..population import Town
from ..tokens import NOW, a_dataset, a_schema, pack

STRANGER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """``folders(profile)``: a run over three datasets, the last of which may hold duplicates."""
    made = {}

    def make(profile: str) -> Path:
        if profile not in made:
            out = tmp_path_factory.mktemp("explained")
            town = Town(7, n_people=300, holds=((0, 0.4), (0.2, 0.8), (0.4, 1)), n_twice=(0, 0, 30))
            schema = a_schema(profile)
            sites, manifests = [], []
            for rows, name in zip(town.records, "abc", strict=True):
                free = name != "c"
                sites.append(a_dataset(schema, rows, name, duplicate_free=free))
                manifests.append(pack(out / f"{name}.pprl", schema, rows, duplicate_free=free))
            linkage = link(sites)
            write_run(linkage, manifests, out / "run", seed=0, intake_seconds=0, now=NOW)
            made[profile] = out / "run"
        return made[profile]

    return make


@pytest.fixture
def run(folders) -> Path:
    return folders("fields")


def rows_of(run: Path) -> list[dict]:
    return pq.read_table(run / "evidence.parquet").to_pylist()


def entities_of(run: Path) -> dict[str, list[str]]:
    """GUIDs of each dataset's records."""
    found: dict[str, list[str]] = {}
    for row in pq.read_table(run / "entities.parquet").to_pylist():
        found.setdefault(row["dataset"], []).append(row["record_guid"])
    return found


def one_with(run: Path, outcome: str, **wanted: str) -> dict:
    return next(
        row
        for row in rows_of(run)
        if row["outcome"] == outcome and all(row[name] == value for name, value in wanted.items())
    )


def call(*words: object) -> str:
    result = CliRunner().invoke(cli, ["explain", *map(str, words)])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def asked(*words: object) -> dict:
    return json.loads(call(*words, "--json"))


@pytest.fixture
def fails(monkeypatch, capsys):
    """Run the whole program, which must end with code 1 and one line on stderr; that line."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["pprl-broker", "explain", *map(str, words)])
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # the tests keep their own
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert (left.value.code, out) == (1, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.mark.parametrize("profile", ["standard", "fields", "tokens"])
def test_a_link(folders, profile):
    run = folders(profile)
    row = one_with(run, "linked", left_dataset="a", right_dataset="b")
    guids = row["left_record"], row["right_record"]
    text = call(run, *guids)
    first, second, said, *lines = text.splitlines()
    assert (first, second) == (f"a {guids[0]}", f"b {guids[1]}")
    assert said.startswith("linked; probability 0.")
    assert said.endswith(", threshold 0.5")
    for part in (name.removeprefix("weight:") for name in row if name.startswith("weight:")):
        assert any(line.startswith(f"{part} ") for line in lines)
    for name in ("before any evidence", "intercept", "the pair alone", "other candidates", "in the end"):
        assert any(line.startswith(f"{name} ") for line in lines)
    assert "Not linked" not in text
    assert "\x1b" not in text


def test_the_order_of_the_guids_does_not_matter(run):
    row = one_with(run, "linked", left_dataset="b", right_dataset="c")
    guids = row["left_record"], row["right_record"]
    assert call(run, *guids) == call(run, *guids[::-1])
    assert call(run, guids[0].upper(), guids[1].replace("-", "")) == call(run, *guids)


@pytest.mark.parametrize("profile", ["standard", "fields"])
def test_json_adds_up(folders, profile):
    run = folders(profile)
    for row in rows_of(run)[::17]:
        answer = asked(run, row["right_record"], row["left_record"])
        assert answer["left"] == {"dataset": row["left_dataset"], "record": row["left_record"]}
        assert answer["right"] == {"dataset": row["right_dataset"], "record": row["right_record"]}
        assert answer["outcome"] == row["outcome"]
        assert answer["linked"] == (row["outcome"] == "linked")
        assert answer["probability"] == row["probability"]
        assert answer["unit_of_weights"] == "bits"
        total = answer["prior"] + answer["intercept"] + sum(part["weight"] for part in answer["parts"])
        assert answer["log_odds"] == pytest.approx(total, abs=1e-3)
        in_the_end = answer["log_odds"] + answer["competition"]
        assert 1 / (1 + 2**-in_the_end) == pytest.approx(answer["probability"], abs=1e-3)
        assert all(part["seen"] for part in answer["parts"])


def test_a_pair_within_a_dataset(run):
    row = one_with(run, "linked", left_dataset="c", right_dataset="c")
    answer = asked(run, row["right_record"], row["left_record"])
    assert answer["linked"]
    assert (answer["within"], answer["others"], answer["competition"]) == (True, 0, 0)
    assert answer["one_entity"]


def test_below_the_threshold(run):
    row = one_with(run, "below threshold")
    text = call(run, row["left_record"], row["right_record"])
    assert "not linked: below threshold; probability" in text
    assert "Not linked: " in text


def test_another_was_likelier(run):
    """Where a record's own evidence would do, the answer names who was chosen in its place."""
    for row in rows_of(run):
        weights = [w for name, w in row.items() if name.startswith("weight:") and w is not None]
        alone = row["prior"] + row["intercept"] + sum(weights)
        if alone > 0.01 and row["outcome"] == "below threshold":
            break
    answer = asked(run, row["left_record"], row["right_record"])
    assert answer["why"] == "by its own evidence alone it would be a link, but other candidates are likelier"
    links = [
        other
        for other in rows_of(run)
        if other["outcome"] == "linked"
        and (other["left_dataset"], other["right_dataset"]) == (row["left_dataset"], row["right_dataset"])
        and (other["left_record"] == row["left_record"] or other["right_record"] == row["right_record"])
    ]
    assert links
    ends = {end for link in links for end in (link["left_record"], link["right_record"])}
    assert {one["record"] for one in answer["instead"]} == ends - {row["left_record"], row["right_record"]}
    text = call(run, row["left_record"], row["right_record"])
    assert "Linked instead:" in text
    assert f"{answer['instead'][0]['record']}, probability 0." in text


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("dropped", "spoke against it, such as two records of a duplicate-free"),
        ("another chosen", "another pair was chosen"),
    ],
)
def test_outcomes_that_are_rare(run, tmp_path, outcome, says):
    copied = copy(run, tmp_path)
    table = pq.read_table(run / "evidence.parquet")
    column = table.schema.get_field_index("outcome")
    said = pa.array([outcome] * table.num_rows).dictionary_encode()
    field = pa.field("outcome", said.type)
    pq.write_table(table.set_column(column, field, said), copied / "evidence.parquet")
    row = one_with(run, "below threshold")
    text = call(copied, row["left_record"], row["right_record"])
    assert f"not linked: {outcome}" in text
    assert says in text


def test_a_pair_of_which_nothing_was_kept(run):
    records = entities_of(run)
    kept = {frozenset((row["left_record"], row["right_record"])) for row in rows_of(run)}
    guids = next((a, b) for a in records["a"] for b in records["b"] if frozenset((a, b)) not in kept)
    answer = asked(run, *guids)
    assert (answer["outcome"], answer["linked"]) == ("not kept", False)
    assert "probability" not in answer
    assert "never a candidate" in call(run, *guids)
    within = records["a"][:2]
    assert asked(run, *within)["outcome"] == "not compared"
    assert "both are records of a, which is said to hold no person twice" in call(run, *within)
    unlike = next(
        (a, b) for a in records["c"] for b in records["c"] if a < b and frozenset((a, b)) not in kept
    )
    assert asked(run, *unlike)["outcome"] == "not kept"


def test_one_entity_by_way_of_others(run, tmp_path):
    """Two records of c that are no link, and are of one entity all the same."""
    table = pq.read_table(run / "evidence.parquet")
    row = one_with(run, "linked", left_dataset="c", right_dataset="c")
    outcomes = [
        "below threshold"
        if (one["left_record"], one["right_record"]) == (row["left_record"], row["right_record"])
        else one["outcome"]
        for one in table.to_pylist()
    ]
    said = pa.array(outcomes).dictionary_encode()
    field = pa.field("outcome", said.type)
    copied = copy(run, tmp_path)
    place = table.schema.get_field_index("outcome")
    pq.write_table(table.set_column(place, field, said), copied / "evidence.parquet")
    text = call(copied, row["left_record"], row["right_record"])
    assert "not linked: below threshold" in text
    assert "The two are in one entity all the same, by way of other links." in text
    assert "all the same" not in call(run, row["left_record"], row["right_record"])


def test_the_candidates_of_a_record(run):
    row = one_with(run, "linked", left_dataset="a")
    guid = row["left_record"]
    answer = asked(run, guid)
    assert answer["record"] == {"dataset": "a", "record": guid}
    mine = [other for other in rows_of(run) if guid in (other["left_record"], other["right_record"])]
    assert len(answer["candidates"]) == len(mine)
    probabilities = [one["probability"] for one in answer["candidates"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert guid not in {one["record"] for one in answer["candidates"]}
    text = call(run, guid)
    assert text.startswith(f"a {guid}\n")
    for one in answer["candidates"]:
        assert re.search(rf"^ *\S.*  {one['outcome']} +{one['dataset']} {one['record']}$", text, re.MULTILINE)


def test_a_record_without_candidates(run):
    with_some = {row[f"{side}_record"] for row in rows_of(run) for side in ("left", "right")}
    guid = next(guid for guids in entities_of(run).values() for guid in guids if guid not in with_some)
    assert asked(run, guid)["candidates"] == []
    assert "no candidate of which evidence was kept" in call(run, guid)


def test_nothing_but_guids_levels_and_names_is_told(folders):
    for profile in ("standard", "fields"):
        run = folders(profile)
        for row in rows_of(run)[::29]:
            text = call(run, row["left_record"], row["right_record"])
            for guid in re.findall(r"[0-9a-f]{8}[-0-9a-f]*", text):
                assert str(uuid.UUID(guid)) == guid


def test_a_terminal_without_block_characters(run, monkeypatch):
    row = one_with(run, "linked")
    result = CliRunner(charset="ascii").invoke(
        cli, ["explain", str(run), row["left_record"], row["right_record"]]
    )
    assert result.exit_code == 0
    assert "+++" in result.stdout
    assert "---" in result.stdout


# Failures


def copy(run: Path, tmp_path: Path) -> Path:
    out = tmp_path / "copy"
    out.mkdir()
    for path in run.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


@pytest.mark.parametrize("words", [(), (STRANGER,)])
def test_no_run(fails, tmp_path, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("nowhere", "empty", "file"):
        message = fails(tmp_path / name, STRANGER, *words)
        assert (
            f"{name}: is not the folder of a linkage run: no quality.json to read; give the --out of"
            in message
        )


def test_a_run_of_an_older_program(fails, run, tmp_path):
    old = copy(run, tmp_path)
    (old / "evidence.parquet").unlink()
    assert "holds no evidence.parquet: an older program made this run" in fails(old, STRANGER)


def test_a_run_of_a_newer_program(fails, run, tmp_path):
    new = copy(run, tmp_path)
    table = pq.read_table(new / "evidence.parquet")
    for version in (b"2", b""):
        pq.write_table(
            table.replace_schema_metadata({b"pprl_evidence_version": version}), new / "evidence.parquet"
        )
        assert "and 1 is known here; use the program that made the run" in fails(new, STRANGER)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("quality.json", b"{", "quality.json: is damaged"),
        ("quality.json", b"[]", "quality.json: is damaged"),
        ("quality.json", b'{"threshold": 1}', "quality.json: is damaged"),
        ("evidence.parquet", b"PAR1", "evidence.parquet: cannot be read as a Parquet file"),
        ("entities.parquet", b"PAR1", "entities.parquet: cannot be read as a Parquet file"),
    ],
)
def test_a_damaged_run(fails, run, tmp_path, name, content, says):
    broken = copy(run, tmp_path)
    (broken / name).write_bytes(content)
    assert says in fails(broken, STRANGER)


def test_a_run_without_its_entities(fails, run, tmp_path):
    broken = copy(run, tmp_path)
    (broken / "entities.parquet").unlink()
    assert "entities.parquet: is missing; link again" in fails(broken, STRANGER)


@pytest.mark.parametrize("bad", ["patient-4711", "", "003b642e-018c-40b3-b2d4", STRANGER + "0"])
def test_a_malformed_guid_is_not_repeated(fails, run, bad):
    good = one_with(run, "linked")["left_record"]
    for words, name in (((bad, good), "LEFT_GUID"), ((good, bad), "RIGHT_GUID"), ((bad,), "LEFT_GUID")):
        message = fails(run, *words)
        assert message.startswith(f"error: {name} is not a record's GUID: expected 36 characters")
        assert not bad or bad not in message


def test_a_guid_of_another_run(fails, run):
    good = one_with(run, "linked")["left_record"]
    for words in ((STRANGER,), (STRANGER, good), (good, STRANGER)):
        assert f"no record of this run has the GUID {STRANGER}" in fails(run, *words)


def test_one_record_twice(fails, run):
    good = one_with(run, "linked")["left_record"]
    assert "are one record; give two, or one to see its candidates" in fails(run, good, good.upper())


def test_wrong_usage():
    for words in ([], ["run"]):
        result = CliRunner().invoke(cli, ["explain", *words])
        assert result.exit_code == 2
