"""An invented country: cities, postcodes, streets, and who lives where.

About 700 people share a postcode, as in the real United States among the patients of a national collaborative,
and of a city's hospitals among the people of its region. Groups live apart to some degree, so that a surname is
far more common in some places than in others. Postcodes are five digits without meaning; likeness to real ones
is an accident. Area codes of phones are ones that North America's numbering plan keeps unassigned (37x, 96x),
and national ids start with 9 and have a group below 50, which the United States have not issued: nobody's
number is ever made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.population.chance import Dice, Floats, Ints, Permutation, Text, below, curve, hashed
from benchmarks.population.tables import GROUPS
from benchmarks.population.words import words, zero_padded

NATIONAL_SHARES = (0.578, 0.121, 0.061, 0.007, 0.046, 0.187)
"""Of `GROUPS` in the population: US Census 2020, other races counted with two and more."""

N_NATIONAL_IDS = 100 * 49 * 9999

_PEOPLE_PER_POSTCODE = 700
_MAX_POSTCODES = 30_000
_MIN_POSTCODES = 12
_STREETS_PER_POSTCODE = 80
_N_UNITS = 600
_AREA_CODES = np.array([*range(370, 380), *range(960, 970)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Address:
    """Where people live, as numbers; arrays of one length.

    Attributes
    ----------
    place : int64[n]
        Which postcode of `Places`.
    street : int64[n]
        Which of the postcode's streets.
    number : int64[n]
        House number, 1 to 9999.
    unit : int64[n]
        Flat, 0 where there is none.
    """

    place: Ints
    street: Ints
    number: Ints
    unit: Ints

    def take(self, index: Ints) -> Address:
        """Return the addresses at an index."""
        return Address(self.place[index], self.street[index], self.number[index], self.unit[index])

    def where(self, condition: np.ndarray, other: Address) -> Address:
        """Return these addresses where the condition holds, and the other's elsewhere."""
        return Address(
            np.where(condition, self.place, other.place),
            np.where(condition, self.street, other.street),
            np.where(condition, self.number, other.number),
            np.where(condition, self.unit, other.unit),
        )


