"""The history of a catalog of a server, as its owner controls it.

Source: ERMrest, "History control".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ... import snaptime
from ..history import Extent, When
from .link import Link
from .resources import encoded
from .rowtext import document_text

__all__ = ["RemoteHistory"]

_JSON_BODY = {"Content-Type": "application/json"}


class RemoteHistory:
    """What a catalog's owner may do to its history: as `HistoryControl` of an embedded one."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def extent(self, since: When | None = None, until: When | None = None) -> Extent:
        """What is known between two times; None stands for no bound.

        Raises:
            Conflict: nothing is.
        """
        known = self._link.get(f"history/{_bounds(since, until)}").json()
        first, last = known["snaprange"]
        return Extent(str(first), str(last), known["amendver"])

    def truncate(self, until: When) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then.

        Raises:
            NotFound: there is nothing to forget.
        """
        self._link.send("DELETE", f"history/{_bounds(None, until)}")
        return self.extent().first

    def redact(
        self,
        since: When,
        until: When,
        column: str,
        *,
        where: tuple[str, Any] | None = None,
    ) -> str:
        """Set a column to NULL in each version of a row that lived entirely inside a range.

        Columns are named by their RIDs; `where` is another one with a value that the versions
        must have. Returns the new amendment version of the range.

        Raises:
            NotFound: no snapshot of the range has such a column.
            Conflict: the column is RID, RMT or RMB, or the range holds no snapshot.
        """
        target = f"history/{_bounds(since, until)}/attribute/{encoded(column)}"
        if where is not None:
            other, value = where
            target += f"/{encoded(other)}={encoded(document_text(value).decode())}"
        self._link.send("DELETE", target)
        return str(self.extent(since, until).amended)

    def amend_acls(
        self, since: When, until: When, acls: Mapping[str, Any], rid: str | None = None
    ) -> str:
        """Replace the ACLs that the snapshots of a range record for an element.

        `rid` is that of a schema, table, column or foreign key; None means the catalog. Returns
        the new amendment version of the range.

        Raises:
            NotFound: no snapshot of the range has such an element.
            BadRequest, Conflict: the map is malformed, or the range holds no snapshot.
        """
        return self._amend(since, until, "acl", acls, rid)

    def amend_acl_bindings(
        self, since: When, until: When, bindings: Mapping[str, Any], rid: str
    ) -> str:
        """Replace the ACL bindings recorded for a table, column or foreign key; as `amend_acls`."""
        return self._amend(since, until, "acl_binding", bindings, rid)

    def amend_annotations(
        self, since: When, until: When, annotations: Mapping[str, Any], rid: str | None = None
    ) -> str:
        """Replace the annotations recorded for an element, also for a key; as `amend_acls`."""
        return self._amend(since, until, "annotation", annotations, rid)

    def _amend(self, since: When, until: When, what: str, document: Any, rid: str | None) -> str:
        element = "" if rid is None else f"/{encoded(rid)}"
        self._link.send(
            "PUT",
            f"history/{_bounds(since, until)}/{what}{element}",
            headers=_JSON_BODY,
            content=document_text(document),
        )
        return str(self.extent(since, until).amended)


def _bounds(since: When | None, until: When | None) -> str:
    return ",".join("" if when is None else _moment(when) for when in (since, until))


def _moment(when: str | datetime) -> str:
    return snaptime.encode(snaptime.parse(when))
