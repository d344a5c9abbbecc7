"""A version of a dataset as Croissant describes it: files, tables, keys and terms.

The description lies at the top of the dataset's bag, so that a loader that knows Croissant reads
the rows of every table, and the files. Loaders guess the types of the columns of a CSV file, and
take a RID of digits for a number; so the rows are beside the bag's payload once more, as Parquet.

Source: Croissant Format Specification 1.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.bag import read_bag
from deriva_catalog.bag.names import PAYLOAD
from deriva_ml.core.arguments import check_text
from deriva_ml.core.exceptions import translated
from deriva_ml.core.query import entities, equals

from .croissant_tables import TableFile, TableFormat, table_files
from .entities import encoding_format
from .facts import agent_of
from .identifiers import address, iso_time, moment, of_version, snapshot_time
from .json_ld import json_bytes
from .packages import copy_bag, new_package

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Column, Table
    from deriva_ml.core.session import Session
    from deriva_ml.dataset.bag import DatasetBag

    from .facts import DatasetFact

__all__ = [
    "CROISSANT_FILE",
    "croissant_description",
    "write_croissant",
]

CROISSANT_FILE = "croissant.json"


_VERSION = "http://mlcommons.org/croissant/1.1"
_DESCRIPTION_VERSION = "1.0.0"
_SPDX = "https://spdx.org/licenses/"
_IMAGES = frozenset({"image/jpeg", "image/png", "image/tiff"})

_FORMATS = {"csv": "text/csv", "parquet": "application/x-parquet"}

_TYPES = {
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "float4": "sc:Float",
    "float8": "sc:Float",
    "int2": "sc:Integer",
    "int4": "sc:Integer",
    "int8": "sc:Integer",
    "serial2": "sc:Integer",
    "serial4": "sc:Integer",
    "serial8": "sc:Integer",
    "timestamp": "sc:DateTime",
    "timestamptz": "sc:DateTime",
}

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@translated()
def write_croissant(
    bag: DatasetBag,
    destination: str | Path,
    *,
    license: str | None = None,
    tables: TableFormat = "parquet",
    sources: Iterable[DatasetFact] = (),
    with_files: bool = True,
) -> Path:
    """Write a copy of a bag with a Croissant description at its top, and return where it is.

    Files of assets are hard links where that is possible. Equal bags give equal bytes.

    Args:
        bag: A version of a dataset on this machine.
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        license: SPDX identifier or URL of the license of the data.
        tables: What loaders read the rows from: ``parquet`` files, which are added (this needs
            pyarrow), or the ``csv`` files of the bag, whose types they guess.
        sources: Versions of datasets that it was made from.
        with_files: Bring the files of assets, as far as the bag has them; else they are listed.

    Raises:
        DerivaMLValidationError: `destination` exists, or `tables` is none of the choices.
        DerivaMLDataError: The bag is damaged.
        ImportError: pyarrow is needed and not installed.
        DerivaMLUnavailableError: `destination` cannot be written.
    """
    place = Path(destination)
    with new_package(place, f"writing the Croissant dataset {str(place)!r}") as folder:
        files = table_files(bag, folder, tables)
        document = croissant_description(bag, files, license=license, sources=sources)
        more: dict[str, bytes | None] = {CROISSANT_FILE: json_bytes(document)}
        more |= {f.path: None for f in files if not f.path.startswith(PAYLOAD)}
        copy_bag(bag.path, folder, more, with_files=with_files)
    return place


def croissant_description(
    bag: DatasetBag,
    files: Iterable[TableFile],
    *,
    license: str | None = None,
    sources: Iterable[DatasetFact] = (),
) -> dict[str, Any]:
    """The Croissant description of a version of a dataset, for the top of its bag.

    Args:
        bag: The version on this machine.
        files: The files that hold the rows of its tables (see `table_files`).
        license: SPDX identifier or URL of the license of the data.
        sources: Versions of datasets that it was made from.
    """
    session = bag.datasets.session
    tables = _Tables(session, bag, list(files))
    description = _about(bag, session, license, sources)
    description["distribution"] = [*tables.files(), *tables.file_sets()]
    description["recordSet"] = [*tables.record_sets(), *tables.asset_sets()]
    return description


# --- the dataset -------------------------------------------------------------------------


def _about(
    bag: DatasetBag, session: Session, license: str | None, sources: Iterable[DatasetFact]
) -> dict[str, Any]:
    history = bag.dataset_history()
    latest = history[-1]
    label = str(latest.dataset_version)
    identity = of_version(session, bag.dataset_rid, label, latest.snapshot)
    row = session.fetch(entities(session.ml("Dataset_Version"), equals("RID", latest.version_rid)))[
        0
    ]
    published = iso_time(snapshot_time(latest.snapshot) or moment(row["RCT"])) or ""
    agent = agent_of(session, row["RCB"])
    maker = agent.name or agent.identifier if agent else None
    before = [
        of_version(session, h.dataset_rid, str(h.dataset_version), h.snapshot)
        for h in history[-2:-1]
    ]
    made_from = [of_version(session, s.rid, s.version, s.snapshot) for s in sources]
    return _known(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            "name": f"Dataset {bag.dataset_rid}",
            "description": bag.description or f"Version {label} of dataset {bag.dataset_rid}.",
            "version": label,
            "sdVersion": _DESCRIPTION_VERSION,
            "identifier": identity,
            "url": identity if identity.startswith("http") else None,
            "license": _license(license),
            "datePublished": published,
            "creator": {"@type": "sc:Person", "name": maker} if maker else None,
            "keywords": bag.dataset_types,
            "isLiveDataset": False,
            "citeAs": _citation(bag.dataset_rid, label, published[:4], maker, identity),
            "prov:wasDerivedFrom": [{"@id": source} for source in [*before, *made_from]],
            "prov:wasGeneratedBy": _activity(session, latest.execution_rid),
        }
    )


def _known(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value not in (None, "", [], {})}


def _license(license: str | None) -> str | None:
    if license is None or check_text(license, "license").startswith(("http://", "https://")):
        return license
    return f"{_SPDX}{license}"


def _citation(rid: str, label: str, year: str, maker: str | None, identity: str) -> str:
    key = re.sub(r"[^A-Za-z0-9]", "_", f"dataset_{rid}_{label}")
    fields = {
        "title": f"Dataset {rid}",
        "author": maker,
        "version": label,
        "year": year,
        "howpublished": identity,
    }
    listed = ", ".join(f"{name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{{key}, {listed}}}"


def _activity(session: Session, execution_rid: str | None) -> dict[str, Any] | None:
    """The execution that made the version, if the bag knows it."""
    if execution_rid is None:
        return None
    rows = session.fetch(entities(session.ml("Execution"), equals("RID", execution_rid)))
    if not rows:
        return {"@id": address(session, execution_rid), "@type": "prov:Activity"}
    row = rows[0]
    workflow = row["Workflow"] and session.fetch(
        entities(session.ml("Workflow"), equals("RID", row["Workflow"]))
    )
    return _known(
        {
            "@id": address(session, execution_rid),
            "@type": "prov:Activity",
            "name": f"Execution {execution_rid}",
            "description": row["Description"],
            "prov:startedAtTime": iso_time(moment(row["Start"])),
            "prov:endedAtTime": iso_time(moment(row["Stop"])),
            "prov:used": {"@id": workflow[0]["URL"]} if workflow and workflow[0]["URL"] else None,
        }
    )


# --- tables and files --------------------------------------------------------------------


class _Tables:
    """The tables and files of a bag, in the words of Croissant."""

    def __init__(self, session: Session, bag: DatasetBag, files: list[TableFile]) -> None:
        self.session = session
        self.bag = bag
        self.table_files = files
        self.tables = [file.table for file in files]
        same = Counter(t.name for t in self.tables)
        self.names = {
            (t.schema, t.name): t.name if same[t.name] == 1 else f"{t.schema}.{t.name}"
            for t in self.tables
        }
        self.assets = self._assets()
        self.references = self._references()

    def _assets(self) -> dict[str, list[str]]:
        """The names of the files in the bag, by asset table."""
        found: dict[str, list[str]] = {}
        for path in read_bag(self.bag.path).payload:
            parts = path.split("/")
            if path.startswith("data/asset/") and len(parts) == 5:
                found.setdefault(parts[3], []).append(parts[4])
        return dict(sorted(found.items()))

    def files(self) -> list[dict[str, Any]]:
        """The files that hold the rows of tables."""
        return [
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": file.path.rpartition("/")[2],
                "description": f"Rows of table {file.table.name!r}.",
                "contentUrl": file.path,
                "contentSize": f"{file.content.length} B",
                "encodingFormat": _FORMATS[file.path.rpartition(".")[2]],
                "sha256": file.content.sha256,
            }
            for file in self.table_files
        ]

    def file_sets(self) -> list[dict[str, Any]]:
        """The files of each asset table."""
        return [
            {
                "@type": "cr:FileSet",
                "@id": f"{table}-files",
                "name": f"{table} files",
                "description": f"Files of table {table!r}: data/asset/<RID>/{table}/<name>.",
                "encodingFormat": kinds if len(kinds) > 1 else kinds[0],
                "includes": f"data/asset/*/{table}/*",
            }
            for table, kinds in self._kinds().items()
        ]

    def _kinds(self) -> dict[str, list[str]]:
        """The media types of each asset table's files."""
        return {
            table: sorted({encoding_format(n) or "application/octet-stream" for n in names})
            for table, names in self.assets.items()
        }

    # --- records ---------------------------------------------------------------------

    def record_sets(self) -> list[dict[str, Any]]:
        """The rows of each table."""
        return [self._record_set(file) for file in self.table_files]

    def _record_set(self, file: TableFile) -> dict[str, Any]:
        table = file.table
        name = self.names[table.schema, table.name]
        is_vocabulary = self.session.model.is_vocabulary(table)
        key = "Name" if is_vocabulary and "Name" in table.by_name else "RID"
        return _known(
            {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": name,
                "description": table.comment or f"Rows of table {table.name!r}.",
                "dataType": "sc:Enumeration" if is_vocabulary else None,
                "key": {"@id": f"{name}/{key}"},
                "field": [self._field(file, name, column) for column in table.columns],
            }
        )

    def _field(self, file: TableFile, record_set: str, column: Column) -> dict[str, Any]:
        table, is_csv = file.table, file.path.endswith(".csv")
        element = column.type.base if column.type.is_array else column.type
        kind = element.storage if element is not None else ""
        if column.type.is_array and is_csv:
            kind = "text"  # a list as one text
        source: dict[str, Any] = {
            "fileObject": {"@id": file.path},
            "extract": {"column": column.name},
        }
        if kind == "boolean" and is_csv:
            # Rows have t and f. The first group that matches is the value: "t", or nothing.
            source["transform"] = {"regex": "(t)|f()"}
        leads_to = self.references.get((table.schema, table.name, column.name))
        return _known(
            {
                "@type": "cr:Field",
                "@id": f"{record_set}/{column.name}",
                "name": column.name,
                "description": column.comment or f"Column {column.name!r}.",
                "dataType": _TYPES.get(kind, "sc:Text"),
                "repeated": True if column.type.is_array and not is_csv else None,
                "source": source,
                "references": {"field": {"@id": leads_to}} if leads_to else None,
            }
        )

    def _references(self) -> dict[tuple[str, str, str], str]:
        """The fields that foreign keys of one column lead to, by schema, table and column.

        Loaders join along references, so none may close a circle. Where foreign keys go around,
        those that must have a value, or help to identify a row, are kept first.
        """
        named = self.names
        keys = [
            (_may_be_left_out(t, f.columns[0]), t.schema, t.name, f.columns[0], f)
            for t in self.tables
            for f in t.foreign_keys
            if len(f.columns) == 1 and (f.referenced_schema, f.referenced_table) in named
        ]
        found: dict[tuple[str, str, str], str] = {}
        onward: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for _, schema, table, column, fkey in sorted(keys, key=lambda k: k[:4]):
            target = (fkey.referenced_schema, fkey.referenced_table)
            if (schema, table, column) in found or _leads(onward, target, (schema, table)):
                continue
            onward.setdefault((schema, table), set()).add(target)
            found[schema, table, column] = f"{named[target]}/{fkey.referenced_columns[0]}"
        return found

    def asset_sets(self) -> list[dict[str, Any]]:
        """The files of each asset table, with the rows that they belong to."""
        return [self._asset_set(table, kinds) for table, kinds in self._kinds().items()]

    def _asset_set(self, table: str, kinds: list[str]) -> dict[str, Any]:
        name = f"{table}-file"
        is_image = set(kinds) <= _IMAGES
        row: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{table}",
            "name": table,
            "description": f"The row of table {table!r} that the file belongs to.",
            "dataType": "sc:Text",
            "source": {
                "fileSet": {"@id": f"{table}-files"},
                "extract": {"fileProperty": "fullpath"},
                "transform": {"regex": "^(?:.*/)?data/asset/([^/]+)/"},
            },
        }
        content = {
            "@type": "cr:Field",
            "@id": f"{name}/content",
            "name": "content",
            "description": "The content of the file.",
            "dataType": "sc:ImageObject",
            "source": {
                "fileSet": {"@id": f"{table}-files"},
                "extract": {"fileProperty": "content"},
            },
        }
        return {
            "@type": "cr:RecordSet",
            "@id": name,
            "name": name,
            "description": f"Files of table {table!r}.",
            "key": {"@id": f"{name}/{table}"},
            "field": [row, content] if is_image else [row],
        }


def _may_be_left_out(table: Table, column: str) -> bool:
    in_key = any(column in key.columns for key in table.keys)
    return table.by_name[column].nullok and not in_key


def _leads(
    onward: Mapping[tuple[str, str], set[tuple[str, str]]],
    start: tuple[str, str],
    goal: tuple[str, str],
) -> bool:
    """Whether references lead from one table to another, or to itself."""
    seen = {start}
    queue = [start]
    while queue:
        here = queue.pop()
        if here == goal:
            return True
        further = onward.get(here, set()) - seen
        seen |= further
        queue += further
    return False
