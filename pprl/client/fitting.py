"""Whether a package is one that a broker will take, told before gigabytes are sent. The broker checks it all again."""

from __future__ import annotations

from collections.abc import Sequence

from pprl.client.answers import Broker, Dataset, Delivery, Me, Project
from pprl.errors import (
    ConflictError,
    DeniedError,
    ExpiredError,
    NotFoundError,
    ReplayedError,
    SignatureError,
    WrongProjectError,
    WrongRecipientError,
    WrongSchemaError,
)
from pprl.package import Manifest


def check_parties(name: str, manifest: Manifest, *, broker: Broker, me: Me) -> None:
    """Check that a package is sealed to the broker and signed by the caller.

    Parameters
    ----------
    name : str
        The package's, in errors.
    manifest : Manifest
        Its own.
    broker, me
        Who they are.

    Raises
    ------
    WrongRecipientError, DeniedError, SignatureError, ExpiredError
    """
    if manifest.recipient != broker.recipient:
        raise WrongRecipientError(
            f"{name}: is sealed to {manifest.recipient}, and this broker opens what is sealed to {broker.recipient}; "
            "ask the broker for its broker.pub and tokenise again"
        )
    party = me.party
    if party.kind != "site":
        raise DeniedError(
            f"the broker takes you for the {party.kind} {party.name}, and only sites submit packages; use the token of "
            "your site"
        )
    if party.site_key is None:
        raise SignatureError(
            f"{name}: is signed by {manifest.signer}, and the broker has no signing key of {party.name}; give it yours "
            "first: pprl register --site-key site.pub"
        )
    if party.site_key != manifest.signer:
        raise SignatureError(
            f"{name}: is signed by {manifest.signer}, and the broker knows {party.name} by {party.site_key}; tokenise "
            "again with the key of that (--sign), or ask the broker to replace it"
        )
    if manifest.expires <= broker.time:
        raise ExpiredError(
            f"{name}: has expired on {manifest.expires:%Y-%m-%d}; tokenise again, with --previous-ids where the GUIDs "
            "are to last"
        )


def find_project(
    name: str, manifest: Manifest, projects: Sequence[Project], *, asked: str | None = None
) -> Project:
    """The project of a package.

    Parameters
    ----------
    name : str
        The package's, in errors.
    manifest : Manifest
        Its own.
    projects : sequence of Project
        Those that the broker shows.
    asked : str, optional
        Name or id of the only one that will do.

    Raises
    ------
    WrongProjectError
        The broker shows none of that name and epoch, or it is not the one asked for.
    WrongSchemaError
        It has another schema.
    ConflictError
        It is closed.
    """
    own = f"project {manifest.project}, epoch {manifest.epoch}"
    found = [one for one in projects if (one.name, one.epoch) == (manifest.project, manifest.epoch)]
    if asked is not None:
        if found and not any(asked in (one.id, one.name) for one in found):
            raise WrongProjectError(f"{name}: is of {own}, not of the project that --project names")
        found = [one for one in found if asked in (one.id, one.name)]
    if not found:
        shown = ", ".join(f"{one.name} of epoch {one.epoch}" for one in projects) or "none"
        raise WrongProjectError(
            f"{name}: is of {own}, and the broker shows you other projects ({shown}); ask to be made a member, or "
            "tokenise with the schema of the project that is meant"
        )
    fitting = [one for one in found if one.schema_sha256 == manifest.schema_sha256]
    if not fitting:
        raise WrongSchemaError(
            f"{name}: is made with another schema than its project has ({manifest.schema_sha256[:12]} and "
            f"{found[0].schema_sha256[:12]}); get the project's linkage.toml and tokenise again"
        )
    still_open = [one for one in fitting if one.closed_at is None]
    if not still_open:
        raise ConflictError(f"{name}: is of {own}, which is closed; nothing is taken any more")
    return still_open[0]


def find_dataset(name: str, manifest: Manifest, datasets: Sequence[Dataset], *, me: Me) -> Dataset:
    """The dataset of a package.

    Raises
    ------
    NotFoundError
        The project has none of that name.
    DeniedError
        It is another site's.
    ConflictError
        It is retired.
    """
    found = [one for one in datasets if one.name == manifest.dataset]
    own = [one for one in found if is_of(one.site, me)]
    if found and not own:
        raise DeniedError(f"{name}: dataset {manifest.dataset} is another site's; choose another --dataset")
    if not own:
        names = ", ".join(one.name for one in datasets if is_of(one.site, me)) or "none"
        raise NotFoundError(
            f"{name}: is of dataset {manifest.dataset}, and the broker has other datasets of yours ({names}); tokenise "
            "with the --dataset of one, or ask the broker to set up this one"
        )
    for dataset in own:
        if dataset.retired_at is None:
            return dataset
    raise ConflictError(f"{name}: dataset {manifest.dataset} is retired; nothing is taken any more")


def check_sequence(name: str, manifest: Manifest, deliveries: Sequence[Delivery]) -> None:
    """Check that a delivery is newer than those accepted.

    Raises
    ------
    ReplayedError
    """
    for delivery in deliveries:
        if delivery.state in ("accepted", "superseded") and delivery.sequence >= manifest.sequence:
            this = "this one" if delivery.sequence == manifest.sequence else f"delivery {delivery.sequence}"
            raise ReplayedError(
                f"{name}: is delivery {manifest.sequence} of {manifest.dataset}, and the broker accepted {this} on "
                f"{delivery.received_at:%Y-%m-%d} already; tokenise again to deliver anew"
            )


def is_of(party: str, me: Me) -> bool:
    """Whether the caller is meant, by id or by name."""
    return party in (me.party.id, me.party.name)
