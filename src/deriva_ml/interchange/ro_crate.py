"""A version of a dataset as an RO-Crate: its bag, which describes itself.

The bag stays a bag: the description is one more file of its payload, ``data/`` is the crate.

Source: RO-Crate Metadata Specification 1.3; "Combining with other packaging schemes".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.bag import read_bag
from deriva_ml.core.exceptions import DerivaMLDataError, translated
from deriva_ml.core.query import entities, equals
from deriva_ml.core.vocabulary import Vocabularies
from deriva_ml.execution.workflows import Workflows

from .entities import (
    TERMS,
    add_agent,
    add_code,
    add_license,
    add_terms,
    file_properties,
)
from .facts import DatasetFact, agent_of
from .identifiers import address, iso_time, moment, of_version, snapshot_time
from .json_ld import METADATA_FILE, ROOT, Crate, Reference, json_bytes, path_id, refer
from .packages import copy_bag, new_package

if TYPE_CHECKING:
    from deriva_catalog.interface import Row
    from deriva_ml.core.session import Session
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.history import DatasetHistory

__all__ = ["dataset_crate", "write_ro_crate"]

_DATA = "data/"


@translated()
def write_ro_crate(
    bag: DatasetBag,
    destination: str | Path,
    *,
    license: str | None = None,
    sources: Iterable[DatasetFact] = (),
    with_files: bool = True,
) -> Path:
    """Write a copy of a bag whose ``data/`` is an RO-Crate, and return where it is.

    Files of assets are hard links where that is possible. Equal bags give equal bytes.

    Args:
        bag: A version of a dataset on this machine.
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        license: SPDX identifier or URL of the license of the data.
        sources: Versions of datasets that it was made from.
        with_files: Bring the files of assets, as far as the bag has them; else they are listed.

    Raises:
        DerivaMLValidationError: `destination` exists.
        DerivaMLDataError: The bag is damaged.
        DerivaMLUnavailableError: `destination` cannot be written.
    """
    place = Path(destination)
    with new_package(place, f"writing the RO-Crate {str(place)!r}") as folder:
        document = dataset_crate(bag, license=license, sources=sources)
        copy_bag(
            bag.path, folder, {_DATA + METADATA_FILE: json_bytes(document)}, with_files=with_files
        )
    return place


def dataset_crate(
    bag: DatasetBag, *, license: str | None = None, sources: Iterable[DatasetFact] = ()
) -> dict[str, Any]:
    """The RO-Crate metadata of a version of a dataset, for the ``data/`` of its bag."""
    session = bag.datasets.session
    history = bag.dataset_history()
    latest = history[-1]
    crate = Crate("1.3", TERMS)
    files = _add_files(crate, bag)
    vocabularies = _add_vocabularies(crate, session)
    nested = [
        _add_nested(crate, session, child, files) for child in bag.list_dataset_children(True)
    ]
    before = [_add_version(crate, session, h) for h in history[-2:-1]]
    made_from = [_add_source(crate, session, source) for source in sources]
    version_row = _row(session, "Dataset_Version", latest.version_rid)
    row = _row(session, "Dataset", bag.dataset_rid)
    action = _add_producer(crate, session, latest, made_from)
    return crate.document(
        name=f"Dataset {bag.dataset_rid} {latest.dataset_version}",
        description=bag.description or f"Version {latest.dataset_version} of a dataset.",
        version=str(latest.dataset_version),
        identifier=[
            f"{bag.dataset_rid}@{latest.dataset_version}",
            _version_id(session, latest),
        ],
        dateCreated=iso_time(moment(row["RCT"])),
        datePublished=iso_time(snapshot_time(latest.snapshot) or moment(version_row["RCT"])),
        creator=add_agent(crate, agent_of(session, version_row["RCB"])),
        license=add_license(crate, license),
        keywords=bag.dataset_types,
        isBasedOn=[*before, *made_from],
        mentions=[*([action] if action else []), *vocabularies, *nested],
    )


def _version_id(session: Session, version: DatasetHistory) -> str:
    label = str(version.dataset_version)
    return of_version(session, version.dataset_rid, label, version.snapshot)


def _add_version(crate: Crate, session: Session, version: DatasetHistory) -> Reference:
    """An earlier version, which is not in the crate."""
    return crate.add(
        _version_id(session, version),
        "CreativeWork",
        name=f"Dataset {version.dataset_rid} {version.dataset_version}",
        description=version.description,
        version=str(version.dataset_version),
    )


def _add_source(crate: Crate, session: Session, source: DatasetFact) -> Reference:
    """A version of a dataset that this one was made from, which is not in the crate."""
    return crate.add(
        of_version(session, source.rid, source.version, source.snapshot),
        "CreativeWork",
        name=f"Dataset {source.rid} {source.version}".rstrip(),
        description=source.description,
        version=source.version,
        keywords=sorted(source.types),
    )


def _row(session: Session, table: str, rid: str) -> Row:
    rows = session.fetch(entities(session.ml(table), equals("RID", rid)))
    if not rows:
        raise DerivaMLDataError(f"The bag lacks the row {rid!r} of table {table!r}.")
    return rows[0]


# --- files -------------------------------------------------------------------------------


def _add_files(crate: Crate, bag: DatasetBag) -> dict[str, Reference]:
    """The payload of the bag; gives the files of assets by RID."""
    session = bag.datasets.session
    tags = read_bag(bag.path)
    listed = {entry.path: entry for entry in tags.fetch}
    rows = _asset_rows(session)
    tables = {f"{t.schema}/{t.name}.csv": t for t in session.model.tables()}
    found: dict[str, Reference] = {}
    for path, digests in tags.payload.items():
        inside = path.removeprefix(_DATA)
        if inside == METADATA_FILE:
            continue
        file = bag.path / path
        entry = listed.get(path)
        length = file.stat().st_size if file.is_file() else entry.length if entry else None
        properties = file_properties(Path(inside).name, length, digests)
        rid = inside.split("/")[1] if inside.startswith("asset/") else None
        if rid is not None:
            row = rows.get(rid, {})
            properties["description"] = row.get("Description") or f"File of asset {rid}."
            properties["identifier"] = address(session, rid)
            if row.get("Filename") and row["Filename"] != properties["name"]:
                properties["alternateName"] = row["Filename"]
        elif inside in tables:
            properties["description"] = _about_table(tables[inside])
        elif inside == "schema.json":
            properties["description"] = "The tables: their columns, keys and foreign keys."
        reference = crate.add_part(path_id(inside), "File", **properties)
        if rid is not None:
            found[rid] = reference
    return found


def _about_table(table: Any) -> str:
    columns = ", ".join(column.name for column in table.columns)
    about = f"{table.comment} " if table.comment else ""
    return f"{about}Rows of table {table.name!r}; columns: {columns}."


def _asset_rows(session: Session) -> dict[str, Row]:
    return {
        row["RID"]: row
        for table in session.model.find_assets()
        for row in session.fetch(entities(table, sort=("RID",)))
    }


# --- what goes with the data -------------------------------------------------------------


def _add_vocabularies(crate: Crate, session: Session) -> list[Reference]:
    """The vocabularies of the user's schemas that have terms."""
    vocabularies = Vocabularies(session)
    found = []
    for table in session.model.find_vocabularies():
        if table.schema == session.ml_schema:
            continue
        terms = vocabularies.list_terms(table)
        if terms:
            found.append(add_terms(crate, table.name, table.comment or "", terms))
    return found


