"""The records that a site holds of the people of one block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.population.chance import Bools, Dice, Floats, Ints, Text, curve, hashed, pick
from benchmarks.population.dates import birth_dates
from benchmarks.population.households import DAYS_PER_YEAR, TODAY
from benchmarks.population.names_on_record import misspelt, names_on_record
from benchmarks.population.noise import Noise, care_of
from benchmarks.population.people import People, waited
from benchmarks.population.places import Places, national_id_text, phone_text
from benchmarks.population.slips import digits_slipped
from benchmarks.population.tables import GROUPS, HISPANIC

if TYPE_CHECKING:
    import pyarrow as pa

    from benchmarks.population.sites import Site

_RACES = np.array(
    [
        "White",
        "Black or African American",
        "Asian",
        "American Indian or Alaska Native",
        "More than one race",
        "Native Hawaiian or Other Pacific Islander",
        "Other",
    ]
)
_ISLANDER, _OTHER = 5, 6
_ISLANDERS = 0.04  # of the census's group api
_HISPANIC_RACES = (0.55, 0.03, 0.01, 0.02, 0.05, 0.0, 0.34)
_ETHNICITIES = np.array(["Not Hispanic or Latino", "Hispanic or Latino"])
_LONGEST_AGO_YEARS = 25.0


def records_of(people: People, rows: Ints, ids: Text, *, site: Site, places: Places, dice: Dice) -> pa.Table:
    """Return records as a table with the site's columns, all text, null where nothing is there.

    Parameters
    ----------
    people : People
        Of the block.
    rows : int64[n]
        Who the records are of, as places in ``people``.
    ids : str[n]
        The records' ids.
    site : Site
        Whose habits and noise hold.
    places : Places
        Of the population.
    dice : Dice
        The site's and block's, for ``n`` records.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    noise = site.noise
    day = _days(people, rows, noise, dice)
    care, gaps = care_of(noise, group=people.group[rows], age_days=day - people.birth[rows], dice=dice)
    given, middle, surname = names_on_record(
        people,
        rows,
        day,
        noise=noise,
        care=care,
        diacritics=site.diacritics,
        initials=site.initials,
        dice=dice,
    )
    street, city, postcode = _addresses(people, rows, day, site, places, care, dice)
    race, ethnicity = _race(people, rows, noise, dice)
    columns: dict[str, Text] = {
        "record_id": ids,
        "given_name": given,
        "middle_name": middle,
        "surname": surname,
        "birth_date": birth_dates(people.birth[rows], day, noise=noise, care=care, dice=dice),
        "sex": np.array(["F", "M"])[people.sex[rows] ^ dice.chosen("sex wrong", noise.sex_wrong * care)],
        "street": street,
        "city": city,
        "postcode": postcode,
        "phone": _phones(people, rows, day, noise, care, dice),
        "national_id": _national_ids(people, rows, noise, care, dice),
        "race": race,
        "ethnicity": ethnicity,
    }
    missing = _missing(noise, gaps, dice)
    arrays = []
    for name in site.columns:
        text = columns[name]
        array = pa.array(text, mask=(text == "") | missing.get(name, False))
        if site.capitals and name in _WORDS:
            array = pc.utf8_upper(array)
        arrays.append(array)
    return pa.table(arrays, names=list(site.columns))


_WORDS = ("given_name", "middle_name", "surname", "street", "city")


def _days(people: People, rows: Ints, noise: Noise, dice: Dice) -> Ints:
    """Return the days the records were made, none before birth: who was born since has one from those days."""
    ago = np.minimum(waited(dice("record age")) * noise.record_age_years, _LONGEST_AGO_YEARS)
    age = TODAY - people.birth[rows]
    first_weeks = np.minimum(curve([(0, 0), (0.7, 10), (1, 200)], dice("first weeks")), age - 1)
    days_ago = np.minimum(ago * DAYS_PER_YEAR, age - first_weeks)
    return TODAY - days_ago.astype(np.int64)


