"""What takes one request here and many, or none, elsewhere.

``POST CAT/query``
    a question as the body, in the words of a URL: it may be longer than one.
``POST CAT/rids``
    a list of RIDs; the answer tells where each lives, without those that are unknown.
``POST CAT/leases``, ``POST CAT/leases/find``
    a list of tokens; the answer has the RID of each, also of one that was used. The second leases
    nothing and leaves out tokens that have none.

A client finds in ``features`` whether a server has them: ``query_post``, ``rid_batches`` and
``lease_memory``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from ..errors import BadRequest, NotFound
from .messages import Answer, Request, json_answer
from .requests import json_body, wrong_method
from .rids import location_document
from .service import Handler, Service

__all__ = ["BULK_ROUTES"]


def _query(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``POST CAT/query``: answered as the GET of what the body says."""
    if request.method != "POST":
        raise wrong_method(request, "POST")
    _refuse_more(request, segments[2:])
    try:
        tail = request.body.read().decode("ascii").strip()
    except UnicodeDecodeError:
        raise BadRequest("A question has no other characters than a URL.") from None
    target = f"/ermrest/catalog/{segments[0]}/{tail}"
    return service.handle(replace(request, method="GET", target=target, body=BytesIO()))


def _rids(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``POST CAT/rids``."""
    if request.method != "POST":
        raise wrong_method(request, "POST")
    _refuse_more(request, segments[2:])
    catalog = service.catalog(request, segments[0]).catalog
    found = catalog.resolve_rids(_texts(request))
    return json_answer({rid: location_document(place) for rid, place in found.items()})


def _leases(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``POST CAT/leases`` and ``POST CAT/leases/find``."""
    if request.method != "POST":
        raise wrong_method(request, "POST")
    catalog = service.catalog(request, segments[0]).catalog
    if segments[2:] == ["find"]:
        return json_answer(catalog.leased_rids(_texts(request)))
    _refuse_more(request, segments[2:])
    return json_answer(catalog.lease_rids(_texts(request)))


def _texts(request: Request) -> list[str]:
    given = json_body(request)
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise BadRequest("The body is a JSON list of texts.")
    return given


def _refuse_more(request: Request, segments: Sequence[str]) -> None:
    if segments:
        raise NotFound(f"There is nothing at {request.path!r}.")


BULK_ROUTES: dict[str, Handler] = {"query": _query, "rids": _rids, "leases": _leases}
"""By the segment after a catalog's identifier."""
