"""A small catalog with made-up data, to try things on: subjects, pictures of them, and more.

::

    catalog = create_demo_catalog("./demo", create_features=True, create_datasets=True,
                                  on_exit_delete=False)
    ml = DerivaML("./demo")

Its tables have, on purpose, what makes real catalogs hard: optional references, a table of links
with a column of another name than its table, and a second, unofficial link to datasets.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deriva_catalog.interface import Catalog, Row
from deriva_catalog.path.ast import TableName

from .core.base import DerivaML
from .core.definitions import (
    ML_SCHEMA,
    AssetTableDef,
    AssociationTableDef,
    BuiltinTypes,
    ColumnDef,
    ForeignKeyDef,
    MLVocab,
    TableDef,
)
from .core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLSchemaError,
    translated,
)
from .core.filespec import FileSpec
from .core.tables import Tables
from .dataset.versions import DatasetVersion
from .execution.configuration import ExecutionConfiguration
from .execution.workflow import Workflow
from .schema.create import begin_ml_catalog
from .schema.definition import (
    asset_associations,
    domain_schema_document,
    file_name_rows,
    ml_schema_of,
    with_user_links,
)

if TYPE_CHECKING:
    from .dataset.dataset import Dataset
    from .execution.execution import Execution

__all__ = [
    "DatasetDescription",
    "create_demo_catalog",
    "create_demo_datasets",
    "create_demo_features",
    "create_demo_files",
    "create_domain_schema",
    "destroy_demo_catalog",
    "populate_demo_catalog",
]

SUBJECTS = 12
_WORKFLOW_TYPE = "Demo Catalog Creation"
_FIRST_DAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
_VERSION = "1.0.0"
_TYPES: Mapping[str, tuple[str, Sequence[str]]] = {
    "Complete": ("Everything that belongs to a collection.", ("Whole", "complete")),
    "Training": ("Data to train a model with.", ("Train", "train", "training")),
    "Testing": ("Data to test a trained model with.", ("Test", "test", "testing")),
}


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """A dataset of the demo catalog, with those nested in it.

    Attributes:
        types: Its types.
        description: What it is for.
        member_rids: RIDs of its members by table; nested datasets are among them.
        version: The version that it was created at.
        dataset: The dataset.
        nested: What is nested in it.
    """

    types: tuple[str, ...]
    description: str
    member_rids: Mapping[str, list[str]]
    version: DatasetVersion
    dataset: Dataset
    nested: tuple[DatasetDescription, ...] = field(default=())

    def walk(self) -> Iterator[DatasetDescription]:
        """Itself, then everything nested in it."""
        yield self
        for inner in self.nested:
            yield from inner.walk()


@translated()
def create_demo_catalog(
    hostname: str,
    domain_schema: str = "demo-schema",
    project_name: str = "ml-test",
    populate: bool = True,
    create_features: bool = False,
    create_datasets: bool = False,
    on_exit_delete: bool = True,
    logging_level: int = logging.WARNING,
    *,
    credential: Mapping[str, Any] | None = None,
) -> Catalog:
    """Create a catalog with tables, and as much in them as is asked for.

    Args:
        hostname: Where: ``localhost``, a directory, a database or a server.
        domain_schema: Name of the schema of its tables.
        project_name: Prefix of the identifiers of terms.
        populate: Insert subjects, pictures and what belongs to them.
        create_features: Define features and give them values; this needs rows, so it populates.
        create_datasets: Make nested datasets; this populates, too.
        on_exit_delete: Delete the catalog when this process ends.
        logging_level: Level of the ``deriva_ml`` logger meanwhile.
        credential: What proves to a server who you are; None means a login that was kept.

    Returns:
        The catalog. When something fails on the way, it is deleted again.

    Raises:
        DerivaMLDataError: The directory is taken.
        DerivaMLAuthenticationError: The server wants to know who you are.
    """
    catalog = begin_ml_catalog(
        hostname,
        project_name,
        credential=credential,
        prepare=lambda made: create_domain_schema(made, domain_schema),
    )
    try:
        if populate or create_features or create_datasets:
            with _connection(hostname, catalog, project_name, credential, logging_level) as ml:
                _fill(ml, create_features, create_datasets)
    except BaseException as error:
        try:
            destroy_demo_catalog(catalog, hostname=hostname, credential=credential)
        except (DerivaMLException, OSError) as problem:
            error.add_note(
                f"The demo catalog {catalog.url} stays, as it cannot be deleted: {problem}"
            )
        raise
    if on_exit_delete:
        atexit.register(_destroy_at_exit, catalog, hostname, credential)
    return catalog


@contextmanager
def _connection(
    hostname: str,
    catalog: Catalog,
    project_name: str,
    credential: Mapping[str, Any] | None,
    logging_level: int,
) -> Iterator[DerivaML]:
    """A connection that works in a directory which goes away with it."""
    from .core.host import is_directory

    with TemporaryDirectory() as work:
        ml = DerivaML(
            hostname,
            1 if is_directory(hostname) else catalog.id,
            project_name=project_name,
            working_dir=work,
            credential=credential,
            logging_level=logging_level,
            deriva_logging_level=logging_level,
        )
        try:
            yield ml
        finally:
            ml.catalog.close()


def _fill(ml: DerivaML, features: bool, datasets: bool) -> None:
    _add_workflow_type(ml)
    with _execution(ml, "Populate the demo catalog") as execution:
        populate_demo_catalog(execution)
    if features:
        with _execution(ml, "Make features of the demo catalog") as execution:
            create_demo_features(execution)
    if datasets:
        with _execution(ml, "Make datasets of the demo catalog") as execution:
            create_demo_datasets(execution)


def _add_workflow_type(ml: DerivaML) -> None:
    ml.add_term(MLVocab.workflow_type, _WORKFLOW_TYPE, "Makes a catalog with made-up data.")


@contextmanager
def _execution(ml: DerivaML, description: str) -> Iterator[Execution]:
    workflow = Workflow(
        name="Demo catalog",
        workflow_type=_WORKFLOW_TYPE,
        description="Makes a catalog with made-up data.",
        allow_dirty=True,
    ).identify(Path(__file__))
    configuration = ExecutionConfiguration(description=description)
    with ml.create_execution(configuration, workflow=workflow) as execution:
        yield execution
    execution.upload_execution_outputs()


# --- tables ------------------------------------------------------------------------------


@translated()
def create_domain_schema(catalog: Catalog, sname: str) -> None:
    """Create the tables of the demo catalog in a schema, in one transaction.

    Args:
        catalog: A catalog with the ML schema.
        sname: The schema; it is made when there is none.

    Raises:
        DerivaMLSchemaError: The catalog has no ML schema, or the schema has tables already.
    """
    ml_schema_of(catalog, ML_SCHEMA)
    schemas = catalog.model.schemas
    if sname in schemas and schemas[sname].tables:
        raise DerivaMLSchemaError(
            f"Schema {sname!r} of catalog {catalog.id!r} has tables already; choose another name."
        )
    tables = [{**with_user_links(t), "schema_name": sname} for t in _tables(sname)]
    term = {"Name": "Image", "Description": "Picture of a subject.", "Synonyms": []}
    with catalog.transaction():
        if sname not in schemas:
            catalog.create_schema(domain_schema_document(sname))
        catalog.create(tables)
        vocabulary = TableName("Asset_Type", ML_SCHEMA)
        catalog.insert(vocabulary, [term], defaults=("ID", "URI"), returning=False)


def _tables(schema: str) -> Iterator[dict[str, Any]]:
    text, date = BuiltinTypes.text, BuiltinTypes.date

    def refers(table: str, target: str) -> ForeignKeyDef:
        return ForeignKeyDef((target,), schema, target, ("RID",), f"{table}_{target}_fkey")

    def needed(name: str) -> ColumnDef:
        return ColumnDef(name, text, nullok=False)

    yield TableDef("Subject", [ColumnDef("Name", text)], comment="Who is in the study.").to_dict()
    yield TableDef(
        "Observation",
        [ColumnDef("Observation_Date", date), needed("Subject")],
        foreign_keys=[refers("Observation", "Subject")],
        comment="Visits of subjects.",
    ).to_dict()
    yield AssetTableDef(
        schema,
        "Image",
        columns=[
            ColumnDef("Acquisition_Time", BuiltinTypes.timestamp),
            ColumnDef("Acquisition_Date", date),
            ColumnDef("Subject", text),
            ColumnDef("Observation", text),
        ],
        foreign_keys=[refers("Image", "Subject"), refers("Image", "Observation")],
        comment="Pictures of subjects.",
        annotations=file_name_rows(),
    ).to_dict()
    yield from asset_associations(schema, "Image", ML_SCHEMA)
    yield TableDef(
        "Report",
        [ColumnDef("Report_Type", text), needed("Observation")],
        foreign_keys=[refers("Report", "Observation")],
        comment="What was written about an observation.",
    ).to_dict()
    yield TableDef(
        "OCR_Report",
        [ColumnDef("Field_Value", BuiltinTypes.float8), needed("Report")],
        foreign_keys=[refers("OCR_Report", "Report")],
        comment="Numbers that were read from a report.",
    ).to_dict()
    yield TableDef(
        "ClinicalRecord",
        [ColumnDef("Diagnosis", text), ColumnDef("Notes", text)],
        comment="Diagnoses, each from several observations.",
    ).to_dict()
    yield AssociationTableDef(
        [f"{schema}:ClinicalRecord", ("Observation_Ref", f"{schema}:Observation")],
        table_name="ClinicalRecord_Observation",
    ).to_dict()
    yield AssociationTableDef(
        [f"{schema}:Image", ("Dataset_Ref", f"{ML_SCHEMA}:Dataset")],
        table_name="Image_Dataset_Legacy",
        comment="An older link between pictures and datasets, which says nothing of membership.",
    ).to_dict()


# --- rows --------------------------------------------------------------------------------


def populate_demo_catalog(execution: Execution) -> None:
    """Insert subjects, observations, reports and diagnoses, and register a picture per subject.

    Pictures are in the catalog once the execution's outputs are uploaded. Every second picture
    belongs to an observation.
    """
    ml = _Demo(execution)
    with ml.session.transaction():
        subjects = ml.insert("Subject", [{"Name": f"Thing{n + 1}"} for n in range(SUBJECTS)])
        observations = ml.insert(
            "Observation",
            [
                {"Observation_Date": _day(n).date().isoformat(), "Subject": subject}
                for n, subject in enumerate(subjects)
            ],
        )
        kinds = ("Pathology", "Radiology")
        reports = ml.insert(
            "Report",
            [
                {"Report_Type": kinds[n % 2], "Observation": observation}
                for n, observation in enumerate(observations[: SUBJECTS * 2 // 3])
            ],
        )
        values = [{"Field_Value": n * 1.5, "Report": report} for n, report in enumerate(reports)]
        ml.insert("OCR_Report", values[::2])
        _insert_diagnoses(ml, observations)
    for n, subject in enumerate(subjects):
        metadata = {
            "Acquisition_Time": _day(n).replace(tzinfo=None).isoformat(),
            "Acquisition_Date": _day(n).date().isoformat(),
            "Subject": subject,
            "Observation": observations[n] if n % 2 == 0 else None,
        }
        path = execution.asset_file_path("Image", f"thing_{n + 1}.png", metadata=metadata)
        path.write_bytes(_picture(n))


def _insert_diagnoses(ml: _Demo, observations: Sequence[str]) -> None:
    names = (("Healthy", "No findings."), ("Cold", "Rest."), ("Flu", None))
    records = ml.insert("ClinicalRecord", [{"Diagnosis": d, "Notes": n} for d, n in names])
    links = [
        {"ClinicalRecord": records[n % len(records)], "Observation_Ref": observation}
        for n, observation in enumerate(observations)
    ]
    ml.insert("ClinicalRecord_Observation", links)


def create_demo_features(execution: Execution) -> None:
    """Define three features, and stage a value of each for every subject and picture.

    They are in the catalog once the execution's outputs are uploaded.
    """
    ml = _Demo(execution)
    _define_features(ml)
    subjects, images = ml.rids("Subject"), ml.rids("Image")
    classes: list[Any] = [
        ml.around.features.record_class(*name)
        for name in (("Subject", "Health"), ("Image", "Quality"), ("Image", "BoundingBox"))
    ]
    health, quality, box = classes
    values: list[Any] = [
        health(Subject=rid, SubjectHealth=("Sick", "Well")[n % 2], Scale=n if n % 3 else None)
        for n, rid in enumerate(subjects)
    ]
    values += [
        quality(Image=rid, ImageQuality=("Good", "Bad")[n % 2]) for n, rid in enumerate(images)
    ]
    for n, rid in enumerate(images):
        path = execution.asset_file_path("BoundingBox", f"box_{n + 1}.txt")
        path.write_text(f"0 0 {n + 1} {n + 1}\n", encoding="utf-8")
        values.append(box(Image=rid, BoundingBox=path))
    if values:
        execution.add_features(values)


def _define_features(ml: _Demo) -> None:
    around = ml.around
    with ml.session.transaction():
        for name, terms in (("SubjectHealth", "Sick Well"), ("ImageQuality", "Good Bad")):
            ml.tables.create_vocabulary(name, f"Values of {name}.")
            around.vocabularies.ensure_terms(name, [(t, f"It is {t}.") for t in terms.split()])
        ml.tables.create_asset("BoundingBox", comment="Where in a picture something is.")
        around.features.create(
            "Subject",
            "Health",
            terms=["SubjectHealth"],
            metadata=[ColumnDef("Scale", BuiltinTypes.int2, nullok=True)],
            optional=["Scale"],
        )
        around.features.create("Image", "BoundingBox", assets=["BoundingBox"])
        around.features.create("Image", "Quality", terms=["ImageQuality"])


def create_demo_datasets(execution: Execution) -> DatasetDescription:
    """Make a dataset of everything: a training and a testing dataset of two small ones each.

    The small ones have two subjects and no type; the two above them also have two pictures each.

    Returns:
        The outermost dataset, with all that is nested in it.
    """
    ml = _Demo(execution)
    _name_types(ml)
    for element in ("Subject", "Image"):
        ml.around.datasets.add_element_type(element)
    subjects, images = iter(ml.rids("Subject")), iter(ml.rids("Image"))

    def two(rids: Iterator[str]) -> list[str]:
        return [rid for _, rid in zip(range(2), rids, strict=False)]

    with ml.session.transaction():
        halves = []
        for kind in ("Training", "Testing"):
            small = [
                _dataset(execution, (), f"Subjects for {kind.lower()}.", {"Subject": two(subjects)})
                for _ in range(2)
            ]
            text = f"Data for {kind.lower()}."
            halves.append(_dataset(execution, (kind,), text, {"Image": two(images)}, small))
        return _dataset(execution, ("Complete",), "The whole demo.", {}, halves)


def _name_types(ml: _Demo) -> None:
    """Let the types of datasets be known by more than one name."""
    vocabularies = ml.around.vocabularies
    vocabularies.ensure_terms(MLVocab.dataset_type, [(n, t) for n, (t, _) in _TYPES.items()])
    for name, (_, synonyms) in _TYPES.items():
        term = vocabularies.lookup_term(MLVocab.dataset_type, name)
        if set(synonyms) - set(term.synonyms):
            term.synonyms = tuple(dict.fromkeys((*term.synonyms, *synonyms)))


def _dataset(
    execution: Execution,
    types: tuple[str, ...],
    description: str,
    members: Mapping[str, list[str]],
    nested: Sequence[DatasetDescription] = (),
) -> DatasetDescription:
    rids = {table: list(some) for table, some in members.items()}
    if nested:
        rids["Dataset"] = [inner.dataset.dataset_rid for inner in nested]
    datasets = _Demo(execution).around.datasets
    made = datasets.create(
        list(types), description, execution.execution_rid, version=_VERSION, members=rids
    )
    return DatasetDescription(
        types, description, rids, DatasetVersion.of(_VERSION), made, tuple(nested)
    )


def create_demo_files(ml: DerivaML) -> Dataset:
    """Write some text files below the working directory, and describe them in the catalog.

    They stay where they are: the catalog knows their addresses and checksums.

    Args:
        ml: A connection to any catalog with the ML schema.

    Returns:
        The dataset of the directory, with one nested dataset.
    """
    directory = ml.working_dir / "demo-files"
    for number, name in enumerate(("one.txt", "two.txt", "inside/three.txt", "inside/four.txt")):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is file {number + 1}.\n", encoding="utf-8")
    _add_workflow_type(ml)
    specs = FileSpec.create_filespecs(directory, "File of the demo.", file_types="Input_File")
    with _execution(ml, "Describe files of this machine") as execution:
        return ml.add_files(specs, execution.execution_rid, description="Files of the demo.")


class _Demo:
    """What the functions above work with: the collaborators around an execution."""

    def __init__(self, execution: Execution) -> None:
        self.around = execution._run.around
        self.session = self.around.session
        self.tables = Tables(self.session, self.around.vocabularies)

    def insert(self, table: str, rows: Sequence[Row]) -> list[str]:
        """Insert rows; returns their RIDs."""
        found = self.session.table(table)
        name = TableName(found.name, found.schema)
        return [row["RID"] for row in self.session.catalog.insert(name, rows)]

    def rids(self, table: str) -> list[str]:
        """The RIDs of a table, in the order of their creation."""
        found = self.session.table(table)
        path = self.session.catalog.path[found.schema][found.name]
        return [row["RID"] for row in path.entities().sort("RCT", "RID").fetch()]


def _day(number: int) -> datetime:
    return _FIRST_DAY + timedelta(days=7 * number)


def _picture(number: int) -> bytes:
    """A PNG of 8 by 8 grey pixels, another one for each number."""
    rows = b"".join(
        b"\0" + bytes((column * 16 + row * 16 * (number + 1)) % 256 for column in range(8))
        for row in range(8)
    )

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


# --- the end -----------------------------------------------------------------------------


@translated()
def destroy_demo_catalog(
    catalog: Catalog,
    *,
    hostname: str | None = None,
    credential: Mapping[str, Any] | None = None,
) -> None:
    """Delete a catalog with everything in it, for good where it is ours.

    Args:
        catalog: As `create_demo_catalog` returned it.
        hostname: As it was created with; needed for a database that wants a password, since a
            catalog does not tell it. None means the address that the catalog tells.
        credential: What proves to a server who you are; None means a login that was kept.

    Raises:
        DerivaMLNotFoundError: It is gone already.
        DerivaMLAuthenticationError: You may not delete it.
        DerivaMLException: The server or the database cannot be reached.
    """
    from deriva_catalog.catalog import LocalCatalog, Registry
    from deriva_catalog.catalog.remote import delete_remote, parse_host

    catalog.close()
    if not isinstance(catalog, LocalCatalog):
        parts = urlsplit(catalog.url)
        host = parse_host(hostname or f"{parts.scheme}://{parts.netloc}")
        delete_remote(host, catalog.id, credential=credential)
        return
    in_database = not catalog.url.startswith("file:")
    address = (hostname or catalog.url).partition("#")[0]
    registry = Registry.of_database(address) if in_database else Registry()
    try:
        if in_database or registry.places.directory(catalog.id) == catalog.directory:
            registry.delete(catalog.id)
            registry.purge(catalog.id)
            return
    finally:
        registry.close()
    shutil.rmtree(catalog.directory)


def _destroy_at_exit(catalog: Catalog, hostname: str, credential: Mapping[str, Any] | None) -> None:
    """Delete a catalog at the end of the process, unless somebody did before."""
    try:
        destroy_demo_catalog(catalog, hostname=hostname, credential=credential)
    except (DerivaMLNotFoundError, FileNotFoundError):
        pass
    except (DerivaMLException, OSError) as error:
        warnings.warn(
            f"The demo catalog {catalog.url} stays, as it cannot be deleted: {error}",
            RuntimeWarning,
            stacklevel=1,
        )
