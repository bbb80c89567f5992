"""How wrong and how incomplete a site's records are.

Every rate is a share of the site's records, unless its line says of which. Errors come together: a record has a
level of care that multiplies its rates, and so have, mildly, the groups that studies found to be recorded worse
(docs/population.md says which figures have a source and which are judgement).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from benchmarks.population.chance import Dice, Floats, Ints, curve
from benchmarks.population.households import DAYS_PER_YEAR
from pprl.errors import PprlError


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Rates of everything that may be wrong in a record, all 0 by default.

    Attributes
    ----------
    record_age_years : float
        How long ago records were made, on average. From this follow moves, marriages and new phone numbers.
    typing, ocr, phonetic : float
        A slip at the keyboard, a scanner's misreading, a name put down as it sounds: of given names, of
        surnames and of middle names each; typing also of streets and of cities.
    nickname : float
        Of given names that have one.
    goes_by_middle : float
        Given and middle name exchanged, of people who have both.
    given_surname_exchanged, surname_middle_exchanged : float
        Names in each other's column; the second of people with a middle name.
    part_dropped, parts_joined : float
        Of two-part names: one part is left away; a blank or hyphen in between is changed or left away.
    suffix_written : float
        Of people with one: Jr or Sr behind the surname.
    marks_dropped : float
        Of names with diacritics, at sites that keep them.
    baby_name, unknown_name : float
        BABY GIRL and the like, of records made within a month of birth; UNKNOWN.
    middle_missing, middle_initial : float
        Of middle names: nothing, or the initial only.
    day_month_exchanged : float
        Of dates that are another date then.
    date_digit, year_off, date_default, date_partial : float
        One digit wrong; the year before or after; 1 January, also of 1900; month or year only.
    sex_wrong : float
        The other one.
    house_number_wrong, postcode_wrong, phone_wrong, national_id_wrong : float
        One digit wrong or two exchanged.
    unit_dropped : float
        Of addresses with a flat.
    street_style : float
        Street for St and the other way, against the site's habit.
    phone_of_relative, national_id_of_relative : float
        Those of the household's head.
    address_missing, given_missing, surname_missing, birth_date_missing, sex_missing : float
        Nothing there; street, city and postcode together.
    street_missing, city_missing, postcode_missing, phone_missing, national_id_missing : float
        As before, each for itself.
    race_missing, ethnicity_missing, race_other : float
        Nothing there; Other instead of the race.
    uneven_care : float
        0: all records are made with the same care; 1: as described.
    uneven_groups : float
        0: errors and gaps are as frequent in all groups; 1: as described.
    """

    record_age_years: float = 0.0
    typing: float = 0.0
    ocr: float = 0.0
    phonetic: float = 0.0
    nickname: float = 0.0
    goes_by_middle: float = 0.0
    given_surname_exchanged: float = 0.0
    surname_middle_exchanged: float = 0.0
    part_dropped: float = 0.0
    parts_joined: float = 0.0
    suffix_written: float = 0.0
    marks_dropped: float = 0.0
    baby_name: float = 0.0
    unknown_name: float = 0.0
    middle_missing: float = 0.0
    middle_initial: float = 0.0
    day_month_exchanged: float = 0.0
    date_digit: float = 0.0
    year_off: float = 0.0
    date_default: float = 0.0
    date_partial: float = 0.0
    sex_wrong: float = 0.0
    house_number_wrong: float = 0.0
    postcode_wrong: float = 0.0
    phone_wrong: float = 0.0
    national_id_wrong: float = 0.0
    unit_dropped: float = 0.0
    street_style: float = 0.0
    phone_of_relative: float = 0.0
    national_id_of_relative: float = 0.0
    address_missing: float = 0.0
    given_missing: float = 0.0
    surname_missing: float = 0.0
    birth_date_missing: float = 0.0
    sex_missing: float = 0.0
    street_missing: float = 0.0
    city_missing: float = 0.0
    postcode_missing: float = 0.0
    phone_missing: float = 0.0
    national_id_missing: float = 0.0
    race_missing: float = 0.0
    ethnicity_missing: float = 0.0
    race_other: float = 0.0
    uneven_care: float = 1.0
    uneven_groups: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            highest = 30.0 if field.name == "record_age_years" else 1.0
            if not 0.0 <= value <= highest:
                raise PprlError(f"noise {field.name} is {value}; it goes from 0 to {highest:g}")


