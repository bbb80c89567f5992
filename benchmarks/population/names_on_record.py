"""Names as they are put down: which of a person's names, in which column, spelled how."""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks.population.chance import Bools, Dice, Floats, Ints, Text
from benchmarks.population.naming import MAX_NAME
from benchmarks.population.noise import Noise
from benchmarks.population.people import People
from benchmarks.population.slips import respelt, typed
from benchmarks.population.tables import FEMALE
from benchmarks.population.words import accents, without_marks, words

_TEXT = f"<U{MAX_NAME}"
_WITHOUT_NAME_DAYS = 30
_SECOND_SLIP = 0.1
_BABIES = {
    "female": ["BABY GIRL", "BABYGIRL", "GIRL", "NEWBORN", "BABY"],
    "male": ["BABY BOY", "BABYBOY", "BOY", "NEWBORN", "BABY"],
}


def names_on_record(
    people: People,
    rows: Ints,
    day: Ints,
    *,
    noise: Noise,
    care: Floats,
    diacritics: bool,
    initials: bool,
    dice: Dice,
) -> tuple[Text, Text, Text]:
    """Return given names, middle names and surnames of records; empty where there is none.

    Parameters
    ----------
    people : People
        Of the block.
    rows, day : int64[n]
        Who the records are of, as places in ``people``, and the day they were made.
    noise : Noise
        The rates.
    care : float64[n]
        Factor on the rates of errors.
    diacritics, initials : bool
        The site's habits.
    dice : Dice
        The site's and block's.
    """
    surnames = people.surnames
    earlier = day < surnames.changed[rows]
    surname = np.where(earlier, surnames.before[rows], surnames.now[rows])
    given = people.given[rows]
    maiden = surnames.maiden_as_middle[rows] & ~earlier
    middle = np.where(maiden, surnames.birth[rows], people.middle[rows])

    given, surname = _parts_lost(given, surname, noise, dice)
    suffix = (people.suffix[rows] != "") & dice.chosen("suffix", noise.suffix_written)
    surname[suffix] = np.strings.add(np.strings.add(surname[suffix], " "), people.suffix[rows][suffix])
    _to_nicknames(given, dice.chosen("nickname", noise.nickname), dice("which nickname"))
    swap = (middle != "") & dice.chosen("goes by middle", noise.goes_by_middle)
    given, middle = np.where(swap, middle, given), np.where(swap, given, middle)
    given, surname = _newborn(people, rows, day, given, surname, noise, dice)

    if diacritics:
        lost = dice.chosen("marks", noise.marks_dropped)
        for text in (given, middle, surname):
            text[lost] = without_marks(text[lost])
    else:
        given, middle, surname = without_marks(given), without_marks(middle), without_marks(surname)
    given = misspelt(given, "given", noise=noise, care=care, dice=dice)
    middle = misspelt(middle, "middle", noise=noise, care=care, dice=dice)
    surname = misspelt(surname, "surname", noise=noise, care=care, dice=dice)

    short = np.ones(dice.n, np.bool_) if initials else dice.chosen("initial", noise.middle_initial)
    middle = np.where(short, middle.astype("<U1").astype(_TEXT), middle)
    middle[dice.chosen("middle missing", noise.middle_missing)] = ""
    swap = (middle != "") & dice.chosen("surname, middle", noise.surname_middle_exchanged * care)
    surname, middle = np.where(swap, middle, surname), np.where(swap, surname, middle)
    swap = dice.chosen("given, surname", noise.given_surname_exchanged * care)
    given, surname = np.where(swap, surname, given), np.where(swap, given, surname)
    given[dice.chosen("unknown", noise.unknown_name * care)] = "UNKNOWN"
    return given, middle, surname


def misspelt(text: Text, name: str, *, noise: Noise, care: Floats, dice: Dice) -> Text:
    """Put slips, misreadings and misunderstandings into values, of longer ones more often."""
    total = noise.typing + noise.ocr + noise.phonetic
    if total == 0.0:
        return text
    length = np.strings.str_len(text)
    weight = care * np.minimum(0.4 + 0.1 * length, 2.0)
    uniform = dice(f"{name} wrong") / np.maximum(np.minimum(weight, 0.9 / total), 1e-9)
    typing = uniform < noise.typing
    ocr = ~typing & (uniform < noise.typing + noise.ocr)
    phonetic = ~typing & ~ocr & (uniform < total)
    result = text.astype(_TEXT)
    for kind, mask in (("ocr", ocr), ("phonetic", phonetic)):
        result[mask] = respelt(text[mask], kind, dice(f"{name} {kind}")[mask])
    # where no rule fitted a slip takes its place
    _slip(result, typing | ((ocr | phonetic) & (result == text)), name, dice)
    again = typing & dice.chosen(f"{name} again", _SECOND_SLIP)
    _slip(result, again, f"{name} again", dice)
    return result


def _slip(text: Text, mask: Bools, name: str, dice: Dice) -> None:
    if mask.any():
        uniform = np.stack([dice(f"{name} slip {number}")[mask] for number in range(4)])
        text[mask] = typed(text[mask], uniform)


def _parts_lost(given: Text, surname: Text, noise: Noise, dice: Dice) -> tuple[Text, Text]:
    given, surname = given.astype(_TEXT), surname.astype(_TEXT)
    drop = dice.chosen("part dropped", noise.part_dropped)
    join = ~drop & dice.chosen("parts joined", noise.parts_joined)
    which, how = dice("which part"), dice("how joined")
    for text, is_surname in ((surname, True), (given, False)):
        two = (np.strings.find(text, " ") > 0) | (np.strings.find(text, "-") > 0)
        for row in np.flatnonzero(two & (drop | join)).tolist():
            between = "-" if "-" in text[row] else " "
            left, _, right = text[row].rpartition(between)
            if drop[row]:
                # of two surnames the first is the one to keep, of two given names too
                keep_left = which[row] < (0.7 if is_surname else 0.9) and len(left) > 3
                text[row] = left if keep_left or len(right) < 3 else right
            else:
                new = "-" if between == " " else " "
                text[row] = left + (new if how[row] < 0.5 else "") + right
    return given, surname


def _to_nicknames(given: Text, mask: Bools, which: Floats) -> None:
    table = _nicknames()
    for row in np.flatnonzero(mask).tolist():
        short = table.get(str(given[row]))
        if short:
            given[row] = short[int(which[row] * len(short))]


def _newborn(
    people: People, rows: Ints, day: Ints, given: Text, surname: Text, noise: Noise, dice: Dice
) -> tuple[Text, Text]:
    """Call the newborn by what they are, and by their mother's surname where she is the household's head."""
    newborn = day - people.birth[rows] <= _WITHOUT_NAME_DAYS
    newborn &= dice.chosen("baby", noise.baby_name)
    which = dice("which baby")
    for row in np.flatnonzero(newborn).tolist():
        person = int(rows[row])
        names = _BABIES["female" if people.sex[person] == FEMALE else "male"]
        given[row] = names[int(which[row] ** 2 * len(names))]
        head = int(people.head[person])
        if people.sex[head] == FEMALE:
            surname[row] = people.surnames.now[head]
    return given, surname


@cache
def _nicknames() -> dict[str, list[str]]:
    table = dict(words()["nicknames"])
    for name, marked in (accents("hispanic") | accents("other")).items():
        if name in table:
            table[marked] = table[name]
    return table
