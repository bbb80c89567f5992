"""Ratios, tables and the chart, from figures made up here."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.speed.figure import draw
from benchmarks.speed.results import AIMS, Aim, markdown, ratios


def _spread(*values: float) -> dict[str, float]:
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1], "n": len(ordered)}


def _entry(name: str, *seconds: float, **result: Any) -> dict[str, Any]:
    return {
        "contestant": name,
        "timed": "a call",
        "cores": 1,
        "seconds": _spread(*seconds),
        "cpu_seconds": _spread(*(2 * value for value in seconds)),
        "parts": {"timed": _spread(*seconds), "start": _spread(1.5)},
        "wall_s": _spread(*seconds),
        "peak_mb": _spread(123.0),
        "result": result,
        "facts": {},
        "versions": {},
        "runs": [],
    }


def _case(name: str, size: int, *entries: dict[str, Any], **absent: str) -> dict[str, Any]:
    return {
        "case": name,
        "size": size,
        "about": "What it is.",
        "load": [0.5, 0.4, 0.3],
        "entries": list(entries),
        "absent": absent,
    }


@pytest.fixture
def document() -> dict[str, Any]:
    cases = [
        _case(
            "kernel",
            40_000,
            _entry("pprl", 0.9, 1.0, 1.1, pairs=7, pairs_of_pprl_not_found=0, pairs_not_of_pprl=0),
            _entry("anonlink", 6.0, 6.1, 6.6, pairs=7, pairs_of_pprl_not_found=0, pairs_not_of_pprl=0),
            _entry("faiss knn", 2.0, 2.0, 2.0, pairs=5, pairs_of_pprl_not_found=2, pairs_not_of_pprl=0),
        ),
        _case(
            "link",
            20_000,
            _entry("pprl", 4.0, precision=0.99, recall=0.98, f1=0.985),
            {"contestant": "splink", "timed": "a call", "cores": 2, "failed": "ended with code 1: no memory"},
            anonlink="cannot be made: no compiler",
        ),
    ]
    return {
        "machine": {
            "date": "2026-01-02T03:04:05+00:00",
            "processor": "a processor",
            "cores": 2,
            "memory_gib": 8.0,
            "python": "3.11.0",
            "commit": "0123456789abcdef",
            "changed_files": 0,
        },
        "command": "3 rounds, seed 1",
        "cases": cases,
        "ratios": ratios(cases),
    }


def test_ratio_is_of_medians_with_the_range_of_single_runs(document: dict[str, Any]) -> None:
    [anonlink, faiss] = document["ratios"]
    assert anonlink == {
        "case": "kernel",
        "size": 40_000,
        "slower": "anonlink",
        "faster": "pprl",
        "ratio": 6.1,
        "low": round(6.0 / 1.1, 2),
        "high": round(6.6 / 0.9, 2),
        "cpu_ratio": 6.1,
        "aim": 5.0,
        "reached": True,
    }
    assert (faiss["slower"], faiss["ratio"], faiss["reached"]) == ("faiss knn", 2.0, False)


def test_processor_seconds_are_compared_on_as_many_cores_only() -> None:
    ours, faster = _entry("pprl", 2.0), _entry("pprl, 2 cores", 1.0) | {"cores": 2}
    untold = _entry("anonlink", 9.0) | {"cpu_seconds": None}
    rows = ratios([_case("kernel", 10, ours, faster, untold)])
    assert [(row["slower"], row["ratio"], row["cpu_ratio"]) for row in rows] == [
        ("anonlink", 4.5, None),
        ("pprl", 2.0, None),
    ]


def test_an_aim_holds_from_its_size_on() -> None:
    aim = Aim("link", "splink", "pprl", 1.0, from_size=1_000)
    cases = [_case("link", size, _entry("pprl", 2.0), _entry("splink", 3.0)) for size in (999, 1_000)]
    below, above = ratios(cases, [aim])
    assert (below["ratio"], below["aim"], below["reached"]) == (1.5, None, None)
    assert (above["ratio"], above["aim"], above["reached"]) == (1.5, 1.0, True)


def test_what_failed_or_is_absent_has_no_ratio_and_is_told(document: dict[str, Any]) -> None:
    page = markdown(document)
    assert "ended with code 1: no memory" in page
    assert "anonlink is absent: cannot be made: no compiler." in page
    assert not [row for row in document["ratios"] if row["case"] == "link"]


def test_page_tells_aims_disagreement_and_quality(document: dict[str, Any]) -> None:
    page = markdown(document)
    assert "| kernel | 40,000 | anonlink / pprl | 6.10 (5.45 to 7.33) | 6.10 | >= 5 | reached |" in page
    assert "| 2.00 (1.82 to 2.22) | 2.00 | >= 2.5 | not reached |" in page
    assert "7 pairs, the same" in page
    assert "5 pairs, 2 of pprl's not found, 0 more" in page
    assert "precision 0.9900, recall 0.9800, F1 0.9850" in page


def test_page_warns_of_a_busy_machine(document: dict[str, Any]) -> None:
    assert "did other work" not in markdown(document)
    document["cases"][1]["load"] = [3.5, 1.0, 1.0]
    assert "did other work meanwhile (load 3.5)" in markdown(document)


def test_page_tells_what_other_settings_give(document: dict[str, Any]) -> None:
    document["cases"][1]["entries"][0]["result"] |= {
        "threshold": 0.95,
        "f1_otherwise": {"0.5": 0.91, "0.99": 0.8},
    }
    assert "threshold 0.95; F1 otherwise: 0.9100 (0.5), 0.8000 (0.99)" in markdown(document)


def test_chart_is_written_whole(document: dict[str, Any], tmp_path: Any) -> None:
    png, svg = draw(document, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</svg>")
    again = draw(document, tmp_path, name="again")[1]
    assert again.read_text(encoding="utf-8") == text


def test_every_aim_is_for_a_case_that_is_there() -> None:
    from benchmarks.speed.cases import CASES

    assert {aim.case for aim in AIMS} == set(CASES)