def _add_nested(
    crate: Crate, session: Session, child: DatasetBag, files: dict[str, Reference]
) -> Reference:
    """A dataset inside, with the files of its own members."""
    latest = child.dataset_history()[-1]
    members = child.list_dataset_members()
    inside = [
        _version_id(session, other.dataset_history()[-1]) for other in child.list_dataset_children()
    ]
    own = [files[r["RID"]] for rows in members.values() for r in rows if r["RID"] in files]
    return crate.add_part(
        _version_id(session, latest),
        "Dataset",
        name=f"Dataset {child.dataset_rid} {latest.dataset_version}",
        description=child.description,
        version=str(latest.dataset_version),
        identifier=f"{child.dataset_rid}@{latest.dataset_version}",
        keywords=child.dataset_types,
        hasPart=[*own, *map(refer, inside)],
    )


def _add_producer(
    crate: Crate, session: Session, version: DatasetHistory, made_from: list[Reference]
) -> Reference | None:
    """The execution that made the version, if the bag knows it."""
    rid = version.execution_rid
    executions = session.ml("Execution")
    rows = session.fetch(entities(executions, equals("RID", rid))) if rid else []
    if not rows:
        return None
    row = rows[0]
    instrument = None
    if row["Workflow"] is not None:
        code = _row(session, "Workflow", row["Workflow"])
        workflow = Workflows(session, Vocabularies(session)).lookup(code["RID"])
        instrument = add_code(crate, session, workflow)
    return crate.add(
        address(session, row["RID"]),
        "CreateAction",
        name=f"Execution {row['RID']}",
        description=row["Description"],
        startTime=iso_time(moment(row["Start"])),
        endTime=iso_time(moment(row["Stop"])),
        agent=add_agent(crate, agent_of(session, row["RCB"])),
        instrument=instrument,
        object=made_from,
        result=refer(ROOT),
    )
