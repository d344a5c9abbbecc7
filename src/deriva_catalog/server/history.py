"""What an owner may do to history: ``CAT/history/FROM,UNTIL`` and what lies below it.

Source: ERMrest, "History control".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from .. import snaptime
from ..catalog.history import HistoryControl
from ..engine.amending import What
from ..errors import BadRequest, NotFound
from ..path.tokens import decode, refuse_stray
from .etags import entity_tag, not_modified
from .messages import NO_CONTENT, Answer, Request, json_answer
from .requests import decoded, json_body, nothing_here, wrong_method
from .service import Opened, Service

__all__ = ["control_history"]

_HEADERS = {"Cache-Control": "private, must-revalidate", "Vary": "cookie, authorization"}
_AMENDED: Mapping[str, What] = {what: what for what in get_args(What)}


@dataclass(frozen=True, slots=True)
class _Range:
    """The two times of a URL, as snapshots are written; None where there is none."""

    since: str | None
    until: str | None

    @property
    def bounds(self) -> tuple[str, str]:
        """Both of them; raises `BadRequest` if one is missing."""
        if self.since is None or self.until is None:
            raise BadRequest(
                "The range of history needs a beginning and an end.",
                hint="Write it as FROM,UNTIL; UNTIL is not part of it.",
            )
        return self.since, self.until


def control_history(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """Any request below ``CAT/history``."""
    if len(segments) < 3 or not segments[2]:
        raise nothing_here(request)
    when = _when(segments[2])
    answer = _whole(request, when) if len(segments) == 3 else _part(request, when, segments[3:])
    opened = service.catalog(request, segments[0])
    if opened.catalog.snaptime is not None:
        raise NotFound(
            "A snapshot has no history of its own.", hint="Ask the live catalog, without '@'."
        )
    return answer(opened)


_Answering = Callable[[Opened], Answer]


def _when(raw: str) -> _Range:
    times = raw.split(",")
    if len(times) != 2:
        raise BadRequest(
            f"{raw!r} is no range of history.", hint="Write it as FROM,UNTIL; each may be empty."
        )
    since, until = (_time(raw, text) for text in times)
    return _Range(since, until)


def _time(raw: str, text: str) -> str | None:
    refuse_stray(text)
    if not text:
        return None
    return snaptime.encode(snaptime.decode(decode(raw, text, raw.index(text))))


# --- extent and truncation ---------------------------------------------------------------


def _whole(request: Request, when: _Range) -> _Answering:
    if request.method == "GET":
        return lambda opened: _extent(request, opened, when)
    if request.method != "DELETE":
        raise wrong_method(request, "GET", "DELETE")
    until = when.until
    if until is None or when.since is not None:
        raise BadRequest(
            "History is forgotten from its beginning up to a time.",
            hint="Write the range as ,UNTIL: without a beginning, and with an end.",
        )
    return lambda opened: _done(opened.catalog.history.truncate(until))


def _extent(request: Request, opened: Opened, when: _Range) -> Answer:
    known = opened.catalog.history.extent(when.since, when.until)
    facts = (known.first, known.last, known.amended)
    etag = entity_tag(request.client, "application/json", opened.entry.id, "history", *facts)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    document = {"snaprange": [known.first, known.last], "amendver": known.amended}
    return json_answer(document, headers={**_HEADERS, "ETag": etag})


def _done(version: str) -> Answer:
    """The answer to a change, which tells nothing."""
    return NO_CONTENT


# --- redaction and amendment -------------------------------------------------------------


def _part(request: Request, when: _Range, rest: Sequence[str]) -> _Answering:
    kind = rest[0].lower()
    if kind == "attribute" and len(rest) in (2, 3):
        return _attribute(request, when.bounds, rest[1:])
    if kind in _AMENDED and len(rest) in (1, 2):
        rid = decoded(request, rest[1]) if len(rest) == 2 else None
        return _amended(request, when.bounds, _AMENDED[kind], rid)
    raise nothing_here(request)


def _attribute(request: Request, bounds: tuple[str, str], rest: Sequence[str]) -> _Answering:
    column = decoded(request, rest[0])
    where = _filter(rest[1]) if len(rest) == 2 else None
    if request.method == "DELETE":
        return lambda opened: _done(_history(opened).redact(*bounds, column, where=where))
    if request.method != "GET":
        raise wrong_method(request, "GET", "DELETE")

    def probe(opened: Opened) -> Answer:
        _history(opened).require(*bounds, column=column)
        if where is not None:
            _history(opened).require(*bounds, column=where[0])
        return _extent(request, opened, _Range(*bounds))

    return probe


def _filter(raw: str) -> tuple[str, Any]:
    """The RID of a column and a JSON value, from ``RID=JSON``."""
    refuse_stray(raw)
    name, found, value = raw.partition("=")
    if not found or not name:
        raise BadRequest(
            f"{raw!r} is no choice of versions.", hint="Write it as RID=JSON, percent-encoded."
        )
    text = decode(raw, value, len(name) + 1)
    try:
        return decode(raw, name, 0), json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(
            f"The value {text!r} to choose versions by is no JSON: {error}.",
            hint="A text stands in quotes, %22.",
        ) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _amended(request: Request, bounds: tuple[str, str], what: What, rid: str | None) -> _Answering:
    if request.method == "PUT":
        return lambda opened: _amend(request, opened, bounds, what, rid)
    if request.method != "GET":
        raise wrong_method(request, "GET", "PUT")

    def probe(opened: Opened) -> Answer:
        if rid is not None:
            _history(opened).require(*bounds, element=rid)
        return _extent(request, opened, _Range(*bounds))

    return probe


def _amend(
    request: Request, opened: Opened, bounds: tuple[str, str], what: What, rid: str | None
) -> Answer:
    control = _history(opened)  # whether the client may, before what it sent is looked at
    return _done(control.amend(*bounds, what, json_body(request), rid))


def _history(opened: Opened) -> HistoryControl:
    return opened.catalog.history
