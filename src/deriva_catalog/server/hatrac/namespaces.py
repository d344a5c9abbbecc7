"""Namespaces: listing, making and deleting them.

Source: Hatrac, "Namespaces".
"""

from __future__ import annotations

from ...errors import Conflict
from ...objects import listing as lists
from ...objects.names import ObjectName
from ...objects.writing import make_namespace
from ..messages import Answer, Request
from .answers import created, listing
from .conditions import precondition_of
from .refusals import BadRange
from .views import View

__all__ = ["MEDIA_TYPE", "list_names", "make", "wants_parents"]

MEDIA_TYPE = "application/x-hatrac-namespace"


def list_names(request: Request, view: View, name: ObjectName) -> Answer:
    """The URLs of what is directly below a namespace."""
    found = lists.children(view.store, view.asker, name)
    if "range" in request.headers:
        raise BadRange("Ranges of a list of names are not implemented.")
    return listing(request, found)


def make(request: Request, view: View, name: ObjectName) -> Answer:
    """Make a namespace."""
    if name.version is not None:
        raise Conflict(f"{name.url} is a version of an object.")
    make_namespace(
        view.store,
        view.asker,
        name,
        parents=wants_parents(request),
        precondition=precondition_of(request.headers),
    )
    return created(name.path, view.base)


def wants_parents(request: Request) -> bool:
    """Whether missing namespaces shall be made: ``?parents=true``; other parameters are noise."""
    return "parents=true" in request.query.lower().split("&")
