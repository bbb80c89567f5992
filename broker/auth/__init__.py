"""Who asks, and for what at most: API tokens, logins of Fence and OpenID Connect, policies.

What a party may do at all is `broker.governance`'s to say; everything here only narrows it.
"""

from broker.auth.authenticator import Authenticator
from broker.auth.caller import Caller, How, Login
from broker.auth.identities import link_identity, list_identities, unlink_identity
from broker.auth.scopes import DEFAULT, OF_LOGINS, SCOPE_OF, USEFUL, Scope, read_scopes
from broker.auth.tokens import (
    LONGEST_DAYS,
    authenticate,
    find_token,
    is_well_formed,
    issue,
    list_tokens,
    note_use,
    revoke,
)

__all__ = [
    "DEFAULT",
    "LONGEST_DAYS",
    "OF_LOGINS",
    "SCOPE_OF",
    "USEFUL",
    "Authenticator",
    "Caller",
    "How",
    "Login",
    "Scope",
    "authenticate",
    "find_token",
    "is_well_formed",
    "issue",
    "link_identity",
    "list_identities",
    "list_tokens",
    "note_use",
    "read_scopes",
    "revoke",
    "unlink_identity",
]
