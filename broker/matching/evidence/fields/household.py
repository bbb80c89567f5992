"""What people who live together have in common: strangers to each other, and alike all the same.

Relatives share surname and address; twins the birth date besides, a father and his namesake the given name. Taken one
by one these agreements would each count in full; this column takes back what they say together. How often strangers of
one address share the surname, and are twins or namesakes too, is counted within the datasets. Duplicates look like
both: they agree in given name and birth date, and so are left out of the counts; twins and namesakes are believed only
up to the share that there may be of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from broker.matching.candidates import Pairs
from broker.matching.dataset import Dataset
from broker.matching.evidence import levels as lv
from broker.matching.evidence.fields.column import Column, Counts
from broker.matching.evidence.model import Floats
from pprl.schema import FieldSpec, Kind, Schema

PART = "same household"
"""Name of the part; no field's name has a blank."""

_SHARED = (Kind.STREET, Kind.PHONE, Kind.POSTCODE)  # the first that a schema has stands for the household
_MOST_TWINS, _MOST_NAMESAKES = 0.03, 0.03  # of pairs of relatives; of births 3 % are twins
_LEAST = 0.5  # pairs, where none was counted
_NEARLY_ALL = 1 - 1e-3


class HouseholdColumn(Column):
    """Whether address and surname are alike together, and birth date or given name with them.

    Parameters
    ----------
    surname, address : FieldSpec
    given_name, birth_date : FieldSpec or None
    schema : Schema
    datasets : tuple of Dataset
        Those compared.
    """

    def __init__(
        self,
        surname: FieldSpec,
        address: FieldSpec,
        given_name: FieldSpec | None,
        birth_date: FieldSpec | None,
        schema: Schema,
        datasets: tuple[Dataset, ...],
    ) -> None:
        home = f"{address.name} and {surname.name} alike"
        labels = (
            "no",
            f"{address.name} alike, {surname.name} not",
            home,
            f"{home}, and birth date",
            f"{home}, and given name",
            f"{home}, and both",
        )
        super().__init__(surname, labels, (0.0, 1.0, 1.0, 1.0, 1.0, 1.0), part=PART)
        self._surname, self._address = surname, address
        self._given_name, self._birth_date = given_name, birth_date
        self._schema = schema
        self._weights = self._weigh(datasets)

    def levels(self, left: Dataset, right: Dataset, pairs: Pairs) -> lv.Levels:
        """See `Column.levels`."""
        level = np.zeros(len(pairs), dtype=np.int8)
        near = np.flatnonzero(self._alike(left, right, pairs, self._address))
        known = (
            left.has(self._surname.name)[pairs.left[near]] & right.has(self._surname.name)[pairs.right[near]]
        )
        level[near[known]] = 1
        home = near[self._alike(left, right, pairs.some(near), self._surname)]
        level[home] = 2
        for step, field in ((1, self._birth_date), (2, self._given_name)):
            if field is not None:
                level[home] += step * self._alike(left, right, pairs.some(home), field)
        return level

    def weights(self, counts: Counts) -> Floats:
        """See `Column.weights`: what the agreements weigh together less what they weigh one by one."""
        del counts
        return self._weights

    def _alike(self, left: Dataset, right: Dataset, pairs: Pairs, field: FieldSpec) -> npt.NDArray[np.bool_]:
        distance = lv.bits_apart(left, right, pairs, field.name, field.name)
        if field is self._birth_date:  # of dates most are near
            return np.asarray(distance == 0)
        return distance <= lv.distance_cut(self._schema, field, lv.DICE_CUTS[-1])

    def _weigh(self, datasets: tuple[Dataset, ...]) -> Floats:
        tallies = np.sum([self._tally(dataset) for dataset in datasets], axis=0)
        if not tallies[0]:
            return np.zeros(len(self.labels))
        possible, name, address, given, born, relatives, twins, namesakes = np.maximum(tallies, _LEAST)
        by_chance = min(name / possible, _NEARLY_ALL)
        at_home = min(relatives / max(address, relatives), _NEARLY_ALL)
        kin = np.log(min(by_chance / at_home, 1.0))
        twin = np.log(min(born / possible / min(twins / relatives, _MOST_TWINS), 1.0))
        namesake = np.log(min(given / possible / min(namesakes / relatives, _MOST_NAMESAKES), 1.0))
        apart = np.log((1 - by_chance) / (1 - at_home))
        return np.array([0.0, apart, kin, kin + twin, kin + namesake, kin])

    def _tally(self, dataset: Dataset) -> Floats:
        """Pairs of records in all, and of those that agree in this and that."""
        fields = [
            f for f in (self._surname, self._address, self._given_name, self._birth_date) if f is not None
        ]
        there = np.logical_and.reduce([lv.has_filter(dataset, field.name) for field in fields])
        codes = {field.name: lv.filter_codes(dataset.filters[field.name])[there] for field in fields}
        each = np.arange(int(there.sum()), dtype=np.uint64)
        name, address = codes[self._surname.name], codes[self._address.name]
        given = each if self._given_name is None else codes[self._given_name.name]
        born = each if self._birth_date is None else codes[self._birth_date.name]
        home = lv.joint_codes(name, address)
        same_name, same_day = _pairs(lv.joint_codes(home, given)), _pairs(lv.joint_codes(home, born))
        same_person = _pairs(lv.joint_codes(lv.joint_codes(home, given), born))
        return np.array(
            [
                len(each) * (len(each) - 1) / 2,
                _pairs(name) - same_person,
                _pairs(address) - same_person,
                _pairs(given) - same_person,
                _pairs(born) - same_person,
                _pairs(home) - same_name - same_day + same_person,
                same_day - same_person,
                same_name - same_person,
            ]
        )


def household_column(
    schema: Schema, compared: Sequence[FieldSpec], datasets: tuple[Dataset, ...]
) -> HouseholdColumn | None:
    """The column, where the fields compared have a surname and something that a household shares."""
    first = {field.kind: field for field in reversed(compared) if field.n_hashes}
    address = next((first[kind] for kind in _SHARED if kind in first), None)
    surname = first.get(Kind.SURNAME)
    if address is None or surname is None:
        return None
    return HouseholdColumn(
        surname, address, first.get(Kind.GIVEN_NAME), first.get(Kind.BIRTH_DATE), schema, datasets
    )


def _pairs(codes: npt.NDArray[np.uint64]) -> float:
    """Pairs of equal codes."""
    counts = np.unique(codes, return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())
