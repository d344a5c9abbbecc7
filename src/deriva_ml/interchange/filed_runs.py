"""Filing runs that took place elsewhere as executions: many at once, each once.

The bytes go first, then everything else in one transaction. A run's token is leased for its
execution in that transaction, so whoever files it again finds it, on whichever machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from deriva_catalog.objects import Content, Upload, encode_part
from deriva_ml.core.enums import ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import translated
from deriva_ml.core.provenance import unknown_provenance_file
from deriva_ml.core.query import any_of, attributes, name_of
from deriva_ml.execution.durations import duration_text

from .identifiers import iso_time

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.core.session import Session
    from deriva_ml.execution.run import Surroundings
    from deriva_ml.execution.workflow import Workflow

__all__ = ["FiledFile", "FiledRun", "file_runs", "filed", "nest"]

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class FiledFile:
    """A file that a run made.

    Attributes:
        path: Where it is on this machine.
        name: The name that it gets.
        types: Terms of ``Asset_Type``.
        table: The asset table of the ML schema that it goes to.
        description: What it is.
    """

    path: Path
    name: str
    types: tuple[str, ...] = ()
    table: str = MLAsset.execution_asset.value
    description: str = ""


@dataclass(frozen=True, slots=True)
class FiledRun:
    """A run that took place elsewhere.

    Attributes:
        token: What stands for it in the catalog; the same whenever it is filed.
        workflow: The code that ran, identified.
        description: Why it was made.
        status: How it ended.
        detail: What ended it, if it failed.
        start: When it began.
        stop: When it ended.
        files: What it made, and what describes it.
        parent: The token of the run that it belongs to.
    """

    token: str
    workflow: Workflow
    description: str = ""
    status: ExecutionStatus = ExecutionStatus.Uploaded
    detail: str | None = None
    start: datetime | None = None
    stop: datetime | None = None
    files: tuple[FiledFile, ...] = field(default_factory=tuple)
    parent: str | None = None


def filed(session: Session, tokens: Iterable[str]) -> dict[str, str]:
    """RIDs of the executions of runs that are filed, by token; two queries."""
    leased = session.catalog.leased_rids(list(tokens))
    if not leased:
        return {}
    query = attributes(session.ml("Execution"), ("RID",), any_of("RID", leased.values()))
    there = {row["RID"] for row in session.fetch(query)}
    return {token: rid for token, rid in leased.items() if rid in there}


@translated()
def file_runs(around: Surroundings, runs: Sequence[FiledRun]) -> dict[str, str]:
    """File runs as executions, all of them or none; returns their RIDs by token.

    Those that are filed already stay as they are.

    Raises:
        DerivaMLReadOnlyError: The session is on a snapshot.
        DerivaMLInvalidTerm: A type of a workflow or a file is no term.
        DerivaMLUnavailableError: The catalog or its object store cannot be written.

    Cost: a fixed number of statements, whatever the number of runs and files.
    """
    session = around.session
    session.require_writable()
    known = filed(session, [run.token for run in runs])
    stored = _store(session, [f for run in runs if run.token not in known for f in run.files])
    with session.transaction():
        known = filed(session, [run.token for run in runs])
        fresh = {run.token: run for run in runs if run.token not in known}
        if fresh:
            rids = session.catalog.lease_rids(list(fresh))
            _insert_executions(around, fresh, rids)
            _insert_files(around, fresh, rids, stored)
            known |= rids
            _nest(session, fresh, known)
    return {run.token: known[run.token] for run in runs}


def _store(session: Session, files: Sequence[FiledFile]) -> dict[Path, Content]:
    """Bring the bytes of files into the object store."""
    content = session.catalog.objects.content
    paths = list(dict.fromkeys(f.path for f in files))
    found: dict[Path, Content] = {}
    for begin in range(0, len(paths), _AT_ONCE):
        some = paths[begin : begin + _AT_ONCE]
        found.update(zip(some, content.add_many(some), strict=True))
    content.flush({c.sha256 for c in found.values()})
    return found


def _insert_executions(
    around: Surroundings, runs: Mapping[str, FiledRun], rids: Mapping[str, str]
) -> None:
    workflows: dict[tuple[str | None, str | None], str] = {}
    rows = []
    for token, run in runs.items():
        code = (run.workflow.url, run.workflow.checksum)
        if code not in workflows:
            workflows[code] = around.workflows.add(run.workflow)
        took = None
        if run.start is not None and run.stop is not None:
            took = duration_text((run.stop - run.start).total_seconds())
        rows.append(
            {
                "RID": rids[token],
                "Workflow": workflows[code],
                "Description": run.description,
                "Status": run.status.value,
                "Status_Detail": run.detail,
                "Start": iso_time(run.start),
                "Stop": iso_time(run.stop),
                "Execution_Duration": took,
            }
        )
    table = name_of(around.session.ml("Execution"))
    around.session.catalog.insert(table, rows, nondefaults=("RID",), returning=False)


def _insert_files(
    around: Surroundings,
    runs: Mapping[str, FiledRun],
    rids: Mapping[str, str],
    stored: Mapping[Path, Content],
) -> None:
    """Insert the rows of files, what made them, and their types; equal files are one."""
    session = around.session
    by_table: dict[str, list[tuple[str, FiledFile]]] = {}
    for token, run in runs.items():
        for file in run.files:
            by_table.setdefault(file.table, []).append((rids[token], file))
    for name, made in by_table.items():
        table = session.ml(name)
        uploads = [_upload(file, stored[file.path]) for _, file in made]
        versions = session.catalog.objects.register(uploads, reuse=True)
        urls = {u.name: v.url for u, v in zip(uploads, versions, strict=True)}
        rows = _asset_rows(session, table, [f for _, f in made], stored, urls)
        links = [
            {name: rows[urls[upload.name]], "Execution": rid, "Asset_Role": "Output"}
            for (rid, _), upload in zip(made, uploads, strict=True)
        ]
        _link(around, table, links)
        types = [
            (rows[urls[upload.name]], kind)
            for (_, file), upload in zip(made, uploads, strict=True)
            for kind in (*file.types, "Output_File")
        ]
        around.assets.insert_types(table, types)
    # None of them declares an input that the catalog knows.
    sentinel = unknown_provenance_file(session)
    inputs = [{"File": sentinel, "Execution": rids[token], "Asset_Role": "Input"} for token in runs]
    _link(around, session.ml("File"), inputs)


def _link(around: Surroundings, table: Table, links: list[dict[str, Any]]) -> None:
    association = around.session.model.asset_execution_table(table)
    if association is not None and links:
        unique = list({(row[table.name], row["Execution"]): row for row in links}.values())
        around.session.catalog.insert(
            name_of(association), unique, on_conflict="skip", returning=False
        )


def _upload(file: FiledFile, content: Content) -> Upload:
    name = encode_part(PurePosixPath(file.name).name)
    return Upload(f"/hatrac/{encode_part(file.table)}/{content.md5}.{name}", content=content)


def _asset_rows(
    session: Session,
    table: Table,
    files: Sequence[FiledFile],
    stored: Mapping[Path, Content],
    urls: Mapping[str, str],
) -> dict[str, str]:
    """RIDs of the rows of files by URL, after inserting those that the catalog lacks."""
    wanted = dict.fromkeys(urls.values())
    query = attributes(table, ("RID", "URL"), any_of("URL", wanted))
    known = {row["URL"]: row["RID"] for row in session.fetch(query)}
    fresh: dict[str, dict[str, Any]] = {}
    for file in files:
        content = stored[file.path]
        url = urls[_upload(file, content).name]
        if url not in known:
            fresh[url] = {
                "URL": url,
                "Filename": PurePosixPath(file.name).name,
                "Length": content.length,
                "MD5": content.md5,
                "Description": file.description,
            }
    if fresh:
        added = session.catalog.insert(name_of(table), list(fresh.values()))
        known |= {row["URL"]: row["RID"] for row in added}
    return known


def _nest(session: Session, runs: Mapping[str, FiledRun], known: Mapping[str, str]) -> None:
    """Let runs belong to those that they name, as far as these are filed."""
    wanted = {run.parent for run in runs.values() if run.parent} - known.keys()
    parents = {**known, **filed(session, wanted)}
    nest(
        session,
        {
            known[token]: parents[run.parent]
            for token, run in runs.items()
            if run.parent in parents and run.parent is not None
        },
    )


@translated()
def nest(session: Session, parents: Mapping[str, str]) -> None:
    """Let executions belong to others (RIDs by RID); those that do already stay as they are."""
    rows = [
        {"Execution": parent, "Nested_Execution": child, "Sequence": None}
        for child, parent in parents.items()
    ]
    if rows:
        table = name_of(session.ml("Execution_Execution"))
        session.catalog.insert(table, rows, on_conflict="skip", returning=False)
