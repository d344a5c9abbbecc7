"""Writing an import of files: bytes first, then everything else in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.objects import Content, Upload, encode_part
from deriva_ml.asset.spec import LocalFile
from deriva_ml.core.definitions import ColumnDef, MLVocab
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.query import any_of, attributes, name_of
from deriva_ml.dataset.history import FIRST_VERSION, Versions
from deriva_ml.execution.configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow

from .datasets import existing_tree, write_tree
from .frames import column_type, comparable, json_value
from .plan import FilePlan
from .result import ImportResult
from .targets import Kept, existing_table, kept

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution

__all__ = ["bring", "ingest"]

_AT_ONCE = 1_000
_ROWS = 10_000
FileKey = tuple[str, str, int]
"""MD5, file name and length: an asset that agrees in them is the same."""


@translated()
def bring(ml: DerivaML, plan: FilePlan, execution: Execution | None) -> ImportResult:
    """Import files, unless the catalog has all of it.

    Raises:
        DerivaMLDataError: A file is not what the source says of it, or one file has two classes or
            different metadata, or the catalog has other metadata of it and these shall not be
            replaced.
        DerivaMLTableTypeError: The table does not hold assets.
        DerivaMLValidationError: There are no files, or a column does not fit the table.
    """
    if not plan.files:
        raise DerivaMLValidationError(f"There are no files to be imported in {plan.source}.")
    _check_classes(plan)
    table = _asset_table(ml, plan)
    contents = _store(ml, plan)
    _check_metadata(plan, contents)
    known, differing = _known_assets(ml, table, plan, contents)
    if table is not None and len(known) == len(contents) and not differing:
        found = existing_tree(ml.session, table, plan.root, known)
        if found is not None and _has_classes(ml, plan, known):
            return ImportResult(
                ml.lookup_dataset(found), None, known, present=len(known), skipped=plan.skipped
            )
    told = f"Import of {plan.source}"
    with (
        ingest(ml, execution, told, plan.inputs) as run,
        ml.session.transaction() as transaction,
    ):
        table = table or _create_table(ml, plan)
        known, differing = _known_assets(ml, table, plan, contents)
        _replace_metadata(ml, table, plan, known, differing)
        rids = known | _insert_assets(ml, table, plan, contents, known)
        _attach(ml, table, plan, run.execution_rid, rids, known)
        _write_classes(ml, table, plan, run.execution_rid, rids)
        ml.add_dataset_element_type(table)
        root, made = write_tree(ml.session, ml.vocabularies, table, plan.root, rids)
        Versions(ml.session).begin(made, FIRST_VERSION, run.execution_rid, transaction.snaptime)
    return ImportResult(
        ml.lookup_dataset(root),
        run.execution_rid,
        rids,
        added=len(rids) - len(known),
        present=len(known),
        skipped=plan.skipped,
    )


@contextmanager
def ingest(
    ml: DerivaML, execution: Execution | None, description: str, inputs: Sequence[str] = ()
) -> Iterator[Execution]:
    """The execution that an import belongs to: the caller's, or one of its own."""
    if execution is not None:
        yield execution
        return
    workflow = Workflow(
        name="Import", workflow_type="Ingest", description="Brings data into the catalog."
    )
    configuration = ExecutionConfiguration(
        description=description, assets=[LocalFile(Path(path)) for path in inputs]
    )
    with ml.create_execution(configuration, workflow=workflow) as run:
        yield run
    run.upload_execution_outputs()


# --- checks ------------------------------------------------------------------------------


def _check_classes(plan: FilePlan) -> None:
    unknown = set(plan.metadata) - set(plan.files)
    if plan.feature is not None:
        unknown |= set(plan.feature.classes) - set(plan.files)
    if unknown:
        raise DerivaMLDataError(
            f"{plan.source} describes files that are not there: {some_of(sorted(unknown))}."
        )


def _asset_table(ml: DerivaML, plan: FilePlan) -> Table | None:
    """The table of the files; None when it is to be made."""
    table = existing_table(ml, plan.asset_table)
    if table is None:
        return None
    if not ml.model.is_asset(table):
        raise DerivaMLTableTypeError(
            "asset table", table.name, f"Table {table.qualified!r} does not hold assets."
        )
    given = {column for row in plan.metadata.values() for column in row}
    missing = sorted(given - set(ml.model.asset_metadata(table)))
    if missing:
        raise DerivaMLValidationError(
            f"{plan.source} has values for {some_of(missing)}, which are no metadata columns of "
            f"table {table.name!r}; it has {some_of(sorted(ml.model.asset_metadata(table)))}."
        )
    return table


def _create_table(ml: DerivaML, plan: FilePlan) -> Table:
    columns: dict[str, list[Any]] = {}
    for row in plan.metadata.values():
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    definitions = [ColumnDef(name, column_type(name, values)) for name, values in columns.items()]
    schema, _, name = plan.asset_table.rpartition(":")
    return ml.create_asset(
        name, definitions, comment=f"Files of {plan.source}.", schema=schema or None
    )


