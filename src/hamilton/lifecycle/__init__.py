"""Adapters: classes by which users take part in building and running a dataflow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import LifecycleAdapter

if TYPE_CHECKING:
    from hamilton.lifecycle.api import (
        EdgeConnectionHook,
        GraphAdapter,
        GraphConstructionHook,
        GraphExecutionHook,
        LegacyResultMixin,
        NodeExecutionHook,
        NodeExecutionMethod,
        ResultBuilder,
        StaticValidator,
        TaskExecutionHook,
        TaskGroupingHook,
        TaskReturnHook,
        TaskSubmissionHook,
    )
    from hamilton.lifecycle.default import (
        CacheAdapter,
        FunctionInputOutputTypeChecker,
        GracefulErrorAdapter,
        MutationDetector,
        NoEdgeAndInputTypeChecking,
        PDBDebugger,
        PrintLn,
        PrintLnHook,
        SlowDownYouMoveTooFast,
        accept_error_sentinels,
    )
    from hamilton.lifecycle.resilience import RetryAdapter, TimeoutAdapter
    from hamilton.lifecycle.validators import DocstringPresent, NamesMatch, TagsPresent

__all__ = [
    "CacheAdapter",
    "DocstringPresent",
    "EdgeConnectionHook",
    "FunctionInputOutputTypeChecker",
    "GracefulErrorAdapter",
    "GraphAdapter",
    "GraphConstructionHook",
    "GraphExecutionHook",
    "LegacyResultMixin",
    "LifecycleAdapter",
    "MutationDetector",
    "NamesMatch",
    "NoEdgeAndInputTypeChecking",
    "NodeExecutionHook",
    "NodeExecutionMethod",
    "PDBDebugger",
    "PrintLn",
    "PrintLnHook",
    "ResultBuilder",
    "RetryAdapter",
    "SlowDownYouMoveTooFast",
    "StaticValidator",
    "TagsPresent",
    "TaskExecutionHook",
    "TaskGroupingHook",
    "TaskReturnHook",
    "TaskSubmissionHook",
    "TimeoutAdapter",
    "accept_error_sentinels",
]

_HOMES = {
    "hamilton.lifecycle.default": (
        "CacheAdapter",
        "FunctionInputOutputTypeChecker",
        "GracefulErrorAdapter",
        "MutationDetector",
        "NoEdgeAndInputTypeChecking",
        "PDBDebugger",
        "PrintLn",
        "PrintLnHook",
        "SlowDownYouMoveTooFast",
        "accept_error_sentinels",
    ),
    "hamilton.lifecycle.resilience": ("RetryAdapter", "TimeoutAdapter"),
    "hamilton.lifecycle.validators": ("DocstringPresent", "NamesMatch", "TagsPresent"),
}
_LAZY = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _LAZY.get(name, "hamilton.lifecycle.api" if name in __all__ else None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
