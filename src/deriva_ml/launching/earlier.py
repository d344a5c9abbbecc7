"""The directory of a sweep that was begun before: found, and its parent execution taken up.

A resumed sweep goes on in its directory, because its queue says which jobs are done, and because
workers of the earlier command may still be at work there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.execution.resuming import fingerprint_of_sweep

__all__ = ["earlier_sweep", "note_sweep", "reopen_parents"]

FILE_NAME = "flexlock-sweep.json"


def note_sweep(directory: Path, config_name: str) -> None:
    """Note in the directory of a sweep which one it is."""
    content = {"fingerprint": fingerprint_of_sweep(directory, config_name)}
    (directory / FILE_NAME).write_text(json.dumps(content) + "\n")


def earlier_sweep(config_name: str, words: Sequence[str], fingerprint: str) -> Path | None:
    """Return the directory of the latest sweep with a fingerprint; None when there is none.

    Args:
        config_name: The main configuration.
        words: The overrides, which say where sweeps are kept.
        fingerprint: As `fingerprint_of_words` gives it.
    """
    beside = _sweeps(config_name, words)
    noted = beside.glob(f"*/{FILE_NAME}") if beside.is_dir() else ()
    for path in sorted(noted, key=lambda p: p.stat().st_mtime, reverse=True):
        if _fingerprint(path) == fingerprint:
            return path.parent
    return None


def _fingerprint(path: Path) -> str | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):  # of a command that was killed while it wrote
        return None
    return found.get("fingerprint") if isinstance(found, dict) else None


def _sweeps(config_name: str, words: Sequence[str]) -> Path:
    """Return the directory that holds the directories of sweeps."""
    from hydra import compose, initialize
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    parsed = OverridesParser.create().parse_overrides(list(words))
    single = [str(o.input_line) for o in parsed if not o.is_sweep_override()]
    with initialize(version_base="1.3", config_path=None):
        config: Any = compose(config_name, single, return_hydra_config=True)
    return Path(str(OmegaConf.select(config, "hydra.sweep.dir"))).absolute().parent


def reopen_parents(directory: Path) -> None:
    """Have the parent executions of a sweep run again that were stopped or closed as failed."""
    from deriva_ml.execution.sweep import FILE_NAME as RECORD
    from deriva_ml.execution.sweep import Sweep, keep_parent

    if not (directory / RECORD).is_file():
        return
    sweep = Sweep(directory)
    for rid, ml in sweep.parents():
        parent = ml.resume_execution(rid)
        if parent.status in (ExecutionStatus.Uploaded, ExecutionStatus.Pending_Upload):
            continue
        parent.execution_start()
        keep_parent(rid, parent)
        sweep.note_open(rid)
