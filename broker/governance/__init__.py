"""Governance: who there is, what belongs to whom, and who may do what.

`require` is the one question that every route and command asks before it acts; `RULES` is the whole answer. What may be
done with the data themselves is the matrix of permissions, which is empty to begin with.
"""

from broker.governance.acts import (
    RULES,
    Act,
    Decision,
    by_id,
    decide,
    find,
    may,
    no_such,
    require,
    visible_projects,
)
from broker.governance.counts import Overlap, show, show_overlap
from broker.governance.parties import (
    create_party,
    disable_party,
    find_party,
    recipient_of,
    register_site_key,
    revoke_site_key,
    set_recipient,
    site_key,
)
from broker.governance.permissions import Pair, grant, permitted, permitted_to, revoke
from broker.governance.projects import (
    add_member,
    close_project,
    create_dataset,
    create_project,
    end_membership,
    find_dataset,
    find_project,
    retire_dataset,
)
from broker.governance.relations import Relation, Subject, is_valid, relations_of, role_in

__all__ = [
    "RULES",
    "Act",
    "Decision",
    "Overlap",
    "Pair",
    "Relation",
    "Subject",
    "add_member",
    "by_id",
    "close_project",
    "create_dataset",
    "create_party",
    "create_project",
    "decide",
    "disable_party",
    "end_membership",
    "find",
    "find_dataset",
    "find_party",
    "find_project",
    "grant",
    "is_valid",
    "may",
    "no_such",
    "permitted",
    "permitted_to",
    "recipient_of",
    "register_site_key",
    "relations_of",
    "require",
    "retire_dataset",
    "revoke",
    "revoke_site_key",
    "role_in",
    "set_recipient",
    "show",
    "show_overlap",
    "site_key",
    "visible_projects",
]
