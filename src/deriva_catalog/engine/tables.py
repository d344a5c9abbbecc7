"""The catalog's own tables, beside those of the model; their names start with ``_``."""

from __future__ import annotations

import sqlalchemy as sa

from .defining import composed
from .storage import Storage

FORMAT = 2
"""The version of the layout that this release writes; see `migration` for the older ones."""

METADATA = sa.MetaData()

META = sa.Table(
    "_meta",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Facts about the catalog: ``format``, ``horizon`` (the oldest time that can be read)."""

COMMIT = sa.Table(
    "_commit", METADATA, sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False)
)
"""One row for each committed change: the snapshots."""

MODEL = sa.Table(
    "_model",
    METADATA,
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
"""The whole model after each change of it, as a JSON document compressed with zlib."""

SEQUENCE = sa.Table(
    "_sequence",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
"""The last number given by each sequence."""


def create_internal(storage: Storage, connection: sa.Connection) -> None:
    """Create these tables and their first rows in an empty database."""
    storage.define(connection, composed(METADATA, connection.dialect))
    connection.execute(sa.insert(META).values(name="format", value=str(FORMAT)))
    connection.execute(sa.insert(SEQUENCE).values(name="rid", value=0))
