"""The weights of one pair as steps that lead from the prior to its probability, and where they lie on a scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_FAINT = 0.005  # bits; what rounds to nothing has no sign


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a waterfall.

    Attributes
    ----------
    name, says : str
        What is weighed, and what was seen of it.
    kind : {"given", "part", "rivals", "total"}
        What every candidate has; a part compared; what other records change; a sum so far.
    start, end : float
        In bits of log odds; a total starts at 0.
    """

    name: str
    says: str
    kind: Literal["given", "part", "rivals", "total"]
    start: float
    end: float

    @property
    def weight(self) -> float:
        """In bits."""
        return self.end - self.start


def steps(pair: Mapping[str, Any]) -> tuple[Step, ...]:
    """The waterfall of a pair.

    Parameters
    ----------
    pair : mapping
        With ``prior``, ``intercept``, ``parts`` (each with ``part``, ``seen`` and ``weight``), ``within``,
        ``others``, ``competition`` and ``probability``; weights in bits.
    """
    return tuple(_steps(pair))


def _steps(pair: Mapping[str, Any]) -> Iterator[Step]:
    level = pair["prior"]
    yield Step("before any evidence", odds(level), "given", 0.0, level)
    yield Step("intercept", "the same for every pair", "given", level, level := level + pair["intercept"])
    for part in pair["parts"]:
        yield Step(part["part"], part["seen"], "part", level, level := level + part["weight"])
    yield Step("the pair alone", odds(level), "total", 0.0, level)
    yield Step(*_rivals(pair), "rivals", level, level := level + pair["competition"])
    yield Step("in the end", f"probability {probability(pair['probability'])}", "total", 0.0, level)


def _rivals(pair: Mapping[str, Any]) -> tuple[str, str]:
    """What other records change, by name and in words; within a dataset a record has any number of matches."""
    share, change = pair["others"], pair["competition"]
    if pair["within"]:
        side = "for" if change > 0 else "against"
        return "links of either", "say nothing" if abs(change) < _FAINT else f"speak {side} one person"
    says = f"take {100 * share:.1f} % of the probability" if share >= 5e-4 else "take next to nothing"
    return "other candidates", says


def odds(bits: float) -> str:
    """Odds in words."""
    size = f"{2 ** abs(bits):,.0f}" if 3.2 <= abs(bits) < 20 else f"{2 ** abs(bits):.1f}"
    size = size if abs(bits) < 20 else f"2^{abs(bits):.0f}"
    return f"odds {size} to 1" if bits >= 0 else f"odds 1 to {size}"


def probability(value: float) -> str:
    """A probability with as many digits as tell it from 0 and 1."""
    if value < 1e-6:
        return "under 0.000001"
    return f"{value:.3f}" if 0.001 <= value <= 0.999 else f"{value:.6f}"


def signed(bits: float) -> str:
    """A weight with its sign."""
    return f"{bits:+.2f}" if abs(bits) >= _FAINT else "0.00"


@dataclass(frozen=True, slots=True)
class Scale:
    """Places bits between 0 and 1.

    Attributes
    ----------
    low, high : float
        Ends, in bits.
    """

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float], *, margin: float = 0.03) -> Scale:
        """The scale that holds all values, and a margin at both ends as a share of their range."""
        low, high = min(values), max(values)
        room = margin * max(high - low, 1.0)
        return cls(low - room, high + room)

    def __call__(self, bits: float) -> float:
        """The place of a value that lies on the scale."""
        return (bits - self.low) / (self.high - self.low)


def threshold_bits(threshold: float) -> float:
    """Log odds of a probability."""
    return math.log2(threshold / (1 - threshold))


_TITLES = {
    "typical link": ("A typical link", "half of the links have more evidence"),
    "least probable link": ("The least probable link", ""),
    "likeliest pair not linked": ("The likeliest pair that is not linked", ""),
}


def waterfall_chart(example: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Geometry of an example's waterfall, a row a step; places are per cent of the width.

    Parameters
    ----------
    example : mapping
        As of `broker.examples.examples`.
    threshold : float
        Least probability of a link.
    """
    falls, limit = steps(example), threshold_bits(threshold)
    scale = Scale.around([0.0, limit, *(step.end for step in falls)])

    def x(bits: float) -> float:
        return round(100 * scale(bits), 2)

    title, more = _TITLES[example["example"]]
    if example["outcome"] not in ("linked", "below threshold"):
        more = {"another chosen": "as another was chosen", "dropped": "as it was dropped"}[example["outcome"]]
    return {
        "title": title,
        "more": more,
        "zero": x(0.0),
        "threshold": x(limit),
        "rows": [
            {
                "name": step.name,
                "says": step.says,
                "kind": step.kind,
                "weight": signed(step.weight),
                "fill": step.kind if step.kind != "part" else "for" if step.weight >= 0 else "against",
                "x": min(x(step.start), x(step.end)),
                "width": round(max(abs(x(step.end) - x(step.start)), 0.4), 2),
                "end": x(step.end),
                "join": x(step.start) if number and step.kind != "total" else x(step.end) if number else None,
            }
            for number, step in enumerate(falls)
        ],
    }
