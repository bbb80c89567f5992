"""A delivery's quality in words: what is wrong and how it is put right, and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Quality = Mapping[str, Any]

_FILLS = 0.05  # over-frequent values of so many records change how many bits filters have
_MUCH_THE_SAME = 1.2  # of records that are the same throughout, as many have the same value of a field


def warnings_of(quality: Quality) -> list[str]:
    """What a site should look into, each with what to do; one cause gives one warning, as far as that can be told."""
    values = quality["over_frequent"]["values"]
    filled = {name for one in values if (one["share"] or 0) >= _FILLS for name in (*one["fields"], "record")}
    drift = [
        _fill(one)
        for one in quality["fill_drift"]
        if one["verdict"] == "different" and one["filter"] not in filled
    ]
    changes = quality["changes"]
    changed = changes is not None and changes["verdict"] == "most changed" and not drift
    return [
        *_size(quality["records"]),
        *(_field(one) for one in quality["fields"] if one["verdict"] in ("empty", "fewer")),
        *_frequent(values),
        *drift,
        *([_MOST_CHANGED] if changed else []),
        *_alike(quality),
    ]


def describe_quality(quality: Quality) -> list[str]:
    """A delivery's quality as lines of text, the warnings first."""
    size = quality["records"]
    before = "" if size["last"] is None else f", {size['last']:,} in delivery {quality['compared_with']}"
    lines = [f"warning: {warning}" for warning in quality["warnings"]]
    lines.append(f"{size['count']:,} records{before}")
    width = max(len(one["field"]) for one in quality["fields"])
    for one in quality["fields"]:
        change = "" if one["difference"] is None else f"  {100 * one['difference']:+.1f} points"
        lines.append(f"{one['field']:<{width}}  {_share(one['share']):>12}{change}")
    for one in quality["fill_drift"]:
        lines.append(
            f"set bits of filter {one['filter']}: {one['verdict']} "
            f"(distance {one['distance']:.3f}, noticed from {one['threshold']:.3f})"
        )
    lines.append(f"records like another one: {_share(quality['alike']['share'])}")
    return lines


def _size(size: Mapping[str, Any]) -> list[str]:
    if size["verdict"] not in ("fewer", "more"):
        return []
    return [
        f"{size['count']:,} records came, {size['last']:,} the last time; a delivery is whole, not what is new: "
        "see that the extract has all patients and no other ones, or go on if it has"
    ]


def _field(one: Mapping[str, Any]) -> str:
    name, share = one["field"], "none" if one["records"] == 0 else _share(one["share"])
    if one["verdict"] == "empty":
        return (
            f"{name}: {share} of the records have a value; name its column with --columns {name}=COLUMN, "
            "or go on if you do not have it"
        )
    return (
        f"{name}: {share} of the records have a value, {_share(one['last_share'])} the last time; see that the "
        f"extract still fills its column, and that pprl tokenise does not count its values as invalid"
    )


def _frequent(values: list[Mapping[str, Any]]) -> list[str]:
    """By whole filter; by field where that does not explain it; by match key where no field does."""
    filters = [one for one in values if one["of"] == "filter"]
    explained = max((_MUCH_THE_SAME * (one["share"] or 0) for one in filters), default=0)
    others = [one for one in values if one["of"] != "filter" and (one["share"] or 0) > explained]
    fields = [one for one in others if one["of"] == "field"]
    known = {one["name"] for one in fields}
    keys = [one for one in others if one["of"] == "key" and not known & set(one["fields"])]
    return [
        *(_frequent_records(one) for one in filters),
        *(_frequent_field(one) for one in fields),
        *([_frequent_keys(keys)] if keys else []),
    ]


def _frequent_field(one: Mapping[str, Any]) -> str:
    name, values = one["name"], _values(one["values"])
    return (
        f"{name}: {_share(one['share'])} of the records have {values}, {_FAR_MORE_OFTEN}; look for what your system "
        f"puts in where the {name} is not known, and leave it empty there"
    )


def _frequent_keys(keys: list[Mapping[str, Any]]) -> str:
    most = max(keys, key=lambda one: one["share"] or 0)
    names = list(dict.fromkeys(name for one in keys for name in one["fields"]))
    return (
        f"match key {most['name']}: {_share(most['share'])} of the records share {_values(most['values'])}, "
        f"{_FAR_MORE_OFTEN}; look for test patients and for placeholders in {_listed(names)}, and leave them out"
    )


def _frequent_records(one: Mapping[str, Any]) -> str:
    return (
        f"{_share(one['share'])} of the records are of {_records(one['values'])}, the same in all fields each time; "
        "look for test patients and rows of placeholders, and leave them out"
    )


_FAR_MORE_OFTEN = "five times as often as any other or more"

_MOST_CHANGED = (
    "most records that were there before have other tokens than then; see that the same columns, the same "
    "--date-order and the same version of pprl were used as for the last delivery"
)


def _fill(one: Mapping[str, Any]) -> str:
    return (
        f"filter {one['filter']}: the numbers of set bits differ from the last delivery's (distance "
        f"{one['distance']:.3f}, noticed from {one['threshold']:.3f}), so values are written otherwise than before; "
        "see that the same columns, the same cleaning and the same version of pprl were used"
    )


def _alike(quality: Quality) -> list[str]:
    alike = quality["alike"]
    if alike["verdict"] != "contradicts":
        return []
    # Namesakes with one placeholder are alike; of them the warning above has told.
    placeholders = max((one["share"] or 0 for one in quality["over_frequent"]["values"]), default=0)
    if alike["share"] is not None and alike["share"] <= placeholders:
        return []
    keys = (
        f"share {alike['shared_keys']} of {alike['of_keys']} match keys or more with another one"
        if alike["of_keys"]
        else "are the same as another one in all fields"
    )
    return [
        f"{_share(alike['share'])} of the records {keys}, and the delivery vouches that no person has two; take one "
        "of the two out, or tokenise with --with-duplicates"
    ]


def _share(share: float | None) -> str:
    if share is None:
        return "not shown"
    if share in (0.0, 1.0):
        return "hardly any" if share == 0.0 else "nearly all"
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2f} %"


def _values(n: int) -> str:
    return "one value" if n == 1 else f"one of {n} values"


def _records(n: int) -> str:
    return "one kind" if n == 1 else f"{n} kinds"


def _listed(names: list[str]) -> str:
    return " and ".join(([", ".join(names[:-1])] if names[1:] else []) + names[-1:])
