"""Preconditions: ``If-Match`` and ``If-None-Match``.

Source: Hatrac, "ETags and preconditions"; RFC 9110, section 13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import PreconditionFailed
from ...objects.states import Precondition
from .refusals import NotModified

__all__ = ["check_read", "etag_of", "precondition_of"]

_CODING = re.compile(r"-(gzip|zstd)$")
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def etag_of(state: str, representation: str = "") -> str:
    """The ETag of a state, in one of several representations."""
    return f'"{state}{";" + representation if representation else ""}"'


def precondition_of(headers: Mapping[str, str]) -> Precondition:
    """What a mutation asks of the state that it finds; raises `PreconditionFailed`."""

    def check(state: str | None) -> None:
        if not _holds(headers, state):
            tag = None if state is None else etag_of(state)
            raise PreconditionFailed(
                PreconditionFailed.description, **({} if tag is None else {"etag": tag})
            )

    return check


def check_read(headers: Mapping[str, str], state: str, etag: str) -> None:
    """Raise `NotModified` when what a read asks does not hold, also for ``If-Match``."""
    if not _holds(headers, state):
        raise NotModified("", etag=etag)


def _holds(headers: Mapping[str, str], state: str | None) -> bool:
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not _matches(wanted, state):
        return False
    return unwanted is None or not _matches(unwanted, state)


def _matches(header: str, state: str | None) -> bool:
    if header.strip() == "*":
        return state is not None
    # What compresses appends "-gzip" or so; representations of one state differ after ";".
    given = {_CODING.sub("", tag).partition(";")[0] for tag in _TAG.findall(header)}
    return state in given
