"""Looking for damage: stored bytes that are missing or changed, and what has no name."""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import CatalogError
from .content import ContentStore, Progress
from .store import ObjectStore
from .tables import VERSION
from .versions import SELECT, ObjectFinding, from_row


def verify(store: ObjectStore, progress: Progress | None = None) -> list[ObjectFinding]:
    """Hash everything that a version refers to; returns what is missing or damaged."""
    with store.database.reading() as reading:
        statement = SELECT.where(~VERSION.c.deleted).order_by(VERSION.c.id)
        versions = [from_row(row) for row in reading.connection.execute(statement)]
    checked: dict[str, str | None] = {}
    for version in versions:
        if version.sha256 not in checked:
            checked[version.sha256] = _problem(store.content, version.sha256)
            if progress is not None:
                progress(version.length)
    return [
        ObjectFinding(version.url, problem)
        for version in versions
        if (problem := checked[version.sha256]) is not None
    ]


def _problem(content: ContentStore, sha256: str) -> str | None:
    try:
        content.check(sha256)
    except CatalogError as error:
        return error.message
    return None


def unreferenced(store: ObjectStore) -> list[str]:
    """Return the SHA-256 of stored bytes that no version refers to."""
    with store.database.reading() as reading:
        statement = sa.select(VERSION.c.sha256).where(~VERSION.c.deleted).distinct()
        used = set(reading.connection.execute(statement).scalars())
    return sorted(sha256 for sha256, _ in store.content.digests() if sha256 not in used)
