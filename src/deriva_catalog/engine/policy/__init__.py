"""Access control on rows and columns: what a client reads and writes of what is there.

Quick start::

    policies = Policies()
    policy = policies.reading(moment, client)          # None: the client is not restricted
    compiled = compile_query(query, policy.model, policy.source, moment.expressions)
    rows = fetch(moment.connection, compiled, policy.parameters)

`bindings` makes conditions of dynamic ACL bindings, `rules` guarded tables of a client's
decisions, `guard` watches over what a client writes, and `telling` over what errors tell it.
"""

from .bindings import roles_parameter
from .guard import Guard, Seen
from .policies import Policies, Policy
from .rules import Rules
from .telling import told_to

__all__ = ["Guard", "Policies", "Policy", "Rules", "Seen", "roles_parameter", "told_to"]
