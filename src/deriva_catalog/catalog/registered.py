"""What a registry knows of catalogs and aliases, and the tables that it keeps it in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from ..errors import BadRequest, Conflict, Corrupted

__all__ = [
    "ALIAS",
    "CATALOG",
    "FORMAT",
    "SERIAL",
    "UNCHANGED",
    "Alias",
    "Registered",
    "Unchanged",
    "alias_of",
    "alias_row",
    "aliases_of",
    "altered",
    "check_name",
    "next_serial",
    "prepare",
    "read_roles",
    "refuse_taken",
    "roles_text",
]

FORMAT = 2
"""The version of the layout that this release writes; see `prepare` for the older one."""

_NAME = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*")
_METADATA = sa.MetaData()

META = sa.Table("meta", _METADATA, sa.Column("format", sa.Integer, nullable=False))

CATALOG = sa.Table(
    "catalog",
    _METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("created", sa.Float(53), nullable=False),
    sa.Column("deleted", sa.Float(53)),
    sa.Column("owner", sa.Text, nullable=False, server_default="[]"),
    sa.Column("is_persistent", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("clone_source", sa.Text),
    sa.Column("purged", sa.Float(53)),
)
"""Every identifier that was ever given; times in seconds since 1970."""

ALIAS = sa.Table(
    "alias",
    _METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, sa.ForeignKey("catalog.id")),
    sa.Column("owner", sa.Text, nullable=False, server_default="[]"),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
)

SERIAL = sa.Table("serial", _METADATA, sa.Column("last", sa.Integer, nullable=False))
"""The last number that was given as an identifier."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One catalog; `created` is in seconds since 1970.

    `directory` is None for a catalog in a PostgreSQL database. `owner` are the roles that it was
    created for, `clone_source` the identifier of the catalog that it was made from, if any.
    """

    id: str
    aliases: tuple[str, ...]
    name: str | None
    description: str | None
    created: float
    directory: Path | None
    owner: tuple[str, ...] = ()
    is_persistent: bool = True
    clone_source: str | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """A second name, which can be moved from catalog to catalog; unbound without a target."""

    id: str
    target: str | None
    owner: tuple[str, ...] = ()
    name: str | None = None
    description: str | None = None


def check_name(name: str) -> None:
    """Refuse what cannot stand in a URL.

    Raises:
        BadRequest: `name` can be neither identifier nor alias.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the identifier or alias of a catalog.",
            hint="Use letters, digits, '-', '_' and '.'; begin with a letter or digit.",
        )


def roles_text(roles: Sequence[str]) -> str:
    """Roles as they are kept."""
    return json.dumps(list(roles), ensure_ascii=False)


def read_roles(text: str) -> tuple[str, ...]:
    """The roles that `roles_text` wrote."""
    return tuple(json.loads(text))


def prepare(connection: sa.Connection, shown: str) -> None:
    """Create the tables in an empty database, or bring those of an older release up to date.

    - Format 1 (SQLite only) had no owners and kept its number in ``user_version``.

    Raises:
        Corrupted: a newer release wrote them.
    """
    present = set(sa.inspect(connection).get_table_names())
    found = FORMAT
    if META.name in present:
        found = int(connection.execute(sa.select(META.c.format)).scalar_one())
    elif connection.dialect.name == "sqlite":
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if found > FORMAT:
        raise Corrupted(
            f"The registry {shown} was written by a newer version.",
            hint="Upgrade this package.",
        )
    if META.name in present:
        return
    if CATALOG.name in present:
        _add_columns(connection, CATALOG)
        _add_columns(connection, ALIAS)
    _METADATA.create_all(connection)
    if connection.execute(sa.select(SERIAL.c.last)).first() is None:
        connection.execute(sa.insert(SERIAL).values(last=0))
    connection.execute(sa.insert(META).values(format=FORMAT))
    if connection.dialect.name == "sqlite":  # where older releases look
        connection.exec_driver_sql(f"PRAGMA user_version={FORMAT}")


def _add_columns(connection: sa.Connection, table: sa.Table) -> None:
    known = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.c:
        if column.name not in known:
            text: Any = sa.schema.CreateColumn(column).compile(connection)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {text}")


class Unchanged:
    """The type of `UNCHANGED`."""


UNCHANGED: Final = Unchanged()
"""Stands for a member of an alias that `Registry.alter_alias` leaves as it is."""


def altered(
    alias: Alias,
    target: str | Unchanged | None,
    owner: Sequence[str] | Unchanged,
    name: str | Unchanged | None,
    description: str | Unchanged | None,
) -> Alias:
    """An alias with what is given changed."""
    return Alias(
        id=alias.id,
        target=alias.target if isinstance(target, Unchanged) else target,
        owner=alias.owner if isinstance(owner, Unchanged) else tuple(owner),
        name=alias.name if isinstance(name, Unchanged) else name,
        description=alias.description if isinstance(description, Unchanged) else description,
    )


def aliases_of(connection: sa.Connection) -> dict[str, list[str]]:
    """The aliases of each catalog, by its identifier."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(sa.select(ALIAS).order_by(ALIAS.c.id)):
        if row.target is not None:
            found.setdefault(row.target, []).append(row.id)
    return found


def alias_of(row: sa.Row[Any]) -> Alias:
    """The alias that a row describes."""
    return Alias(row.id, row.target, read_roles(row.owner), row.name, row.description)


def alias_row(alias: Alias) -> dict[str, Any]:
    """The row that describes an alias."""
    return {
        "id": alias.id,
        "target": alias.target,
        "owner": roles_text(alias.owner),
        "name": alias.name,
        "description": alias.description,
    }


def refuse_taken(connection: sa.Connection, names: Sequence[str]) -> None:
    """Refuse names that a catalog or an alias has, or had. Raises `Conflict`."""
    for name in names:
        for table in (CATALOG, ALIAS):
            taken = sa.select(table.c.id).where(table.c.id == name)
            if connection.execute(taken).first() is not None:
                raise Conflict(
                    f"There is a catalog or an alias {name!r} already, or there was one.",
                    hint="Open it, or choose another name.",
                    catalog=name,
                )


def next_serial(connection: sa.Connection) -> str:
    """The next number that no catalog or alias has."""
    while True:
        step = sa.update(SERIAL).values(last=SERIAL.c.last + 1).returning(SERIAL.c.last)
        last = str(connection.execute(step).scalar_one())
        try:
            refuse_taken(connection, [last])
        except Conflict:
            continue
        return last
