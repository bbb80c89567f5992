"""Which rows a recipient may be shown, and what it might already know: the permissions, taken pairwise.

A recipient knows an entity by one GUID. So two datasets in its releases are linked for it, whether in one release or in
two: every two datasets that it is shown, or still holds from before, need a permission that names it. Of a chain A-B,
B-C alone no release of A, B and C is made: it would link A with C.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.governance.permissions import permitted, permitted_to
from broker.governance.relations import role_in
from broker.store.tables import (
    Acknowledgement,
    Dataset,
    Party,
    PartyKind,
    Project,
    Release,
    ReleaseDataset,
    ReleaseState,
    Use,
)
from pprl.errors import DeniedError
from pprl.release.table import RowKind


@dataclass(frozen=True, slots=True)
class Scope:
    """What a release to a recipient may show.

    Attributes
    ----------
    row_kind : str
        ``record`` for a site: its own records. ``subject`` for a researcher: entities as their sites know them.
    datasets : tuple of Dataset
        In the order of their keys.
    deduplicated : frozenset of int
        Keys of datasets of which the recipient may see that two records are one person's.
    """

    row_kind: RowKind
    datasets: tuple[Dataset, ...]
    deduplicated: frozenset[int]


def scope_of(
    session: Session,
    project: Project,
    recipient: Party,
    *,
    names: Collection[str] | None = None,
    now: datetime,
) -> Scope:
    """What a recipient may be shown now.

    Parameters
    ----------
    session : Session
        Of the store.
    project : Project
        Whose ledger.
    recipient : Party
        A site or a researcher.
    names : collection of str, optional
        Datasets to show; all that are permitted where it is not given.
    now : datetime
        With time zone.

    Returns
    -------
    Scope

    Raises
    ------
    DeniedError
        There is no permission, or not for two datasets that would be linked.
    """
    own = recipient.kind is PartyKind.SITE
    pairs = permitted_to(session, project, recipient, Use.LINK, now=now)
    if own:
        # A site needs the GUIDs of its own rows where others are given links with them, to tell whose data these are.
        linked = (
            permitted(session, project, Use.LINK, now=now)
            if _is_member(session, recipient, project, now)
            else []
        )
        found = [d for pair in linked for d in (pair.left, pair.right) if d.site_key == recipient.key]
    else:
        found = [dataset for pair in pairs for dataset in (pair.left, pair.right)]
    datasets = {dataset.name: dataset for dataset in sorted(found, key=lambda dataset: dataset.key)}
    for name in () if names is None else names:
        if name not in datasets:
            raise DeniedError(f"no permission lets {recipient.name!r} have a release of the dataset {name!r}")
    shown = [dataset for name, dataset in datasets.items() if names is None or name in names]
    if recipient.kind is PartyKind.OPERATOR or not shown:
        raise DeniedError(f"no permission lets {recipient.name!r} have a release of this project")
    allowed = {frozenset((pair.left.key, pair.right.key)) for pair in pairs}
    _check_pairs(session, project, recipient, shown, allowed)
    twice = permitted_to(session, project, recipient, Use.DEDUPLICATE, now=now)
    return Scope("record" if own else "subject", tuple(shown), frozenset(pair.left.key for pair in twice))


def _is_member(session: Session, party: Party, project: Project, now: datetime) -> bool:
    return party.disabled_at is None and role_in(session, party, project, now=now) is not None


def _check_pairs(
    session: Session,
    project: Project,
    recipient: Party,
    shown: Sequence[Dataset],
    allowed: Collection[frozenset[int]],
) -> None:
    for left, right in combinations(shown, 2):
        if frozenset((left.key, right.key)) not in allowed:
            raise DeniedError(
                f"{recipient.name!r} may not have links between the datasets {left.name!r} and {right.name!r}, which "
                "one release of both would give; name fewer datasets, or permit it"
            )
    held = _held(session, project, recipient)
    together = {pair for keys in held for pair in _pairs(keys)}
    keys = {dataset.key for dataset in shown}
    earlier = session.scalars(
        select(Dataset).where(Dataset.key.in_({k for some in held for k in some} - keys))
    )
    for left in earlier.all():
        for right in shown:
            pair = frozenset((left.key, right.key))
            if pair not in allowed and pair not in together:
                raise DeniedError(
                    f"{recipient.name!r} still holds rows of the dataset {left.name!r}, and may not have links of it "
                    f"with {right.name!r}; it must acknowledge a release without {left.name!r} first"
                )


def _held(session: Session, project: Project, recipient: Party) -> list[frozenset[int]]:
    """Datasets of the releases whose rows a recipient may still have: the last one it acknowledged, and later ones."""
    rows = session.execute(
        select(Release.key, Acknowledgement.at)
        .outerjoin(Acknowledgement, Acknowledgement.release_key == Release.key)
        .where(
            Release.project_key == project.key,
            Release.recipient_key == recipient.key,
            Release.state != ReleaseState.BUILDING,
        )
        .order_by(Release.number.desc())
    )
    held: list[frozenset[int]] = []
    for key, acknowledged_at in rows.all():
        held.append(
            frozenset(
                session.scalars(select(ReleaseDataset.dataset_key).where(ReleaseDataset.release_key == key))
            )
        )
        if acknowledged_at is not None:
            break
    return held


def _pairs(keys: Collection[int]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in combinations(sorted(keys), 2)}
