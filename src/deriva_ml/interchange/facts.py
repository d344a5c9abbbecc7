"""What the catalog knows of an execution, read once, for those who write it down elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from deriva_catalog.errors import Forbidden, NotFound, UnknownName
from deriva_catalog.interface import Row
from deriva_catalog.objects.names import PREFIX
from deriva_ml.asset.download import bring_together, fetch_asset, safe_name
from deriva_ml.core.constants import SENTINEL_FILE_URL
from deriva_ml.core.enums import ExecMetadataType, ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import translated
from deriva_ml.core.query import any_of, entities, equals, path_of
from deriva_ml.execution.record import children, parents, record_row
from deriva_ml.experiment.files import CONFIG_FILE, flat
from deriva_ml.experiment.measurements import Metric, read_metrics

from .dataflow import Dataflow, read_dataflow
from .identifiers import moment

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.asset.asset import Asset
    from deriva_ml.core.session import Session
    from deriva_ml.execution.run import Surroundings
    from deriva_ml.execution.workflow import Workflow

__all__ = [
    "Agent",
    "DatasetFact",
    "FeatureFact",
    "FileFact",
    "RunFacts",
    "agent_of",
    "datasets_read",
    "gather",
    "read_files",
]

_T = ExecMetadataType
_S = ExecutionStatus
_RUN_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who did something: the user's identifier, and a name if the catalog knows one."""

    identifier: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """A version of a dataset."""

    rid: str
    version: str
    snapshot: str | None
    description: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFact:
    """An asset.

    Attributes:
        row: The asset's row.
        table: Its table.
        types: Terms of ``Asset_Type``.
        sha256: In hexadecimal; None where only the MD5 is known.
        path: Where the file is on this machine, once it is.
    """

    row: Row
    table: Table
    types: tuple[str, ...]
    sha256: str | None
    path: Path | None = None

    @property
    def rid(self) -> str:
        """RID of the asset."""
        return str(self.row["RID"])

    @property
    def name(self) -> str:
        """The name of the file, without directories."""
        return safe_name(self.row)


