"""Access tokens for Gen3 clients, and the keys that they are signed with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from broker.auth import note_use
from broker.auth.access import AccessTokens, token_in
from broker.auth.tokens import authenticate
from broker.service.dependencies import BrokerDep
from broker.service.problems import Refusal
from pprl.errors import AuthError

router = APIRouter(tags=["credentials"])


class ApiKey(BaseModel):
    """The file that the client was given, as it sends it; what else is in it does not matter."""

    api_key: str


class AccessToken(BaseModel):
    """A JWT."""

    access_token: str


def _tokens(broker: BrokerDep) -> AccessTokens:
    if broker.authenticator.access is None:
        raise Refusal(404, "this broker gives no access tokens: its key access.key is missing")
    return broker.authenticator.access


TokensDep = Annotated[AccessTokens, Depends(_tokens)]


@router.post("/user/credentials/cdis/access_token")
def post_access_token(broker: BrokerDep, tokens: TokensDep, body: ApiKey) -> AccessToken:
    """Change an API key for an access token, which is valid for twenty minutes."""
    now = broker.clock()
    try:
        text = token_in(body.api_key)
        with broker.store.read() as session:
            caller = authenticate(session, text, now=now)
    except AuthError:
        raise AuthError("the API key is not valid, or not any more; ask for a new one") from None
    note_use(broker.store, caller, now=now)
    return AccessToken(access_token=tokens.issue(caller, now=now))


@router.get("/.well-known/jwks")
def get_jwks(tokens: TokensDep) -> dict[str, Any]:
    """The keys that access tokens are signed with (RFC 7517)."""
    return tokens.jwks


router.add_api_route("/user/.well-known/jwks", get_jwks, methods=["GET"], include_in_schema=False)
