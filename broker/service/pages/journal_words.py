"""Entries of the journal as sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from broker.journal import BROKER, LOCAL
from broker.service.models import EntryOut

_SENTENCES = {
    "dataset.created": "{by} made the dataset {dataset}",
    "dataset.retired": "{by} retired the dataset {dataset}",
    "delivery.accepted": "{by} delivered {dataset}: delivery {sequence} with {records} records was accepted",
    "delivery.refused": "a delivery of {dataset} by {by} was refused",
    "job.cancelled": "{by} cancelled a job ({kind})",
    "ledger.refreshed": "a run was written into the ledger",
    "login.linked": "{by} linked a login to {party}",
    "login.unlinked": "{by} unlinked a login from {party}",
    "member.added": "{by} made {party} a member ({role})",
    "member.ended": "{by} ended the membership of {party}",
    "party.created": "{by} made {party} known as a {kind}",
    "party.disabled": "{by} disabled {party}",
    "party.recipient-set": "{by} set the key that releases to {party} are sealed to",
    "permission.granted": "{approver} approved to {use} {left} and {right} until {expires}",
    "permission.revoked": "{by} revoked a permission",
    "project.closed": "{by} closed the project {project}",
    "project.created": "{by} founded the project {project}",
    "records.withdrawn": "{by} withdrew records of {dataset}",
    "release.acknowledged": "{by} acknowledged release {number}",
    "release.fetched": "{by} fetched {file} of a release",
    "release.published": "release {number} was published to {recipient}",
    "site-key.registered": "{by} registered the signing key of {party}",
    "site-key.revoked": "{by} revoked the signing key of {party}",
    "store.backed-up": "{by} made a backup of the store",
    "store.created": "{by} made the store",
    "store.restored": "{by} restored the store from a backup",
    "store.upgraded": "{by} upgraded the store",
    "token.issued": "{by} issued a token to {party}",
    "token.revoked": "{by} revoked a token of {party}",
    "withdrawal.completed": "a withdrawal from {dataset} was carried out",
}
_WHO = {LOCAL: "somebody at the broker's command line", BROKER: "the broker itself"}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry for people.

    Attributes
    ----------
    number : int
    at : str
        As it is written.
    says : str
        A sentence.
    act : str
        As it is written.
    more : list of (str, str)
        Counts and words that the sentence does not tell, by name.
    hash : str
    """

    number: int
    at: str
    says: str
    act: str
    more: list[tuple[str, str]]
    hash: str


def line_of(entry: EntryOut, name: Callable[[str], str]) -> Line:
    """An entry in words.

    Parameters
    ----------
    entry : EntryOut
        As the API gives it.
    name : callable
        What a subject with an id may be called.
    """
    body: dict[str, Any] = json.loads(entry.body)
    by = str(body.get("by", ""))
    counts, words = _mapping(body, "counts"), _mapping(body, "words")
    values = {
        **{key: f"{value:,}".replace(",", " ") for key, value in counts.items()},
        **{key: str(value) for key, value in words.items()},
        **{key: name(str(value)) for key, value in _mapping(body, "subjects").items()},
        "by": _WHO[by] if by in _WHO else name(by),
    }
    act = str(body.get("act", ""))
    form = _SENTENCES.get(act, "{by}: " + act.replace(".", " ").replace("{", "").replace("}", ""))
    told = {name for _, name, _, _ in Formatter().parse(form)}
    sentence = form.format_map(_Known(values))
    if values.get("left") is not None and values.get("left") == values.get("right"):
        sentence = sentence.replace(f"{values['left']} and {values['right']}", values["left"])
    return Line(
        entry.number,
        str(body.get("at", ""))[:19].replace("T", " "),
        f"{sentence[:1].upper()}{sentence[1:]}.",
        act,
        [
            (key.removeprefix("n_").replace("_", " "), values[key])
            for key in (*counts, *words)
            if key not in told and counts.get(key) != 0
        ],
        entry.hash,
    )


class _Known(dict[str, str]):
    """Values of a sentence; what an older or newer program left out is told as such."""

    def __missing__(self, key: str) -> str:
        return f"(no {key})"


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name, {})
    return found if isinstance(found, Mapping) else {}
