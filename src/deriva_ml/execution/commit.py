"""The commit of an execution: bytes first, then all rows in one transaction.

Before it begins, the journal holds a token for the commit, and the transaction leases that token.
So a process that finds the journal of one that died knows whether the commit took place: it
either marks everything as committed or does the whole of it again; bytes that are in the object
store already are not sent twice.
"""

from __future__ import annotations

import csv
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import SYSTEM_COLUMNS, Table
from deriva_catalog.objects import ObjectVersion, Upload, encode_part
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLResumeError,
    DerivaMLUploadError,
    some_of,
    translated,
)
from deriva_ml.core.provenance import unknown_provenance_file
from deriva_ml.core.query import any_of, attributes, name_of
from deriva_ml.feature.definition import find_features

from .calls import refuse_left_out
from .creation import leased
from .durations import duration_text, now, seconds_between
from .journal import OutputFile
from .lifecycle import change, fail, start, stop, tell_catalog
from .outputs import OUTPUT, terms_of
from .report import UploadCallback, UploadReport
from .run import Run
from .storing import store_outputs

__all__ = ["commit", "finish_commit", "upload_while_failed"]

_S = ExecutionStatus
_ABSENT = "\0absent"
"""Stands for a field that a row of a CSV file does not have, as one that was cut off."""
TableRows = list[tuple[Table, list[dict[str, Any]]]]


@dataclass(frozen=True)
class _Work:
    """What a commit is to write."""

    outputs: Sequence[OutputFile]
    features: Sequence[tuple[Any, list[dict[str, Any]]]]
    tables: TableRows


def commit(run: Run, callback: UploadCallback | None = None) -> UploadReport:
    """Upload everything that the execution has made, exactly once.

    Raises:
        InvalidTransitionError: The execution was aborted.
        DerivaMLOfflineError: There is no connection; nothing changes.
        DerivaMLUploadError: Something cannot be uploaded. The execution is then ``Failed``, the
            catalog holds none of it, and another call tries again.
    """
    run.session.require_writable()
    finish_commit(run)
    if run.status is _S.Created:
        start(run)
    if run.status is _S.Running:
        stop(run)
    if run.status is _S.Uploaded and not _something_waits(run):
        return _report(run)
    token = run.facts.get("commit_token") or uuid.uuid4().hex
    change(
        run,
        _S.Pending_Upload,
        commit_token=token,
        error=None,
        upload_began=now(),
        run_calls=run.journal.last_call(),  # what is called from now on is no part of the run
    )
    try:
        with translated():
            refuse_left_out(run.session, run.rid, run.journal)
            work = _prepare(run)
            uploads = store_outputs(run, work.outputs, callback)
            rids = _write(run, work, uploads, token)
    except (DerivaMLException, OSError) as error:
        fail(run, str(error))
        if isinstance(error, DerivaMLResumeError):
            run.journal.record(finished=None)  # the run is what is to be done over
        raise DerivaMLUploadError(
            f"The outputs of execution {run.rid!r} were not uploaded: {error}"
        ) from error
    _committed(run, rids)
    return _report(run)


def finish_commit(run: Run) -> bool:
    """Note a commit that took place although its process died; returns whether one did."""
    token = run.facts.get("commit_token")
    if token is None or run.dry_run or leased(run.session, token) is None:
        return False
    waiting = [o for o in run.journal.outputs() if o.status != "uploaded" and o.content]
    names = {o.token: object_name(o) for o in waiting}  # equal files may have one name
    urls = {n: run.session.catalog.objects.stat(n).url for n in set(names.values())}
    known = _rids_by_url(run, [(o, urls[names[o.token]]) for o in waiting])
    _committed(run, {o.token: known[o.schema, o.table, urls[names[o.token]]] for o in waiting})
    return True


def upload_while_failed(run: Run, outputs: Sequence[OutputFile]) -> None:
    """Upload some outputs of a failed execution, which stays as it is; the rest goes on waiting.

    Rows of files that the catalog has already are used again, so that a call after one whose
    process died adds nothing twice.

    Raises:
        DerivaMLExecutionError: The execution has not failed.
        DerivaMLUploadError: Something cannot be uploaded; the catalog then holds none of it.
    """
    run.session.require_writable()
    if run.status is not _S.Failed:
        raise DerivaMLExecutionError(
            f"Execution {run.rid!r} is {run.status}, not {_S.Failed}: its outputs are uploaded by "
            "upload_execution_outputs()."
        )
    waiting = [o for o in outputs if o.status != "uploaded"]
    try:
        with translated():
            _refuse_unwritten(run, waiting)
            uploads = store_outputs(run, _with_terms(run, waiting), None)
            with run.session.transaction():
                objects = run.session.catalog.objects
                versions = objects.register([u for _, u in uploads], reuse=True)
                stored = [(o, v) for (o, _), v in zip(uploads, versions, strict=True)]
                rids = _insert_assets(run, stored)
    except (DerivaMLException, OSError) as error:
        raise DerivaMLUploadError(
            f"The files about the failure of execution {run.rid!r} were not uploaded: {error}"
        ) from error
    run.journal.uploaded(rids)


