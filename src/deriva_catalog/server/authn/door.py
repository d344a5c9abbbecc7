"""What is refused before a request is answered at all: other sites, and what is out of scope.

It is asked once for each request, whatever brings it, also inside a transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from ...access import Scope
from ...errors import Forbidden
from ...path.tokens import decode
from ..messages import Request
from .headers import refuse_other_origins
from .settings import AuthnSettings

__all__ = ["admit"]

_READING = ("GET", "HEAD", "OPTIONS")
_QUESTIONS = (
    ["query"],
    ["rids"],
    ["leases", "find"],
    ["hatrac", ";stat"],
    ["hatrac", ";content"],
    ["hatrac", ";content", "get"],
)


def admit(
    request: Request,
    settings: AuthnSettings,
    catalog_of: Callable[[str], str | None],
    *,
    websocket: bool = False,
) -> None:
    """Let a request in.

    Args:
        request: Whose client is known.
        settings: Of the logins.
        catalog_of: From the name of a catalog to its identifier; None if there is none.
        websocket: Whether it opens a WebSocket: that can change something, though it is a GET.

    Raises:
        Forbidden: a page of another site makes it, or the token's scope does not reach so far.
    """
    refuse_other_origins(
        request.method,
        request.headers,
        public_url=settings.public_url,
        trusted=settings.trusted_origins,
        always=websocket,
        secure=request.is_secure,
    )
    if request.client.scope is not None:
        _refuse_outside(request.client.scope, request, catalog_of)


def _refuse_outside(
    scope: Scope, request: Request, catalog_of: Callable[[str], str | None]
) -> None:
    first, *rest = request.path[1:].split("/")
    if scope.read_only and not (request.method in _READING or _only_asks(request, first, rest)):
        raise _outside(f"is for reading, not for {request.method}")
    if scope.is_everywhere:
        return
    match first, [part.lower() for part in rest[:1]], rest[1:2]:
        case "ermrest", ["catalog"], [raw] if raw:
            _refuse_catalog(scope, raw, catalog_of)
        case "id", [_], [_, *_]:
            _refuse_catalog(scope, rest[0], catalog_of)
        case "hatrac", _, _:
            _refuse_object(scope, request, rest)
        case ("ermrest", [] | [""], _) | ("authn", _, _):
            return  # the advertisement; the routes of logins look at tokens themselves
        case "deriva", ["export"], _:
            return  # each catalog that is exported is opened by `Service.catalog`
        case _:
            raise _outside(f"does not open {request.path!r}")


def _only_asks(request: Request, first: str, rest: list[str]) -> bool:
    """Whether a POST changes nothing that stays: exports, and questions that are too long."""
    if request.method != "POST":
        return False
    words = [part.lower() for part in rest]
    if first == "deriva":
        return words[:1] == ["export"]
    return first == "ermrest" and words[:1] == ["catalog"] and words[2:] in _QUESTIONS


def _refuse_catalog(scope: Scope, raw: str, catalog_of: Callable[[str], str | None]) -> None:
    name = decode(raw, raw.partition("@")[0], 0)
    found = catalog_of(name)
    if found is None or not scope.admits_catalog(found):
        raise _outside(f"does not open catalog {name!r}")


def _refuse_object(scope: Scope, request: Request, rest: list[str]) -> None:
    """What a rename takes stands in the body: `contents.move` looks at that."""
    if not scope.admits_object(*_object_name(rest)):
        raise _outside(f"does not open {request.path!r}")


def _object_name(parts: list[str]) -> list[str]:
    """The decoded parts of a name, without a version or sub-resource after the last one."""
    name = "/".join(parts).partition(";")[0]  # what follows has slashes of its own
    plain = [part.partition(":")[0] for part in name.split("/")]
    return [decode(name, part, 0) for part in plain if part]


def _outside(what: str) -> Forbidden:
    return Forbidden(f"Your access token {what}.", hint="Make one with a wider scope.")
