"""The linkage schema: what all parties of a project agree on.

A TOML file becomes a frozen model with every default resolved; its canonical JSON is what the fingerprint is
taken of and what a package carries. Fields have a *kind*, and the kind brings normalisation, q-grams, weight
and default match keys, so the short schema is the good one::

    [linkage]
    project = "heart-registry"
    epoch = "2026"
    fields = ["given_name", "surname", "birth_date", "sex", "postcode"]
"""

from pprl.schema.kinds import Kind, Tokens
from pprl.schema.match_keys import Part
from pprl.schema.model import FieldSpec, FilterSpec, MatchKey, Profile, Schema, StratumSpec
from pprl.schema.strata import StratumKind
from pprl.schema.toml import load_schema, parse_schema, schema_from_json

__all__ = [
    "FieldSpec",
    "FilterSpec",
    "Kind",
    "MatchKey",
    "Part",
    "Profile",
    "Schema",
    "StratumKind",
    "StratumSpec",
    "Tokens",
    "load_schema",
    "parse_schema",
    "schema_from_json",
]
