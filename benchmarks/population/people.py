"""The people of one block, as they are and as they were: households, names, addresses, what changed and when.

People come in households: one alone, couples, parents and children, three generations, flatmates. From that
follow shared surnames, addresses and phones, twins, Jr and Sr, and women who changed their surname. Everybody
has a history of at most one earlier address of the household, one of their own, one surname and one phone
number; a record shows what held on its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.population.chance import Dice, Floats, Ints, Permutation, Text, curve, pick
from benchmarks.population.households import (
    DAYS_PER_YEAR,
    FLATMATE,
    HEAD,
    NEVER,
    PARTNER,
    SHARED,
    TODAY,
    Members,
    ages,
    members_of_block,
    parents,
    sexes,
)
from benchmarks.population.naming import Surnames, draw_surnames, given_names
from benchmarks.population.places import N_NATIONAL_IDS, NATIONAL_SHARES, Address, Places
from benchmarks.population.tables import FEMALE, NameTables

_OTHER_GROUP = 0.12  # of partners
_MOVES_PER_YEAR = [(0.0, 0.13), (18.0, 0.22), (29.0, 0.2), (45.0, 0.09), (65.0, 0.05), (100.0, 0.04)]
_FLATMATE_MOVES_PER_YEAR = 0.35
_PHONES_PER_YEAR = 0.05
_PHONE_WITH_MOVE = 0.3
_NEW_YEAR_BIRTHDAY = 0.004


@dataclass(frozen=True, slots=True)
class People:
    """What is true of the people of a block; arrays of one length, days counted from 1970.

    Attributes
    ----------
    number : int64[n]
        Of the person in the population.
    household, head : int64[n]
        Number of the household in the block; place of its head in the arrays.
    role, group, sex : int64[n]
        As this module's and `tables`' constants.
    birth : int64[n]
        Day of birth.
    surnames : Surnames
        Now and before.
    given, middle : str[n]
        In full; two given names have a blank between them, ``middle`` is empty where there is none.
    suffix : str[n]
        ``Jr``, ``Sr`` or empty.
    home, former_home, own_former_home : Address
        Where the household lives, lived before ``moved``, and where the person lived before ``joined``.
    moved, joined, phone_changed : int64[n]
        Day of the change, `NEVER` where there was none.
    phone, former_phone : int64[n]
        Ten-digit numbers.
    national_id : int64[n]
        Nobody else's.
    """

    number: Ints
    household: Ints
    head: Ints
    role: Ints
    group: Ints
    sex: Ints
    birth: Ints
    surnames: Surnames
    given: Text
    middle: Text
    suffix: Text
    home: Address
    former_home: Address
    own_former_home: Address
    moved: Ints
    joined: Ints
    phone: Ints
    former_phone: Ints
    phone_changed: Ints
    national_id: Ints

    def __len__(self) -> int:
        return len(self.number)


def block_of_people(
    block: int, n: int, *, first: int, seed: int, places: Places, names: NameTables
) -> People:
    """Make the ``n`` people of a block, numbered from ``first``."""
    dice = Dice(seed, block, purpose="people", n=n)
    members = members_of_block(dice)
    n_households = int(members.household[-1]) + 1
    sex = sexes(members, dice)
    age = ages(members, dice)
    home_place = places.draw(dice("place", n_households))
    place = home_place[members.household]
    group = _groups(members, places, place, dice)
    birth = TODAY - 1 - (age * DAYS_PER_YEAR).astype(np.int64)
    birth = np.where(dice.chosen("new year", _NEW_YEAR_BIRTHDAY) & (age > 18), _new_year(birth), birth)

    father, mother = parents(members, sex)
    surnames = draw_surnames(members, father, mother, sex, age, birth, group, dice, names)
    given, middle, suffix = given_names(members, father, sex, _year(birth), group, surnames, dice, names)

    head_age = age[members.head]
    moved_ago = waited(dice("moved", n_households))[members.household] / curve(_MOVES_PER_YEAR, head_age)
    moved = TODAY - (np.minimum(moved_ago, 90.0) * DAYS_PER_YEAR).astype(np.int64)
    joined = _joined(members, surnames, sex, dice)
    home = places.addresses(home_place, dice, "home").take(members.household)
    before = places.draw_near(home_place, dice("near", n_households), dice("former place", n_households))
    former_home = places.addresses(before, dice, "former home").take(members.household)
    own_before = places.draw_near(place, dice("own near"), dice("own former place"))
    phone, former_phone, phone_changed = _phones(members, place, age, np.maximum(moved, joined), places, dice)
    numbers = first + np.arange(n)
    return People(
        number=numbers,
        household=members.household,
        head=members.head,
        role=members.role,
        group=group,
        sex=sex,
        birth=birth,
        surnames=surnames,
        given=given,
        middle=middle,
        suffix=suffix,
        home=home,
        former_home=former_home,
        own_former_home=places.addresses(own_before, dice, "own former home"),
        moved=moved,
        joined=joined,
        phone=phone,
        former_phone=former_phone,
        phone_changed=phone_changed,
        national_id=Permutation(N_NATIONAL_IDS, seed=seed, purpose="national id")(numbers),
    )


def _groups(members: Members, places: Places, place: Ints, dice: Dice) -> Ints:
    own = places.groups(place, dice("group"))
    anywhere = pick(dice("other group"), NATIONAL_SHARES)
    family = own[members.head]
    mixed = dice("mixed") < _OTHER_GROUP
    group = np.where((members.role == PARTNER) & mixed, anywhere, family)
    return np.where(members.role == FLATMATE, own, group)


def _joined(members: Members, surnames: Surnames, sex: Ints, dice: Dice) -> Ints:
    """Return the day people came into the household: wives at the wedding, flatmates some time ago."""
    wed = (members.has_partner) & (sex == FEMALE) & (surnames.changed > NEVER) & dice.chosen("wed", 0.6)
    ago = waited(dice("joined")) / _FLATMATE_MOVES_PER_YEAR
    flatmate = TODAY - (np.minimum(ago, 40.0) * DAYS_PER_YEAR).astype(np.int64)
    shares = (members.kind == SHARED) & np.isin(members.role, (HEAD, FLATMATE))
    return np.where(wed, surnames.changed, np.where(shares, flatmate, NEVER))


def _phones(
    members: Members, place: Ints, age: Floats, moved: Ints, places: Places, dice: Dice
) -> tuple[Ints, Ints, Ints]:
    """Return numbers now and before, and the day of the change; children and some adults have their head's."""
    own = (members.role == HEAD) | ((age >= 16.0) & (dice("own phone") < 0.85))
    at = np.where(own, np.arange(dice.n), members.head)
    phone = places.phones(place, dice("phone"))
    former = places.phones(place, dice("former phone"))
    ago = np.minimum(waited(dice("phone changed")) / _PHONES_PER_YEAR, 90.0)
    changed = TODAY - (ago * DAYS_PER_YEAR).astype(np.int64)
    changed = np.where(dice.chosen("phone moved", _PHONE_WITH_MOVE), np.maximum(moved, changed), changed)
    return phone[at], former[at], changed[at]


def waited(uniform: Floats) -> Floats:
    """Return waiting times with mean 1, exponential, from a table: no function that machines round differently."""
    return curve(_EXPONENTIAL, uniform)


# quantiles of the exponential distribution, -log(1 - x), the last one such that the mean is 1
_EXPONENTIAL: Final = [
    (0.0, 0.0), (0.1, 0.1054), (0.2, 0.2231), (0.3, 0.3567), (0.4, 0.5108), (0.5, 0.6931), (0.6, 0.9163),
    (0.7, 1.2040), (0.8, 1.6094), (0.9, 2.3026), (0.95, 2.9957), (0.98, 3.9120), (0.99, 4.6052), (1.0, 6.3),
]  # fmt: skip


def _year(birth: Ints) -> Ints:
    return birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def _new_year(birth: Ints) -> Ints:
    """Return the first of January of the year, as written for people whose birthday nobody knew."""
    return birth.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
