"""docs/population.md gives the rates that are in force."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.population import COLUMNS, PRESETS, Noise

PAGE = (Path(__file__).parents[3] / "docs" / "population.md").read_text(encoding="utf-8")


def test_every_rate_is_told():
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+ \| [\d.]+) \|", PAGE, flags=re.MULTILINE))
    assert list(told) == list(Noise.__slots__)
    for name, rates in told.items():
        default, hard = (float(rate) for rate in rates.split(" | "))
        assert (default, hard) == (getattr(PRESETS["default"], name), getattr(PRESETS["hard"], name)), name


def test_columns_are_told():
    assert f"`{', '.join(COLUMNS)}`" in PAGE
