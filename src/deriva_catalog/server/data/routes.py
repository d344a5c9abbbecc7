"""Which data request is answered by what.

Source: ERMrest, "URL space".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from ...errors import BadRequest, NotFound
from ...path.parser import Request as DataRequest
from ...path.parser import parse_query
from ..messages import Answer, Request, json_answer
from ..requests import wrong_method
from ..service import Handler, Opened, Service
from .reading import read_data
from .writing import clear_attributes, delete_entities, insert_entities, update_group, upsert

__all__ = ["DATA_ROUTES"]

_LONGEST_KEPT = 1000
_parsed = lru_cache(maxsize=1024)(parse_query)

_Answering = Callable[[Request, Opened, DataRequest], Answer]
_METHODS: Mapping[str, Mapping[str, _Answering]] = {
    "entity": {
        "GET": read_data,
        "POST": insert_entities,
        "PUT": upsert,
        "DELETE": delete_entities,
    },
    "attribute": {"GET": read_data, "DELETE": clear_attributes},
    "attributegroup": {"GET": read_data, "PUT": update_group},
    "aggregate": {"GET": read_data},
}


def _data(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    methods = _METHODS[segments[1].lower()]
    if request.method not in methods:
        raise wrong_method(request, *methods)
    if len(segments) < 3:
        raise BadRequest(
            f"The path {request.path!r} names no table.",
            hint=f"Write it as .../{segments[1]}/SCHEMA:TABLE.",
        )
    tail = "/".join(segments[1:])
    text = f"{tail}?{request.query}" if "?" in request.target else tail
    asked = parse_query(text) if len(text) > _LONGEST_KEPT else _parsed(text)
    if request.method != "DELETE":  # the others find out first what the client may know
        opened = service.catalog(request, segments[0])
    else:
        opened = _known(service, request, segments[0])
    return methods[request.method](request, opened, asked)


def _known(service: Service, request: Request, raw_id: str) -> Opened:
    """The catalog, if the client may know of it."""
    opened = service.catalog(request, raw_id)
    opened.catalog.decisions.require_catalog("enumerate")
    return opened


def _textfacet(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """A search over everything that no client needs any more: it finds nothing."""
    if request.method != "GET":
        raise wrong_method(request, "GET")
    _known(service, request, segments[0])
    return json_answer([])


def _meta(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    _known(service, request, segments[0])
    raise NotFound(
        "Catalogs have no metadata of this kind any more.", hint="Annotations took its place."
    )


DATA_ROUTES: Mapping[str, Handler] = {
    **dict.fromkeys(_METHODS, _data),
    "textfacet": _textfacet,
    "meta": _meta,
}
"""What reads and writes rows, by the segment after the catalog's identifier."""
