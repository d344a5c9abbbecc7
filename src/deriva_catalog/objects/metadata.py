"""Metadata of versions, for a client with its rights.

Source: Hatrac, "Metadata". A digest is metadata only once a client has declared it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ..errors import BadRequest, Conflict, NotFound
from .asking import Asker, Kept
from .headers import (
    checked_content_type,
    digest_header,
    digest_of,
    disposition_of,
    filename_of,
)
from .names import ObjectName
from .states import Precondition, no_precondition, state_of
from .store import ObjectStore
from .tables import VERSION

FIELDS = ("content-type", "content-disposition", "content-md5", "content-sha256")


def read_fields(store: ObjectStore, asker: Asker, name: ObjectName) -> dict[str, str]:
    """The fields that are set, as headers spell them; of the current version without another.

    Raises:
        NotFound: There is no such version.
        NotAuthenticated, Forbidden: The client may not read it.
    """
    with store.database.reading() as reading:
        return fields_of(asker.readable(reading.connection, name))


def fields_of(kept: Kept) -> dict[str, str]:
    """The fields of a version that are set."""
    version = kept.version
    found = {
        "content-type": version.content_type,
        "content-disposition": version.filename and disposition_of(version.filename),
        "content-md5": digest_header(version.md5) if kept.md5_declared else None,
        "content-sha256": digest_header(version.sha256) if kept.sha256_declared else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def read_field(store: ObjectStore, asker: Asker, name: ObjectName, field: str) -> str:
    """One field. Raises also `BadRequest` for an unknown one, `NotFound` if it is not set."""
    _check_field(field)
    found = read_fields(store, asker, name)
    if field not in found:
        raise _not_set(name, field)
    return found[field]


def set_field(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    field: str,
    value: str,
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Set one field.

    Raises:
        BadRequest: There is no such field, or it cannot have the value.
        Conflict: A digest is not that of the bytes.
        NotFound, NotAuthenticated, Forbidden: See `read_fields`; the client must own the version.
    """
    _check_field(field)
    with store.database.writing() as writing:
        kept = asker.owned(writing.connection, name)
        precondition(state_of(fields_of(kept).get(field)))
        _update(writing.connection, kept, _values(kept, field, value))


def delete_field(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    field: str,
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Unset one field. Raises `NotFound` if it is not set."""
    _check_field(field)
    with store.database.writing() as writing:
        kept = asker.owned(writing.connection, name)
        found = fields_of(kept)
        precondition(state_of(found.get(field)))
        if field not in found:
            raise _not_set(name, field)
        empty: dict[str, dict[str, Any]] = {
            "content-type": {"content_type": None},
            "content-disposition": {"filename": None},
            "content-md5": {"md5_declared": False},
            "content-sha256": {"sha256_declared": False},
        }
        _update(writing.connection, kept, empty[field])


def _values(kept: Kept, field: str, value: str) -> dict[str, Any]:
    if field == "content-type":
        return {"content_type": checked_content_type(value)}
    if field == "content-disposition":
        return {"filename": filename_of(value)}
    if field == "content-md5":
        _same(kept, digest_of(value, "MD5"), kept.version.md5, "MD5")
        return {"md5_declared": True}
    _same(kept, digest_of(value, "SHA-256"), kept.version.sha256, "SHA-256")
    return {"sha256_declared": True}


def _same(kept: Kept, given: str, found: str, algorithm: str) -> None:
    if given != found:
        raise Conflict(
            f"The {algorithm} of {kept.version.url} is {digest_header(found)}, "
            f"not {digest_header(given)}.",
            hint="The bytes of a version never change.",
        )


def _update(connection: sa.Connection, kept: Kept, values: dict[str, Any]) -> None:
    connection.execute(sa.update(VERSION).where(VERSION.c.id == kept.id).values(**values))


def _check_field(field: str) -> None:
    if field not in FIELDS:
        raise BadRequest(
            f"Invalid metadata name {field}.", hint="The names are " + ", ".join(FIELDS) + "."
        )


def _not_set(name: ObjectName, field: str) -> NotFound:
    return NotFound(f"Metadata {field} of {name.url} not found.")
