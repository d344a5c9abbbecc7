"""What an execution makes: files, rows and feature values, registered now and committed later."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from deriva_catalog.model.elements import Table
from deriva_ml.asset.file_path import AssetFilePath
from deriva_ml.core.arguments import check_text, words
from deriva_ml.core.constants import is_rid
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLExecutionError,
    DerivaMLUnavailableError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.feature.record import FeatureRecord

from .feature_rows import check_rows
from .feature_terms import check_terms
from .journal import OutputFile
from .output_metadata import checked_metadata
from .run import Run

__all__ = [
    "OUTPUT",
    "about_failure",
    "forget_attempt",
    "has_results",
    "register",
    "stage_features",
    "table_file",
    "terms_of",
    "uploaded_path",
]

OUTPUT = "output"
"""Member of the mark that stands for the RID of a registered file in a staged row."""


@translated()
def register(
    run: Run,
    asset_name: str | Table,
    file_name: str | Path,
    asset_types: str | Iterable[str] | None = None,
    *,
    copy_file: bool = False,
    rename_file: str | None = None,
    metadata: Mapping[str, Any] | BaseModel | None = None,
    description: str | None = None,
) -> AssetFilePath:
    """Register an output file (see `Execution.asset_file_path`)."""
    flush = _flushed(run)
    table = _asset_table(run, asset_name)
    source = _existing(file_name)
    name = _output_name(file_name, source, rename_file)
    types = _types(run, asset_types or table.name)
    values = checked_metadata(run, table, metadata)
    text = None if description is None else check_text(description, "description")
    known = run.journal.find_output(table.schema, table.name, name)
    if known is not None:
        _refuse_taken(known, source)
        changes: dict[str, Any] = {"types": types} if asset_types else {}
        changes |= {"metadata": values} if values else {}
        changes |= {"description": text} if text is not None else {}
        run.journal.update_output(known.token, changes, run.attempt)
        return output_path(run, run.journal.find_output(table.schema, table.name, name) or known)
    place = Path("assets") / table.schema / table.name / name
    _place(source, run.inside(place), copy_file)
    output = OutputFile(
        table.schema,
        table.name,
        name,
        place,
        tuple(types),
        uuid.uuid4().hex,
        source,
        values,
        text or "",
    )
    run.journal.add_output(output, attempt=run.attempt, flush=flush)
    return output_path(run, output)


def output_path(run: Run, output: OutputFile) -> AssetFilePath:
    """The path of a registered output; until the commit, changes of it are kept."""
    waiting = output.status != "uploaded"
    return AssetFilePath(
        run.inside(output.path),
        output.table,
        PurePosixPath(output.file_name).name,
        output.metadata,
        output.types,
        output.rid,
        description=output.description,
        save=partial(_change, run, output) if waiting else None,
    )


uploaded_path = output_path


def _change(run: Run, output: OutputFile, changes: dict[str, Any]) -> None:
    if "description" in changes:
        check_text(changes["description"], "description")
    if "types" in changes:
        changes = {**changes, "types": _types(run, changes["types"])}
    if "metadata" in changes:
        table = run.session.table(f"{output.schema}:{output.table}")
        changes = {**changes, "metadata": checked_metadata(run, table, changes["metadata"])}
    run.journal.update_output(output.token, changes)


def _flushed(run: Run) -> bool:
    """Whether what is made now has to survive a power failure at once: not while a run goes on.

    Raises:
        DerivaMLExecutionError: The execution takes nothing any more.
    """
    status = run.status
    if status is ExecutionStatus.Aborted:
        raise DerivaMLExecutionError(
            f"Execution {run.rid!r} was aborted, so it takes no more outputs."
        )
    return status is not ExecutionStatus.Running


def _asset_table(run: Run, name: str | Table) -> Table:
    if not isinstance(name, str):
        return run.session.model.asset(name)
    if name not in run.asset_tables:
        run.asset_tables[name] = run.session.model.asset(name)
    return run.asset_tables[name]


def _existing(file_name: str | Path) -> Path | None:
    """The file that a name means, if it means one that is there already."""
    if not isinstance(file_name, str | os.PathLike):
        raise DerivaMLValidationError(f"A file name is a text or a path, not {file_name!r}.")
    path = Path(file_name)
    try:
        return path.absolute() if path.is_file() else None
    except OSError as error:
        raise DerivaMLValidationError(f"{str(file_name)!r} cannot be a file: {error}.") from error


def _output_name(file_name: str | Path, source: Path | None, rename: str | None) -> str:
    """The name of an output below its table's directory, with ``/`` between parts."""
    path = Path(rename) if rename is not None else Path(file_name)
    if rename is not None and source is None:
        raise DerivaMLValidationError(
            f"rename_file={rename!r} renames a file that is there, but {str(file_name)!r} is not; "
            "give the new name as the file name."
        )
    if source is not None and path.is_absolute():
        path = Path(path.name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in str(path):
        if source is not None:
            return path.name
        raise DerivaMLValidationError(
            f"{str(file_name)!r} is no name for an output: give a file that exists, or a name "
            "below the execution's directory without '..'."
        )
    return path.as_posix()


def _types(run: Run, asset_types: str | Iterable[str]) -> list[str]:
    given = words(asset_types, "asset_types")
    if run.session.is_offline:  # the commit looks for the terms, and refuses what is none
        return list(dict.fromkeys(given))
    return list(dict.fromkeys(terms_of(run, given)))


def terms_of(run: Run, given: Iterable[str]) -> list[str]:
    """The terms of ``Asset_Type`` that words mean; words that were looked up before are known.

    Raises:
        DerivaMLInvalidTerm: One of them means none.
    """
    wanted = list(given)
    if unknown := [w for w in wanted if w not in run.asset_types]:
        terms = run.around.vocabularies.lookup_terms(MLVocab.asset_type, unknown)
        for word, term in zip(unknown, terms, strict=True):
            run.asset_types |= {word: term.name, term.name: term.name}
    return [run.asset_types[w] for w in wanted]


def _refuse_taken(known: OutputFile, source: Path | None) -> None:
    """Refuse a second registration under a name, unless it is the same once more."""
    shown = f"{known.table}/{known.file_name}"
    if known.status == "uploaded":
        raise DerivaMLValidationError(
            f"The output {shown!r} was uploaded already, as {known.rid!r}; choose another name."
        )
    if known.source != source:
        before = "written by the execution itself" if known.source is None else str(known.source)
        now = "to be written by the execution itself" if source is None else str(source)
        raise DerivaMLValidationError(
            f"The output {shown!r} is registered already ({before}), now it would be another file "
            f"({now}). Give one of them another name, with rename_file if it exists."
        )


def _place(source: Path | None, target: Path, copy_file: bool) -> None:
    """Bring an existing file to where outputs are; never write through what is there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source is None:
            return
        target.unlink(missing_ok=True)
        # A file with a second name may be one of an object store: what is written to it would
        # change what is stored, and a user who may write to everything would not notice.
        copy_file = copy_file or source.stat().st_nlink > 1
        if not copy_file:
            try:
                target.symlink_to(source)
            except OSError:  # a file system, or a user, without links
                copy_file = True
        if copy_file:
            shutil.copy2(source, target)
            target.chmod(target.stat().st_mode | stat.S_IWUSR)
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"{str(target)!r} cannot be written: {error}. Check free space and permissions of the "
            "working directory."
        ) from error


# --- rows of tables ----------------------------------------------------------------------


@translated()
def table_file(run: Run, table: str | Table) -> Path:
    """The CSV file whose rows the commit inserts into a table (see `Execution.table_path`)."""
    _flushed(run)
    found = run.session.table(table)
    path = Path("tables") / found.schema / f"{found.name}.csv"
    facts = run.facts
    tables, attempts = facts.get("tables", {}), facts.get("table_attempts", {})
    if found.qualified not in tables or attempts.get(found.qualified) != run.attempt:
        run.journal.record(
            tables={**tables, found.qualified: path.as_posix()},
            table_attempts={**attempts, found.qualified: run.attempt},
        )
    try:
        run.inside(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"{str(run.inside(path).parent)!r} cannot be made: {error}."
        ) from error
    return run.inside(path)


# --- feature values ----------------------------------------------------------------------


@translated()
def stage_features(run: Run, features: Iterable[FeatureRecord] | FeatureRecord) -> int:
    """Keep feature values for the commit; returns how many (see `Execution.add_features`)."""
    flush = _flushed(run)
    # A record is itself iterable, over its fields.
    records: list[Any] = [features] if isinstance(features, BaseModel) else _listed(features)
    if not records:
        raise DerivaMLValidationError("There are no feature values to add.")
    files = {_real(run.inside(o.path)): o for o in run.journal.outputs()}
    staged = [_staged(run, r, files) for r in records]
    kinds: dict[type[FeatureRecord], list[int]] = {}
    for number, record in enumerate(records):
        kinds.setdefault(type(record), []).append(number)
    for kind, numbers in kinds.items():
        if kind.feature is not None:
            check_terms(run, kind.feature, [records[n] for n in numbers])
            check_rows(run, kind.feature, [staged[n][-1] for n in numbers])
    return run.journal.stage_features(staged, attempt=run.attempt, flush=flush)


def _listed(features: Iterable[FeatureRecord]) -> list[FeatureRecord]:
    if hasattr(features, "columns"):
        raise DerivaMLValidationError(
            "A frame is no list of feature values; the class of the values makes one of it: "
            "add_features(record_class.from_dataframe(frame))."
        )
    if not isinstance(features, Iterable):
        raise DerivaMLValidationError(f"Feature values are a list of records, not {features!r}.")
    return list(features)


def _staged(
    run: Run, record: FeatureRecord, files: Mapping[str, OutputFile]
) -> tuple[str, str, list[Any], dict[str, Any]]:
    feature = getattr(type(record), "feature", None)
    if not isinstance(record, FeatureRecord) or feature is None:
        raise DerivaMLValidationError(
            f"{record!r} is not a value of a feature; make one with "
            "feature_record_class(table, feature_name)."
        )
    if record.Execution not in (None, run.rid):
        raise DerivaMLValidationError(
            f"{record!r} says that execution {record.Execution!r} made it; leave Execution out, "
            f"it becomes {run.rid!r}."
        )
    row = {**record.to_row(), "Execution": run.rid}
    for column in feature.file_columns:
        value = getattr(record, column)
        if value is not None:
            row[column] = _asset_value(value, column, files)
    about = [row[c] for c in (feature.target_column, *feature.qualifier_columns)]
    return feature.feature_table.schema, feature.feature_table.name, about, row


def _asset_value(value: str | Path, column: str, files: Mapping[str, OutputFile]) -> Any:
    """The RID of a file, or a mark for the RID that a registered file will get."""
    output = files.get(_real(value))
    if output is not None:
        return {OUTPUT: output.token}
    if isinstance(value, str) and is_rid(value):
        return value
    raise DerivaMLValidationError(
        f"{column} is {str(value)!r}, which is neither a RID nor a file registered with this "
        "execution; register it first with asset_file_path()."
    )


def _real(path: str | Path) -> str:
    # Links to sources stay links: two outputs may be registered from one source. A hundred
    # thousand values are no time for path objects.
    return os.path.abspath(path)  # noqa: PTH100


# --- failed runs -------------------------------------------------------------------------


def about_failure(run: Run, files: Path | str | Iterable[Path | str]) -> list[OutputFile]:
    """The outputs that tell about a failed run: what describes it, and the files that are named.

    Raises:
        DerivaMLExecutionError: A file is not registered.
    """
    paths = {_real(run.inside(o.path)): o for o in run.journal.outputs()}
    named = []
    for file in [files] if isinstance(files, str | os.PathLike) else files:
        output = paths.get(_real(file))
        if output is None:
            raise DerivaMLExecutionError(
                f"{str(file)!r} is no registered output of execution {run.rid!r}; register it "
                "with asset_file_path(), and give the path that it returns."
            )
        named.append(output.token)
    told = dict.fromkeys([*run.facts.get("about_failure", ()), *named])
    run.journal.record(about_failure=list(told))
    tokens = {*told, *run.facts.get("described_by", ())}
    return [o for o in run.journal.outputs() if o.token in tokens]


def has_results(run: Run) -> bool:
    """Whether outputs are uploaded that do not only tell about the run."""
    facts = run.facts
    about = {*facts.get("described_by", ()), *facts.get("about_failure", ())}
    return any(o.token not in about for o in run.journal.outputs("uploaded"))


# --- starting over -----------------------------------------------------------------------


def forget_attempt(run: Run) -> None:
    """Drop what an interrupted attempt left: feature values, rows, and files.

    What it did in the catalog stays, and is compared with what the run does now.
    """
    keep = set(run.facts.get("described_by", ()))
    run.calls.rewind()
    run.journal.forget_features()
    for path in run.facts.get("tables", {}).values():
        run.inside(Path(path)).unlink(missing_ok=True)
    run.journal.record(tables=None, table_attempts=None)
    for output in run.journal.outputs():
        if output.status != "uploaded" and output.token not in keep:
            run.inside(output.path).unlink(missing_ok=True)
            run.journal.forget_output(output.token)
