"""The tables that hold names and versions of objects, beside the catalog's other tables."""

from __future__ import annotations

import sqlalchemy as sa

_METADATA = sa.MetaData()

NAME = sa.Table(
    "_object_name",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False, unique=True),
    sa.Column("parent", sa.Text, nullable=False, index=True),
    sa.Column("is_namespace", sa.Boolean, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False, default=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)
"""Every name that was ever used; `created` in microseconds since 1970."""

VERSION = sa.Table(
    "_object_version",
    _METADATA,
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
)
"""Versions in the order of `id`; the newest that is not deleted is the current one."""


def create_tables(connection: sa.Connection) -> None:
    """Create the tables in a new catalog's database."""
    _METADATA.create_all(connection)
