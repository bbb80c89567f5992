"""Every rule against the list in rules.toml, which is also the place to look up what becomes of a value."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import pytest

from pprl.schema import Kind
from pprl.site.normalise import Absent, rule_for

TODAY = datetime.date(2026, 3, 1)
RULES = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))


def read(table):
    kind, order = (table[:-4], table[-3:]) if table.endswith(("_dmy", "_mdy")) else (table, "ymd")
    return rule_for(Kind(kind), date_order=order, today=TODAY)


def shown(found):
    return f"!{found.value}" if isinstance(found, Absent) else found


@pytest.mark.parametrize("table", RULES)
def test_rules(table):
    rule = read(table)
    found = {raw: shown(rule(raw)) for raw in RULES[table]}
    assert found == RULES[table]


def test_every_kind_has_rules():
    assert set(RULES) >= {kind.value for kind in Kind}