_DEFAULT = Noise(
    record_age_years=2.5,
    typing=0.009,
    ocr=0.001,
    phonetic=0.004,
    nickname=0.04,
    goes_by_middle=0.006,
    given_surname_exchanged=0.002,
    surname_middle_exchanged=0.001,
    part_dropped=0.15,
    parts_joined=0.10,
    suffix_written=0.30,
    marks_dropped=0.20,
    baby_name=0.10,
    unknown_name=0.0003,
    middle_missing=0.30,
    middle_initial=0.35,
    day_month_exchanged=0.003,
    date_digit=0.005,
    year_off=0.001,
    date_default=0.0008,
    date_partial=0.0008,
    sex_wrong=0.002,
    house_number_wrong=0.008,
    postcode_wrong=0.006,
    phone_wrong=0.008,
    national_id_wrong=0.008,
    unit_dropped=0.25,
    street_style=0.10,
    phone_of_relative=0.03,
    national_id_of_relative=0.003,
    address_missing=0.015,
    given_missing=0.0005,
    surname_missing=0.0003,
    birth_date_missing=0.002,
    sex_missing=0.002,
    street_missing=0.015,
    city_missing=0.01,
    postcode_missing=0.015,
    phone_missing=0.12,
    national_id_missing=0.60,
    race_missing=0.08,
    ethnicity_missing=0.10,
    race_other=0.03,
)

_HARD = replace(
    _DEFAULT,
    record_age_years=6.0,
    typing=0.03,
    ocr=0.005,
    phonetic=0.015,
    nickname=0.08,
    goes_by_middle=0.012,
    given_surname_exchanged=0.006,
    surname_middle_exchanged=0.003,
    part_dropped=0.30,
    parts_joined=0.15,
    marks_dropped=0.40,
    baby_name=0.25,
    unknown_name=0.001,
    middle_missing=0.45,
    middle_initial=0.40,
    day_month_exchanged=0.01,
    date_digit=0.015,
    year_off=0.004,
    date_default=0.003,
    date_partial=0.003,
    sex_wrong=0.006,
    house_number_wrong=0.02,
    postcode_wrong=0.015,
    phone_wrong=0.02,
    national_id_wrong=0.02,
    unit_dropped=0.40,
    street_style=0.20,
    phone_of_relative=0.06,
    address_missing=0.04,
    given_missing=0.002,
    surname_missing=0.001,
    birth_date_missing=0.008,
    sex_missing=0.008,
    street_missing=0.04,
    city_missing=0.03,
    postcode_missing=0.04,
    phone_missing=0.30,
    national_id_missing=0.80,
    race_missing=0.20,
    ethnicity_missing=0.25,
)

PRESETS = {"clean": Noise(), "default": _DEFAULT, "hard": _HARD}
"""``clean``: as the people are; ``default``: as in hospitals; ``hard``: the worst of them."""

# careless records are few and bad in many ways at once: quantiles of the factor
_CARE = ((0.0, 0.1), (0.3, 0.25), (0.5, 0.45), (0.7, 0.9), (0.85, 1.8), (0.95, 4.0), (0.99, 8.0), (1.0, 14.0))
_CARE_MEAN = sum((b - a) * (low + high) / 2 for (a, low), (b, high) in pairwise(_CARE))

# by group: white, black, api, aian, two, hispanic
_GROUP_FACTORS = np.array([0.88, 1.05, 1.3, 1.3, 1.05, 1.3])
_AGE_FACTORS = ((0.0, 1.5), (1.0, 1.3), (5.0, 0.95), (75.0, 0.95), (90.0, 1.2), (105.0, 1.3))


def care_of(noise: Noise, *, group: Ints, age_days: Ints, dice: Dice) -> tuple[Floats, Floats]:
    """Return the factors on each record's rates of errors and of gaps.

    Parameters
    ----------
    noise : Noise
        Whose unevenness holds.
    group : int64[n]
        Index into `tables.GROUPS`.
    age_days : int64[n]
        Age of the person on the day of the record.
    dice : Dice
        The site's and block's.

    Returns
    -------
    errors, gaps : float64[n]
        Both near 1 on average. The factor on gaps lies between 1 and the one on errors.
    """
    care = 1.0 + noise.uneven_care * (curve(_CARE, dice("care")) / _CARE_MEAN - 1.0)
    factor = _GROUP_FACTORS[group] * curve(_AGE_FACTORS, age_days / DAYS_PER_YEAR)
    uneven = 1.0 + noise.uneven_groups * (factor - 1.0)
    return care * uneven, (0.5 + 0.5 * care) * uneven
