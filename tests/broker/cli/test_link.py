"""``pprl-broker link`` as the broker's operator meets it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from broker.cli import cli, main
from broker.matching.quality import Interval
from broker.matching.strata import Lower, Stratum
from pprl.guid import to_text

from ..population import Town
from ..tokens import BROKER, a_schema, guids_of, pack, site_key

LONG = timedelta(days=365 * 200)  # the command reads the clock
FILES = {
    "links.csv",
    "links.parquet",
    "entities.csv",
    "entities.parquet",
    "evidence.parquet",
    "quality.json",
    "report.html",
    ".pprl-output",
}


@pytest.fixture(scope="session")
def small() -> Town:
    return Town(seed=3, n_people=300)


@pytest.fixture(scope="session")
def sealed(small: Town, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sealed")
    for name, records in zip("ab", small.records, strict=True):
        pack(folder / f"{name}.pprl", a_schema(), records, valid_for=LONG)
    return {path.name: path.read_bytes() for path in folder.glob("*.pprl")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: dict[str, bytes]) -> Path:
    """The broker's desk: two packages, its key, the sites' public keys."""
    monkeypatch.chdir(tmp_path)
    for name, content in sealed.items():
        (tmp_path / name).write_bytes(content)
    BROKER.save(tmp_path / "broker.key")
    for name in ("a", "b", "other"):
        site_key(name).verify_key.save(tmp_path / f"{name}.pub")
    return tmp_path


def call(*words: str, packages: tuple[str, ...] = ("a.pprl", "b.pprl"), key: str = "broker.key") -> Result:
    return CliRunner().invoke(cli, ["link", *packages, "--identity", key, "--out", "run", *words])


@pytest.fixture
def fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run the whole program, which must end with this exit code and nothing on stdout; its stderr."""

    def run(
        *words: str,
        code: int = 1,
        packages: tuple[str, ...] = ("a.pprl", "b.pprl"),
        key: str = "broker.key",
    ) -> str:
        given = ["pprl-broker", "link", *packages, "--identity", key, "--out", "run", *words]
        monkeypatch.setattr(sys, "argv", given)
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # the tests keep their own
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert (left.value.code, out) == (code, "")
        assert "Traceback" not in err
        assert not list(folder.glob(".*"))  # no half-written file
        return err

    return run


def test_happy_path(folder: Path, small: Town) -> None:
    result = call("--trust", "a.pub", "--trust", "b.pub")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert {path.name for path in (folder / "run").iterdir()} == FILES
    assert "a x b: " in result.stdout
    assert "estimated precision" in result.stdout
    assert "look at run/report.html" in result.stdout
    row = {
        (name, text): k
        for name, records in zip("ab", small.records, strict=True)
        for k, text in enumerate(to_text(guids_of(name, len(records))))
    }
    links = pq.read_table(folder / "run" / "links.parquet").to_pylist()
    found = {
        (row[link["left_dataset"], link["left_record"]], row[link["right_dataset"], link["right_record"]])
        for link in links
    }
    right = len(found & small.matches())
    assert right >= 0.9 * len(found)
    assert right >= 0.85 * len(small.matches())
    latest = json.loads((folder / "broker.register.json").read_bytes())["latest"]
    assert len(latest) == 2


def test_json(folder: Path) -> None:
    result = call("--json", "--seed", "5", "--threshold", "0.8", "--trust", "a.pub", "--trust", "b.pub")
    assert result.exit_code == 0, result.output
    quality = json.loads(result.stdout)
    assert quality == json.loads((folder / "run" / "quality.json").read_bytes())
    assert (quality["seed"], quality["threshold"]) == (5, 0.8)


def test_without_trust_it_says_whose_signatures_they_are(folder: Path) -> None:
    result = call("--register", "elsewhere.json")
    assert result.exit_code == 0, result.output
    for name in "ab":
        assert f"{name}.pprl: signed by {site_key(name).verify_key}; check it" in result.stderr
    assert (folder / "elsewhere.json").exists()
    assert not (folder / "broker.register.json").exists()