@dataclass(frozen=True, slots=True)
class FeatureFact:
    """Values of a feature that an execution made.

    Attributes:
        target: The table that they are about.
        name: The feature.
        table: The table that holds them.
        count: How many there are.
    """

    target: Table
    name: str
    table: Table
    count: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the catalog knows of an execution.

    Attributes:
        row: Its row.
        workflow: The code that ran; None for an execution without one.
        agent: Who made it.
        datasets_read: The dataset versions that it read.
        datasets_made: The dataset versions that it made.
        files_read: The assets that it read.
        files_made: The assets that it made, but for those that describe it.
        about: The files that describe it, which are on this machine.
        features: The features that it gave values of.
        parents: RIDs of the executions that it belongs to, the nearest first.
        children: RIDs of the executions that belong to it.
        parameters: What it was asked to do, secrets masked, by flat names.
        command: The command line that started it, secrets masked.
        metrics: What it measured, in the order in which it was written down.
        dataflows: The dataflows that it ran, if they were recorded.
        environment: What surrounded it, as `execution.environment` wrote it down.
    """

    row: Row
    workflow: Workflow | None
    agent: Agent | None
    datasets_read: tuple[DatasetFact, ...] = ()
    datasets_made: tuple[DatasetFact, ...] = ()
    files_read: tuple[FileFact, ...] = ()
    files_made: tuple[FileFact, ...] = ()
    about: tuple[FileFact, ...] = ()
    features: tuple[FeatureFact, ...] = ()
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    dataflows: tuple[Dataflow, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return str(self.row["RID"])

    @property
    def status(self) -> ExecutionStatus:
        """Its state."""
        return ExecutionStatus(self.row["Status"] or _S.Created)

    @property
    def failed(self) -> bool:
        """Whether it came to no good end."""
        return self.status in (_S.Failed, _S.Aborted)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status not in (_S.Created, _S.Running)

    @property
    def error(self) -> str | None:
        """What ended it, when it failed."""
        return self.row["Status_Detail"] if self.failed else None

    @property
    def all_parameters(self) -> dict[str, Any]:
        """The parameters and what dataflows were given, by flat names.

        Where a later dataflow was given another value, its name ends in ``@`` and its number.
        """
        found: dict[str, Any] = {}
        for number, flow in enumerate(self.dataflows, start=1):
            for name, value in flow.inputs.items():
                same = name not in found or found[name] == value
                found[name if same else f"{name}@{number}"] = value
        return dict(sorted({**found, **self.parameters}.items()))

    @property
    def created(self) -> datetime | None:
        """When it was created."""
        return moment(self.row["RCT"])

    @property
    def start(self) -> datetime | None:
        """When it began."""
        return moment(self.row["Start"])

    @property
    def stop(self) -> datetime | None:
        """When it ended."""
        return moment(self.row["Stop"])


@translated()
def gather(around: Surroundings, execution_rid: str, folder: Path) -> RunFacts:
    """Read what the catalog knows of an execution.

    Args:
        around: The catalog's collaborators.
        execution_rid: RID of the execution.
        folder: Where the files that describe it are put.

    Raises:
        DerivaMLValidationError: The text is not a RID.
        DerivaMLNotFoundError: There is no such execution.

    Cost: a fixed number of queries for each asset table and each feature, whatever their rows.
    """
    session = around.session
    row = record_row(session, execution_rid)
    read = _files(around, execution_rid, "Input")
    made = _files(around, execution_rid, "Output")
    is_about = (session.ml_schema, MLAsset.execution_metadata.value)
    about = read_files(session, [f for f in made if _key(f.table) == is_about], folder)
    told = _told(about)
    return RunFacts(
        row,
        None if row["Workflow"] is None else around.workflows.lookup(row["Workflow"]),
        agent_of(session, row["RCB"]),
        tuple(datasets_read(session, execution_rid)),
        tuple(_datasets_made(session, execution_rid)),
        tuple(f for f in read if f.row["URL"] != SENTINEL_FILE_URL),
        tuple(f for f in made if _key(f.table) != is_about),
        about,
        tuple(_features(around, execution_rid)),
        tuple(parents(session, execution_rid, recurse=True)),
        tuple(children(session, execution_rid)),
        told.parameters,
        told.command,
        told.metrics,
        told.dataflows,
        told.environment,
    )


def _key(table: Table) -> tuple[str, str]:
    return table.schema, table.name


def agent_of(session: Session, user: str | None) -> Agent | None:
    """The user that a row names as its maker; None where it names nobody."""
    if not user:
        return None
    query = f"attribute/public:ERMrest_Client/ID={quote(user, safe='')}/Full_Name,Display_Name"
    try:
        known = next(iter(session.fetch(query)), {})
    except (Forbidden, NotFound, UnknownName):  # a bag, or users that are not shown
        known = {}
    return Agent(user, known.get("Full_Name") or known.get("Display_Name"))


# --- files -------------------------------------------------------------------------------


def _files(around: Surroundings, execution_rid: str, role: str) -> tuple[FileFact, ...]:
    """The assets of one role, each with its row, in the order of tables and RIDs."""
    assets: list[Asset] = around.assets.of_execution(execution_rid, role)
    rows = around.assets.rows([a.asset_rid for a in assets])
    own = [str(row["URL"]) for _, row in rows.values() if str(row["URL"]).startswith(f"{PREFIX}/")]
    known = around.session.catalog.objects.stat_many(own) if own else {}
    found = []
    for asset in assets:
        table, row = rows[asset.asset_rid]
        version = known.get(row["URL"])
        sha256 = None if version is None else version.sha256
        found.append(FileFact(row, table, tuple(sorted(asset.asset_types)), sha256))
    return tuple(sorted(found, key=lambda f: (f.table.name, f.rid)))


def read_files(session: Session, files: Iterable[FileFact], folder: Path) -> tuple[FileFact, ...]:
    """Bring the bytes of assets to this machine, each into a directory of its own.

    Raises:
        DerivaMLNotFoundError: The object store does not have one.
        DerivaMLDataError: The bytes are not those that the catalog describes.
        DerivaMLUnavailableError: One is elsewhere and cannot be reached.
    """
    wanted = tuple(files)
    bring_together(session, [(f.row, folder / f.rid) for f in wanted])
    return tuple(
        FileFact(f.row, f.table, f.types, f.sha256, fetch_asset(session, f.row, folder / f.rid))
        for f in wanted
    )


# --- what the files that describe a run tell ---------------------------------------------


@dataclass(slots=True)
class _Told:
    parameters: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    dataflows: tuple[Dataflow, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)


def _told(files: Iterable[FileFact]) -> _Told:
    from flexlock.config import mask_secrets, mask_words

    told = _Told()
    for file in files:
        if file.path is None:
            continue
        if _T.metrics_file in file.types:
            told.metrics += tuple(read_metrics(file.path))
        elif _T.runtime_env in file.types:
            told.environment = _mapping(file.path)
        elif _T.deriva_config in file.types and file.path.suffix == ".json":
            document = _mapping(file.path)
            told.command = tuple(mask_words([str(w) for w in document.get("argv") or ()]))
            told.parameters |= flat({"config_choices": document.get("config_choices") or {}})
        elif file.name.endswith(CONFIG_FILE):
            told.parameters |= flat(_mapping(file.path))
        elif file.name.endswith(_RUN_LOCK):
            told.parameters |= flat(_mapping(file.path).get("config") or {})
        elif (flow := read_dataflow(file.path)) is not None:
            told.dataflows += (flow,)
    told.parameters.pop("config_choices", None)  # there were none
    told.parameters = dict(sorted(mask_secrets(told.parameters).items()))
    return told


def _mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; an empty one for a file that holds something else."""
    text = path.read_text(encoding="utf-8", errors="replace")
    is_json = text.lstrip().startswith("{")
    try:
        found = json.loads(text) if is_json else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return {}
    return {str(k): v for k, v in found.items()} if isinstance(found, Mapping) else {}