class Places:
    """The places that a population of some size lives in.

    Parameters
    ----------
    n_people : int
        Size of the population.
    seed : int
        Of all that is drawn.
    """

    def __init__(self, n_people: int, *, seed: int) -> None:
        n = int(np.clip(n_people // _PEOPLE_PER_POSTCODE, _MIN_POSTCODES, _MAX_POSTCODES))
        self.n = n
        dice = Dice(seed, 0, purpose="places", n=n)
        sizes = curve([(0, 1), (0.6, 1.9), (0.85, 4), (0.95, 9), (1, 26)], dice("city size")).astype(np.int64)
        self._city = np.repeat(np.arange(n), sizes)[:n]
        self._city_start = np.searchsorted(self._city, np.arange(int(self._city[-1]) + 1))
        self._city_size = np.bincount(self._city)
        self.cities = _city_names(len(self._city_size), seed=seed)[self._city]
        spacing = 98_000 / n
        codes = (1_001 + (np.arange(n) + 0.9 * dice("postcode")) * spacing).astype(np.int64)
        codes[codes == 12_345] += 1  # read as a placeholder everywhere
        self.postcodes = zero_padded(codes, 5)
        self._area_code = _AREA_CODES[np.arange(n) * len(_AREA_CODES) // n]
        weight = curve([(0, 0.1), (0.5, 0.7), (0.9, 2.2), (1, 5)], dice("weight"))
        self._edges = np.cumsum(weight) / weight.sum()
        self._group_edges = _group_edges(weight / weight.sum(), dice)
        self._salt = below(dice("streets"), 1 << 40)

    def draw(self, uniform: Floats) -> Ints:
        """Return places, the big ones more often."""
        return np.minimum(np.searchsorted(self._edges, uniform, side="right"), self.n - 1)

    def draw_near(self, place: Ints, uniform: Floats, again: Floats) -> Ints:
        """Return where people of these places move: 40 % within the postcode, 35 % the city, the rest anywhere.

        Where the city has no other postcode, moves within it stay in the postcode.
        """
        city = self._city[place]
        in_city = self._city_start[city] + below(again, self._city_size[city])
        return np.where(uniform < 0.4, place, np.where(uniform < 0.75, in_city, self.draw(again)))

    def groups(self, place: Ints, uniform: Floats) -> Ints:
        """Return groups (index into `GROUPS`) of people in these places."""
        at: Ints = (uniform[:, None] >= self._group_edges[place]).sum(axis=1)
        return np.minimum(at, len(GROUPS) - 1)

    def addresses(self, place: Ints, dice: Dice, name: str) -> Address:
        """Return an address in each place; ``name`` is that of the streams drawn from, of places' length."""
        n = len(place)
        number = curve([(0, 1), (0.3, 130), (0.6, 900), (0.85, 3500), (1, 9999)], dice(f"{name} number", n))
        unit = (dice(f"{name} unit", n) - 0.78) / 0.22
        return Address(
            place=place,
            street=below(dice(f"{name} street", n), _STREETS_PER_POSTCODE),
            number=number.astype(np.int64),
            unit=np.where(unit < 0, 0, 1 + (unit * unit * (_N_UNITS - 1)).astype(np.int64)),
        )

    def street_text(self, address: Address, *, spelled_out: np.ndarray, with_unit: np.ndarray) -> Text:
        """Return ``12 North Oak Street Apt 4``: words in full where ``spelled_out``, else ``12 N Oak St Apt 4``."""
        long, short = street_names()
        which = below(hashed(self._salt[address.place] + address.street, 3), len(long))
        number = _numbers()[address.number]
        name = np.where(spelled_out, long[which], short[which])
        unit = _units()[np.where(with_unit, address.unit, 0)]
        return np.strings.add(np.strings.add(np.strings.add(number, " "), name), unit)

    def phones(self, place: Ints, uniform: Floats) -> Ints:
        """Return ten-digit numbers of these places' area codes."""
        return self._area_code[place] * 10_000_000 + 2_000_000 + below(uniform, 8_000_000)


def phone_text(numbers: Ints) -> Text:
    """Return ten digits as ``370-555-0123``."""
    return _hyphened(numbers, 10, (3, 6))


def national_id_text(numbers: Ints) -> Text:
    """Return ``9AA-GG-SSSS`` for numbers from 0 to `N_NATIONAL_IDS` - 1."""
    rest, serial = numbers // 9999, numbers % 9999 + 1
    area, group = rest // 49, rest % 49 + 1
    return _hyphened(900_000_000 + area * 1_000_000 + group * 10_000 + serial, 9, (3, 5))


@cache
def street_names() -> tuple[Text, Text]:
    """Return all street names of the country, with words in full and shortened."""
    table = words()["streets"]
    ordinals = [f"{n}{_ordinal(n)}" for n in range(1, 61)]
    names = [*table["names"], *ordinals, *ordinals]
    long, short = [], []
    for direction in [["", ""]] * 6 + table["directions"]:
        for name in names:
            for full, abbreviated in table["types"]:
                long.append(f"{direction[0]} {name} {full}".strip())
                short.append(f"{direction[1]} {name} {abbreviated}".strip())
    return np.array(long), np.array(short)


def _ordinal(n: int) -> str:
    if n % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")


@cache
def _numbers() -> Text:
    return np.arange(10_000).astype(np.str_)


@cache
def _units() -> Text:
    units = [""]
    for n in range(1, _N_UNITS + 1):
        units.append(f" Apt {n}" if n % 3 else f" Apt {n // 12 + 1}{'ABCD'[n // 3 % 4]}")
    return np.array(units)


def _city_names(n: int, *, seed: int) -> Text:
    table = words()["cities"]
    fronts, backs, before = table["fronts"], table["backs"], table["before"]
    # half the names come without a word in front
    order = Permutation(len(fronts) * len(backs) * len(before), seed=seed, purpose="cities")
    numbers = order(np.arange(n))
    names = []
    for number in numbers.tolist():
        rest, first = divmod(number, len(fronts))
        ahead, last = divmod(rest, len(backs))
        names.append(f"{before[ahead]} {fronts[first]}{backs[last]}".strip())
    return np.array(names)


def _group_edges(weight: Floats, dice: Dice) -> Floats:
    """Return cumulative shares of groups by place (n, 6): apart by place, the national shares over all."""
    spread = [(0, 0.1), (0.5, 0.5), (0.8, 1.0), (0.95, 3.0), (1, 9.0)]
    national = np.array(NATIONAL_SHARES)
    shares = np.stack(
        [share * curve(spread, dice(f"group {name}")) for name, share in zip(GROUPS, national, strict=True)],
        axis=1,
    )
    for _ in range(20):  # iterative proportional fitting
        shares *= national / (shares * weight[:, None]).sum(axis=0)
        shares /= shares.sum(axis=1, keepdims=True)
    return np.cumsum(shares, axis=1)


def _hyphened(numbers: Ints, n_digits: int, cuts: tuple[int, int]) -> Text:
    """Write whole numbers with hyphens behind two of their digits."""
    digits = zero_padded(numbers, n_digits).view(np.uint32).reshape(-1, n_digits)
    codes = np.full((len(numbers), n_digits + 2), ord("-"), dtype=np.uint32)
    first, second = cuts
    codes[:, :first] = digits[:, :first]
    codes[:, first + 1 : second + 1] = digits[:, first:second]
    codes[:, second + 2 :] = digits[:, second:]
    return codes.view(f"<U{n_digits + 2}").reshape(-1)
