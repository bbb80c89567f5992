"""Parties and their tokens, for operators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.auth import DEFAULT, LONGEST_DAYS, USEFUL
from broker.governance import Act
from broker.service.models import Id, NewParty, NewToken, TokenIssued, TokenOut
from broker.service.pages.forms import Fields, filled_in
from broker.service.pages.lookups import everything
from broker.service.pages.rendering import confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, Visitor, VisitorDep, answer_of
from broker.service.routes.parties import (
    delete_token,
    get_party,
    list_parties,
    list_tokens,
    post_disable,
    post_party,
    post_token,
)
from broker.store.tables import Party, PartyKind

router = APIRouter()

PartyId = Annotated[Id, Path()]
TokenId = Annotated[Id, Path()]
SCOPES = {
    "read": "see what there is and how it stands",
    "submit": "make datasets and deliver them",
    "withdraw": "take records back",
    "fetch": "get releases and counts",
    "govern": "decide about projects: permissions, runs, releases, members",
    "administer": "make and disable parties, found and close projects",
    "account": "change keys and make tokens: worth as much as all others together",
    "metadata": "write metadata records",
    "metrics": "read the service's metrics",
}


@router.get("/parties")
def get_parties_page(visitor: VisitorDep) -> HTMLResponse:
    """All parties."""
    parties = everything(lambda piece: list_parties(visitor.asking, piece))
    return show(
        "parties",
        visitor,
        parties=sorted(parties, key=lambda one: (one.disabled_at is not None, one.name)),
        kinds=[kind.value for kind in PartyKind],
        creates=visitor.can(Act.CREATE_PARTY),
    )


@router.post("/parties")
def post_party_page(deed: DeedDep) -> RedirectResponse:
    """Make a party known."""
    body = filled_in(NewParty, kind=deed.fields.text("kind"), name=deed.fields.text("name"))
    party = answer_of(post_party(deed.visitor.asking, deed.once, body))
    return deed.done(f"{ROOT}/parties/{party['id']}", "The party is known; issue it a token now.")


@router.get("/parties/{party_id}")
def get_party_page(visitor: VisitorDep, party_id: PartyId) -> HTMLResponse:
    """A party, its keys and tokens."""
    if not visitor.is_operator:
        visitor.check(Act.LIST_PARTIES)
    party = get_party(visitor.asking, party_id)
    return show(
        "party",
        visitor,
        party=party,
        disables=party.disabled_at is None and visitor.can(Act.DISABLE_PARTY, Party, party_id),
        **token_values(visitor, party_id, PartyKind(party.kind)),
    )


@router.get("/parties/{party_id}/disable")
def get_disable_page(visitor: VisitorDep, party_id: PartyId) -> HTMLResponse:
    """Ask whether a party is to be disabled."""
    visitor.check(Act.DISABLE_PARTY, Party, party_id)
    party = get_party(visitor.asking, party_id)
    return confirm(
        visitor,
        title=f"Disable {party.name}",
        says=[
            "It can do nothing any more, and none of its tokens works from now on.",
            "Its datasets and what it was given stay.",
            "This cannot be undone: a disabled party is never enabled again.",
        ],
        rows=[("Party", party.name), ("Kind", party.kind)],
        action=f"{ROOT}/parties/{party_id}/disable",
        button="Disable the party",
        back=f"{ROOT}/parties/{party_id}",
        dangerous=True,
    )


@router.post("/parties/{party_id}/disable")
def post_disable_page(deed: DeedDep, party_id: PartyId) -> RedirectResponse:
    """Disable."""
    post_disable(deed.visitor.asking, deed.once, party_id)
    return deed.done(f"{ROOT}/parties/{party_id}", "The party is disabled.")


@router.post("/parties/{party_id}/tokens")
def post_token_page(deed: DeedDep, party_id: PartyId) -> HTMLResponse:
    """Issue a token, which is shown this once."""
    issued = post_token(deed.visitor.asking, party_id, token_body(deed.fields))
    return show_token(deed.visitor, issued, f"{ROOT}/parties/{party_id}")


@router.get("/parties/{party_id}/tokens/{token_id}/revoke")
def get_revoke_page(visitor: VisitorDep, party_id: PartyId, token_id: TokenId) -> HTMLResponse:
    """Ask whether a token is to be revoked."""
    with visitor.asking.broker.store.read() as session:
        party = visitor.asking.find(session, Act.MANAGE_TOKENS, Party, party_id)
    tokens = everything(lambda piece: list_tokens(visitor.asking, piece, party_id))
    name = next((one.name for one in tokens if one.id == token_id), None)
    mine = party_id == visitor.id
    back = f"{ROOT}/account" if mine else f"{ROOT}/parties/{party_id}"
    own = token_id == visitor.session.token_id
    return confirm(
        visitor,
        title=f"Revoke the token {name or token_id[:8]}",
        says=[
            "Programs that come with it are refused from now on.",
            "You signed in with this token: you will be signed out."
            if own
            else "Other tokens go on working.",
            "This cannot be undone; a new token can be issued.",
        ],
        rows=[("Party", party.name)],
        action=f"{ROOT}/parties/{party_id}/tokens/{token_id}/revoke",
        button="Revoke the token",
        back=back,
        dangerous=True,
    )


@router.post("/parties/{party_id}/tokens/{token_id}/revoke")
def post_revoke_page(deed: DeedDep, party_id: PartyId, token_id: TokenId) -> RedirectResponse:
    """Revoke."""
    delete_token(deed.visitor.asking, party_id, token_id)
    mine = party_id == deed.visitor.id
    return deed.done(f"{ROOT}/account" if mine else f"{ROOT}/parties/{party_id}", "The token is revoked.")


def token_values(visitor: Visitor, party_id: str, kind: PartyKind) -> dict[str, Any]:
    """What templates need to show tokens and to issue one."""
    tokens: list[TokenOut] | None = visitor.sees(
        lambda: everything(lambda piece: list_tokens(visitor.asking, piece, party_id))
    )
    now = visitor.asking.now
    scopes = USEFUL[kind] if party_id != visitor.id else USEFUL[kind] & visitor.asking.caller.scopes
    return {
        "tokens": tokens,
        "valid": [one for one in tokens or [] if one.revoked_at is None and one.expires_at > now],
        "past": [one for one in tokens or [] if one.revoked_at is not None or one.expires_at <= now],
        "scopes": {name: says for name, says in SCOPES.items() if name in scopes},
        "usual": {scope.value for scope in DEFAULT[kind]},
        "until": f"{now + timedelta(days=180):%Y-%m-%d}",
        "until_most": f"{now + timedelta(days=LONGEST_DAYS - 1):%Y-%m-%d}",
        "first": f"{now:%Y-%m-%d}",
    }


def token_body(fields: Fields) -> NewToken:
    """A token as it was asked for."""
    return filled_in(
        NewToken, name=fields.text("name"), scopes=fields.all("scopes"), expires_at=fields.day("expires")
    )


def show_token(visitor: Visitor, issued: TokenIssued, back: str) -> HTMLResponse:
    """Show a token that was issued, which nobody sees again."""
    return show("token_issued", visitor, issued=issued, back=back)
