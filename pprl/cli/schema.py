"""``pprl schema``: begin, check and show what all parties of a project agree on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.console import in_columns

if TYPE_CHECKING:
    from pprl.schema import Schema

_PATH = click.Path(path_type=Path)
_PROFILES = ("standard", "strict", "fields", "tokens")

_TEMPLATE = """\
# Linkage schema: what all sites of a project agree on. Every site uses the same file; a change to it gives
# tokens that cannot be compared with the older ones. Check it with: pprl schema check FILE

[linkage]
project = "{project}"     # as in 'pprl keys new --project'
epoch = "{epoch}"           # as in 'pprl keys new --epoch'; a new epoch means new keys and new tokens

# What a site lets the broker compare:
#   standard  one hardened filter a record and nine match keys; for most projects
#   strict    a fuller filter and five match keys; harder to attack, finds a little less
#   fields    a filter a field, so that fields are compared one by one; treat the tokens as identifiable
#   tokens    match keys only, no filter; only equal values meet
profile = "{profile}"

# Each kind brings its cleaning, tokens, weight and match keys. Kinds known:
#   given_name middle_name surname birth_date birth_year sex postcode phone national_id
#   street city email text code
fields = ["given_name", "surname", "birth_date", "sex", "postcode"]

# A field of another name than its kind, or a second one of a kind:
# [[field]]
# name = "birth_surname"
# kind = "surname"

# Coarse classes of records, by which the broker's report tells who is linked and who is lost; they decide no link.
# sex and birth_decade follow from the fields; race and ethnicity come from a column that a site may have.
# strata = ["sex", "birth_decade", "race", "ethnicity"]      (goes above, below fields)
# One of your own:
# [[stratum]]
# name = "region"
# kind = "class"
# categories = ["North", "South"]

# Match keys of your own replace the defaults that 'pprl schema show FILE' lists:
# [[match_key]]
# parts = ["surname", "birth_date"]
# [[match_key]]
# parts = ["soundex(surname)", "first3(given_name)", "year(birth_date)"]
"""


@click.group()
def schema() -> None:
    """Begin, check and show a linkage schema."""


@schema.command()
@click.option("--out", type=_PATH, help="File to write; never overwritten.  [default: stdout]")
@click.option("--profile", type=click.Choice(_PROFILES), default="standard", show_default=True)
@click.option("--project", default="my-project", show_default=True, help="The project's name.")
@click.option("--epoch", help="The epoch.  [default: this year]")
def init(out: Path | None, profile: str, project: str, epoch: str | None) -> None:
    """Write a schema to begin with, every setting explained.

    \b
    Example:
      pprl schema init --project heart-registry --out linkage.toml
    """
    from pprl.files import new_file
    from pprl.schema import parse_schema

    text = _TEMPLATE.format(project=project, epoch=epoch or datetime.now(UTC).year, profile=profile)
    parse_schema(text, source="schema init")
    if out is None:
        click.echo(text, nl=False)
        return
    with new_file(out, overwrite=False) as file:
        file.write(text.encode())


@schema.command()
@click.argument("file", type=_PATH)
def check(file: Path) -> None:
    """Check a schema file; one line where it is good, the first error where it is not.

    \b
    Example:
      pprl schema check linkage.toml
    """
    from pprl.schema import load_schema

    found = load_schema(file)
    click.echo(
        f"ok: {file}: project {found.project}, epoch {found.epoch}, profile {found.profile}, "
        f"{len(found.fields)} fields, {len(found.match_keys)} match keys, fingerprint {found.fingerprint}"
    )


@schema.command()
@click.argument("file", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="The resolved schema as JSON, with its fingerprint.")
def show(file: Path, as_json: bool) -> None:
    """Show a schema with every default resolved.

    \b
    Example:
      pprl schema show linkage.toml
    """
    from pprl.schema import load_schema

    found = load_schema(file)
    if as_json:
        document = {"fingerprint": found.fingerprint, "schema": json.loads(found.canonical_json())}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for line in _lines(found):
            click.echo(line)


def _lines(schema: Schema) -> Iterator[str]:
    yield f"project      {schema.project}"
    yield f"epoch        {schema.epoch}"
    yield f"profile      {schema.profile}"
    yield f"fingerprint  {schema.fingerprint}"
    yield ""
    rows = [
        (f.name, f.kind, f.tokens, f"{f.weight:g}", str(f.n_hashes or "-"), f.key_group)
        for f in schema.fields
    ]
    header = ("field", "kind", "tokens", "weight", "hashes", "key group")
    yield from in_columns(header, rows, right=("weight", "hashes"))
    yield ""
    filters = schema.filter
    if filters.layout == "none":
        yield "filter       none"
    else:
        yield (
            f"filter       one for each {filters.layout}, {filters.n_bits} bits, fill {filters.fill:g}, "
            f"diffusion over {filters.n_taps} bits"
        )
    versions = f"schema {schema.schema_version}, cleaning {schema.normalisation}, encoding {schema.encoding}"
    yield f"versions     {versions}"
    yield ""
    names = [
        (key.name, "the same") if key.name == "+".join(key.parts) else (key.name, " + ".join(key.parts))
        for key in schema.match_keys
    ]
    if schema.strata:
        strata = [
            (s.name, s.kind, f"field {s.field}" if s.field else "a column", "; ".join(s.categories))
            for s in schema.strata
        ]
        yield from in_columns(("stratum", "kind", "from", "categories"), strata)
        yield ""
    if all(parts == "the same" for _, parts in names):
        yield "match keys"
        yield from (f"  {name}" for name, _ in names)
    else:
        yield from in_columns(("match key", "parts"), names)
