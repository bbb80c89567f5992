"""From runs to figures: ratios against what is aimed at, and the tables that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """How much faster one is to be than another.

    Attributes
    ----------
    case : str
    slower, faster : str
        Contestants; the ratio is the seconds of the one over those of the other.
    at_least : float or None
        The ratio aimed at; None where it is only shown.
    from_size : int
        Smaller sizes have no aim.
    """

    case: str
    slower: str
    faster: str
    at_least: float | None
    from_size: int = 0


AIMS = (
    Aim("kernel", "anonlink", "pprl", 5.0),
    Aim("kernel", "faiss range", "pprl", 2.5),
    Aim("kernel", "faiss knn", "pprl", 2.5),
    Aim("kernel", "faiss knn", "pprl nearest", None),
    Aim("kernel", "pprl", "pprl, 2 cores", 1.8),
    Aim("encode", "clkhash", "pprl filters", 40.0),
    Aim("encode", "clkhash", "pprl", 40.0),
    Aim("tokenise", "clkhash", "pprl", None),
    Aim("tokenise", "spindle-token", "pprl", None),
    Aim("link", "splink", "pprl", 1.0, from_size=1_000_000),
    Aim("link", "anonlink", "pprl", None),
    Aim("link", "splink", "pprl, all pairs", None),
    Aim("link", "anonlink", "pprl, all pairs", None),
)
"""The ratios that are shown, and what is aimed at."""


_BUSY = 1.0  # load a core before a case; what the case before left behind is below it


def ratios(cases: Sequence[Document], aims: Sequence[Aim] = AIMS) -> list[Document]:
    """Return each aim's ratio of medians, and the range of what single runs would give.

    Parameters
    ----------
    cases : sequence of dict
        As in the JSON file: ``case``, ``size``, ``entries``.
    aims : sequence of Aim
        The ratios to show.

    Returns
    -------
    list of dict
        ``case``, ``size``, ``slower``, ``faster``, ``ratio``, ``low``, ``high``; ``cpu_ratio``, of processor seconds,
        None where they cannot be told or the numbers of cores differ; ``aim`` and ``reached``, None at sizes
        without an aim. Contestants that did not run are left out.
    """
    rows = []
    for case in cases:
        entries = {entry["contestant"]: entry for entry in case["entries"] if "seconds" in entry}
        for aim in aims:
            if aim.case != case["case"] or not {aim.slower, aim.faster} <= entries.keys():
                continue
            slower, faster = entries[aim.slower]["seconds"], entries[aim.faster]["seconds"]
            ratio = slower["median"] / faster["median"]
            at_least = aim.at_least if case["size"] >= aim.from_size else None
            rows.append(
                {
                    "case": case["case"],
                    "size": case["size"],
                    "slower": aim.slower,
                    "faster": aim.faster,
                    "ratio": round(ratio, 2),
                    "low": round(slower["min"] / faster["max"], 2),
                    "high": round(slower["max"] / faster["min"], 2),
                    "cpu_ratio": _cpu_ratio(entries[aim.slower], entries[aim.faster]),
                    "aim": at_least,
                    "reached": None if at_least is None else ratio >= at_least,
                }
            )
    return rows


def _cpu_ratio(slower: Document, faster: Document) -> float | None:
    one, other = slower.get("cpu_seconds"), faster.get("cpu_seconds")
    if not (one and other) or slower["cores"] != faster["cores"]:
        return None
    return round(float(one["median"] / other["median"]), 2)


def markdown(document: Document) -> str:
    """Lay the figures out as a page in Markdown."""
    machine = document["machine"]
    lines = [
        "# Speed beside the neighbours",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Python {machine['python']}, {machine['date']}, commit {machine['commit'][:12]}"
        + (f" and {machine['changed_files']} changed files" if machine["changed_files"] else "")
        + f". {document['command']}",
        "",
        "## Ratios",
        "",
        "Seconds of one over those of the other: of medians, in brackets the least and most that single runs give. "
        "Beside it the same of processor seconds, which other work on the machine changes less.",
        "",
    ]
    rows = [["case", "records a site", "compared", "ratio", "of processor seconds", "aim", ""]]
    for row in document["ratios"]:
        rows.append(
            [
                row["case"],
                f"{row['size']:,}",
                f"{row['slower']} / {row['faster']}",
                f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                "" if row["cpu_ratio"] is None else f"{row['cpu_ratio']:.2f}",
                "" if row["aim"] is None else f">= {row['aim']:g}",
                {True: "reached", False: "not reached", None: ""}[row["reached"]],
            ]
        )
    lines += _table(rows)
    busiest = max((case["load"][0] for case in document["cases"]), default=0.0)
    if busiest > _BUSY * machine["cores"]:
        lines += [
            "",
            f"The machine did other work meanwhile (load {busiest:g}): rather trust the processor seconds.",
        ]
    for case in document["cases"]:
        lines += ["", f"## {case['case']}, {case['size']:,} records a site", ""]
        lines += [f"{case['about']} Load before: {case['load'][0]}.", ""]
        header = [
            "",
            "timed",
            "cores",
            "seconds (least to most)",
            "runs",
            "whole process",
            "memory",
            "result",
        ]
        lines += _table([header, *(_cells(entry) for entry in case["entries"])])
        lines += [f"\n{name} is absent: {reason}." for name, reason in case["absent"].items()]
    return "\n".join(lines) + "\n"


def _cells(entry: Document) -> list[str]:
    begin = [entry["contestant"], entry["timed"], str(entry["cores"])]
    if "seconds" not in entry:
        return [*begin, entry["failed"], "", "", "", "", ""]
    seconds, cpu = entry["seconds"], entry["cpu_seconds"]
    return [
        *begin,
        f"{_s(seconds['median'])} ({_s(seconds['min'])} to {_s(seconds['max'])})",
        _s(cpu["median"]) if cpu else "",
        str(seconds["n"]),
        f"{_s(entry['wall_s']['median'])} s",
        f"{entry['peak_mb']['median']:,.0f} MB",
        "; ".join(_result(entry)),
    ]


def _result(entry: Document) -> list[str]:
    result: Mapping[str, Any] = entry["result"]
    said = []
    if "f1" in result:
        said.append(
            f"precision {result['precision']:.4f}, recall {result['recall']:.4f}, F1 {result['f1']:.4f}"
        )
        others = result.get("f1_otherwise")
        if others:
            f1 = ", ".join(f"{float(value):.4f} ({how})" for how, value in others.items())
            said.append(f"threshold {result['threshold']}; F1 otherwise: {f1}")
    if "pairs" in result:
        missed, more = result["pairs_of_pprl_not_found"], result["pairs_not_of_pprl"]
        same = "the same" if not (missed or more) else f"{missed:,} of pprl's not found, {more:,} more"
        said.append(f"{result['pairs']:,} pairs" + ("" if entry["contestant"] == "pprl" else f", {same}"))
    parts = {name: value["median"] for name, value in entry["parts"].items() if name != "timed"}
    if parts:
        said.append(", ".join(f"{name} {_s(value)} s" for name, value in parts.items()))
    if "failed" in entry:
        said.append(entry["failed"])
    return said


def _s(seconds: float) -> str:
    """Three figures."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"


def _table(rows: list[list[str]]) -> list[str]:
    head, *body = [f"| {' | '.join(cells)} |" for cells in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]
