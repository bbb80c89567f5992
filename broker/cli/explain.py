"""``pprl-broker explain``: why two records were linked, or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from broker.waterfall import Scale, Step

_BAR_WIDTH = 22
_FAINT = 0.05  # bits, not drawn
_STYLES = {"given": "dim", "rivals": "dim", "total": "bold"}


@click.command(no_args_is_help=True)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("left_guid")
@click.argument("right_guid", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain(run: Path, left_guid: str, right_guid: str | None, as_json: bool) -> None:
    """Explain why two records were linked, or why not.

    RUN is a folder that pprl-broker link wrote. The order of the two record GUIDs does not matter; with one of them
    alone, its candidates are listed. Weights are in bits: each doubles the odds that two records are of one person.
    What is told are GUIDs, and how alike two records are field by field or as a whole; no token.

    \b
    Example:
      pprl-broker explain run/ 003b642e-018c-40b3-b2d4-3de756adf86b 6e3b5794-c9fd-4b57-b0e8-8ea104f603c2
    """
    from broker.explain import Run, explain_pair, explain_record

    opened = Run.open(run)
    pair = right_guid is not None
    answer = (
        explain_pair(opened, left_guid, right_guid)
        if right_guid is not None
        else explain_record(opened, left_guid)
    )
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if pair:
        _show_pair(console, answer)
    else:
        _show_record(console, answer)


def _show_pair(console: Console, answer: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from broker.waterfall import Scale, probability, signed, steps, threshold_bits

    _line(console, f"{_end(answer['left'])}\n{_end(answer['right'])}")
    said = "linked" if answer["linked"] else f"not linked: {answer['outcome']}"
    known = "probability" in answer
    if known:
        said += f"; probability {probability(answer['probability'])}, threshold {answer['threshold']:g}"
    _line(console, said, style="bold")
    if known:
        falls = steps(answer)
        threshold = threshold_bits(answer["threshold"])
        scale = Scale.around([0.0, threshold, *(step.end for step in falls)], margin=0)
        full = _can_show(console, "█░")
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("")
        table.add_column("what was seen")
        table.add_column("bits", justify="right")
        table.add_column("", no_wrap=True, min_width=_BAR_WIDTH)
        for step in falls:
            style = _STYLES.get(step.kind, "")
            bar = Text(_bar(step, scale, "█░" if full else "+-"), style=_colour(step))
            table.add_row(
                Text(step.name, style), Text(step.says, style), Text(signed(step.weight), style), bar
            )
        console.print()
        console.print(table)
    console.print()
    if not answer["linked"]:
        _line(console, f"Not linked: {answer['why']}.")
    if answer["instead"]:
        _line(console, "Linked instead:" if not answer["linked"] else "Also linked:")
        for other in answer["instead"]:
            _line(console, f"  {_end(other)}, probability {probability(other['probability'])}")
    if answer["one_entity"] and not answer["linked"]:
        _line(console, "The two are in one entity all the same, by way of other links.")


def _show_record(console: Console, answer: dict[str, Any]) -> None:
    from broker.waterfall import probability, signed

    candidates = answer["candidates"]
    _line(console, _end(answer["record"]))
    if not candidates:
        _line(console, "no candidate of which evidence was kept: none is anywhere near a match", style="bold")
        return
    number = len(candidates)
    _line(console, f"{number} candidate{'s' if number > 1 else ''}, the likeliest first", style="bold")
    console.print()
    _line(console, f"{'probability':>14}  {'alone, bits':>11}", style="dim")
    for one in candidates:
        numbers = f"{probability(one['probability']):>14}  {signed(one['log_odds']):>11}"
        _line(console, f"{numbers}  {one['outcome']:<15}  {_end(one)}")
    console.print()
    _line(console, "Give two GUIDs to see the evidence of a pair.")


def _line(console: Console, text: str, *, style: str | None = None) -> None:
    console.print(text, style=style, soft_wrap=True)


def _end(record: dict[str, Any]) -> str:
    return f"{record['dataset']} {record['record']}"


def _colour(step: Step) -> str:
    if step.kind != "part":
        return _STYLES[step.kind]
    return "green" if step.weight >= 0 else "red"


def _bar(step: Step, scale: Scale, signs: str) -> str:
    """A bar from a step's start to its end, in characters that tell for from against without colour."""
    if step.kind != "total" and abs(step.weight) < _FAINT:
        return ""
    first, last = sorted((scale(step.start) * _BAR_WIDTH, scale(step.end) * _BAR_WIDTH))
    begin = min(int(first + 0.5), _BAR_WIDTH - 1)
    return " " * begin + signs[step.weight < 0] * max(int(last + 0.5) - begin, 1)


def _can_show(console: Console, characters: str) -> bool:
    try:
        characters.encode(console.encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
