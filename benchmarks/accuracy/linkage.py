"""pprl itself: a case's files to links and entities by the commands that sites and a broker type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.contest import Contestant, Work
from benchmarks.accuracy.judging import Document, estimates, figures
from benchmarks.commands import call, command
from benchmarks.environment import ROOT
from benchmarks.scoring import read_entities, read_links

PROFILES = ("standard", "strict", "fields", "tokens")

_SOURCES = (ROOT / "pprl", ROOT / "broker")


@dataclass(frozen=True, slots=True)
class Linked:
    """What a linkage left behind.

    Attributes
    ----------
    run : Path
        The broker's folder.
    ids : dict of str to Path
        Dataset to the ids file that stayed at its site.
    seconds : dict of str to float
        ``tokenise``, all sites together, and ``link``, of whole commands.
    """

    run: Path
    ids: dict[str, Path]
    seconds: dict[str, float]


def link(case: Case, profile: str, folder: Path) -> Linked:
    """Tokenise every site's file and link the packages.

    Parameters
    ----------
    case : Case
        Of it, the sites' commands get their files and the schema, and the broker's command gets packages.
    profile : str
        One of `PROFILES`.
    folder : Path
        For keys, packages and the run; must exist and be empty.

    Raises
    ------
    PprlError
        Where a command fails.
    """
    pprl, broker = command("pprl"), command("pprl-broker")
    schema = case.schema
    (folder / "linkage.toml").write_text(case.toml_of(profile), encoding="utf-8")
    agreed = ["--project", schema.project, "--epoch", schema.epoch]
    call([pprl, "keys", "new", *agreed, "--out", "linkage.key"], folder)
    call([broker, "keys", "new", "--out", "broker.key"], folder)
    tokenise_s, packages, trust = 0.0, [], []
    for site in case.sites:
        key = f"{site.name}.site.key"
        call([pprl, "keys", "site", "--out", key], folder)
        packages.append(f"{site.name}.pprl")
        trust += ["--trust", f"{site.name}.site.pub"]
        agreed = ["--schema", "linkage.toml", "--key", "linkage.key", "--recipient", "broker.pub"]
        own = [*site.options, "--sign", key, "--out", packages[-1]]
        tokenise_s += call([pprl, "tokenise", str(site.path.resolve()), *agreed, *own], folder)
    link_s = call([broker, "link", *packages, "--identity", "broker.key", *trust, "--out", "run"], folder)
    ids = {site.name: folder / f"{site.name}.ids.csv" for site in case.sites}
    return Linked(folder / "run", ids, {"tokenise": tokenise_s, "link": link_s})


def contestant(profile: str) -> Contestant:
    """Return pprl with a profile."""

    def play(work: Work, folder: Path) -> Document:
        linked = link(work.case, profile, folder)
        links, clusters = read_links(linked.run, linked.ids), read_entities(linked.run, linked.ids)
        entry: Document = {"name": f"pprl {profile}", "tuned": False}
        entry["figures"] = figures(links, clusters, work.truth, work.strata)
        return {
            "entries": [entry],
            "seconds": linked.seconds,
            "profile": profile,
            "estimates": estimates(linked.run, links, work.truth),
        }

    return Contestant(f"pprl {profile}", (*_SOURCES, Path(__file__)), play)
