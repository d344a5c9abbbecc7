"""The history of a catalog over HTTP, as its owner controls it: as `catalog.history` in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ... import snaptime
from ..history import Extent, When
from .connection import Received
from .link import Link
from .resources import encoded
from .rowtext import document_text

__all__ = ["RemoteHistory", "amended_at"]

_Send = Callable[..., Received]


class RemoteHistory:
    """See `deriva_catalog.catalog.history.HistoryControl`: the same methods, the same results."""

    def __init__(self, link: Link, send: _Send) -> None:
        self._link = link
        self._send = send

    def extent(self, since: When | None = None, until: When | None = None) -> Extent:
        """What is known between two times; None stands for no bound."""
        return _extent(self._link, f"history/{_time(since)},{_time(until)}")

    def truncate(self, until: When) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then."""
        self._send("DELETE", f"history/,{_time(until)}")
        return self.extent().first

    def redact(
        self,
        since: When,
        until: When,
        column: str,
        *,
        where: tuple[str, Any] | None = None,
    ) -> str:
        """Set a column to NULL in each version of a row that lived entirely inside a range."""
        tail = f"{_range(since, until)}/attribute/{encoded(column)}"
        if where is not None:
            tail += f"/{encoded(where[0])}={quote(json.dumps(where[1]), safe='')}"
        self._send("DELETE", tail)
        return self._version(since, until)

    def amend_acls(
        self, since: When, until: When, acls: Mapping[str, Any], rid: str | None = None
    ) -> str:
        """Replace the ACLs that the snapshots of a range record for an element."""
        return self.amend(since, until, "acl", acls, rid)

    def amend_acl_bindings(
        self, since: When, until: When, bindings: Mapping[str, Any], rid: str
    ) -> str:
        """Replace the ACL bindings recorded for a table, column or foreign key."""
        return self.amend(since, until, "acl_binding", bindings, rid)

    def amend_annotations(
        self, since: When, until: When, annotations: Mapping[str, Any], rid: str | None = None
    ) -> str:
        """Replace the annotations recorded for an element, also for a key."""
        return self.amend(since, until, "annotation", annotations, rid)

    def amend(self, since: When, until: When, what: str, document: Any, rid: str | None) -> str:
        """As the three above, with what is replaced as an argument."""
        tail = f"{_range(since, until)}/{what}" + ("" if rid is None else f"/{encoded(rid)}")
        self._send("PUT", tail, content=document_text(document))
        return self._version(since, until)

    def require(self, since: When, until: When, *, element: str = "", column: str = "") -> None:
        """Check that some snapshot of a range has a model element, or a column, with a RID."""
        part = f"attribute/{encoded(column)}" if column else f"annotation/{encoded(element)}"
        self._link.get(f"{_range(since, until)}/{part}")

    def _version(self, since: When, until: When) -> str:
        return str(self.extent(since, until).amended)


def amended_at(link: Link, at: str) -> str | None:
    """The amendment version of a snapshot; None as long as it is as it was recorded."""
    return _extent(link, f"history/{at},{at}").amended


def _extent(link: Link, tail: str) -> Extent:
    known = link.get(tail).json()
    first, last = known["snaprange"]
    return Extent(str(first), str(last), known["amendver"])


def _time(when: When | None) -> str:
    return "" if when is None else snaptime.encode(snaptime.parse(when))


def _range(since: When, until: When) -> str:
    return f"history/{_time(since)},{_time(until)}"
