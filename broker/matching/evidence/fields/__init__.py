"""Evidence of profile ``fields``: a filter a field, and exact parts of dates and categories.

Columns of levels, each level an indicator feature:

* names: similarity, an equal value by rarity; *exchanged* (given name and surname), *moved* (a surname that is the
  other record's middle name, as after a marriage);
* middle name: full against full, full against initial, initial against initial;
* birth date: which of year, month and day agree, day and month exchanged, near by its digits, partly missing;
* address as a chain: postcode, then city and street given whether the postcode is equal or alike, since they depend
  on it;
* same household: what surname and address say together, as of relatives who are strangers to each other;
* everything else by similarity, categories by equality.
"""

from broker.matching.evidence.fields.model import FieldEvidence

__all__ = ["FieldEvidence"]
