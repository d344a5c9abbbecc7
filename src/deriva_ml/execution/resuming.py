"""How a run is found again: by a fingerprint of what it was asked to do.

Two runs are the same when their configurations are, wherever they put their files. What was
interrupted is continued only by the same code; what was completed counts as done.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLConfigurationError, some_of
from deriva_ml.core.logging_config import get_logger
from deriva_ml.core.query import attributes, equals

from .registry import ExecutionSnapshot
from .workflow import Workflow

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML

    from .execution import Execution

__all__ = [
    "Found",
    "fingerprint_of_call",
    "fingerprint_of_content",
    "fingerprint_of_job",
    "fingerprint_of_sweep",
    "fingerprint_of_words",
    "look_up",
]

_log = get_logger(__name__)
_PLACES = {"working_dir", "cache_dir", "hydra_runtime_output_dir", "clean_execution_dir"}
_LEVELS = {"logging_level", "deriva_logging_level"}
_CIRCUMSTANCES = {"resume", "dry_run"}


class Found:
    """What there is of a run that is to be resumed.

    Attributes:
        done: RID of the execution that was completed before; nothing is left to do.
        execution: The execution to go on with; None means that a new one is needed.
        run_again: The function has to be called: it had not come to its end.
    """

    def __init__(
        self, execution: Execution | None = None, *, done: str | None = None, run_again: bool = True
    ) -> None:
        self.execution = execution
        self.done = done
        self.run_again = run_again


# --- fingerprints ------------------------------------------------------------------------


def fingerprint_of_job(composed: Path, sequence: int | None) -> str:
    """The fingerprint of a job of Hydra: its composed configuration, and its place in a sweep.

    Args:
        composed: The file that Hydra wrote the configuration to.
        sequence: The job's number in its sweep; None outside one.
    """
    from omegaconf import OmegaConf

    content: Any = OmegaConf.to_container(OmegaConf.load(composed), resolve=False)
    return fingerprint_of_content(content, sequence)


def fingerprint_of_content(content: Mapping[str, Any], sequence: int | None) -> str:
    """The fingerprint of a job whose composed configuration is at hand, as plain values."""
    kept = {k: v for k, v in content.items() if k not in _CIRCUMSTANCES}
    connection = kept.get("deriva_ml")
    if isinstance(connection, dict):
        ignored = _PLACES | _LEVELS
        kept["deriva_ml"] = {k: v for k, v in connection.items() if k not in ignored}
    return _hash({"configuration": kept, "sequence": sequence})


def fingerprint_of_sweep(directory: Path, config_name: str) -> str:
    """The fingerprint of a sweep: its main configuration, and what spans it.

    Args:
        directory: Of the sweep, where its sweeper has written the configuration.
        config_name: The name of the main configuration.
    """
    from omegaconf import OmegaConf

    written = directory / "multirun.yaml"
    words: Sequence[str] = sys.argv[1:]
    files: Sequence[str] = ()
    key = None
    if written.is_file():
        config = OmegaConf.load(written)
        words = [str(word) for word in OmegaConf.select(config, "hydra.overrides.task") or ()]
        files = [str(f) for f in OmegaConf.select(config, "hydra.sweeper.files") or ()]
        key = OmegaConf.select(config, "hydra.sweeper.task_to")
    return fingerprint_of_words(config_name, words, files, key)


def fingerprint_of_words(
    config_name: str, words: Sequence[str], files: Sequence[str] = (), key: str | None = None
) -> str:
    """The fingerprint of a sweep that these words, and the tasks in these files, span."""
    kept = sorted(word for word in words if not _is_circumstance(word))
    tasks = {"tasks": [list(files), key]} if files else {}
    return _hash({"sweep": config_name, "overrides": kept, **tasks})


def _is_circumstance(word: str) -> bool:
    name = word.lstrip("+~").partition("=")[0]
    return (
        name in _CIRCUMSTANCES
        or name.startswith(("hydra.", "hydra/"))
        or name.removeprefix("deriva_ml.") in _PLACES | _LEVELS
    )


def fingerprint_of_call(
    called: Callable[..., Any], arguments: Mapping[str, Any], *, required: bool
) -> str | None:
    """The fingerprint of a call of `run_model` from a program.

    Args:
        called: The model function, perhaps a partial with its hyperparameters.
        arguments: What else decides what the run does.
        required: Whether the lack of a fingerprint is an error.

    Raises:
        DerivaMLConfigurationError: A value has no form that is the same in every process.
    """
    try:
        return _hash({"called": _function(called), **{k: _plain(v) for k, v in arguments.items()}})
    except TypeError as error:
        if required:
            raise DerivaMLConfigurationError(
                f"The run cannot be resumed: {error}. Use numbers, texts, lists and mappings as "
                "hyperparameters."
            ) from error
        return None


def _function(called: Any) -> Any:
    if isinstance(called, partial):
        return [_function(called.func), _plain(called.args), _plain(called.keywords)]
    kind = called if hasattr(called, "__qualname__") else type(called)
    return f"{kind.__module__}:{kind.__qualname__}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Path):
        return str(value)
    if callable(value):
        return _function(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}, which has no lasting form")


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# --- finding -----------------------------------------------------------------------------


def look_up(ml: DerivaML, fingerprint: str, parent: str | None, workflow: Workflow) -> Found:
    """What there is of the run with a fingerprint under a parent.

    Args:
        ml: The connection.
        fingerprint: Of the run.
        parent: The execution that it belongs to.
        workflow: The code that would run now, identified.
    """
    snapshot = ml.executions.with_fingerprint(fingerprint, parent)
    if snapshot is None:
        return Found()
    if _is_done(snapshot):
        _log.info("Execution %s was completed before and is skipped.", snapshot.rid)
        return Found(done=snapshot.rid)
    execution = ml.resume_execution(snapshot.rid)
    if execution.status is ExecutionStatus.Uploaded:
        return Found(done=snapshot.rid)
    if execution.has_finished:
        return Found(execution, run_again=False)
    known = ml.lookup_workflow(str(execution.workflow_rid))
    if (known.url, known.checksum) != (workflow.url, workflow.checksum):
        _log.warning(
            "Execution %s was interrupted, but the code has changed since: a new one is made.%s",
            snapshot.rid,
            _what_stays(ml, snapshot.rid),
        )
        return Found()
    return Found(execution)


def _what_stays(ml: DerivaML, rid: str) -> str:
    """A sentence about the datasets that an execution made; empty when there is none."""
    table = ml.session.ml("Dataset_Version")
    rows = ml.session.fetch(attributes(table, ("Dataset",), equals("Execution", rid)))
    made = sorted({str(row["Dataset"]) for row in rows})
    return f" Datasets that it made or changed stay: {some_of(made)}." if made else ""


def _is_done(snapshot: ExecutionSnapshot) -> bool:
    waits = snapshot.pending_files or snapshot.pending_rows or snapshot.sync_pending
    return snapshot.status is ExecutionStatus.Uploaded and not waits
