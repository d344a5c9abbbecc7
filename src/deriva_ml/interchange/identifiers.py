"""What entities of a catalog are called outside of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from deriva_catalog import snaptime
from deriva_ml.core.host import web_address
from deriva_ml.core.session import Session

__all__ = [
    "address",
    "iso_time",
    "moment",
    "namespace",
    "of_version",
    "run_uuid",
    "snapshot_time",
]

_RUNS = uuid.UUID("5e0b4a1f-6a5c-4c0f-9d53-1c8a5a3c8f11")


def address(session: Session, rid: str, snapshot: str | None = None) -> str:
    """The URI of a row: its permanent link where the catalog is served, else a ``tag:`` URI.

    Args:
        session: The session on the catalog, a snapshot of it, or a bag.
        rid: RID of the row.
        snapshot: As of when; None means as it is.
    """
    at = f"@{snapshot}" if snapshot else ""
    base = session.identity.partition("#")[0] or session.catalog.url
    if urlsplit(base).scheme in ("http", "https"):
        catalog = quote(str(session.catalog.id), safe="")
        return f"{web_address(session.hostname, base)}/id/{catalog}/{rid}{at}"
    return f"tag:deriva-ml.org,2026:{_catalog(session)}/{rid}{at}"


def _catalog(session: Session) -> str:
    """What tells a catalog of this machine from others."""
    known = session.identity.partition("#")[2]
    return quote(known or f"catalog/{session.catalog.id}", safe="/")


def of_version(session: Session, dataset: str, version: str, snapshot: str | None) -> str:
    """The URI of a version of a dataset; without a snapshot the label stands for it."""
    if snapshot:
        return address(session, dataset, snapshot)
    return f"{address(session, dataset)}@{version}"


def namespace(session: Session) -> str:
    """The URI of the catalog as a place that names are unique in."""
    base = session.identity.partition("#")[0] or session.catalog.url
    if urlsplit(base).scheme in ("http", "https"):
        parts = urlsplit(base)
        return f"deriva://{parts.netloc}/{quote(str(session.catalog.id), safe='')}"
    return f"deriva://{_catalog(session)}"


def run_uuid(session: Session, execution_rid: str, created: datetime | None) -> str:
    """The UUID of an execution: the same whenever it is asked for, sorted by creation (version 7).

    Source: RFC 9562, section 5.7.
    """
    digest = uuid.uuid5(_RUNS, f"{namespace(session)}/{execution_rid}").int
    millis = 0 if created is None else int(created.timestamp() * 1000)
    value = (millis & (1 << 48) - 1) << 80 | digest & (1 << 80) - 1
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def snapshot_time(snapshot: str | None) -> datetime | None:
    """When a snapshot was made."""
    return None if snapshot is None else snaptime.to_datetime(snaptime.decode(snapshot))


def iso_time(moment: datetime | None) -> str | None:
    """A moment in ISO 8601, in milliseconds; None stays None."""
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def moment(value: Any) -> datetime | None:
    """The time that a column of a row holds."""
    return None if value is None else datetime.fromisoformat(str(value))
