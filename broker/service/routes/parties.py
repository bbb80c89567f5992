"""Who there is, and whom the broker takes the caller for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.auth import DEFAULT, issue, read_scopes, revoke
from broker.governance import (
    Act,
    by_id,
    create_party,
    disable_party,
    register_site_key,
    set_recipient,
)
from broker.service.dependencies import AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.models import (
    BrokerOut,
    Id,
    Me,
    NewParty,
    NewRecipient,
    NewSiteKey,
    NewToken,
    Page,
    PartyOut,
    TokenIssued,
    TokenOut,
)
from broker.service.paging import PieceDep
from broker.service.routes import API
from broker.service.views import party_out, token_out
from broker.store.tables import ApiToken, Party, PartyKind
from pprl import __version__
from pprl.package import Recipient, VerifyKey

router = APIRouter(prefix=API, tags=["parties"])

PartyId = Annotated[Id, Path(description="Id of a party.")]


@router.get("/broker")
def get_broker(asking: AskingDep) -> BrokerOut:
    """What a party needs to know of the broker: the key to seal to, and those that it signs with."""
    keys = asking.broker.keys
    return BrokerOut(
        version=__version__,
        recipient=str(keys.identity.recipient),
        release_key=str(keys.release.public_half),
        journal_key=str(keys.journal.public_half),
        time=asking.now,
    )


@router.get("/me")
def get_me(asking: AskingDep) -> Me:
    """Whom the broker takes the caller for, and what the token is good for."""
    with asking.broker.store.read() as session:
        return Me(
            party=party_out(session, session.get_one(Party, asking.party.key)),
            scopes=sorted(scope.value for scope in asking.caller.scopes),
            expires_at=asking.caller.expires_at,
        )


@router.put("/me/recipient")
def put_recipient(asking: AskingDep, body: NewRecipient) -> PartyOut:
    """Seal later releases to another key."""
    with asking.broker.store.begin() as session:
        party = session.get_one(Party, asking.party.key)
        asking.require(session, Act.SET_KEYS, party)
        set_recipient(session, party, Recipient.parse(body.recipient), by=party.id, now=asking.now)
        return party_out(session, party)


@router.put("/me/site-key")
def put_site_key(asking: AskingDep, body: NewSiteKey) -> PartyOut:
    """Register the key that the site signs with: once; an operator can revoke it."""
    with asking.broker.store.begin() as session:
        party = session.get_one(Party, asking.party.key)
        asking.require(session, Act.SET_KEYS, party)
        register_site_key(session, party, VerifyKey.parse(body.public), by=party.id, now=asking.now)
        session.flush()
        return party_out(session, party)


@router.get("/parties")
def list_parties(asking: AskingDep, piece: PieceDep) -> Page[PartyOut]:
    """All parties; for operators."""
    with asking.broker.store.read() as session:
        asking.require(session, Act.LIST_PARTIES)
        return piece.of(session, Party, select(Party), lambda party: party_out(session, party))


@router.post("/parties", status_code=201, response_model=PartyOut)
def post_party(asking: AskingDep, once: OnceDep, body: NewParty) -> JSONResponse:
    """Make a party known."""
    recipient = None if body.recipient is None else Recipient.parse(body.recipient)
    key = None if body.site_key is None else VerifyKey.parse(body.site_key)

    def act(session: Session) -> Answer:
        asking.require(session, Act.CREATE_PARTY)
        by, now = asking.party.id, asking.now
        party = create_party(
            session, PartyKind(body.kind), name=body.name, recipient=recipient, by=by, now=now
        )
        session.flush()
        if key is not None:
            register_site_key(session, party, key, by=by, now=now)
            session.flush()
        return 201, party_out(session, party)

    return once(act)


@router.get("/parties/{party_id}")
def get_party(asking: AskingDep, party_id: PartyId) -> PartyOut:
    """A party."""
    with asking.broker.store.read() as session:
        return party_out(session, asking.find(session, Act.SEE_PARTY, Party, party_id))


@router.post("/parties/{party_id}/disable", response_model=PartyOut)
def post_disable(asking: AskingDep, once: OnceDep, party_id: PartyId) -> JSONResponse:
    """Let a party do nothing any more."""

    def act(session: Session) -> Answer:
        party = asking.find(session, Act.DISABLE_PARTY, Party, party_id)
        disable_party(session, party, by=asking.party.id, now=asking.now)
        return 200, party_out(session, party)

    return once(act)


@router.get("/parties/{party_id}/tokens")
def list_tokens(asking: AskingDep, piece: PieceDep, party_id: PartyId) -> Page[TokenOut]:
    """A party's tokens, without themselves."""
    with asking.broker.store.read() as session:
        party = asking.find(session, Act.MANAGE_TOKENS, Party, party_id)
        rows = select(ApiToken).where(ApiToken.party_key == party.key)
        return piece.of(session, ApiToken, rows, token_out)


@router.post("/parties/{party_id}/tokens", status_code=201)
def post_token(asking: AskingDep, party_id: PartyId, body: NewToken) -> TokenIssued:
    """Issue a token. It is shown this once, and so takes no idempotency key."""
    with asking.broker.store.begin() as session:
        party = asking.find(session, Act.MANAGE_TOKENS, Party, party_id)
        scopes = DEFAULT[party.kind] if body.scopes is None else read_scopes(body.scopes, party.kind)
        asking.caller.check_can_give(party, scopes)
        row, text = issue(
            session,
            party,
            name=body.name,
            scopes=scopes,
            expires_at=body.expires_at,
            by=asking.party.id,
            now=asking.now,
            random_bytes=asking.broker.random_bytes,
        )
        session.flush()
        return TokenIssued(**token_out(row).model_dump(), token=text)


@router.delete("/parties/{party_id}/tokens/{token_id}", status_code=204)
def delete_token(asking: AskingDep, party_id: PartyId, token_id: Annotated[Id, Path()]) -> Response:
    """Revoke a token."""
    with asking.broker.store.begin() as session:
        party = asking.find(session, Act.MANAGE_TOKENS, Party, party_id)
        token = by_id(session, ApiToken, token_id, party_key=party.key)
        revoke(session, token, by=asking.party.id, now=asking.now)
    return Response(status_code=204)
