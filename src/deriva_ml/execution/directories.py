"""Outputs that lie in a directory whose folders say what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_catalog.model.elements import Table
from deriva_ml.core.enums import UploadState
from deriva_ml.core.ermrest import FileUploadState
from deriva_ml.core.exceptions import DerivaMLTableNotFound, DerivaMLValidationError, some_of

from .outputs import register
from .run import Run

__all__ = ["register_directory", "upload_states"]

_NOTHING = ("", "None")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, and what its folders say of it."""

    path: Path
    table: Table
    name: str
    metadata: dict[str, Any]


def register_directory(run: Run, assets_dir: Path | str) -> dict[str, Path]:
    """Register every file of a directory as an output; returns them by path below it.

    The path of a file is ``<schema>/<table>/`` or ``<table>/``, a folder for each metadata column
    of the table (in alphabetical order; ``None`` means no value), and the name of the file, which
    may have folders of its own. All paths are understood before the first file is registered.

    Raises:
        DerivaMLValidationError: There is no such directory, no file in it, or a file whose path
            names no asset table or too few values.
    """
    root = Path(assets_dir)
    if not root.is_dir():
        raise DerivaMLValidationError(f"{str(root)!r} is no directory of assets.")
    found = list(_files(run, root))
    if not found:
        raise DerivaMLValidationError(f"There is no file in {str(root)!r}.")
    registered = {}
    for file in found:
        path = register(
            run, file.table, file.path, rename_file=file.name, metadata=file.metadata or None
        )
        registered[file.path.relative_to(root).as_posix()] = Path(path)
    return registered


def _files(run: Run, root: Path) -> Iterator[_Found]:
    wrong = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        parts = path.relative_to(root).parts
        found = _understood(run, path, parts)
        if found is None:
            wrong.append("/".join(parts))
        else:
            yield found
    if wrong:
        raise DerivaMLValidationError(
            f"The folders of {some_of(wrong)} do not say which assets these are: write "
            "<schema>/<table>/<a folder for each metadata column>/<file>."
        )


def _understood(run: Run, path: Path, parts: tuple[str, ...]) -> _Found | None:
    model = run.session.model
    for names, rest in ((parts[:2], parts[2:]), (parts[:1], parts[1:])):
        schema_given = len(names) == 2
        if not rest or (schema_given and names[0] not in model.schemas):
            continue
        try:
            table = model.name_to_table(":".join(names))
        except DerivaMLTableNotFound:
            continue
        columns = model.asset_metadata_sorted(table) if model.is_asset(table) else None
        if columns is None or len(rest) <= len(columns):
            continue
        values = dict(zip(columns, rest, strict=False))
        metadata = {c: v for c, v in values.items() if v not in _NOTHING}
        return _Found(path, table, "/".join(rest[len(columns) :]), metadata)
    return None


def upload_states(run: Run, registered: Mapping[str, Path]) -> dict[str, FileUploadState]:
    """What became of registered files; in a dry run nothing."""
    outputs = {run.inside(o.path): o for o in run.journal.outputs()}
    states = {}
    for name, path in registered.items():
        output = outputs[path]
        if output.status == "uploaded":
            result = {"RID": output.rid, **output.metadata}
            states[name] = FileUploadState(
                state=UploadState.success, status="Uploaded", result=result
            )
        else:
            states[name] = FileUploadState(
                state=UploadState.pending, status="This is a dry run: nothing is uploaded."
            )
    return states
