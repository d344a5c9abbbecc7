"""The schema of a catalog as this machine keeps it: for work without it, and to tell changes.

The first connection keeps it; `refresh_schema` replaces it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .exceptions import DerivaMLConfigurationError, DerivaMLUnavailableError

__all__ = ["CachedSchema", "PinStatus", "SchemaCache"]

FILE_NAME = "schema-cache.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PinStatus:
    """Whether the cached schema is kept as it is.

    Attributes:
        pinned: Whether it is.
        pinned_at: Since when.
        pin_reason: Why.
        pinned_snapshot_id: The snapshot of the catalog that it is of.
    """

    pinned: bool
    pinned_at: datetime | None = None
    pin_reason: str | None = None
    pinned_snapshot_id: str | None = None


@dataclass(frozen=True, slots=True)
class CachedSchema:
    """What the cache holds.

    Attributes:
        schema: The catalog's schema as a document.
        snapshot_id: The snapshot that it is of.
        about: Facts of the catalog: ``id``, ``url``, ``identity``.
    """

    schema: dict[str, Any]
    snapshot_id: str
    about: dict[str, Any]


class SchemaCache:
    """The cached schema of a catalog, in a file of the working directory.

    Args:
        workspace_root: The working directory of sessions on the catalog.
    """

    def __init__(self, workspace_root: Path | str) -> None:
        self.path = Path(workspace_root) / FILE_NAME

    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.is_file()

    def snapshot_id(self) -> str | None:
        """The snapshot that it is of; None when there is none."""
        return str(self._read()["snapshot_id"]) if self.exists() else None

    def load(self) -> CachedSchema:
        """What it holds.

        Raises:
            DerivaMLConfigurationError: There is none, or it cannot be read.
        """
        document = self._read()
        return CachedSchema(document["schema"], document["snapshot_id"], document["about"])

    def write(self, schema: Mapping[str, Any], snapshot_id: str, about: Mapping[str, Any]) -> None:
        """Replace what it holds; a pin stays.

        Raises:
            DerivaMLUnavailableError: The file cannot be written.
        """
        pin = self._read().get("pin") if self.exists() else None
        document = {"snapshot_id": snapshot_id, "about": dict(about), "schema": dict(schema)}
        self._write({**document, "pin": pin})

    # --- pinning ---------------------------------------------------------------------

    def pin(self, reason: str | None = None) -> PinStatus:
        """Keep it as it is: until `unpin`, nothing replaces it.

        Raises:
            DerivaMLConfigurationError: There is none.
        """
        document = self._read()
        document["pin"] = {"at": datetime.now(UTC).isoformat(), "reason": reason}
        self._write(document)
        return self.pin_status()

    def unpin(self) -> PinStatus:
        """Let it be replaced again; nothing happens when it is not pinned."""
        if self.exists():
            self._write({**self._read(), "pin": None})
        return self.pin_status()

    def pin_status(self) -> PinStatus:
        """Whether it is pinned."""
        return _pin_status(self._read() if self.exists() else {})

    def keeps(self, identity: str) -> bool:
        """Whether it is of this catalog, or pinned to whichever it is of."""
        if not self.exists():
            return False
        document = self._read()
        return _pin_status(document).pinned or document["about"]["identity"] == identity

    # --- the file --------------------------------------------------------------------

    def _read(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DerivaMLConfigurationError(
                f"There is no schema of the catalog in {str(self.path.parent)!r}. Connect to the "
                "catalog once (mode=online) with this working directory."
            ) from error
        except (OSError, ValueError) as error:
            raise DerivaMLConfigurationError(
                f"{str(self.path)!r} cannot be read: {error}. Remove it and connect again."
            ) from error
        if document.get("format") != _FORMAT:
            raise DerivaMLConfigurationError(
                f"{str(self.path)!r} has format {document.get('format')!r}, this version reads "
                f"{_FORMAT}. Remove it and connect again."
            )
        return document

    def _write(self, document: Mapping[str, Any]) -> None:
        write_json(self.path, {"format": _FORMAT, **document})


def _pin_status(document: Mapping[str, Any]) -> PinStatus:
    pin = document.get("pin")
    if pin is None:
        return PinStatus(False)
    at = datetime.fromisoformat(pin["at"])
    return PinStatus(True, at, pin["reason"], document["snapshot_id"])


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document, whole or not at all.

    Raises:
        DerivaMLUnavailableError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(document))  # an order of magnitude faster than json.dump
        Path(name).replace(path)
    except OSError as error:
        raise DerivaMLUnavailableError(f"{str(path)!r} cannot be written: {error}.") from error
