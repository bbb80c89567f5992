"""A small invented town and what two careless clerks wrote down of it; plain numpy, the same for the same seed."""

from __future__ import annotations

import numpy as np

FIELDS = (
    "given_name",
    "middle_name",
    "surname",
    "birth_date",
    "sex",
    "street",
    "city",
    "postcode",
)
Record = dict[str, "str | None"]

_ONSETS = [
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
    "w",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ei", "ou"]
_CODAS = ["", "", "", "l", "n", "r", "s", "t", "nd", "rk"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(n: int, random: np.random.Generator, *, syllables: tuple[int, int], end: str = "") -> list[str]:
    """Distinct invented words."""
    found: dict[str, None] = {}
    while len(found) < n:
        parts = [
            str(random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(_CODAS))
            for _ in range(random.integers(syllables[0], syllables[1] + 1))
        ]
        found["".join(parts) + end] = None
    return list(found)


def zipf(values: list[str], n: int, random: np.random.Generator) -> list[str]:
    """Draw values, the k-th of them as often as 1 / (k + 4)."""
    share = 1 / (np.arange(len(values)) + 5.0)
    return [values[k] for k in random.choice(len(values), n, p=share / share.sum())]


def people(n: int, random: np.random.Generator) -> list[Record]:
    """People in households that share surname and address, the middle name not always known."""
    given = {sex: words(90, random, syllables=(1, 2), end=end) for sex, end in (("f", "a"), ("m", ""))}
    surnames, streets = (
        words(260, random, syllables=(1, 3)),
        words(80, random, syllables=(2, 3), end=" street"),
    )
    cities = words(12, random, syllables=(2, 3), end="ton")
    codes = {city: [f"{number:05}" for number in random.integers(10000, 99999, 4)] for city in cities}
    town: list[Record] = []
    while len(town) < n:
        (surname,), (city,), (street,) = (zipf(list_, 1, random) for list_ in (surnames, cities, streets))
        house, postcode = random.integers(1, 120), str(random.choice(codes[city]))
        for _ in range(random.integers(1, 5)):
            sex = "fm"[random.integers(2)]
            first, middle = zipf(given[sex], 2, random)
            born = np.datetime64("1930-01-01") + random.integers(0, 31_000)
            town.append(
                {
                    "given_name": first,
                    "middle_name": middle if random.random() < 0.7 else None,
                    "surname": surname,
                    "birth_date": str(born).replace("-", ""),
                    "sex": sex,
                    "street": f"{house} {street}",
                    "city": city,
                    "postcode": postcode,
                }
            )
    return town[:n]


def typing_error(text: str, random: np.random.Generator) -> str:
    """One slip: a character dropped, doubled, replaced, or exchanged with the next."""
    place = int(random.integers(len(text)))
    before, here, after = text[:place], text[place], text[place + 1 :]
    letters = "0123456789" if here.isdigit() else _LETTERS
    match random.integers(4):
        case 0 if len(text) > 2 and not here.isdigit():
            return before + after
        case 1 if not here.isdigit():
            return before + here + here + after
        case 2 if after and not here.isdigit():
            return before + after[0] + here + after[1:]
    return before + letters[random.integers(len(letters))] + after


def written_down(person: Record, elsewhere: Record, random: np.random.Generator) -> Record:
    """How a clerk writes a person down; ``elsewhere`` lends new addresses and married names."""
    record = dict(person)
    slip = random.random(5)
    if slip[0] < 0.08:  # moved
        record |= {name: elsewhere[name] for name in ("street", "city", "postcode")}
    if slip[1] < 0.03 and person["sex"] == "f":  # married
        record |= {"middle_name": person["surname"], "surname": elsewhere["surname"]}
    if slip[2] < 0.015:
        record |= {"given_name": record["surname"], "surname": record["given_name"]}
    born = str(person["birth_date"])
    if slip[3] < 0.015 and int(born[6:]) <= 12:
        record["birth_date"] = born[:4] + born[6:] + born[4:6]
    elif slip[3] > 0.985:
        record["birth_date"] = born[:4] + "0000"
    if record["middle_name"] and slip[4] < 0.3:
        record["middle_name"] = record["middle_name"][0]
    for name, often in (
        ("given_name", 0.07),
        ("surname", 0.07),
        ("street", 0.1),
        ("city", 0.04),
        ("postcode", 0.03),
    ):
        if random.random() < often:
            record[name] = typing_error(str(record[name]), random)
    for name in FIELDS:
        if random.random() < 0.03:
            record[name] = None
    return record


class Town:
    """Sites that each hold some of the people, and which row is whom.

    Parameters
    ----------
    seed : int
    n_people : int
    holds : sequence of (float, float)
        For each site, the stretch of the population it holds, as shares of it.
    n_twice : sequence of int
        For each site, how many of its people it wrote down twice.

    Attributes
    ----------
    records : list of list of dict
        For each site, its rows.
    who : list of ndarray
        For each site, the person each row is about.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        n_people: int = 800,
        holds: tuple[tuple[float, float], ...] = ((0, 0.7), (0.35, 1)),
        n_twice: tuple[int, ...] = (0, 0),
    ) -> None:
        random = np.random.default_rng(seed)
        residents = people(n_people, random)
        order = random.permutation(n_people)
        self.who: list[np.ndarray] = []
        self.records: list[list[Record]] = []
        for (start, end), twice in zip(holds, n_twice, strict=True):
            mine = order[int(start * n_people) : int(end * n_people)]
            mine = random.permutation(np.concatenate([mine, random.choice(mine, twice, replace=False)]))
            self.who.append(mine)
            self.records.append(
                [written_down(residents[one], residents[random.integers(n_people)], random) for one in mine]
            )

    def matches(self, left: int = 0, right: int = 1) -> set[tuple[int, int]]:
        """The true pairs of rows of two sites, or of one with itself."""
        rows: dict[int, list[int]] = {}
        for row, person in enumerate(self.who[right].tolist()):
            rows.setdefault(person, []).append(row)
        pairs = {(a, b) for a, person in enumerate(self.who[left].tolist()) for b in rows.get(person, ())}
        return {(a, b) for a, b in pairs if a < b} if left == right else pairs