# --- bytes -------------------------------------------------------------------------------


def _store(ml: DerivaML, plan: FilePlan) -> dict[str, Content]:
    """Store the bytes of all files; nothing refers to them yet."""
    store = ml.catalog.objects.content
    found: dict[str, Content] = {}
    paths = list(plan.files)
    wrong = []
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        contents = store.add_many([plan.files[p].path for p in some])
        for path, content in zip(some, contents, strict=True):
            file = plan.files[path]
            if file.md5 not in (None, content.md5) or file.length not in (None, content.length):
                wrong.append(f"{path} has the MD5 {content.md5}, not {file.md5}")
            found[path] = content
    if wrong:
        raise DerivaMLDataError(
            f"{len(wrong)} files are not what {plan.source} says: {some_of(wrong)}. Get them again."
        )
    store.flush({content.sha256 for content in found.values()})
    return found


def _key(path: str, content: Content) -> FileKey:
    return content.md5, PurePosixPath(path).name, content.length


def _known_assets(
    ml: DerivaML, table: Table | None, plan: FilePlan, contents: Mapping[str, Content]
) -> tuple[dict[str | int, str], list[str]]:
    """The RIDs that the catalog has of the files, by path, and the paths with other metadata.

    Raises:
        DerivaMLDataError: There are such, and they shall not be replaced.
    """
    if table is None:
        return {}, []
    rows: dict[FileKey, Row] = {}
    digests = sorted({content.md5 for content in contents.values()})
    given = sorted({c for row in plan.metadata.values() for c in row})
    columns = tuple(dict.fromkeys(("RID", "MD5", "Filename", "Length", *given)))
    for start in range(0, len(digests), _ROWS):
        query = attributes(table, columns, any_of("MD5", digests[start : start + _ROWS]))
        for row in ml.session.fetch(query):
            rows.setdefault((row["MD5"], row["Filename"], row["Length"]), row)
    keys = {path: _key(path, content) for path, content in contents.items()}
    known: dict[str | int, str] = {p: rows[key]["RID"] for p, key in keys.items() if key in rows}
    kept_as = kept(table, given)
    differing = [
        path
        for path, metadata in plan.metadata.items()
        if path in known and _differs(metadata, rows[keys[path]], kept_as)
    ]
    if differing and not plan.replace:
        raise DerivaMLDataError(
            f"Table {table.name!r} has {len(differing)} files of {plan.source} with other "
            f"metadata: {some_of(differing)}. Correct one of the two, or import with "
            "existing='replace' to take those of the files, where that import has it."
        )
    return known, differing


def _differs(metadata: Mapping[str, Any], row: Row, kept_as: Kept) -> bool:
    return any(kept_as[c](json_value(v)) != kept_as[c](row[c]) for c, v in metadata.items())


