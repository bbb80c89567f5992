"""Contestants, each of which links a case and is judged; what was judged before is not done again."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.judging import Document
from benchmarks.accuracy.strata import strata_of
from benchmarks.cleaning import ID, clean
from benchmarks.machine import load
from benchmarks.truth import Truth, read_truth
from pprl.errors import PprlError

Say = Callable[[str], None]

_HERE = Path(__file__).parent
_JUDGES = (
    *(_HERE / name for name in ("judging.py", "strata.py")),
    *(_HERE.parent / name for name in ("cleaning.py", "scoring.py", "truth.py")),
)


class Work:
    """A case, and what is made of it once for all contestants.

    Parameters
    ----------
    case : Case
        What is linked.
    folder : Path
        Must exist; for files that may be thrown away afterwards.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder

    @cached_property
    def cleaned(self) -> dict[str, Path]:
        """Each site's file in normal forms, by name of the site."""
        return {site.name: self._clean(number) for number, site in enumerate(self.case.sites)}

    @cached_property
    def records(self) -> dict[str, pd.Series]:
        """Each site's own record ids."""
        return {
            name: pd.read_csv(path, dtype=str, keep_default_na=False, usecols=[ID])[ID]
            for name, path in self.cleaned.items()
        }

    @cached_property
    def truth(self) -> Truth:
        """Who is who; for judges only."""
        return read_truth(self.case.truth, self.records)

    @cached_property
    def strata(self) -> pd.DataFrame:
        """Categories of records; for judges only."""
        return strata_of(self.case, self.cleaned)

    @cached_property
    def digest(self) -> str:
        """A digest of the case's files and of how they are read."""
        case, digest = self.case, hashlib.sha256()
        said = [case.toml, [[site.name, site.options] for site in case.sites], dict(case.labels)]
        digest.update(json.dumps(said).encode())
        for path in (*(site.path for site in case.sites), case.truth):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _clean(self, number: int) -> Path:
        site = self.case.sites[number]
        target = self.folder / f"{site.name}.cleaned.csv"
        clean(
            site.path,
            target,
            schema=self.case.schema,
            input_format=site.input_format,
            date_order=site.date_order,
        )
        return target


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make a folder below ``folder`` for the block, and remove it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One who takes part.

    Attributes
    ----------
    name : str
        Unique.
    sources : tuple of Path
        Files and folders of the code that decides what comes out, for the digest.
    play : callable
        Links a case in an empty folder and returns what goes into the result: ``entries``, ``seconds`` and more. Each
        entry has a ``name``, ``tuned``, whether the truth helped to choose it, and figures.
    """

    name: str
    sources: tuple[Path, ...]
    play: Callable[[Work, Path], Document]

    def digest(self, work: Work) -> str:
        """Return a digest of all that a result depends on."""
        digest = hashlib.sha256(f"{self.name}\n{work.digest}\n".encode())
        for path in code_of((*self.sources, *_JUDGES)):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


def code_of(sources: Iterable[Path]) -> list[Path]:
    """Return the files of code and settings that sources are or hold."""
    kinds = {".py", ".toml", ".lock", ".txt"}
    return [
        path
        for source in sources
        for path in (sorted(source.rglob("*")) if source.is_dir() else [source])
        if path.suffix in kinds
    ]


def hold(
    work: Work, contestants: Sequence[Contestant], results: list[Document], *, say: Say
) -> Iterator[Document]:
    """Let contestants link a case.

    Parameters
    ----------
    work : Work
        The case.
    contestants : sequence of Contestant
        Who takes part.
    results : list of dict
        Of before; one of the same inputs is kept.
    say : callable
        Told of every result.

    Yields
    ------
    dict
        A result, those kept among them: ``case``, ``seed``, ``contestant``, ``inputs`` (a digest), ``date``, ``load``
        and what the contestant made, or ``absent`` with the reason why it made nothing.
    """
    case = work.case
    kept = {one["inputs"]: one for one in results if "absent" not in one}
    for contestant in contestants:
        inputs = contestant.digest(work)
        title = f"{case.name}, seed {case.seed}: {contestant.name}"
        if inputs in kept:
            say(f"{title}: kept")
            yield kept[inputs]
            continue
        result: Document = {
            "case": case.name,
            "seed": case.seed,
            "contestant": contestant.name,
            "inputs": inputs,
        }
        result |= {"date": datetime.now(UTC).isoformat(timespec="seconds"), "load": load()}
        with workplace(work.folder) as folder:
            try:
                result |= contestant.play(work, folder)
            except PprlError as error:
                result["absent"] = str(error)
        say(f"{title}: {_told(result)}")
        yield result


def _told(result: Document) -> str:
    if "absent" in result:
        return f"absent: {result['absent']}"
    seconds = sum(result["seconds"].values())
    said = []
    for entry in result["entries"]:
        score: dict[str, Any] = entry["figures"]["links"]
        p, r, f = (
            f"{score[name]:.4f}" if score[name] is not None else "-" for name in ("precision", "recall", "f1")
        )
        said.append(f"{entry['name']}: P {p} R {r} F1 {f}")
    return f"{'; '.join(said)} ({seconds:.1f} s)"
