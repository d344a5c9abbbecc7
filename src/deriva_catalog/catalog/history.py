"""The history of a catalog as its owner controls it: extent, truncation, redaction, amendment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import snaptime
from ..access import Client
from ..engine import amending, redaction, truncation
from ..engine.store import Store
from ..errors import NotFound

When = str | datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """What is known of a range of time: the first and the last time, and an amendment version.

    `amended` changes whenever snapshots of the range are redacted or amended; None before that.
    """

    first: str
    last: str
    amended: str | None


class HistoryControl:
    """What a catalog's owner may do to its history; the live catalog stays as it is.

    Ranges are half-open: `since` belongs to them, `until` does not. Times are a snapshot's text
    form, ISO 8601 text or a datetime. Model elements are named by their RID, because history
    may know them under several names.
    """

    def __init__(self, store: Store, actor: Client | None) -> None:
        self._store = store
        self._actor = actor

    def extent(self, since: When | None = None, until: When | None = None) -> Extent:
        """What is known between two times; None stands for no bound.

        Raises:
            Conflict: nothing is.
        """
        known = truncation.history_extent(self._store, _time(since), _time(until))
        amended = None if known.amended is None else snaptime.encode(known.amended)
        return Extent(snaptime.encode(known.first), snaptime.encode(known.last), amended)

    def truncate(self, until: When) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then.

        Snapshots that something else refers to, such as dataset versions, are the caller's
        business: they are forgotten like others.

        Raises:
            NotFound: there is nothing to forget.
        """
        horizon = truncation.truncate_history(self._store, snaptime.parse(until), self._actor)
        return snaptime.encode(horizon)

    def redact(
        self,
        since: When,
        until: When,
        column: str,
        *,
        where: tuple[str, Any] | None = None,
    ) -> str:
        """Set a column to NULL in each version of a row that lived entirely inside a range.

        Args:
            since: The beginning of the range.
            until: Its end.
            column: The RID of the column.
            where: The RID of another column of the table and a value, in JSON form: only
                versions that have it are redacted.

        Returns:
            The new amendment version of the range.

        Raises:
            NotFound: no snapshot of the range has such a column.
            Conflict: the column is RID, RMT or RMB, or the range holds no snapshot.
        """
        condition = None if where is None else redaction.Where(*where)
        version = redaction.redact(
            self._store, self._actor, _bounds(since, until), column, condition
        )
        return snaptime.encode(version)

    def amend_acls(
        self, since: When, until: When, acls: dict[str, Any], rid: str | None = None
    ) -> str:
        """Replace the ACLs that the snapshots of a range record for an element.

        Args:
            since: The beginning of the range.
            until: Its end.
            acls: The whole new map.
            rid: The RID of a schema, table, column or foreign key; None for the catalog.

        Returns:
            The new amendment version of the range.

        Raises:
            NotFound: no snapshot of the range has such an element.
            BadRequest, Conflict: the map is malformed, or the range holds no snapshot.
        """
        return self.amend(since, until, "acl", acls, rid)

    def amend_acl_bindings(
        self, since: When, until: When, bindings: dict[str, Any], rid: str
    ) -> str:
        """Replace the ACL bindings recorded for a table, column or foreign key; as `amend_acls`."""
        return self.amend(since, until, "acl_binding", bindings, rid)

    def amend_annotations(
        self, since: When, until: When, annotations: dict[str, Any], rid: str | None = None
    ) -> str:
        """Replace the annotations recorded for an element, also for a key; as `amend_acls`.

        Whether a table's history was captured cannot be changed afterwards: that annotation
        stays as recorded, and naming it is a `BadRequest`.
        """
        return self.amend(since, until, "annotation", annotations, rid)

    def amend(
        self, since: When, until: When, what: amending.What, document: Any, rid: str | None
    ) -> str:
        """As the three above, with what is replaced as an argument."""
        version = amending.amend(
            self._store, self._actor, _bounds(since, until), what, document, rid
        )
        return snaptime.encode(version)

    def require(self, since: When, until: When, *, element: str = "", column: str = "") -> None:
        """Check that some snapshot of a range has a model element, or a column, with a RID.

        Raises:
            NotFound: none has.
            Conflict: the range holds no snapshot.
        """
        with self._store.reading() as moment:
            connection = moment.connection
            known = amending.known_range(self._store, connection, *_bounds(since, until))
            if column:
                redaction.find_column(connection, known.begin, known.end, column)
            elif not amending.has_element(connection, known, element):
                raise NotFound(f"No snapshot of that time has an element with RID {element!r}.")


def _time(when: When | None) -> int | None:
    return None if when is None else snaptime.parse(when)


def _bounds(since: When, until: When) -> tuple[int, int]:
    return snaptime.parse(since), snaptime.parse(until)
