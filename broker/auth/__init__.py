"""Who asks, and for what at most: API tokens, logins of Fence and OpenID Connect, policies.

What a party may do at all is `broker.governance`'s to say; everything here only narrows it.
"""

from broker.auth.access import AccessKey, AccessTokens
from broker.auth.addresses import Fetch, HttpFetch
from broker.auth.authenticator import Authenticator
from broker.auth.caller import Caller, How, Login
from broker.auth.identities import link_identity, list_identities, unlink_identity
from broker.auth.keys import Issuer, read_issuers
from broker.auth.logins import LoginVerifier
from broker.auth.policy import EVERYTHING, Arborist, LocalPolicy, Policy, resource_of
from broker.auth.scopes import DEFAULT, OF_LOGINS, SCOPE_OF, USEFUL, Scope, read_scopes
from broker.auth.tokens import (
    LONGEST_DAYS,
    authenticate,
    find_token,
    is_well_formed,
    issue,
    list_tokens,
    note_use,
    resume,
    revoke,
)

__all__ = [
    "DEFAULT",
    "EVERYTHING",
    "LONGEST_DAYS",
    "OF_LOGINS",
    "SCOPE_OF",
    "USEFUL",
    "AccessKey",
    "AccessTokens",
    "Arborist",
    "Authenticator",
    "Caller",
    "Fetch",
    "How",
    "HttpFetch",
    "Issuer",
    "LocalPolicy",
    "Login",
    "LoginVerifier",
    "Policy",
    "Scope",
    "authenticate",
    "find_token",
    "is_well_formed",
    "issue",
    "link_identity",
    "list_identities",
    "list_tokens",
    "note_use",
    "read_issuers",
    "read_scopes",
    "resource_of",
    "resume",
    "revoke",
    "unlink_identity",
]