# --- datasets and features ---------------------------------------------------------------


def datasets_read(session: Session, execution_rid: str) -> Iterator[DatasetFact]:
    """The dataset versions that an execution read, by RID; four queries."""
    links = session.fetch(
        entities(session.ml("Dataset_Execution"), equals("Execution", execution_rid))
    )
    versions = _by_rid(session, "Dataset_Version", [r["Dataset_Version"] for r in links])
    datasets = _by_rid(session, "Dataset", [r["Dataset"] for r in links])
    types = _types(session, list(datasets))
    for row in sorted(links, key=lambda r: str(r["Dataset"])):
        version = versions.get(row["Dataset_Version"])
        about = datasets[row["Dataset"]]
        yield DatasetFact(
            row["Dataset"],
            "" if version is None else version["Version"],
            None if version is None else version["Snapshot"],
            about["Description"] or "",
            types.get(row["Dataset"], ()),
        )


def _datasets_made(session: Session, execution_rid: str) -> Iterator[DatasetFact]:
    table = session.ml("Dataset_Version")
    rows = session.fetch(entities(table, equals("Execution", execution_rid), sort=("RID",)))
    datasets = _by_rid(session, "Dataset", [r["Dataset"] for r in rows])
    types = _types(session, list(datasets))
    for row in rows:
        about = datasets[row["Dataset"]]
        yield DatasetFact(
            row["Dataset"],
            row["Version"],
            row["Snapshot"],
            about["Description"] or "",
            types.get(row["Dataset"], ()),
        )


def _by_rid(session: Session, table: str, rids: Iterable[str | None]) -> dict[str | None, Row]:
    wanted = [rid for rid in dict.fromkeys(rids) if rid is not None]
    if not wanted:
        return {}
    return {r["RID"]: r for r in session.fetch(entities(session.ml(table), any_of("RID", wanted)))}


def _types(session: Session, datasets: list[str | None]) -> dict[str, tuple[str, ...]]:
    wanted = [rid for rid in datasets if rid is not None]
    found: dict[str, tuple[str, ...]] = {}
    if wanted:
        links = session.ml("Dataset_Dataset_Type")
        for row in session.fetch(entities(links, any_of("Dataset", wanted), sort=("RID",))):
            found[row["Dataset"]] = (*found.get(row["Dataset"], ()), row["Dataset_Type"])
    return found


def _features(around: Surroundings, execution_rid: str) -> Iterator[FeatureFact]:
    for feature in around.features.find():
        table = feature.feature_table
        count = around.session.catalog.count(path_of(table, equals("Execution", execution_rid)))
        if count:
            yield FeatureFact(feature.target_table, feature.feature_name, table, count)
