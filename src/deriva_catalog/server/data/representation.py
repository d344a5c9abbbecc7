"""Which form rows come in and go out, and the headers that say so.

Source: ERMrest, "Representations", "Sorting, paging, limits and query parameters".
"""

from __future__ import annotations

from urllib.parse import quote

from ...errors import BadRequest, UnsupportedMediaType
from ...interface import MediaType
from ...path.options import Options
from ..messages import Request
from ..negotiation import preferred_type
from .inputs import CSV, JSON, MEDIA_TYPES

__all__ = ["HEADERS", "disposition", "input_type", "output_type"]

HEADERS = {
    "Cache-Control": "private, must-revalidate",
    "Vary": "cookie, authorization, accept",
}
"""Of every answer with rows."""

_NAMED: dict[str, MediaType] = {
    "csv": CSV,
    "json": JSON,
    **{media_type: media_type for media_type in MEDIA_TYPES},
}


def output_type(request: Request, options: Options, usual: MediaType = JSON) -> MediaType:
    """The media type of the answer: ``?accept=``, else ``Accept``, else `usual`.

    Raises:
        BadRequest: ``?accept=`` is none that rows have.
    """
    if options.accept is not None:
        wanted = _NAMED.get(options.accept.lower())
        if wanted is None:
            raise BadRequest(
                f"Rows cannot be represented as {options.accept!r}.",
                hint=f"Ask for one of csv, json, {', '.join(MEDIA_TYPES)}.",
            )
        return wanted
    offered = (usual, *(name for name in MEDIA_TYPES if name != usual))
    return _NAMED.get(preferred_type(request.headers.get("accept"), offered) or "", usual)


def input_type(request: Request) -> MediaType:
    """The media type of the rows in the body; JSON when nothing is said.

    Raises:
        UnsupportedMediaType: it is none that rows have, or not in UTF-8.
    """
    header = request.headers.get("content-type", JSON)
    name, *parameters = (part.strip().lower() for part in header.split(";"))
    if name not in MEDIA_TYPES:  # and no short names either
        raise UnsupportedMediaType(
            f"Rows cannot be read from {header!r}.",
            hint=f"Send one of {', '.join(MEDIA_TYPES)}.",
        )
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(f"Rows in {header!r}.", hint="Send text in UTF-8.")
    return _NAMED[name]


def disposition(options: Options, media_type: str) -> dict[str, str]:
    """The header that makes a browser store the answer; none unless ``?download=`` asks."""
    if options.download is None:
        return {}
    ending = "csv" if media_type == CSV else "json"
    name = f"{quote(options.download, safe='')}.{ending}"
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
