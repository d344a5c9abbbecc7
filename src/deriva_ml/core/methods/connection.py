"""The connection, and the schema that is kept here: flat methods of `DerivaML`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deriva_catalog.model.documents import read_model

from ..connect import keep_schema
from ..exceptions import (
    DerivaMLOfflineError,
    DerivaMLReadOnlyError,
    DerivaMLSchemaPinned,
    DerivaMLSchemaRefreshBlocked,
    translated,
)
from ..schema_cache import PinStatus
from ..schema_diff import SchemaDiff, compare_schemas

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table

    from ..base import DerivaML


@translated()
def whoami(self: DerivaML) -> dict[str, Any] | None:
    """Who the catalog takes us for: a dictionary with `id`; None for nobody in particular."""
    client = getattr(self.catalog, "client", None)
    return None if client is None else {"id": client}


def is_authenticated(self: DerivaML) -> bool:
    """Whether the catalog knows who we are."""
    return whoami(self) is not None


@translated()
def refresh_schema(self: DerivaML, *, force: bool = False) -> str:
    """Keep the catalog's present schema for work without it; returns the snapshot that it is of.

    A session with a connection sees the present schema in any case.

    Args:
        force: Also while outputs wait that were staged under the schema that is kept.

    Raises:
        DerivaMLOfflineError: There is no connection.
        DerivaMLReadOnlyError: The session is on a snapshot.
        DerivaMLSchemaPinned: The schema that is kept is pinned.
        DerivaMLSchemaRefreshBlocked: Executions of this machine have something to upload.
    """
    if self.session.is_offline:
        raise DerivaMLOfflineError(
            "This session is offline, so that the schema cannot be read. Connect with "
            "mode='online'."
        )
    _refuse_snapshot(self)
    pin = pin_status(self)
    if pin.pinned:
        raise DerivaMLSchemaPinned(
            f"The schema is pinned at {pin.pinned_snapshot_id}"
            + (f" ({pin.pin_reason})" if pin.pin_reason else "")
            + "; unpin_schema() lets it be refreshed."
        )
    waiting = [s.execution_rid for s in self.pending_summary().per_execution if s.has_pending]
    if waiting and not force:
        raise DerivaMLSchemaRefreshBlocked(
            f"Outputs of {', '.join(waiting)} wait to be uploaded. Upload them first "
            "(commit_pending_executions), or refresh with force=True."
        )
    return keep_schema(self.session)


@translated()
def pin_schema(self: DerivaML, reason: str | None = None) -> PinStatus:
    """Keep the schema of this machine as it is, so that `diff_schema` tells what has changed.

    Raises:
        DerivaMLConfigurationError: None is kept, and there is no connection.
        DerivaMLReadOnlyError: The session is on a snapshot.
    """
    _refuse_snapshot(self)
    if not self.schema_cache.exists() and not self.session.is_offline:
        keep_schema(self.session)
    return self.schema_cache.pin(reason)


def _refuse_snapshot(self: DerivaML) -> None:
    """Refuse a session on a snapshot: what is kept is of the present."""
    if self.session.is_snapshot:
        raise DerivaMLReadOnlyError(
            f"This session is on the snapshot {self.catalog.snaptime!r} of catalog "
            f"{self.catalog.id!r}; the schema that is kept is of the present. Connect without a "
            "snapshot."
        )


def unpin_schema(self: DerivaML) -> PinStatus:
    """Let `refresh_schema` replace the schema of this machine again."""
    return self.schema_cache.unpin()


def pin_status(self: DerivaML) -> PinStatus:
    """Whether the schema of this machine is pinned."""
    return self.schema_cache.pin_status()


@translated()
def diff_schema(self: DerivaML) -> SchemaDiff:
    """What is different in the catalog from the schema that this machine keeps.

    Raises:
        DerivaMLOfflineError: There is no connection.
        DerivaMLConfigurationError: No schema is kept.
    """
    if self.session.is_offline:
        raise DerivaMLOfflineError(
            "This session is offline: there is nothing to compare the kept schema with."
        )
    return compare_schemas(read_model(self.schema_cache.load().schema), self.catalog.model)


def clear_vocabulary_cache(self: DerivaML, table: str | Table | None = None) -> None:
    """Look at the catalog again for terms. It is looked at in any case: no terms are kept.

    Args:
        table: A vocabulary; None means all.

    Raises:
        DerivaMLTableTypeError: The table is not a vocabulary.
    """
    if table is not None:
        self.model.vocabulary(table)
