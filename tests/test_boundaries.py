"""The privacy boundary is an import boundary: what may import what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a part imports of lower lines only; on the three lowest, of its neighbours as well.
LAYERS = [
    ["pprl.errors"],
    [
        "pprl.guid",
        "pprl.files",
        "pprl.console",
        "pprl.compiled",
        "pprl.distance",
        "pprl.suppression",
        "pprl.labels",
    ],
    ["pprl.schema", "pprl.similarity"],
    ["pprl.package"],
    ["pprl.release"],
    ["pprl.site", "pprl.cohort", "pprl.client"],
    ["pprl.audit"],
    ["pprl.cli"],
]
FOR_THE_BROKER = {
    "pprl",
    "pprl.errors",
    "pprl.guid",
    "pprl.schema",
    "pprl.package",
    "pprl.release",
    "pprl.similarity",
    "pprl.files",
    "pprl.console",
    "pprl.compiled",
    "pprl.distance",
    "pprl.suppression",
}
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def modules(top: str) -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / top).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> set[str]:
    """Every module that a module names in an import, also within a function, for type checkers or by text."""
    found = set()
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(
                [*package[: len(package) - node.level + 1], *([node.module] if node.module else [])]
            )
            base = base if node.level else str(node.module)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            module = node.value.partition(":")[0]  # "module:attribute", as lazy commands are written
            if module in KNOWN:
                found.add(module)
    return found


KNOWN = {**modules("pprl"), **modules("broker")}


def part_of(module: str) -> str:
    """``pprl.package`` for ``pprl.package.age.keys``."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("name", sorted(modules("broker")))
def test_the_broker_imports_nothing_of_the_sites(name):
    used = {part_of(module) for module in imports(name, KNOWN[name]) if module.split(".")[0] == "pprl"}
    assert {part for part in used if part in {part_of(known) for known in KNOWN}} <= FOR_THE_BROKER


@pytest.mark.parametrize("name", sorted(modules("pprl")))
def test_nothing_of_pprl_imports_the_broker(name):
    assert not {module for module in imports(name, KNOWN[name]) if module.split(".")[0] == "broker"}


@pytest.mark.parametrize("name", sorted(set(modules("pprl")) - {"pprl"}))
def test_imports_point_down(name):
    own = part_of(name)
    for module in imports(name, KNOWN[name]):
        other = part_of(module)
        if other in LEVEL and other != own:
            assert LEVEL[other] <= LEVEL[own], f"{name} imports {module}"
            assert LEVEL[other] < LEVEL[own] or LEVEL[own] <= 2, f"{name} imports its neighbour {module}"


def test_every_part_has_its_place():
    assert {part_of(name) for name in modules("pprl")} - {"pprl"} <= set(LEVEL)


def test_the_walker_sees_all_ways_of_importing(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import pprl.audit\n"
        "from pprl import cohort\n"
        "from . import here\n"
        "from ..cli import there\n"
        "def f():\n    from pprl.site.keys import LinkageKey\n"
        "LAZY = 'pprl.cli.keys:keys'\n"
    )
    found = imports("broker.matching.module", path)
    assert {
        "pprl.audit",
        "pprl.cohort",
        "broker.matching.here",
        "broker.cli.there",
        "pprl.site.keys",
        "pprl.cli.keys",
    } <= found
