"""Pages of other origins: which of them may use the service from a browser.

Source: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .messages import Answer

__all__ = ["allowing", "options_answer"]

_METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
_EXPOSED = (
    "ETag, Location, Content-Location, Content-Disposition, Content-MD5, Content-SHA256, "
    "Content-Range, Accept-Ranges"
)
_MAX_AGE_SECONDS = 600


def allowing(headers: Mapping[str, str], origins: Collection[str]) -> dict[str, str]:
    """The headers that let the page of a request's origin read the answer; perhaps none.

    Args:
        headers: Of the request.
        origins: Those that are allowed. There is no wildcard, because answers depend on who
            is logged in.
    """
    if not origins:
        return {}
    origin = headers.get("origin")
    if origin is None or origin not in origins:
        return {"Vary": "origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "origin",
    }


def options_answer(headers: Mapping[str, str], origins: Collection[str]) -> Answer:
    """The answer to ``OPTIONS``, also to what a browser asks before it lets a page do something.

    What `allowing` gives comes on top, as with each answer.
    """
    found = {"Allow": _METHODS}
    if headers.get("origin") in origins and "access-control-request-method" in headers:
        found["Access-Control-Allow-Methods"] = _METHODS
        found["Access-Control-Max-Age"] = str(_MAX_AGE_SECONDS)
        wanted = headers.get("access-control-request-headers")
        if wanted:
            found["Access-Control-Allow-Headers"] = wanted
    return Answer(204, headers=found)
