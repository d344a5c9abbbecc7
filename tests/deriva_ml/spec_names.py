"""The public names of `deriva_ml`, as its reference lists them: data for `test_names`.

``spec_names.txt`` has a block for each module, and for each class as ``module:Class``. A line is
names, or a function with the parameters that it must take, with defaults where they matter.
"""

from __future__ import annotations

from pathlib import Path

NAMES = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")


BASES = """
DerivaMLException
  DerivaMLConfigurationError
    DerivaMLSchemaError
    DerivaMLSchemaRefreshBlocked
    DerivaMLSchemaPinned
    DerivaMLAuthenticationError
    DerivaMLOfflineError
  DerivaMLDataError
    DerivaMLNotFoundError
      DerivaMLDatasetNotFound
      DerivaMLTableNotFound
      DerivaMLFeatureNotFound
      DerivaMLInvalidTerm
      DerivaMLRidsNotFound
      NoAssociationException
    DerivaMLTableTypeError
    DerivaMLValidationError
      DerivaMLMaterializeLimitExceeded
    DerivaMLCycleError
    DerivaMLStateInconsistency
    AmbiguousAssociationException
  DerivaMLExecutionError
    DerivaMLWorkflowError
      DerivaMLDirtyWorkflowError
    DerivaMLUploadError
  DerivaMLReadOnlyError
  DerivaMLDenormalizeError
    DerivaMLDenormalizeMultiLeaf
    DerivaMLDenormalizeNoSink
    DerivaMLDenormalizeDownstreamLeaf
    DerivaMLDenormalizeAmbiguousPath
    DerivaMLDenormalizeUnrelatedAnchor
  InvalidTransitionError
"""

ENUMS = {
    "BuiltinTypes": (
        "text int2 int4 int8 float4 float8 boolean date timestamp timestamptz json jsonb markdown "
        "longtext color_rgb_hex serial2 serial4 serial8 ermrest_rid ermrest_rct ermrest_rmt "
        "ermrest_rcb ermrest_rmb ermrest_curie ermrest_uri"
    ),
    "UploadState": "success failed pending running paused aborted cancelled timeout",
    "MLVocab": (
        "dataset_type=Dataset_Type workflow_type=Workflow_Type asset_type=Asset_Type "
        "asset_role=Asset_Role execution_status=Execution_Status feature_name=Feature_Name"
    ),
    "MLAsset": "execution_metadata=Execution_Metadata execution_asset=Execution_Asset",
    "MLTable": (
        "dataset=Dataset workflow=Workflow file=File asset=Asset execution=Execution "
        "execution_execution=Execution_Execution dataset_version=Dataset_Version "
        "execution_metadata=Execution_Metadata execution_asset=Execution_Asset"
    ),
    "ExecMetadataType": (
        "execution_config=Execution_Config runtime_env=Runtime_Env hydra_config=Hydra_Config "
        "deriva_config=Deriva_Config metrics_file=Metrics_File"
    ),
    "ExecAssetType": (
        "input_file=Input_File output_file=Output_File notebook_output=Notebook_Output "
        "model_file=Model_File"
    ),
    "ConnectionMode": "online=online offline=offline",
    "ExecutionStatus": (
        "Created=Created Running=Running Stopped=Stopped Failed=Failed "
        "Pending_Upload=Pending_Upload Uploaded=Uploaded Aborted=Aborted"
    ),
    "Status": (
        "initializing=Initializing created=Created pending=Pending running=Running "
        "aborted=Aborted completed=Completed failed=Failed"
    ),
    "VersionPart": "major=major minor=minor patch=patch",
    "CacheStatus": (
        "not_cached=not_cached cached_metadata_only=cached_metadata_only "
        "cached_materialized=cached_materialized cached_holey=cached_holey "
        "cached_incomplete=cached_holey"
    ),
}
"""Enumerations of `deriva_ml.core.definitions`: members, with values where they are given."""
