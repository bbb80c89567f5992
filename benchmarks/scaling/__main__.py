"""The command: ``python -m benchmarks.scaling LARGE.pprl SMALL.pprl --identity broker.key --out FOLDER``."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.environment import ROOT
from benchmarks.machine import load, stamp
from pprl.console import note, run
from pprl.files import new_folder

mpl.use("Agg")

SIZES = (10_000, 100_000, 1_000_000, 5_000_000, 100_000_000)


@click.command()
@click.argument("large", type=click.Path(path_type=Path, exists=True))
@click.argument("small", type=click.Path(path_type=Path, exists=True))
@click.option("--identity", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option(
    "--all-pairs-up-to",
    type=int,
    default=1_000_000,
    show_default=True,
    help="Largest size at which all pairs are compared too.",
)
def scaling(large: Path, small: Path, identity: Path, out: Path, all_pairs_up_to: int) -> None:
    """Link the first rows of LARGE with SMALL, more and more of them, and draw time and memory."""
    rows: list[dict[str, Any]] = []
    with new_folder(out) as folder:
        for size in SIZES:
            for candidates in ("keys", "all") if size <= all_pairs_up_to else ("keys",):
                row = _measure(large, small, identity, folder, size, candidates)
                rows.append(row | {"load": load()})
                note(
                    f"{row['rows']:>12,} x {row['columns']:,}  {row['route']:12}  {row['link_s']:8.1f} s  "
                    f"{row['anonymous_bytes'] / 2**30:6.2f} GiB"
                )
            if row["rows"] < size:
                break
        content = {"machine": stamp(ROOT, now=datetime.now(UTC)), "runs": rows}
        (folder / "scaling.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        _draw(rows, folder / "scaling.png")
    click.echo(f"written: {out}/scaling.json, scaling.png")


def _measure(
    large: Path, small: Path, identity: Path, folder: Path, size: int, candidates: str
) -> dict[str, Any]:
    job = {
        "large": str(large),
        "small": str(small),
        "identity": str(identity),
        "scratch": str(folder),
        "rows": size,
        "candidates": candidates,
    }
    command = [sys.executable, "-m", "benchmarks.scaling.measure", json.dumps(job)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    for register in folder.glob("register-*.json"):
        register.unlink()
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for route, marker in (("match keys", "o"), ("all pairs", "s")):
        some = [row for row in rows if row["route"] == route]
        sizes = [row["rows"] for row in some]
        left.plot(sizes, [row["link_s"] for row in some], marker=marker, label=route)
        right.plot(sizes, [row["anonymous_bytes"] / 2**30 for row in some], marker=marker, label=route)
    for axis, what in ((left, "seconds to link, package opened"), (right, "peak memory, GiB")):
        axis.set_xscale("log")
        axis.set_xlabel(f"records of the larger side, against {rows[0]['columns']:,}")
        axis.set_ylabel(what)
        axis.grid(alpha=0.3)
        axis.legend()
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    run(scaling)
