"""Executions of DerivaML: what to run, on which inputs, by which code, and how to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core._lazy import lazy_names

if TYPE_CHECKING:
    from ..asset.spec import (
        AssetRIDConfig,
        AssetSpec,
        AssetSpecConfig,
        LocalFile,
        LocalFileConfig,
    )
    from ..notebook.configuration import (
        get_notebook_configuration,
        notebook_config,
        render_notebook_config,
    )
    from ..notebook.run import run_notebook
    from .base_config import BaseConfig, DerivaBaseConfig, base_defaults, create_model_config
    from .configuration import ExecutionConfiguration
    from .descriptions import DescribedList, with_description
    from .execution import Execution
    from .lineage import (
        AssetSummary,
        DatasetSummary,
        DownstreamNode,
        DownstreamResult,
        ExecutionSummary,
        LineageNode,
        LineageResult,
        RootDescriptor,
        WorkflowSummary,
    )
    from .load_configs import load_configs
    from .model_protocol import DerivaMLModel
    from .multirun import (
        MultirunSpec,
        get_all_multirun_configs,
        get_multirun_config,
        list_multirun_configs,
        multirun_config,
    )
    from .runner import run_model
    from .sweep import reset_multirun_state
    from .workflow import Workflow

__all__ = [
    "AssetRIDConfig",
    "AssetSpec",
    "AssetSpecConfig",
    "AssetSummary",
    "BaseConfig",
    "DatasetSummary",
    "DerivaBaseConfig",
    "DerivaMLModel",
    "DescribedList",
    "DownstreamNode",
    "DownstreamResult",
    "Execution",
    "ExecutionConfiguration",
    "ExecutionSummary",
    "LineageNode",
    "LineageResult",
    "LocalFile",
    "LocalFileConfig",
    "MultirunSpec",
    "RootDescriptor",
    "Workflow",
    "WorkflowSummary",
    "base_defaults",
    "create_model_config",
    "get_all_multirun_configs",
    "get_multirun_config",
    "get_notebook_configuration",
    "list_multirun_configs",
    "load_configs",
    "multirun_config",
    "notebook_config",
    "render_notebook_config",
    "reset_multirun_state",
    "run_model",
    "run_notebook",
    "with_description",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..asset.spec": (
            "AssetRIDConfig",
            "AssetSpec",
            "AssetSpecConfig",
            "LocalFile",
            "LocalFileConfig",
        ),
        "..notebook.configuration": (
            "get_notebook_configuration",
            "notebook_config",
            "render_notebook_config",
        ),
        "..notebook.run": ("run_notebook",),
        ".base_config": (
            "BaseConfig",
            "DerivaBaseConfig",
            "base_defaults",
            "create_model_config",
        ),
        ".configuration": ("ExecutionConfiguration",),
        ".descriptions": ("DescribedList", "with_description"),
        ".execution": ("Execution",),
        ".lineage": (
            "AssetSummary",
            "DatasetSummary",
            "DownstreamNode",
            "DownstreamResult",
            "ExecutionSummary",
            "LineageNode",
            "LineageResult",
            "RootDescriptor",
            "WorkflowSummary",
        ),
        ".load_configs": ("load_configs",),
        ".model_protocol": ("DerivaMLModel",),
        ".multirun": (
            "MultirunSpec",
            "get_all_multirun_configs",
            "get_multirun_config",
            "list_multirun_configs",
            "multirun_config",
        ),
        ".runner": ("run_model",),
        ".sweep": ("reset_multirun_state",),
        ".workflow": ("Workflow",),
    },
)
