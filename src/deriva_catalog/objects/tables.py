"""The tables that hold names, versions and uploads of objects, beside the catalog's others."""

from __future__ import annotations

import sqlalchemy as sa

from .. import snaptime

METADATA = sa.MetaData()

NAME = sa.Table(
    "_object_name",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False, unique=True),
    sa.Column("parent", sa.Text, nullable=False, index=True),
    sa.Column("is_namespace", sa.Boolean, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("acls", sa.Text),
    sa.Column("removed", sa.BigInteger),
)
"""Every name that was ever used; `created`, and `removed` if it was deleted, in microseconds since
1970.

`acls` is a JSON object of access control lists; NULL when all of them are empty.
"""

VERSION = sa.Table(
    "_object_version",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name_id", sa.Integer, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False, unique=True),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("md5", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("content_type", sa.Text),
    sa.Column("filename", sa.Text),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("acls", sa.Text),
    sa.Column("md5_declared", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("sha256_declared", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("removed", sa.BigInteger),
)
"""Versions in the order of `id`; the newest that is not deleted is the current one.

Both digests are always known; those that a client declared are also metadata of the version.
"""

FORMER = sa.Table(
    "_object_former",
    METADATA,
    sa.Column("name_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version_id", sa.Integer, primary_key=True, autoincrement=False, index=True),
)
"""The names that versions had before they were renamed; they lead to the versions still."""

JOB = sa.Table(
    "_object_upload",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job", sa.Text, nullable=False, unique=True),
    sa.Column("name_id", sa.Integer, index=True),
    sa.Column("owner", sa.Text),
    sa.Column("chunk_length", sa.BigInteger, nullable=False),
    sa.Column("content_length", sa.BigInteger, nullable=False),
    sa.Column("content_type", sa.Text),
    sa.Column("filename", sa.Text),
    sa.Column("md5", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Column("created", sa.BigInteger, nullable=False),
)
"""Uploads that go on; `name_id` is NULL for bytes that get their names later."""

COLLECTED = sa.Table(
    "_object_collected",
    METADATA,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
)
"""Digests of bytes that were collected as garbage, or were about to be; see `collecting`."""

_ADDED = (
    NAME.c.acls,
    NAME.c.removed,
    VERSION.c.acls,
    VERSION.c.md5_declared,
    VERSION.c.sha256_declared,
    VERSION.c.removed,
)


def create_tables(connection: sa.Connection) -> None:
    """Create the tables in a new catalog's database."""
    METADATA.create_all(connection)


def knows_former(connection: sa.Connection) -> bool:
    """Whether the tables know former names; those of the first release did not."""
    return sa.inspect(connection).has_table(FORMER.name)


def is_current(connection: sa.Connection) -> bool:
    """Whether the tables have the present layout."""
    return sa.inspect(connection).has_table(COLLECTED.name)


def upgrade_tables(connection: sa.Connection) -> None:
    """Bring the tables to the present layout, inside a transaction."""
    for column in _ADDED:
        have = {c["name"] for c in sa.inspect(connection).get_columns(column.table.name)}
        if column.name not in have:
            spelled = sa.schema.CreateColumn(column).compile(connection).string
            connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {spelled}")
    now = snaptime.now()  # one time for all: what was deleted together comes back together
    for table in (NAME, VERSION):  # deleted before it was written down when: kept from now on
        unknown = table.c.deleted & table.c.removed.is_(None)
        connection.execute(sa.update(table).where(unknown).values(removed=now))
    METADATA.create_all(connection)
