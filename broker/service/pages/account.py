"""A visitor's own account: keys and tokens."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.governance import Act
from broker.service.models import NewRecipient, NewSiteKey
from broker.service.pages.forms import filled_in
from broker.service.pages.parties import SCOPES, show_token, token_body, token_values
from broker.service.pages.rendering import confirm, show
from broker.service.pages.visitor import ROOT, DeedDep, VisitorDep
from broker.service.routes.parties import get_broker, get_me, post_token, put_recipient, put_site_key
from broker.store.tables import Party, PartyKind
from pprl.package import Recipient, VerifyKey

router = APIRouter()

ACCOUNT = f"{ROOT}/account"


@router.get("/account")
def get_account_page(visitor: VisitorDep) -> HTMLResponse:
    """Who the visitor is, its keys and tokens, and the broker's keys."""
    me = get_me(visitor.asking)
    return show(
        "account",
        visitor,
        party=me.party,
        my_scopes=[(name, SCOPES.get(name, "")) for name in me.scopes],
        token_expires_at=me.expires_at,
        broker=get_broker(visitor.asking),
        sets_keys=visitor.can(Act.SET_KEYS, Party, visitor.id),
        **token_values(visitor, visitor.id, PartyKind(visitor.kind)),
    )


# Reviews of keys are asked for by POST: who pastes a secret key by mistake must not find it in an address.


@router.post("/account/recipient/review")
def post_recipient_review(deed: DeedDep) -> HTMLResponse:
    """Ask whether later releases are to be sealed to another key."""
    body = filled_in(NewRecipient, recipient=deed.fields.text("recipient"))
    Recipient.parse(body.recipient)
    return confirm(
        deed.visitor,
        title="Seal later releases to this key",
        says=[
            "Releases that are there stay sealed to the key before; keep its identity file to open them.",
            "See that you hold the identity file of the new key before you go on.",
        ],
        rows=[("New key", body.recipient)],
        carried=[("recipient", body.recipient)],
        action=f"{ACCOUNT}/recipient",
        button="Use this key",
        back=ACCOUNT,
    )


@router.post("/account/recipient")
def post_recipient_page(deed: DeedDep) -> RedirectResponse:
    """Register the key that releases are sealed to."""
    put_recipient(deed.visitor.asking, filled_in(NewRecipient, recipient=deed.fields.text("recipient")))
    return deed.done(ACCOUNT, "Later releases are sealed to the new key.")


@router.post("/account/site-key/review")
def post_site_key_review(deed: DeedDep) -> HTMLResponse:
    """Ask whether this is the key that the site signs with."""
    body = filled_in(NewSiteKey, public=deed.fields.text("public"))
    VerifyKey.parse(body.public)
    return confirm(
        deed.visitor,
        title="Register this signing key",
        says=[
            "From now on the broker takes your packages only with this key's signature.",
            "It is registered once: for another one the operator must revoke it first.",
        ],
        rows=[("Signing key", body.public)],
        carried=[("public", body.public)],
        action=f"{ACCOUNT}/site-key",
        button="Register the key",
        back=ACCOUNT,
    )


@router.post("/account/site-key")
def post_site_key_page(deed: DeedDep) -> RedirectResponse:
    """Register the key that the site signs with."""
    put_site_key(deed.visitor.asking, filled_in(NewSiteKey, public=deed.fields.text("public")))
    return deed.done(ACCOUNT, "The signing key is registered.")


@router.post("/account/tokens")
def post_token_page(deed: DeedDep) -> HTMLResponse:
    """Issue a token, which is shown this once."""
    issued = post_token(deed.visitor.asking, deed.visitor.id, token_body(deed.fields))
    return show_token(deed.visitor, issued, ACCOUNT)