def _committed(run: Run, rids: Mapping[str, str]) -> None:
    """Bring the journal to what the catalog has."""
    tables = run.facts.get("tables", {})
    run.journal.committed(
        rids,
        status=_S.Uploaded.value,
        commit_token=None,
        sync_pending=None,
        tables=None,
        table_attempts=None,
        error=None,
        committed_at=now(),
    )
    for path in tables.values():
        with suppress(OSError):  # it is inserted; what is left of it goes with the directory
            run.inside(Path(path)).unlink(missing_ok=True)


def _something_waits(run: Run) -> bool:
    return bool(
        any(o.status != "uploaded" for o in run.journal.outputs())
        or run.journal.staged_features()
        or run.facts.get("tables")
    )


# --- what is to be written ---------------------------------------------------------------


def _prepare(run: Run) -> _Work:
    outputs = [o for o in run.journal.outputs() if o.status != "uploaded"]
    _refuse_unwritten(run, outputs)
    return _Work(_with_terms(run, outputs), _features(run), _tables(run))


def _refuse_unwritten(run: Run, outputs: Sequence[OutputFile]) -> None:
    missing = [o for o in outputs if not run.inside(o.path).is_file()]
    if missing:
        run.journal.failed({o.token: "The file was never written." for o in missing})
        raise DerivaMLExecutionError(
            f"{len(missing)} registered files do not exist: "
            f"{some_of([f'{o.table}/{o.file_name}' for o in missing])}. Write them, or take them "
            "back with forget_output(), and upload again."
        )


def _with_terms(run: Run, outputs: Sequence[OutputFile]) -> list[OutputFile]:
    """The outputs with names of terms as their types: without a connection, words were kept."""
    words = list(dict.fromkeys(w for o in outputs for w in o.types))
    names = dict(zip(words, terms_of(run, words), strict=True))
    return [replace(o, types=tuple(dict.fromkeys(names[w] for w in o.types))) for o in outputs]


def _features(run: Run) -> list[tuple[Any, list[dict[str, Any]]]]:
    staged = run.journal.staged_features()
    if not staged:
        return []
    known = {f.feature_table.qualified: f for f in find_features(run.session.model)}
    found = []
    for each in staged:
        feature = known.get(f"{each.schema}:{each.table}")
        if feature is None:
            raise DerivaMLExecutionError(
                f"{each.count} values wait for the feature table {each.schema}:{each.table}, "
                "which does not exist any more."
            )
        found.append((feature, run.journal.feature_rows(each)))
    return found


def _tables(run: Run) -> TableRows:
    found: TableRows = []
    for name, path in run.facts.get("tables", {}).items():
        table, file = run.session.table(name), run.inside(Path(path))
        if file.is_file():
            found.append((table, _read_rows(table, file)))
    return found


