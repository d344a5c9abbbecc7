"""Elements of the model that a client may change or whose policy it may see: those it owns.

Source: ERMrest, "The model: operations" (general rules); "Access control: static ACLs"
(resource).
"""

from __future__ import annotations

from ..model.address import Address
from ..model.elements import Model, Schema
from ..model.lookup import Element, find_element, table_at
from .decisions import Decisions, shown

__all__ = ["owned_element"]


def owned_element(decisions: Decisions, address: Address, *, inside: bool = False) -> Element:
    """The element at an address, as the owner of it sees it.

    Columns, keys and foreign keys belong to the owners of their table. Ownership counts also
    at a snapshot, where it only shows things.

    Args:
        decisions: What the client may do.
        address: Which element.
        inside: As in `find_element`.

    Raises:
        NotFound, UnknownName: there is no such element that the client may know of.
        NotAuthenticated, Forbidden: the client does not own it.
    """
    visible = decisions.visible()
    element = find_element(visible, address, inside=inside)
    if isinstance(element, Model):
        owned, name = decisions.owns_catalog(), "this catalog"
    elif isinstance(element, Schema):
        owned, name = decisions.owns_schema(element), f":{element.name}"
    else:
        table = table_at(visible, str(address.schema), str(address.table))
        owned, name = decisions.owns_table(table), shown(table)
    if not owned:
        raise decisions.denied(f"The client has no owner access on {name}.")
    return element
