from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pprl.cli import cli
from pprl.cli.schema import _PROFILES
from pprl.errors import PprlError, SchemaError
from pprl.schema import Kind, Profile, load_schema, schema_from_json


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args):
    result = CliRunner().invoke(cli, ["schema", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_profiles_offered_are_those_there_are():
    assert list(_PROFILES) == [profile.value for profile in Profile]


@pytest.mark.parametrize("profile", _PROFILES)
def test_what_init_writes_is_good(folder, profile):
    call("init", "--out", "linkage.toml", "--profile", profile, "--project", "heart", "--epoch", "2026")
    found = load_schema("linkage.toml")
    assert (found.project, found.epoch, found.profile) == ("heart", "2026", profile)
    line = call("check", "linkage.toml")
    assert line.startswith("ok: linkage.toml: project heart, epoch 2026, ")
    assert found.fingerprint in line
    assert line.count("\n") == 1


def test_init_to_stdout_and_to_a_file_are_the_same(folder):
    call("init", "--out", "linkage.toml")
    assert call("init") == (folder / "linkage.toml").read_text()


def test_init_never_overwrites(folder):
    (folder / "linkage.toml").write_text("precious")
    result = CliRunner().invoke(cli, ["schema", "init", "--out", "linkage.toml"])
    assert isinstance(result.exception, PprlError)
    assert (folder / "linkage.toml").read_text() == "precious"


def test_init_explains_every_kind_and_profile():
    text = call("init")
    words = text.replace("#", " ").split()
    assert {kind.value for kind in Kind} <= set(words)
    assert set(_PROFILES) <= set(words)


@pytest.mark.parametrize("project", ["a b", 'a"b', ""])
def test_init_refuses_names_that_no_key_could_have(folder, project):
    result = CliRunner().invoke(cli, ["schema", "init", "--project", project, "--out", "linkage.toml"])
    assert isinstance(result.exception, SchemaError)
    assert list(folder.iterdir()) == []


def test_check_names_the_error(folder):
    (folder / "bad.toml").write_text('[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surnam"]\n')
    result = CliRunner().invoke(cli, ["schema", "check", "bad.toml"])
    assert isinstance(result.exception, SchemaError)
    assert "bad.toml" in str(result.exception)
    assert "did you mean 'surname'?" in str(result.exception)


@pytest.mark.parametrize("profile", _PROFILES)
def test_show_has_every_default(folder, profile):
    call("init", "--out", "linkage.toml", "--profile", profile)
    found = load_schema("linkage.toml")
    text = call("show", "linkage.toml")
    assert found.fingerprint in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    for field in found.fields:
        expected = [
            field.name,
            field.kind,
            field.tokens,
            f"{field.weight:g}",
            str(field.n_hashes or "-"),
            field.key_group,
        ]
        assert rows[field.name] == expected
    for key in found.match_keys:
        assert key.name in rows
    assert rows["filter"][1] == ("none" if profile == "tokens" else "one")


def test_show_lists_the_parts_of_named_keys(folder):
    text = call("init") + '\n[[match_key]]\nname = "mine"\nparts = ["surname", "year(birth_date)"]\n'
    (folder / "linkage.toml").write_text(text)
    assert "mine       surname + year(birth_date)" in call("show", "linkage.toml")


def test_show_json(folder):
    call("init", "--out", "linkage.toml")
    found = load_schema("linkage.toml")
    document = json.loads(call("show", "linkage.toml", "--json"))
    assert document["fingerprint"] == found.fingerprint
    assert schema_from_json(json.dumps(document["schema"])) == found


def test_strata_are_shown(tmp_path):
    path = tmp_path / "linkage.toml"
    path.write_text(
        '[linkage]\nproject = "p"\nepoch = "1"\nfields = ["surname", "birth_date", "sex"]\n'
        'strata = ["sex", "ethnicity"]\n'
    )
    result = CliRunner().invoke(cli, ["schema", "show", str(path)], catch_exceptions=False)
    lines = result.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("stratum"))
    assert lines[start + 1].split(maxsplit=4) == ["sex", "sex", "field", "sex", "Female; Male; Other"]
    assert lines[start + 2].endswith("a column   Hispanic or Latino; Not Hispanic or Latino")