def _addresses(
    people: People, rows: Ints, day: Ints, site: Site, places: Places, care: Floats, dice: Dice
) -> tuple[Text, Text, Text]:
    noise = site.noise
    home, former, own = (a.take(rows) for a in (people.home, people.former_home, people.own_former_home))
    address = own.where(day < people.joined[rows], former.where(day < people.moved[rows], home))
    style = dice.chosen("street style", noise.street_style)
    street = places.street_text(
        address,
        spelled_out=style ^ site.spelled_out,
        with_unit=~dice.chosen("unit dropped", noise.unit_dropped),
    )
    # a street is long, so that its slips are as rare as those of names, not more frequent
    street = misspelt(street, "street", noise=_keyboard(noise), care=care * 0.5, dice=dice)
    wrong = dice.chosen("house number wrong", noise.house_number_wrong * care)
    street[wrong] = digits_slipped(street[wrong], _three(dice, "house number", wrong))
    city = misspelt(places.cities[address.place], "city", noise=_keyboard(noise), care=care * 0.5, dice=dice)
    postcode = places.postcodes[address.place]
    wrong = dice.chosen("postcode wrong", noise.postcode_wrong * care)
    postcode[wrong] = digits_slipped(postcode[wrong], _three(dice, "postcode", wrong))
    return street, city, postcode


def _phones(people: People, rows: Ints, day: Ints, noise: Noise, care: Floats, dice: Dice) -> Text:
    whose = np.where(dice.chosen("relative's phone", noise.phone_of_relative), people.head[rows], rows)
    earlier = day < people.phone_changed[whose]
    text = phone_text(np.where(earlier, people.former_phone[whose], people.phone[whose]))
    wrong = dice.chosen("phone wrong", noise.phone_wrong * care)
    text[wrong] = digits_slipped(text[wrong], _three(dice, "phone", wrong))
    return text


def _national_ids(people: People, rows: Ints, noise: Noise, care: Floats, dice: Dice) -> Text:
    relative = dice.chosen("relative's national id", noise.national_id_of_relative)
    text = national_id_text(people.national_id[np.where(relative, people.head[rows], rows)])
    wrong = dice.chosen("national id wrong", noise.national_id_wrong * care)
    text[wrong] = digits_slipped(text[wrong], _three(dice, "national id", wrong))
    return text


def _race(people: People, rows: Ints, noise: Noise, dice: Dice) -> tuple[Text, Text]:
    group = people.group[rows]
    own = hashed(people.number[rows], 17)  # the same at all sites
    race = np.where((group == GROUPS.index("api")) & (own < _ISLANDERS), _ISLANDER, group)
    race = np.where(group == HISPANIC, pick(own, _HISPANIC_RACES), race)
    race = np.where(dice.chosen("race other", noise.race_other), _OTHER, race)
    return _RACES[race], _ETHNICITIES[(group == HISPANIC).astype(np.int64)]


def _missing(noise: Noise, gaps: Floats, dice: Dice) -> dict[str, Bools]:
    def gone(name: str, rate: float) -> Bools:
        return dice.chosen(f"{name} missing", np.minimum(rate * gaps, 0.98) if rate < 0.5 else rate)

    address = gone("address", noise.address_missing)
    return {
        "given_name": gone("given", noise.given_missing),
        "surname": gone("surname", noise.surname_missing),
        "birth_date": gone("birth date", noise.birth_date_missing),
        "sex": gone("sex", noise.sex_missing),
        "street": gone("street", noise.street_missing) | address,
        "city": gone("city", noise.city_missing) | address,
        "postcode": gone("postcode", noise.postcode_missing) | address,
        "phone": gone("phone", noise.phone_missing),
        "national_id": gone("national id", noise.national_id_missing),
        "race": gone("race", noise.race_missing),
        "ethnicity": gone("ethnicity", noise.ethnicity_missing),
    }


def _keyboard(noise: Noise) -> Noise:
    return Noise(typing=noise.typing)


def _three(dice: Dice, name: str, mask: Bools) -> Floats:
    if not mask.any():
        return np.zeros((3, 0))
    return np.stack([dice(f"{name} digit {number}")[mask] for number in range(3)])
