"""Publishing a release's crosswalk to a metadata service: in batches, and as often as it takes.

The ``gen3`` client makes four requests for every subject. Here new records go in batches, and a request of their own is
made for those alone that are there already, or for aliases where the service does not take the values for aliases by
itself. Whatever was done is found done the next time: a publication that broke off is simply made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from broker.gen3.documents import Document, check_document, check_name, merged, values_of
from broker.gen3.remote import MetadataService
from pprl.console import Advance, Progress, silent

BATCH = 500
"""Records that are sent at once."""

_ALIASES_AT_ONCE = 4

Record = Mapping[str, Any]


@dataclass(slots=True)
class Published:
    """What became of the records.

    Attributes
    ----------
    n_created, n_updated, n_same, n_deleted : int
    n_refused : int
        The GUID or a value is somebody else's, or another record's.
    n_aliases_refused : int
        Records of which a value is an alias of another one; they are there, and found by their other values.
    """

    n_created: int = 0
    n_updated: int = 0
    n_same: int = 0
    n_deleted: int = 0
    n_refused: int = 0
    n_aliases_refused: int = 0


def publish(
    service: MetadataService,
    records: Sequence[Record],
    *,
    previous: Sequence[Record] = (),
    share: str | None = None,
    progress: Progress = silent,
) -> Published:
    """Publish records.

    Parameters
    ----------
    service : MetadataService
        Where to.
    records : sequence of mapping
        ``guid`` and ``data``.
    previous : sequence of mapping
        Those of the release before, published already: what is not among the records any more is deleted first, as the
        values may have moved to another one.
    share : str or None
        Who else may read them, for a broker's service; see its parameter ``share``.
    progress : Progress
        Shows how far it is.

    Returns
    -------
    Published

    Raises
    ------
    GovernanceError
        A record cannot be one; nothing was sent.
    PprlError
        The service cannot be used; what was sent stays.
    """
    checked = [(check_name(one["guid"]), check_document(one["data"])) for one in records]
    there = {guid for guid, _ in checked}
    gone = [one["guid"] for one in previous if one["guid"] not in there]
    parameters = {} if share is None else {"share": share}
    done = Published()
    if gone:
        with progress("deleting records", len(gone), unit="records") as advance:
            done.n_deleted = sum(_each(gone, service.delete, advance))
    names_itself: bool | None = None
    with progress("publishing records", len(checked), unit="records") as advance:
        for start in range(0, len(checked), BATCH):
            batch = checked[start : start + BATCH]
            taken = set(service.create([{"guid": guid, "data": data} for guid, data in batch], **parameters))
            new = [(guid, data) for guid, data in batch if guid not in taken]
            done.n_created += len(new)
            changed = []
            for guid, data in batch:
                if guid in taken:
                    outcome = _again(service, guid, data, parameters)
                    done.n_updated += outcome == "updated"
                    done.n_same += outcome == "same"
                    done.n_refused += outcome == "refused"
                    if outcome != "refused":
                        changed.append((guid, data))
            if new and names_itself is None:
                names_itself = set(_names(*new[0])) <= service.aliases(new[0][0])
            wanted = changed if names_itself else [*new, *changed]
            named = _each(wanted, lambda one: _name(service, *one), lambda _: None)
            done.n_aliases_refused += sum(not fits for fits in named)
            advance(len(batch))
    return done


def _again(service: MetadataService, guid: str, data: Document, parameters: Mapping[str, str]) -> str:
    """A record that is there already, or cannot be."""
    held = service.get(guid)
    if held is None:
        return "refused"
    both = merged(held, data)
    if both == held and not parameters:
        return "same"
    return "updated" if service.put(guid, both, **parameters) else "refused"


def _name(service: MetadataService, guid: str, data: Document) -> bool:
    names = _names(guid, data)
    return not names or service.name(guid, names)


def _names(guid: str, data: Document) -> list[str]:
    return [value for value in values_of(data) if value != guid]


def _each(items: Sequence[Any], act: Any, advance: Advance) -> Iterator[bool]:
    """Do something with each, some at a time; gives what comes of it in their order."""
    with ThreadPoolExecutor(_ALIASES_AT_ONCE) as pool:
        for outcome in pool.map(act, items):
            advance(1)
            yield outcome
