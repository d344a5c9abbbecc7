"""The first cell of a notebook: connect, check, and begin an execution."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.context import offer_context
from ..core.exceptions import DerivaMLConfigurationError
from ..core.logging_config import get_logger
from ..execution.checking import check_inputs
from ..execution.claim import claimed_soon, taking_turns
from ..execution.configuration import ExecutionConfiguration
from ..execution.creation import SAVE_RID, tell_environment
from ..execution.load_configs import load_configs
from ..execution.outputs import has_results
from ..execution.resuming import look_up
from ..execution.secrets import described
from ..execution.source import calling_file
from ..execution.workflow import Workflow
from .configuration import Composed, compose, stored_configuration
from .watching import watch_cells

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from ..execution.base_config import BaseConfig
    from ..execution.execution import Execution

__all__ = ["OVERRIDES", "PARAMETERS", "connect", "fingerprint", "load_project", "run_notebook"]

_log = get_logger(__name__)

OVERRIDES = "DERIVA_ML_HYDRA_OVERRIDES"
"""Variable with the command's overrides, as a JSON list."""

PARAMETERS = "DERIVA_ML_NOTEBOOK_PARAMETERS"
"""Variable with the parameters that the command injects, as a JSON object."""


def run_notebook(
    config_name: str | None = None,
    overrides: Sequence[str] | None = None,
    workflow_name: str | None = None,
    workflow_type: str = "Analysis Notebook",
    ml_class: type[DerivaML] | None = None,
    config_package: str = "configs",
) -> tuple[DerivaML, Execution, BaseConfig]:
    """Begin the execution of the notebook that calls, as its configuration says.

    Everything is checked before the first write: the configuration, the connection, the
    datasets and the assets. With ``dry_run=True`` nothing is written at all.

    Args:
        config_name: The stored configuration; None means that of the notebook file's name.
        overrides: Words that change it, after those of the command.
        workflow_name: What people call the work; None means the configuration's name as a title.
        workflow_type: A term of ``Workflow_Type``.
        ml_class: The session's class; None means `DerivaML`.
        config_package: The package whose modules store configurations: one that can be
            imported, or one in ``src`` of the project that the notebook lies in.

    Returns:
        The connection, the running execution, and the configuration.

    Raises:
        ValueError: No name is given, and the notebook's file is not known.
        DerivaMLConfigurationError: The configuration cannot be composed.
        DerivaMLValidationError: Datasets or assets do not exist; the message lists them.
    """
    notebook = calling_file()
    name = config_name or _name_of(notebook)
    load_project(config_package, notebook)
    words = [*_environment_overrides(), *(overrides or ())]
    composed = compose(stored_configuration(name), name, words)
    config = composed.config
    ml = connect(composed, ml_class)
    workflow = config.workflow or Workflow(
        name=workflow_name or name.replace("_", " ").title(), workflow_type=workflow_type
    )
    workflow.identify(_running_notebook(), strict_git=False if config.dry_run else None)
    execution = _begin(ml, composed, workflow)
    # Executions that the notebook makes besides are not the one that the command waits for.
    os.environ.pop(SAVE_RID, None)
    return ml, execution, config


def _begin(ml: DerivaML, composed: Composed, workflow: Workflow) -> Execution:
    """The running execution: a new one, or with ``resume=True`` one that was interrupted."""
    config, mark = composed.config, fingerprint(composed, _running_notebook())
    if config.resume and not config.dry_run:
        with taking_turns(ml.executions.around.local.turns, mark):
            execution, is_new = _taken_up(ml, composed, workflow, mark)
    else:
        execution, is_new = _created(ml, composed, workflow, mark), True
    if not is_new:
        execution.restart()
        tell_environment(execution._run)
    execution.execution_start()
    watch_cells(execution._run)
    return execution


def _taken_up(
    ml: DerivaML, composed: Composed, workflow: Workflow, mark: str
) -> tuple[Execution, bool]:
    """The execution to go on with, held by this process, and whether it was made just now."""
    execution = interrupted(ml, mark, workflow)
    if execution is not None:
        hold(execution.working_dir)
        execution = interrupted(ml, mark, workflow)  # what ran it may have come to its end
    if execution is not None:
        return execution, False
    return _created(ml, composed, workflow, mark), True