def test_trust_takes_a_key_as_text(folder: Path) -> None:
    words = [word for name in "ab" for word in ("--trust", str(site_key(name).verify_key))]
    assert call(*words).exit_code == 0


def test_again_the_same_links(folder: Path) -> None:
    assert call().exit_code == 0
    first = {name: (folder / "run" / name).read_bytes() for name in ("links.csv", "links.parquet")}
    assert call().exit_code == 0
    assert {name: (folder / "run" / name).read_bytes() for name in first} == first
    assert first["links.csv"].count(b"\n") > 50


def test_another_key_than_the_trusted(fails: Callable[..., str], folder: Path) -> None:
    message = fails("--trust", "a.pub", "--trust", "other.pub")
    assert message.startswith("error: b.pprl: signed by pprlsite1")
    assert message.count("\n") == 1
    assert not (folder / "run").exists()
    assert not (folder / "broker.register.json").exists()


def test_one_duplicate_free_package_alone(fails: Callable[..., str], folder: Path) -> None:
    message = fails("--trust", "a.pub", packages=("a.pprl",))
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("words", "changes", "says"),
    [
        ((), {"key": "missing.key"}, "missing.key"),
        (("--trust", "missing.pub"), {}, "missing.pub"),
        ((), {"packages": ("a.pprl", "gone.pprl")}, "gone.pprl: cannot be read"),
        ((), {"packages": ("a.pprl", "a.pprl")}, "both hold dataset a"),
        ((), {"packages": ("a.pprl", "broker.key")}, "broker.key"),
    ],
)
def test_what_cannot_be_run(
    fails: Callable[..., str], folder: Path, words: tuple[str, ...], changes: dict[str, str], says: str
) -> None:
    message = fails(*words, **changes)
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert says in message
    assert not (folder / "run").exists()
    assert not (folder / "broker.register.json").exists()


def test_a_damaged_register(fails: Callable[..., str], folder: Path) -> None:
    (folder / "broker.register.json").write_text("{")
    assert "broker.register.json: is not a register" in fails()


@pytest.mark.parametrize("threshold", ["0", "1", "-1", "0.9999", "half"])
def test_threshold_out_of_range(fails: Callable[..., str], threshold: str) -> None:
    assert "--threshold" in fails("--threshold", threshold, code=2)


def test_a_folder_of_something_else_is_left_alone(fails: Callable[..., str], folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "thesis.txt").write_text("mine")
    assert "run: exists and is not an output folder" in fails()
    assert [path.name for path in (folder / "run").iterdir()] == ["thesis.txt"]
    assert not (folder / "broker.register.json").exists()


def test_an_older_delivery(fails: Callable[..., str], folder: Path, small: Town) -> None:
    pack(folder / "a.new.pprl", a_schema(), small.records[0], dataset="a", sequence=2, valid_for=LONG)
    assert call(packages=("a.new.pprl", "b.pprl")).exit_code == 0
    assert "is older than delivery 2" in fails()


def test_a_package_without_records(fails: Callable[..., str], folder: Path) -> None:
    pack(folder / "empty.pprl", a_schema(), [], valid_for=LONG)
    message = fails(
        "--trust", "a.pub", "--trust", str(site_key("empty").verify_key), packages=("a.pprl", "empty.pprl")
    )
    assert message.startswith("error: there is nothing to link")
    assert message.count("\n") == 1
    assert not (folder / "run").exists()


# The plan, and runs that do not end


def plan(*words: str) -> Result:
    return CliRunner().invoke(cli, ["link", "a.pprl", "b.pprl", "--plan", *words])


def test_the_plan_needs_no_key_and_writes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    result = plan()
    assert result.exit_code == 0, result.output
    first, second, third = result.stdout.splitlines()
    assert first.startswith("a x b: ")
    assert first.endswith("pairs; all pairs (all pairs can be afforded, and lose no match)")
    assert "comparisons of filters" in second
    assert "million pairs a second" in third
    assert sorted(folder.iterdir()) == before


def test_the_plan_as_json(folder: Path, small: Town) -> None:
    described = json.loads(plan("--json", "--candidates", "keys").stdout)
    (comparison,) = described["comparisons"]
    assert comparison["pairs"] == len(small.records[0]) * len(small.records[1])
    assert comparison["route"] == "match keys"
    assert 0 <= described["seconds"] < 10


