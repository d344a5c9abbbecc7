"""Run sheets: which code, configuration, data and earlier runs a result was made of.

    from flexlock import runlock

    class Config:
        param = 1
        input_path = "data/input.csv"
        save_dir = "results/process"

    def main(cfg=Config()):
        runlock(config=cfg, repos=["."], data=[cfg.input_path])   # results/process/run.lock
        ...

Names are loaded when they are first used, so that `import flexlock` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ConfigError": "flexlock.errors",
    "ExecutionResult": "flexlock.project.results",
    "FlexLockError": "flexlock.errors",
    "LockError": "flexlock.errors",
    "Project": "flexlock.project.project",
    "RunDiff": "flexlock.comparing",
    "RunHandle": "flexlock.lock.runlock",
    "RunLock": "flexlock.lock.record",
    "RunSession": "flexlock.run",
    "active_runs": "flexlock.mlflow_link",
    "clicfg": "flexlock.cli.decorator",
    "compare": "flexlock.comparing",
    "compose_lock": "flexlock.lock.composing",
    "current_run": "flexlock.run",
    "find_match": "flexlock.reuse",
    "find_runs": "flexlock.listing",
    "hash_data": "flexlock.data.tracking",
    "instantiate": "flexlock.config.signature",
    "list_tags": "flexlock.tags",
    "load_stage": "flexlock.stages",
    "load_stage_from_path": "flexlock.stages",
    "mlflow_lock": "flexlock.mlflow_link",
    "open_run": "flexlock.run",
    "pull": "flexlock.sharing.pull",
    "push": "flexlock.sharing.push",
    "py2cfg": "flexlock.config.signature",
    "read_lineage": "flexlock.lineage",
    "read_lock": "flexlock.lock.document",
    "register_resolvers": "flexlock.config.resolvers",
    "rerun": "flexlock.rerunning",
    "run_status": "flexlock.run",
    "runlock": "flexlock.lock.runlock",
    "submit": "flexlock.project.project",
    "tag_run": "flexlock.tags",
    "unsafe_debug": "flexlock.debug",
    "verify": "flexlock.verifying",
    "why": "flexlock.reuse",
    "write_lock": "flexlock.lock.document",
}
"""Public name -> the module that it lives in."""

__all__ = [
    "ConfigError",
    "ExecutionResult",
    "FlexLockError",
    "LockError",
    "Project",
    "RunDiff",
    "RunHandle",
    "RunLock",
    "RunSession",
    "active_runs",
    "clicfg",
    "compare",
    "compose_lock",
    "current_run",
    "find_match",
    "find_runs",
    "hash_data",
    "instantiate",
    "list_tags",
    "load_stage",
    "load_stage_from_path",
    "mlflow_lock",
    "open_run",
    "pull",
    "push",
    "py2cfg",
    "read_lineage",
    "read_lock",
    "register_resolvers",
    "rerun",
    "run_status",
    "runlock",
    "submit",
    "tag_run",
    "unsafe_debug",
    "verify",
    "why",
    "write_lock",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
