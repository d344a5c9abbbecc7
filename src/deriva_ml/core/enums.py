"""Closed sets of names: column types, tables and vocabularies of the ML schema, states."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum

__all__ = [
    "BaseStrEnum",
    "BuiltinTypes",
    "CacheStatus",
    "ConnectionMode",
    "ExecAssetType",
    "ExecMetadataType",
    "ExecutionStatus",
    "MLAsset",
    "MLTable",
    "MLVocab",
    "Status",
    "UploadState",
    "VersionPart",
]

BaseStrEnum = StrEnum
"""The older name of the standard library's `enum.StrEnum`."""


class BuiltinTypes(StrEnum):
    """Column types; the value is the type's name in the catalog."""

    text = "text"
    int2 = "int2"
    int4 = "int4"
    int8 = "int8"
    float4 = "float4"
    float8 = "float8"
    boolean = "boolean"
    date = "date"
    timestamp = "timestamp"
    timestamptz = "timestamptz"
    json = "json"
    jsonb = "jsonb"
    markdown = "markdown"
    longtext = "longtext"
    color_rgb_hex = "color_rgb_hex"
    serial2 = "serial2"
    serial4 = "serial4"
    serial8 = "serial8"
    ermrest_rid = "ermrest_rid"
    ermrest_rct = "ermrest_rct"
    ermrest_rmt = "ermrest_rmt"
    ermrest_rcb = "ermrest_rcb"
    ermrest_rmb = "ermrest_rmb"
    ermrest_curie = "ermrest_curie"
    ermrest_uri = "ermrest_uri"


class UploadState(IntEnum):
    """How far the upload of one file has come."""

    success = 0
    failed = 1
    pending = 2
    running = 3
    paused = 4
    aborted = 5
    cancelled = 6
    timeout = 7


class MLVocab(StrEnum):
    """Vocabulary tables of the ML schema."""

    dataset_type = "Dataset_Type"
    workflow_type = "Workflow_Type"
    asset_type = "Asset_Type"
    asset_role = "Asset_Role"
    execution_status = "Execution_Status"
    feature_name = "Feature_Name"


class MLAsset(StrEnum):
    """Asset tables that every ML schema has."""

    execution_metadata = "Execution_Metadata"
    execution_asset = "Execution_Asset"


class MLTable(StrEnum):
    """Tables of the ML schema."""

    dataset = "Dataset"
    workflow = "Workflow"
    file = "File"
    asset = "Asset"
    execution = "Execution"
    execution_execution = "Execution_Execution"
    dataset_version = "Dataset_Version"
    execution_metadata = "Execution_Metadata"
    execution_asset = "Execution_Asset"


class ExecMetadataType(StrEnum):
    """Asset types of the files that describe a run."""

    execution_config = "Execution_Config"
    runtime_env = "Runtime_Env"
    hydra_config = "Hydra_Config"
    deriva_config = "Deriva_Config"
    metrics_file = "Metrics_File"


class ExecAssetType(StrEnum):
    """Asset types of the files that a run reads and writes."""

    input_file = "Input_File"
    output_file = "Output_File"
    notebook_output = "Notebook_Output"
    model_file = "Model_File"


class ConnectionMode(StrEnum):
    """Whether a session talks to its catalog (``online``) or only to what is cached."""

    online = "online"
    offline = "offline"


class ExecutionStatus(StrEnum):
    """States of an execution, as its catalog row spells them."""

    Created = "Created"
    Running = "Running"
    Stopped = "Stopped"
    Failed = "Failed"
    Pending_Upload = "Pending_Upload"
    Uploaded = "Uploaded"
    Aborted = "Aborted"


class Status(StrEnum):
    """Older names of execution states; `execution_status` gives today's."""

    initializing = "Initializing"
    created = "Created"
    pending = "Pending"
    running = "Running"
    aborted = "Aborted"
    completed = "Completed"
    failed = "Failed"

    @property
    def execution_status(self) -> ExecutionStatus:
        """The state that this older name stands for."""
        return _TODAY[self]


_TODAY = {
    Status.initializing: ExecutionStatus.Created,
    Status.created: ExecutionStatus.Created,
    Status.pending: ExecutionStatus.Created,
    Status.running: ExecutionStatus.Running,
    Status.aborted: ExecutionStatus.Aborted,
    Status.completed: ExecutionStatus.Uploaded,
    Status.failed: ExecutionStatus.Failed,
}


class VersionPart(StrEnum):
    """The part of a version number that a change raises."""

    major = "major"
    minor = "minor"
    patch = "patch"


class CacheStatus(Enum):
    """How much of a dataset version lies in the local cache."""

    not_cached = "not_cached"
    cached_metadata_only = "cached_metadata_only"
    cached_materialized = "cached_materialized"
    cached_holey = "cached_holey"
    cached_incomplete = "cached_holey"
