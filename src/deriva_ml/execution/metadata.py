"""Files that describe a run, registered with it and uploaded with its outputs."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from deriva_ml.core.enums import ExecMetadataType, MLAsset
from deriva_ml.core.exceptions import DerivaMLUnavailableError

from .configuration import ExecutionConfiguration
from .environment import write_environment_snapshot
from .journal import Journal, OutputFile
from .source import CodeSource
from .workflow import Workflow

__all__ = ["write_metadata"]

TABLE = MLAsset.execution_metadata.value
_T = ExecMetadataType


def write_metadata(
    journal: Journal,
    directory: Path,
    configuration: ExecutionConfiguration,
    workflow: Workflow,
    facts: dict[str, Any],
    *,
    ml_schema: str,
    hydra_output: Path | None,
) -> None:
    """Write down the configuration, the code, the environment and what Hydra composed.

    Raises:
        DerivaMLUnavailableError: The files cannot be written.
    """
    place = Path("assets") / ml_schema / TABLE
    try:
        (directory / place).mkdir(parents=True, exist_ok=True)
        files = _write(directory / place, configuration, workflow, facts, hydra_output)
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"The metadata of the execution cannot be written below {str(directory)!r}: {error}. "
            "Check free space and permissions of the working directory."
        ) from error
    tokens = []
    for path, kind, description in files:
        tokens.append(uuid.uuid4().hex)
        journal.add_output(
            OutputFile(
                ml_schema,
                TABLE,
                path.name,
                place / path.name,
                (kind.value,),
                tokens[-1],
                description=description,
            )
        )
    journal.record(described_by=tokens)


def _write(
    place: Path,
    configuration: ExecutionConfiguration,
    workflow: Workflow,
    facts: dict[str, Any],
    hydra_output: Path | None,
) -> list[tuple[Path, ExecMetadataType, str]]:
    text = "Configuration of the execution: inputs, workflow, options and command line."
    files = [(configuration.save(place / "configuration.json"), _T.deriva_config, text)]
    about = place / "workflow.json"
    document = {**_describe(workflow), **facts}
    about.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    files.append((about, _T.execution_config, "Code that ran: file, commit, uncommitted changes."))
    text = "Packages, Python, system and hardware that the execution ran on."
    files.append((write_environment_snapshot(place), _T.runtime_env, text))
    if workflow.git_root is not None and (workflow.git_root / "uv.lock").is_file():
        copy = Path(shutil.copyfile(workflow.git_root / "uv.lock", place / "uv.lock"))
        files.append((copy, _T.execution_config, "Versions of all packages of the project."))
    return files + _hydra_files(place, hydra_output)


def _describe(workflow: Workflow) -> dict[str, Any]:
    source = workflow.source or CodeSource(
        workflow.url or "", workflow.checksum or "", workflow.version
    )
    return {
        "name": workflow.name,
        "workflow_type": workflow.workflow_types,
        "description": workflow.description,
        **source.to_dict(),
    }


def _hydra_files(
    place: Path, hydra_output: Path | None
) -> list[tuple[Path, ExecMetadataType, str]]:
    folder = None if hydra_output is None else hydra_output / "hydra-config"
    if folder is None or not folder.is_dir():
        return []
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    files = []
    for file in sorted(f for f in folder.iterdir() if f.is_file()):
        copy = Path(shutil.copyfile(file, place / f"hydra-{stamp}-{file.name}"))
        files.append((copy, _T.hydra_config, f"{file.name} as Hydra composed it."))
    return files