def _read_rows(table: Table, file: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file; an empty field is no value."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True, restval=_ABSENT)
            header = reader.fieldnames or ()
            if twice := [c for c, count in Counter(header).items() if count > 1]:
                raise DerivaMLExecutionError(
                    f"The header of {str(file)!r} has the columns {some_of(twice)} twice."
                )
            unknown = [c for c in header if c not in table.by_name]
            if unknown:
                raise DerivaMLExecutionError(
                    f"{str(file)!r} has the columns {some_of(unknown)}, which table "
                    f"{table.qualified!r} does not have."
                )
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DerivaMLExecutionError(f"{str(file)!r} is not a CSV file: {error}.") from error
    for number, row in enumerate(rows, start=2):
        if None in row or _ABSENT in row.values():
            raise DerivaMLExecutionError(
                f"Row {number} of {str(file)!r} has {'more' if None in row else 'fewer'} fields "
                "than its header."
            )
    return [{k: v or None for k, v in row.items()} for row in rows]


# --- writing -----------------------------------------------------------------------------


def object_name(output: OutputFile) -> str:
    """The name under which the object store keeps an output: content first, then file name."""
    content = output.content or {}
    file = encode_part(PurePosixPath(output.file_name).name)
    return f"/hatrac/{encode_part(output.table)}/{content['md5']}.{file}"


def _write(
    run: Run, work: _Work, uploads: Sequence[tuple[OutputFile, Upload]], token: str
) -> dict[str, str]:
    """Write everything in one transaction; returns the RIDs of the outputs by token."""
    session = run.session
    with session.transaction():
        if leased(session, token) is not None:
            raise DerivaMLExecutionError(
                "Another process committed the outputs at the same time; resume the execution to "
                "see what it did."
            )
        session.catalog.lease_rids([token])
        versions = session.catalog.objects.register([u for _, u in uploads], reuse=True)
        stored = [(o, v) for (o, _), v in zip(uploads, versions, strict=True)]
        rids = _insert_assets(run, stored)
        for feature, rows in work.features:
            run.around.features.insert_values(feature, [_with_rids(r, rids) for r in rows])
        for table, rows in work.tables:
            _insert_rows(run, table, rows)
        _declare_unknown_input(run)
        _finish_row(run)
    return rids


def _insert_assets(run: Run, stored: Sequence[tuple[OutputFile, ObjectVersion]]) -> dict[str, str]:
    """Insert asset rows, roles and types; files that the catalog has keep their rows."""
    known = _rids_by_url(run, [(o, v.url) for o, v in stored])
    fresh: dict[tuple[str, str, str], tuple[OutputFile, ObjectVersion]] = {}
    for output, version in stored:
        key = (output.schema, output.table, version.url)
        if key not in known:
            fresh.setdefault(key, (output, version))
    for name in dict.fromkeys(key[:2] for key in fresh):
        table = run.session.table(":".join(name))
        some = [pair for key, pair in fresh.items() if key[:2] == name]
        rows = [_asset_row(o, v) for o, v in some]
        if run.session.model.is_strict_preallocated_rid(table):
            leases = run.session.catalog.lease_rids([o.token for o, _ in some])
            rows = [{"RID": leases[o.token], **r} for (o, _), r in zip(some, rows, strict=True)]
        for row in _insert_rows(run, table, rows):
            known[(*name, row["URL"])] = row["RID"]
    rids = {o.token: known[o.schema, o.table, v.url] for o, v in stored}
    names = dict.fromkeys((o.schema, o.table) for o, _ in stored)
    tables = {name: run.session.table(":".join(name)) for name in names}
    made = [(tables[o.schema, o.table], rids[o.token], o) for o, _ in stored]
    run.around.assets.attach(run.rid, [(t, r) for t, r, _ in made], "Output")
    for table in tables.values():
        types = [(r, kind) for t, r, o in made if t is table for kind in o.types]
        run.around.assets.insert_types(table, types)
    return rids


def _asset_row(output: OutputFile, version: ObjectVersion) -> dict[str, Any]:
    return {
        **output.metadata,
        "URL": version.url,
        "Filename": PurePosixPath(output.file_name).name,
        "Length": version.length,
        "MD5": version.md5,
        "Description": output.description,
    }


def _rids_by_url(
    run: Run, outputs: Iterable[tuple[OutputFile, str]]
) -> dict[tuple[str, str, str], str]:
    """The rows that the catalog has of files, by (schema, table, URL)."""
    urls: dict[tuple[str, str], list[str]] = {}
    for output, url in outputs:
        urls.setdefault((output.schema, output.table), []).append(url)
    found: dict[tuple[str, str, str], str] = {}
    for name, some in urls.items():
        table = run.session.table(":".join(name))
        query = attributes(table, ("RID", "URL"), any_of("URL", dict.fromkeys(some)))
        for row in run.session.fetch(query):
            found[(*name, row["URL"])] = row["RID"]
    return found


def _insert_rows(run: Run, table: Table, rows: list[dict[str, Any]]) -> list[Row]:
    """Insert rows; columns that none of them has get their defaults."""
    if not rows:
        return []
    given = {name for row in rows for name in row}
    defaults = [
        c.name
        for c in table.columns
        if c.name not in given and c.default is not None and c.name not in SYSTEM_COLUMNS
    ]
    full = [{**dict.fromkeys(given), **row} for row in rows]
    kept = [c for c in ("RID",) if c in given]
    return run.session.catalog.insert(name_of(table), full, defaults=defaults, nondefaults=kept)


def _with_rids(row: Mapping[str, Any], rids: Mapping[str, str]) -> dict[str, Any]:
    """A feature row with the RIDs of files in the place of their marks."""

    def value(given: Any) -> Any:
        return rids[given[OUTPUT]] if isinstance(given, dict) and set(given) == {OUTPUT} else given

    return {name: value(given) for name, given in row.items()}


def _declare_unknown_input(run: Run) -> None:
    """Let an execution that declares no input point at the file for unknown inputs."""
    if not run.facts.get("has_inputs"):
        file = (run.session.ml("File"), unknown_provenance_file(run.session))
        run.around.assets.attach(run.rid, [file], "Input")


def _finish_row(run: Run) -> None:
    facts = run.facts
    row = {
        "RID": run.rid,
        "Status": _S.Uploaded.value,
        "Status_Detail": facts.get("message"),
        "Upload_Duration": duration_text(seconds_between(facts["upload_began"], now())),
        "Download_Duration": duration_text(facts.get("download_seconds") or 0.0),
    }
    table = name_of(run.session.ml("Execution"))
    targets = [c for c in row if c != "RID"]
    if not run.session.catalog.update(table, [row], targets=targets):
        tell_catalog(run)


def _report(run: Run) -> UploadReport:
    report = UploadReport([run.rid])
    for output in run.journal.outputs():
        uploaded = output.status == "uploaded"
        report.count(f"{output.schema}/{output.table}", int(uploaded), int(not uploaded))
    for schema, table, count in run.journal.committed_features():
        report.count(f"{schema}/{table}", count)
    return report