def interrupted(ml: DerivaML, mark: str, workflow: Workflow) -> Execution | None:
    """The execution with a fingerprint that was begun here and is to be done over, if any."""
    found = look_up(ml, mark, None, workflow).execution
    if found is None or found.has_finished:
        return None
    if has_results(found._run):
        _log.warning(
            "Execution %s failed after it had uploaded outputs: a new one is made.",
            found.execution_rid,
        )
        return None
    return found


def _created(ml: DerivaML, composed: Composed, workflow: Workflow, mark: str) -> Execution:
    """A new execution, held by this process."""
    config = composed.config
    told = [word for word in composed.overrides if not word.startswith("resume=")]
    made = ml.create_execution(
        ExecutionConfiguration(
            datasets=list(config.datasets or ()),
            assets=list(config.assets or ()),
            description=described(str(config.description or ""), told),
            config_choices=composed.choices,
        ),
        workflow=workflow,
        dry_run=config.dry_run,
        fingerprint=mark,
    )
    if not made.dry_run:
        hold(made.working_dir)
    return made


_held: dict[Path, ExitStack] = {}
"""The claims on directories that this process holds until it ends."""


def hold(directory: Path) -> None:
    """Claim an execution's directory for this process, until it ends.

    Raises:
        DerivaMLExecutionError: Another process runs the execution.
    """
    if directory not in _held:
        with ExitStack() as stack:
            stack.enter_context(claimed_soon(directory))
            _held[directory] = stack.pop_all()


def connect(composed: Composed, ml_class: type[DerivaML] | None = None) -> DerivaML:
    """Connect with all settings of the configuration, and check that its inputs exist.

    Raises:
        DerivaMLConfigurationError: The configuration has no connection.
        DerivaMLValidationError: Datasets or assets do not exist; the message lists them.
    """
    if ml_class is None:
        from ..core.base import DerivaML

        ml_class = DerivaML
    config = composed.config
    if config.deriva_ml is None:
        raise DerivaMLConfigurationError(
            "The configuration has no connection: its group 'deriva_ml' is empty. Store one with "
            "store(group='deriva_ml')(DerivaMLConf(...), name='default_deriva')."
        )
    ml = ml_class.instantiate(config.deriva_ml)
    check_inputs(ml, config.datasets or (), config.assets or ())
    return ml


def fingerprint(composed: Composed, notebook: Path | None, parameters: str | None = None) -> str:
    """What tells runs of the same notebook, configuration and parameters from others.

    Args:
        composed: The configuration.
        notebook: The file that the command runs.
        parameters: The parameters as JSON; None means those of the environment.
    """
    given = os.environ.get(PARAMETERS) if parameters is None else parameters
    parts = [composed.fingerprint, notebook.name if notebook else "", given or None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_project(package: str, beside: Path | None = None) -> list[str]:
    """Import a project's configuration, which may lie in ``src`` above here or above a file.

    A project without a connection of its own gets that of its context file. Returns the names of
    the modules; none where there is no such package.
    """
    names = _modules(package, beside)
    offer_context(beside.resolve().parent if beside is not None and beside.is_file() else None)
    return names


def _modules(package: str, beside: Path | None) -> list[str]:
    names = load_configs(package)
    if names or package in sys.modules:
        return names
    starts = [Path.cwd(), *([beside.resolve().parent] if beside is not None else [])]
    for directory in (d for start in starts for d in (start, *start.parents)):
        if (directory / "src" / package.replace(".", "/")).is_dir():
            sys.path[:0] = [str(directory / "src"), str(directory)]
            return load_configs(package)
    return []


def _environment_overrides() -> list[str]:
    """The overrides that the command was given.

    Raises:
        DerivaMLConfigurationError: The variable is not a JSON list of texts.
    """
    text = os.environ.get(OVERRIDES)
    if not text:
        return []
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DerivaMLConfigurationError(f"{OVERRIDES} is not JSON: {error}.") from error
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise DerivaMLConfigurationError(
            f'{OVERRIDES} is {text!r}; it holds a JSON list of texts such as ["assets=other"].'
        )
    return found


def _running_notebook() -> Path | None:
    """The notebook that the command runs, if it runs one."""
    given = os.environ.get("DERIVA_ML_NOTEBOOK_PATH")
    return Path(given) if given and Path(given).is_file() else None


def _name_of(notebook: Path | None) -> str:
    if notebook is None:
        raise ValueError(
            "Which configuration is meant cannot be told from here, because the notebook's file "
            "is not known: name it, as in run_notebook('my_analysis')."
        )
    return notebook.stem
