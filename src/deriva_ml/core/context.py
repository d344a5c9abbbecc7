"""Which catalog to work with, as a file in the project says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .exceptions import DerivaMLConfigurationError

__all__ = ["CONTEXT_FILE", "read_context"]

CONTEXT_FILE = ".deriva-context.json"
_KNOWN = ("hostname", "catalog_id", "default_schema", "working_dir")


def read_context(path: Path | str | None = None) -> dict[str, Any]:
    """What the nearest context file says: arguments to connect with.

    Args:
        path: The file, or a directory: it is looked for there, then in the directories above.
            None means the current directory.

    Relative paths in it are taken from the file's own directory.

    Raises:
        FileNotFoundError: There is no such file.
        DerivaMLConfigurationError: It says something else, or not enough.
    """
    start = Path.cwd() if path is None else Path(path).expanduser().absolute()
    places = [start] if start.is_file() else [d / CONTEXT_FILE for d in (start, *start.parents)]
    file = next((p for p in places if p.is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"There is no {CONTEXT_FILE} in {str(start)!r} or above it. It holds the hostname "
            "and catalog_id of the catalog to work with."
        )
    return _read(file)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DerivaMLConfigurationError(f"{str(file)!r} cannot be read: {error}.") from error
    known = isinstance(found, dict) and set(found) <= set(_KNOWN)
    if not known or not {"hostname", "catalog_id"} <= set(found):
        raise DerivaMLConfigurationError(
            f"{str(file)!r} must hold hostname and catalog_id, and may hold default_schema and "
            f"working_dir; it holds {sorted(found) if isinstance(found, dict) else found!r}."
        )
    said = {name: value for name, value in found.items() if value is not None}
    return {**said, **_placed(said, file.parent)}


def _placed(said: dict[str, Any], beside: Path) -> dict[str, str]:
    """The paths among what a file says, from its directory on."""
    placed = {}
    host, work = said.get("hostname"), said.get("working_dir")
    if isinstance(host, str) and host.startswith("."):
        placed["hostname"] = str((beside / host).resolve())
    if isinstance(work, str) and not work.startswith("~"):
        placed["working_dir"] = str((beside / work).resolve())
    return placed
