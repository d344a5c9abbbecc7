"""Access control lists of namespaces, objects and versions.

Source: Hatrac, "Access control".
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import NotFound
from ...objects import permissions
from ...objects.acls import checked_roles
from ...objects.names import ObjectName
from ..messages import NO_CONTENT, Answer, Request
from ..requests import json_body, wrong_method
from .answers import document, text
from .conditions import precondition_of
from .views import View

__all__ = ["answer_acls"]


def answer_acls(request: Request, view: View, name: ObjectName, arguments: Sequence[str]) -> Answer:
    """Read or change lists."""
    if not arguments:
        if request.method != "GET":
            raise wrong_method(request, "GET")
        return document(request, permissions.read_lists(view.store, view.asker, name))
    access, *member = arguments
    if request.method == "GET":
        return _read(request, view, name, access, member)
    if request.method not in ("PUT", "DELETE"):
        raise wrong_method(request, "GET", "PUT", "DELETE")
    view.require_writable()
    here = view.store, view.asker, name, access
    precondition = precondition_of(request.headers)
    if member and request.method == "PUT":
        permissions.add_role(*here, member[0], precondition=precondition)
    elif member:
        permissions.remove_role(*here, member[0], precondition=precondition)
    else:
        roles = checked_roles(json_body(request)) if request.method == "PUT" else ()
        permissions.set_list(*here, roles, precondition=precondition)
    return NO_CONTENT


def _read(
    request: Request, view: View, name: ObjectName, access: str, member: Sequence[str]
) -> Answer:
    found = permissions.read_list(view.store, view.asker, name, access)
    if not member:
        return document(request, found)
    if member[0] not in found:
        raise NotFound(f"ACL member {member[0]} not found on {access} of {name.url}.")
    return text(request, member[0])
