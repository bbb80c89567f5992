"""Cleaning rules, version 1: raw text of a field to its normal form, or to missing.

The rules are part of what all sites of a project agree on: their version number, `NORMALISATION_VERSION` in
`pprl.schema.model`, is in the schema's fingerprint. They are told in docs/normalisation.md.
"""

from pprl.site.normalise.columns import FieldCounts, Normalised, normalise, rule_for
from pprl.site.normalise.dates import DateOrder
from pprl.site.normalise.outcome import Absent, Rule

__all__ = ["Absent", "DateOrder", "FieldCounts", "Normalised", "Rule", "normalise", "rule_for"]