def test_a_plan_of_packages_that_do_not_belong_together(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["link", "a.pprl", "a.pprl", "--plan"])
    assert "both hold dataset a" in str(result.exception)


def test_without_a_plan_key_and_folder_are_needed(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["link", "a.pprl", "b.pprl", "--out", "run"])
    assert result.exit_code == 2
    assert "--identity and --out are needed" in result.output


def test_by_match_keys_alone(folder: Path) -> None:
    result = call("--candidates", "keys", "--json")
    assert result.exit_code == 0, result.output
    (comparison,) = json.loads(result.stdout)["comparisons"]
    assert comparison["route"] == "match keys"
    assert comparison["links"] > 50


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from broker.engines.local import LocalEngine

    defaults = LocalEngine.__init__.__kwdefaults__ | {"pairs_per_tile": 5_000}
    monkeypatch.setattr(LocalEngine.__init__, "__kwdefaults__", defaults)


@pytest.mark.usefixtures("small_tiles")
def test_a_run_that_failed_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call().exit_code == 0
    whole = (folder / "run" / "links.csv").read_bytes()
    assert not (folder / "run.unfinished").exists()

    def fails(*_: object, **__: object) -> None:
        raise OSError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr("broker.matching.weigh.fit", fails)
        result = call()
    assert result.exit_code == 1
    assert "what was compared is kept in run.unfinished; give the same command again" in result.stderr
    tiles = sorted(path.name for path in (folder / "run.unfinished").glob("*.npy"))
    assert len(tiles) > 5
    assert (folder / "run" / "links.csv").read_bytes() == whole  # the earlier run is still there
    with monkeypatch.context() as patch:
        patch.setattr("broker.engines.local.LocalEngine._tile", fails)
        result = call()
    assert result.exit_code == 0, result.output
    assert "going on with the unfinished run in run.unfinished" in result.stderr
    assert (folder / "run" / "links.csv").read_bytes() == whole
    assert not (folder / "run.unfinished").exists()


def test_a_run_that_fails_early_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("pulled the plug")

    monkeypatch.setattr("broker.matching.weigh.fit", fails)
    assert call().exit_code == 1
    assert not (folder / "run.unfinished").exists()
    assert not (folder / "run").exists()


def test_too_little_memory_is_told_beforehand(
    fails: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Little:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", Little)
    message = fails("--trust", "a.pub", "--trust", "b.pub")
    assert "GiB of memory and 0.0 are free" in message
    assert message.count("\n") == 1


def test_the_spark_engine_gets_its_master_and_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from broker.engines.local import LocalEngine
    from broker.engines.spark import SparkEngine

    asked = []

    @contextmanager
    def start(master: str, *, shared: Path | None) -> Iterator[LocalEngine]:
        asked.append((master, shared))
        yield LocalEngine()

    monkeypatch.setattr(SparkEngine, "start", start)
    cluster = ("--spark-master", "spark://head:7077", "--spark-shared", "all")
    for words in ((), cluster):
        assert call("--engine", "spark", *words).exit_code == 0
    assert asked == [("local[*]", None), ("spark://head:7077", Path("all"))]
    assert not (folder / "run.unfinished").exists()
    result = call(*cluster)
    assert result.exit_code == 2
    assert "--spark-master and --spark-shared go with --engine spark" in result.output


def test_who_is_linked_less_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    less, others = Interval(0.9, 0.86, 0.94), Interval(0.98, 0.97, 0.99)
    found = Stratum("race", 1, (), (Lower("Asian", less, others),), None, None)
    monkeypatch.setattr("broker.matching.conclude.by_stratum", lambda *_, **__: (found,))
    result = call("--trust", "a.pub", "--trust", "b.pub")
    assert result.exit_code == 0, result.output
    assert result.stderr == (
        "a x b: linked less than others: race Asian of b: an estimated 90.0 % of the matches are linked "
        "(95 % interval 86.0 to 94.0), of the others 98.0 %\n"
    )
