"""What the people of a block are called: families' surnames, marriages, Jr and Sr, two given names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.population.chance import Bools, Dice, Floats, Ints, Text, below, curve, pick
from benchmarks.population.households import (
    CHILD,
    DAYS_PER_YEAR,
    ELDER,
    FLATMATE,
    HEAD,
    NEVER,
    PARTNER,
    TODAY,
    Members,
)
from benchmarks.population.tables import FEMALE, HISPANIC, MALE, NameTables
from benchmarks.population.words import words

MAX_NAME = 40
"""Characters of the longest name that is made, errors included."""

_TEXT = f"<U{MAX_NAME}"

_TWO_SURNAMES = 0.35  # of Hispanic families: the father's and the mother's
_MARKED = 0.35  # of others, where a name has diacritics in its language
_MARRIED = 0.82  # of couples
_TOOK, _KEPT, _HYPHEN, _BOTH = range(4)
_CUSTOMS = (0.79, 0.14, 0.05, 0.02)
_HISPANIC_CUSTOMS = (0.62, 0.30, 0.04, 0.04)
_WEDDING_AGES = [(0, 18.0), (0.1, 21.5), (0.5, 27.5), (0.9, 37.0), (1, 58.0)]
_ONCE_MARRIED = [(20.0, 0.0), (30.0, 0.18), (45.0, 0.45), (60.0, 0.62), (75.0, 0.8), (103.0, 0.85)]
_TOOK_BACK = 0.15  # of those: the name from before the marriage
_MAIDEN_AS_MIDDLE = 0.15  # of those who took their husband's name
_MOTHERS_NAME = 0.25  # of children of unmarried couples
_ABSENT_FATHERS_NAME = 0.45  # of households of a mother and her children
_STEPCHILD = 0.04

_MIDDLE = (0.82, 0.82, 0.5, 0.75, 0.75, 0.5)  # by group: have one
_USUAL_MIDDLE = 0.45  # of those: one of the few that serve as middle names
_TWO_GIVEN = (0.01, 0.01, 0.02, 0.01, 0.01, 0.12)
_NAMED_FOR_FATHER = 0.06  # of sons
_SUFFIX_ELSEWHERE = 0.015  # of men: Jr, though the father is not in the household


@dataclass(frozen=True, slots=True)
class Surnames:
    """Everybody's surnames; arrays of one length.

    Attributes
    ----------
    birth, now, before : str[n]
        At birth, since ``changed``, and until then.
    changed : int64[n]
        Day of the change, `NEVER` where there was none; ``before`` is ``now`` then.
    maiden_as_middle : bool[n]
        Who uses the surname at birth as a middle name since then.
    """

    birth: Text
    now: Text
    before: Text
    changed: Ints
    maiden_as_middle: Bools


def draw_surnames(
    members: Members,
    father: Ints,
    mother: Ints,
    sex: Ints,
    age: Floats,
    birth: Ints,
    group: Ints,
    dice: Dice,
    names: NameTables,
) -> Surnames:
    """Name the people of a block: the married, the once married, children after their parents."""
    marked = (group == HISPANIC) | (dice("marked")[members.head] < _MARKED)

    def drawn(name: str, mask: Bools) -> Text:
        text = np.zeros(dice.n, dtype=_TEXT)
        codes = names.draw_surnames(group[mask], dice(name)[mask])
        text[mask] = names.surname_text(codes, marked[mask])
        return text

    everybody = np.ones(dice.n, dtype=np.bool_)
    first = drawn("surname", everybody)
    two = (group == HISPANIC) & (dice("two surnames")[members.head] < _TWO_SURNAMES)
    at_birth = np.where(two, _joined(first, " ", drawn("second surname", two)), first)

    # elders are the head's parents
    elder = (members.role == ELDER) & (dice("elder") < 0.8)
    elder_man = elder & (sex == MALE)
    at_birth[elder_man] = at_birth[members.head][elder_man]
    now, before = at_birth.copy(), at_birth.copy()

    wedding = _weddings(age, birth, dice)
    couple = (father >= 0) & (mother >= 0) & np.isin(members.role, (HEAD, PARTNER))
    wife = couple & (sex == FEMALE) & (dice("married")[members.head] < _MARRIED)
    custom = np.where(
        group == HISPANIC, pick(dice("custom"), _HISPANIC_CUSTOMS), pick(dice("custom"), _CUSTOMS)
    )
    husbands = first[father]
    chosen = np.select(
        [custom == _HYPHEN, custom == _BOTH],
        [_joined(first, "-", husbands), _joined(first, " ", husbands)],
        default=husbands,
    )
    changes = wife & (custom != _KEPT)
    now[changes] = chosen[changes]

    single = (sex == FEMALE) & ~couple & np.isin(members.role, (HEAD, FLATMATE))
    single &= dice("once married") < curve(_ONCE_MARRIED, age)
    single &= custom == _TOOK
    elder_woman = elder & (sex == FEMALE)
    married_name = drawn("former husband", single)
    married_name[elder_woman] = first[members.head][elder_woman]
    single |= elder_woman
    back = single & ~elder_woman & (dice("took back") < _TOOK_BACK)
    now[single] = married_name[single]
    now[back] = at_birth[back]
    before[back] = married_name[back]
    changed = np.where(changes | single, wedding, NEVER)
    later = wedding + ((TODAY - wedding) * dice("divorce")).astype(np.int64)
    changed = np.where(back, later, changed)

    child = members.role == CHILD
    of_mother = child & (father < 0)
    absent = of_mother & (dice("absent father")[members.head] < _ABSENT_FATHERS_NAME)
    unmarried = dice("married")[members.head] >= _MARRIED
    of_mother |= child & unmarried & (mother >= 0) & (dice("mother's name")[members.head] < _MOTHERS_NAME)
    family = np.where(two & (mother >= 0), _joined(first[father], " ", first[mother]), first[father])
    family = np.where(of_mother, now[mother], family)
    family = np.where(absent, drawn("absent father's name", child)[_first_child(members)], family)
    stepchild = child & dice.chosen("stepchild", _STEPCHILD)
    family = np.where(stepchild, first, family)
    for text in (now, before, at_birth):
        text[child] = family[child]
    as_middle = changes & (custom == _TOOK) & dice.chosen("maiden as middle", _MAIDEN_AS_MIDDLE)
    return Surnames(birth=at_birth, now=now, before=before, changed=changed, maiden_as_middle=as_middle)


def given_names(
    members: Members,
    father: Ints,
    sex: Ints,
    birth_year: Ints,
    group: Ints,
    surnames: Surnames,
    dice: Dice,
    names: NameTables,
) -> tuple[Text, Text, Text]:
    """Return given names, middle names and suffixes of the people of a block."""
    marked = (group == HISPANIC) | (dice("given marked") < _MARKED)

    def drawn(name: str) -> Text:
        index = names.draw_given(birth_year, sex, group, dice(name))
        return np.where(marked, names.given_marked[index], names.given[index]).astype(_TEXT)

    given = drawn("given")
    usual = dice("usual middle") < _USUAL_MIDDLE
    middle = np.where(usual, _usual_middle(sex, dice), drawn("middle"))
    middle[dice("has middle") >= np.array(_MIDDLE)[group]] = ""
    middle[middle == given] = ""
    two = (middle != "") & (dice("two given") < np.array(_TWO_GIVEN)[group])
    given = np.where(two, _joined(given, " ", middle), given)
    middle[two] = ""

    suffix = np.zeros(dice.n, dtype="<U2")
    man = sex == MALE
    suffix[man & dice.chosen("suffix", _SUFFIX_ELSEWHERE)] = "Jr"
    son = (members.role == CHILD) & man & (members.rank == 0) & (father >= 0)
    son &= surnames.now == surnames.now[father]
    son &= dice.chosen("named for father", _NAMED_FOR_FATHER)
    given[son], middle[son] = given[father[son]], middle[father[son]]
    suffix[son] = "Jr"
    elder_son = son & (suffix[father] == "")
    suffix[father[elder_son]] = "Sr"
    return given, middle, suffix


def _usual_middle(sex: Ints, dice: Dice) -> Text:
    table = words()["middle"]
    uniform = dice("which middle")
    text = np.zeros(dice.n, dtype=_TEXT)
    for which, key in ((FEMALE, "female"), (MALE, "male")):
        # the first of the list are the most frequent by far
        at = below(uniform * uniform, len(table[key]))
        text = np.where(sex == which, np.array(table[key])[at], text)
    return text.astype(_TEXT)


def _weddings(age: Floats, birth: Ints, dice: Dice) -> Ints:
    """Return on which day people would have married, were they to have."""
    planned = curve(_WEDDING_AGES, dice("wedding"))
    grown = np.maximum(age, 18.1)
    at = np.where(planned < grown, planned, 18.0 + (grown - 18.0) * dice("wedding again"))
    return np.minimum(birth + (at * DAYS_PER_YEAR).astype(np.int64), TODAY - 1)


def _first_child(members: Members) -> Ints:
    """Return the place of the household's first child, for children; others' own."""
    here = np.arange(len(members.role))
    return np.where(members.role == CHILD, here - members.rank, here)


def _joined(left: Text, between: str, right: Text) -> Text:
    return np.strings.add(np.strings.add(left, between), right).astype(_TEXT)
