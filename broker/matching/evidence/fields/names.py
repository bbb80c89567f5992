"""Names: those that are alike, and those that stand in another's place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column
from broker.matching.evidence.fields.exact import same
from broker.matching.evidence.fields.similarity import SimilarityColumn
from broker.matching.evidence.model import Seen
from pprl.schema import FieldSpec, Kind, Schema

NAMES = (Kind.GIVEN_NAME, Kind.SURNAME)

_EXCHANGED = lv.EQUAL + len(lv.RARITY_BINS)
_MOVED = _EXCHANGED + 1


class NameColumn(SimilarityColumn):
    """A given name or a surname; also whether the two were exchanged, or one is the other record's middle name.

    Parameters
    ----------
    field : FieldSpec
    schema : Schema
    datasets : tuple of Dataset
        See `SimilarityColumn`.
    names : mapping of Kind to FieldSpec
        The name field of each kind, among which names may have changed places.
    """

    def __init__(
        self, field: FieldSpec, schema: Schema, datasets: tuple[Dataset, ...], names: Mapping[Kind, FieldSpec]
    ) -> None:
        super().__init__(field, schema, datasets, (("exchanged", 0.01), ("moved", 0.02)))
        self._names = names

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        level = super().levels(left, right, pairs)
        kind = self.field.kind
        if self._names.get(kind) is not self.field:
            return level
        # Only where the straight comparison is poor can an exchange be what happened.
        poor = np.flatnonzero(level < lv.EQUAL - 1)
        some = pairs.some(poor)
        moved = self._close(left, right, some, kind, Kind.MIDDLE_NAME)
        moved |= self._close(left, right, some, Kind.MIDDLE_NAME, kind)
        level[poor[moved]] = _MOVED
        exchanged = self._close(left, right, some, *NAMES) & self._close(left, right, some, *NAMES[::-1])
        # One piece of evidence, not two: the given name's column carries it, the surname's counts as missing.
        level[poor[exchanged]] = _EXCHANGED if kind is Kind.GIVEN_NAME else lv.MISSING
        return level

    def describe(self, levels: Mapping[str, npt.NDArray[np.int64]]) -> Seen:
        """See `Column.describe`; a surname that was exchanged is not called missing."""
        seen = super().describe(levels)
        given = self._names.get(Kind.GIVEN_NAME)
        if given is None or self.field is not self._names.get(Kind.SURNAME):
            return seen
        exchanged = (seen.which == lv.MISSING) & (levels[given.name] == _EXCHANGED)
        texts = (*seen.texts, f"exchanged, weighed with {given.name}")
        return Seen(seen.part, texts, np.where(exchanged, len(seen.texts), seen.which))

    def _close(
        self, left: Dataset, right: Dataset, pairs: Pairs, one: Kind, two: Kind
    ) -> npt.NDArray[np.bool_]:
        """Whether the left record's name of one kind is close to the right record's name of another."""
        if one not in self._names or two not in self._names:
            return np.zeros(len(pairs), dtype=np.bool_)
        cut = lv.distance_cut(self._schema, self._names[one], lv.DICE_CUTS[-1])
        return lv.bits_apart(left, right, pairs, self._names[one].name, self._names[two].name) <= cut


class MiddleNameColumn(Column):
    """A middle name, which may be no more than an initial on either side.

    Parameters
    ----------
    field : FieldSpec
    schema : Schema
    initials_only : bool
        Compare initials alone, as where one dataset has hardly anything else.
    """

    _LEVELS = (
        ("missing", 0.0),
        ("disagree", 0.08),
        ("initials agree", 0.5),
        ("same initial, other name", 0.02),
        ("similar", 0.06),
        ("equal", 0.34),
    )

    def __init__(self, field: FieldSpec, schema: Schema, *, initials_only: bool) -> None:
        super().__init__(field, [label for label, _ in self._LEVELS], [m for _, m in self._LEVELS])
        self._schema, self._initials_only = schema, initials_only

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        name = self.field.name
        initial = same(left, right, pairs, f"{name}:initial")
        full_left = lv.has_filter(left, name)[pairs.left]
        full_right = lv.has_filter(right, name)[pairs.right]
        distance = lv.bits_apart(left, right, pairs, name, name)
        similar = distance <= lv.distance_cut(self._schema, self.field, lv.DICE_CUTS[1])
        both = full_left & full_right & (not self._initials_only)
        level = np.select(
            [initial == 0, both & (distance == 0), both & similar, (initial == 2) & both, initial == 2],
            [0, 5, 4, 3, 2],
            default=1,
        )
        return level.astype(np.int8)
