"""What people type where they have nothing to say.

All words stand here in their normal form (`pprl.site.normalise.fold.words`). They are part of the cleaning
rules: a change needs a new ``NORMALISATION_VERSION``. Common surnames that read like remarks (Blank, Sample,
Doe) are left out; Null and Test are not, since both are typed far more often than they are borne.
"""

from __future__ import annotations


def _listed(text: str) -> frozenset[str]:
    return frozenset(" ".join(entry.split()) for entry in text.split(","))


RAW = frozenset({"NaN", "<NA>", "#N/A", "#NULL!", "\\N"})
"""Marks of software for a missing value, in exactly this spelling: Nan and Na are names of people."""

WORDS = _listed("""
    unknown, unkown, unknow, unknwn, unkn, unk, unspecified, undisclosed, undetermined, unavailable,
    unidentified, none, null, missing, not known, not given, not available, not provided, not applicable,
    not stated, not recorded, not reported, not specified, not entered, not disclosed, not on file,
    not collected,
    not asked, not found, no data, no information, no info, n a, n k, tbd, tba, to be determined,
    to be announced, to be confirmed, declined, declined to answer, declined to state, refused,
    refused to answer, refuse, refuses, refusal, prefer not to say, prefer not to answer, dont know,
    do not know, doesnt know, does not know, not sure, no answer, no response,
    withheld, redacted, removed, deleted, masked, confidential,
    suppressed, deceased, decd, dead, decedent, anonymous, anon, anonymised, anonymized, deidentified,
    de identified, test, testing, test test, test only, do not use, donotuse, dummy, invalid, error, duplicate
""")
"""In any field of words."""

NAMES = _listed("""
    no name, noname, no name given, no first name, no last name, no given name, no surname, no middle name, no
    middle, no middle initial, nfn, nln, nmn, nmi, fnu, lnu, first name unknown, last name unknown, name
    unknown, name, first name, last name, firstname, lastname, surname, given name, middle name, patient,
    patient test, test patient, testpatient, zztest, zzztest, xtest, xxtest, john doe, jane doe, mickey mouse,
    donald duck, respondent, occupant, householder, wife, spouse, mother, father, mommy, daddy, daughter,
    grandmother, grandfather, grandma, grandpa, grandson, granddaughter, grandchild, stepson, stepdaughter,
    roommate, housemate, the house, of house, of the house, of the home, of the household,
    head of house, head of household, head of the house, head of the household, lady of house,
    lady of the house, man of house, man of the house, woman of the house, gentleman of the house
""")
"""In names. Who answers for others may say what they are to him, and not what they are called."""

OPENINGS = frozenset({"unknown", "unidentified", "zztest", "zzztest"})
"""First words of a name that make the whole one a placeholder: UNKNOWN MALE 12."""

INFANTS = frozenset(
    {"baby", "infant", "newborn", "nb", "twin", "triplet", "unborn", "fetus", "foetus", "stillborn"}
)
"""First words of what a child is called before it has a name; nothing or one of the next words follows."""

AFTER_INFANT = _listed("""
    boy, girl, male, female, baby, infant, newborn, twin, triplet, one, two, three, of, a, b, c, m, f, unknown
""")

BOYS_AND_GIRLS = frozenset({"boy", "girl", "male", "female"})
"""As `INFANTS`, where nothing or one of the next words follows."""

AFTER_BOY = _listed("baby, child, adult, infant, newborn, twin, one, two, three, of, a, b, c, unknown")

ROLES = frozenset({"husband", "mom", "mum", "dad", "child", "brother", "sister", "friend", "adult"})
"""As `INFANTS`, where nothing or one of the next words follows: what surnames are, but hardly given names."""

AFTER_ROLE = _listed("of, in, the, one, two, three, a, b, c, m, f, male, female, unknown")

PEOPLE = frozenset({"lady", "gentleman", "man", "woman", "son", "person"})
"""As `INFANTS`, where one of the next words follows; alone they may be names."""

AFTER_PERSON = frozenset({"of", "in"})

FOLLOWED_BY = {
    first: following
    for words, following in (
        (INFANTS, AFTER_INFANT | {""}),
        (BOYS_AND_GIRLS, AFTER_BOY | {""}),
        (ROLES, AFTER_ROLE | {""}),
        (PEOPLE, AFTER_PERSON),
    )
    for first in words
}
"""By the first word of a given name, the second ones that make it a placeholder; the empty one stands for none."""

WRITTEN_AS_ONE = _listed(
    "babyboy, babygirl, babymale, babyfemale, babyone, babytwo, newbornboy, newborngirl, bbaby"
)

SINGLE_WORDS = frozenset(
    entry.lower()
    for entries in (RAW, WORDS, NAMES, OPENINGS, INFANTS, BOYS_AND_GIRLS, ROLES, WRITTEN_AS_ONE)
    for entry in entries
    if entry.isalpha()
)
"""All of the above that are one word: what is not among them is a name."""

PLACES = _listed("""
    homeless, no fixed address, no fixed abode, nfa, no address, address unknown, unknown address, no
    permanent address, bad address, undomiciled, same, same as above, returned mail, return mail, address,
    street, city, town
""")
"""In streets and cities."""

EMAIL_NAMES = _listed("""
    none, no, noemail, nomail, noreply, donotreply, unknown, unk, test, na, nil, null, declined, refused,
    noone, nobody, patient, notprovided, notgiven, noemailaddress
""")
"""Letters of an e-mail address before the ``@``."""

POSTCODES = frozenset({"12345", "99998", "99997"})
"""Beside those of one repeated digit 0 or 9. 12345 belongs to a factory, in which nobody lives."""

PHONES = frozenset({"1234567890", "123456789", "12345678", "1234567", "9876543210", "987654321"})
"""Beside those of one repeated digit."""

NATIONAL_IDS = frozenset(
    {"123456789", "1234567890", "987654321", "9876543210", "078051120", "219099999", "457555462"}
)
"""Beside those of one repeated character: counting, and three US numbers that advertisements made famous."""

DATES = frozenset(
    {
        (0, 1, 1), (1900, 0, 0), (1900, 1, 0), (1900, 1, 1), (1901, 1, 1), (1800, 1, 1), (1850, 1, 1), (1600, 1, 1),
        (1582, 10, 15), (1753, 1, 1), (1899, 12, 30), (1899, 12, 31), (1111, 11, 11), (2222, 2, 22),
    }
)  # fmt: skip
"""Year, month, day. 1960-01-01 and 1970-01-01 are zero dates too, but many people were born on them."""

YEARS = frozenset({1, 1111, 2999, 3000, 8888, 9999})
"""Years in which no birth date is meant; nor is one by 0 without a day."""