def _comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of columns, as they can be compared."""
    return {c: comparable(json_value(v)) for c, v in row.items()}


def _check_metadata(plan: FilePlan, contents: Mapping[str, Content]) -> None:
    """Refuse equal files of one name, which are one asset, with different metadata."""
    first: dict[FileKey, str] = {}
    columns = {c for row in plan.metadata.values() for c in row}
    for path, content in contents.items() if columns else ():
        other = first.setdefault(_key(path, content), path)
        mine, theirs = (
            _comparable(dict.fromkeys(columns) | dict(plan.metadata.get(p, {})))
            for p in (path, other)
        )
        if mine != theirs:
            raise DerivaMLDataError(
                f"{path!r} of {plan.source} is equal to {other!r} and has other metadata. Remove "
                "one of them, or describe them alike."
            )


def _replace_metadata(
    ml: DerivaML,
    table: Table,
    plan: FilePlan,
    known: Mapping[str | int, str],
    differing: Sequence[str],
) -> None:
    """Give assets the metadata that the source has; those described alike in one statement."""
    by_columns: dict[tuple[str, ...], dict[str, Row]] = {}
    for path in differing:
        row = {c: json_value(v) for c, v in plan.metadata[path].items()}
        by_columns.setdefault(tuple(sorted(row)), {})[known[path]] = {"RID": known[path], **row}
    for columns, rows in by_columns.items():
        ml.catalog.update(name_of(table), list(rows.values()), targets=columns)


# --- rows --------------------------------------------------------------------------------


def _insert_assets(
    ml: DerivaML,
    table: Table,
    plan: FilePlan,
    contents: Mapping[str, Content],
    known: Mapping[str | int, str],
) -> dict[str | int, str]:
    """Name the bytes of new files and insert their rows; equal files of one name are one row."""
    new = {path: content for path, content in contents.items() if path not in known}
    first: dict[FileKey, str] = {}
    for path, content in new.items():
        first.setdefault(_key(path, content), path)
    uploads = [_upload(table, path, contents[path]) for path in first.values()]
    versions = ml.catalog.objects.register(uploads, reuse=True) if uploads else []
    columns = sorted({c for row in plan.metadata.values() for c in row})
    rows = [
        {
            **dict.fromkeys(columns),
            **{c: json_value(v) for c, v in plan.metadata.get(path, {}).items()},
            "URL": version.url,
            "Filename": PurePosixPath(path).name,
            "Length": version.length,
            "MD5": version.md5,
            "Description": f"{path} of {plan.source}",
        }
        for path, version in zip(first.values(), versions, strict=True)
    ]
    others = [c.name for c in table.columns if rows and not c.is_system and c.name not in rows[0]]
    made: list[Row] = []
    for start in range(0, len(rows), _ROWS):
        made += ml.catalog.insert(name_of(table), rows[start : start + _ROWS], defaults=others)
    rids = {key: str(row["RID"]) for key, row in zip(first, made, strict=True)}
    return {path: rids[_key(path, content)] for path, content in new.items()}


def _upload(table: Table, path: str, content: Content) -> Upload:
    base = PurePosixPath(path).name
    name = f"/hatrac/{encode_part(table.name)}/{content.md5}.{encode_part(base)}"
    return Upload(name, content=content, filename=base)


def _attach(
    ml: DerivaML,
    table: Table,
    plan: FilePlan,
    execution: str,
    rids: Mapping[str | int, str],
    known: Mapping[str | int, str],
) -> None:
    new = {rid for path, rid in rids.items() if path not in known}
    ml.assets.attach(execution, [(table, rid) for rid in sorted(new)], "Output")
    read = sorted(set(known.values()) - new)
    if read:
        ml.assets.attach(execution, [(table, rid) for rid in read], "Input")
    words = [MLVocab.asset_type]
    terms = ml.vocabularies.lookup_terms(words[0], plan.asset_types or ())
    kinds = [t.name for t in terms] or _own_type(ml, table)
    ml.assets.insert_types(table, [(rid, kind) for rid in sorted(new) for kind in kinds])


def _own_type(ml: DerivaML, table: Table) -> list[str]:
    """The type that is named after the table, where there is one."""
    terms = ml.vocabularies.list_terms(MLVocab.asset_type)
    return [t.name for t in terms if t.name == table.name]


# --- classes -----------------------------------------------------------------------------


def _classes(plan: FilePlan, rids: Mapping[str | int, str]) -> dict[str, str]:
    """The class of each asset.

    Raises:
        DerivaMLDataError: One has two.
    """
    found: dict[str, str] = {}
    if plan.feature is None:
        return found
    for path, name in plan.feature.classes.items():
        rid = rids[path]
        if found.setdefault(rid, name) != name:
            raise DerivaMLDataError(
                f"{path!r} of {plan.source} has the class {name!r}, and an equal file of the same "
                f"name has {found[rid]!r}. Remove one of them."
            )
    return found


def _has_classes(ml: DerivaML, plan: FilePlan, rids: Mapping[str | int, str]) -> bool:
    """Whether some execution gave the assets these classes."""
    wanted = _classes(plan, rids)
    feature = _feature(ml, plan)
    if feature is None or plan.feature is None:
        return not wanted
    target, term = feature.target_column, plan.feature.vocabulary
    query = attributes(feature.feature_table, (target, term), any_of(target, sorted(wanted)))
    given = {(row[target], row[term]) for row in ml.session.fetch(query)} if wanted else set()
    return set(wanted.items()) <= given


def _feature(ml: DerivaML, plan: FilePlan) -> Any:
    if plan.feature is None:
        return None
    name = plan.asset_table.rpartition(":")[2]
    known = [f for f in ml.find_features() if f.target_table.name == name]
    return next((f for f in known if f.feature_name == plan.feature.name), None)


def _write_classes(
    ml: DerivaML, table: Table, plan: FilePlan, execution: str, rids: Mapping[str | int, str]
) -> None:
    if plan.feature is None:
        return
    wanted, spec = _classes(plan, rids), plan.feature
    tables = {t.name for t in ml.model.tables()}
    if spec.vocabulary not in tables:
        ml.create_vocabulary(spec.vocabulary, f"Classes of {table.name}.")
    texts = [(name, f"Class {name} of {plan.source}.") for name in sorted(set(wanted.values()))]
    ml.vocabularies.ensure_terms(spec.vocabulary, texts)
    names = dict(
        zip(
            (n for n, _ in texts),
            (t.name for t in ml.vocabularies.lookup_terms(spec.vocabulary, [n for n, _ in texts])),
            strict=True,
        )
    )
    if _feature(ml, plan) is None:
        ml.create_feature(table, spec.name, terms=[spec.vocabulary])
    feature = ml.lookup_feature(table, spec.name)
    rows = [
        {
            "Execution": execution,
            feature.target_column: rid,
            spec.vocabulary: names[name],
        }
        for rid, name in wanted.items()
    ]
    for start in range(0, len(rows), _ROWS):
        ml.features.insert_values(feature, rows[start : start + _ROWS])
