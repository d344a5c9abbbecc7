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
    "FlexLockError": "flexlock.errors",
    "LockError": "flexlock.errors",
    "RunHandle": "flexlock.lock.runlock",
    "RunLock": "flexlock.lock.record",
    "RunSession": "flexlock.run",
    "active_runs": "flexlock.mlflow_link",
    "clicfg": "flexlock.cli.decorator",
    "compose_lock": "flexlock.lock.composing",
    "current_run": "flexlock.run",
    "hash_data": "flexlock.data.tracking",
    "instantiate": "flexlock.config.signature",
    "mlflow_lock": "flexlock.mlflow_link",
    "open_run": "flexlock.run",
    "py2cfg": "flexlock.config.signature",
    "read_lineage": "flexlock.lineage",
    "read_lock": "flexlock.lock.document",
    "register_resolvers": "flexlock.config.resolvers",
    "run_status": "flexlock.run",
    "runlock": "flexlock.lock.runlock",
    "unsafe_debug": "flexlock.debug",
    "verify": "flexlock.verifying",
    "write_lock": "flexlock.lock.document",
}
"""Public name -> the module that it lives in."""

__all__ = [
    "ConfigError",
    "FlexLockError",
    "LockError",
    "RunHandle",
    "RunLock",
    "RunSession",
    "active_runs",
    "clicfg",
    "compose_lock",
    "current_run",
    "hash_data",
    "instantiate",
    "mlflow_lock",
    "open_run",
    "py2cfg",
    "read_lineage",
    "read_lock",
    "register_resolvers",
    "run_status",
    "runlock",
    "unsafe_debug",
    "verify",
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
