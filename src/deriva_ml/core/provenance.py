"""Who made what: the execution that an artifact is attributed to."""

from __future__ import annotations

from .definitions import SENTINEL_EXECUTION_DESCRIPTION, SENTINEL_FILE_URL
from .exceptions import DerivaMLNotFoundError, DerivaMLSchemaError
from .query import attributes, equals
from .rids import check_rid
from .session import Session

__all__ = ["producer", "unknown_provenance_execution", "unknown_provenance_file"]


def producer(session: Session, execution_rid: str | None) -> str:
    """The execution that a new artifact is attributed to; the sentinel when none is given.

    Raises:
        DerivaMLValidationError: The text is not a RID.
        DerivaMLNotFoundError: There is no execution of that RID.
    """
    if execution_rid is None:
        return unknown_provenance_execution(session)
    rid = check_rid(execution_rid)
    if not session.fetch(attributes(session.ml("Execution"), ("RID",), equals("RID", rid))):
        raise DerivaMLNotFoundError(
            f"There is no execution {rid!r} in catalog {session.catalog.id!r}."
        )
    return rid


def unknown_provenance_execution(session: Session) -> str:
    """RID of the execution that artifacts of unknown origin point at.

    Raises:
        DerivaMLSchemaError: The catalog has none.
    """
    return _sentinel(session, "Execution", "Description", SENTINEL_EXECUTION_DESCRIPTION)


def unknown_provenance_file(session: Session) -> str:
    """RID of the file that executions without inputs point at.

    Raises:
        DerivaMLSchemaError: The catalog has none.
    """
    return _sentinel(session, "File", "URL", SENTINEL_FILE_URL)


def _sentinel(session: Session, table: str, column: str, value: str) -> str:
    query = attributes(session.ml(table), ("RID",), equals(column, value), sort=("RID",), limit=1)
    rows = session.fetch(query)
    if not rows:
        raise DerivaMLSchemaError(
            f"Table {table!r} of catalog {session.catalog.id!r} lacks the row for things of "
            "unknown origin, which create_ml_schema() makes."
        )
    return str(rows[0]["RID"])
