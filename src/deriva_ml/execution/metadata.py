"""Files that describe a run, registered with it and uploaded with its outputs.

Files of equal name and content are one asset, whoever made them: two runs with one
``configuration.json`` share it. What describes the moment of a run has the execution's RID in its
name, so that runs of one second do not share it by chance.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deriva_ml.core.enums import ExecMetadataType, MLAsset
from deriva_ml.core.exceptions import DerivaMLUnavailableError

from .configuration import ExecutionConfiguration
from .environment import write_environment_snapshot
from .journal import Journal, OutputFile
from .secrets import copy_masked
from .source import CodeSource
from .workflow import Workflow

__all__ = ["Described", "register_metadata", "write_metadata"]

TABLE = MLAsset.execution_metadata.value
_T = ExecMetadataType


@dataclass(frozen=True, slots=True)
class Described:
    """A file that describes a run; `stem` and `ending` are its name, around the execution's RID.

    A file whose `ending` is None keeps the name `stem`.
    """

    path: Path
    kind: ExecMetadataType
    description: str
    stem: str
    ending: str | None = None

    def name(self, rid: str) -> str:
        """The name of the file when the execution has a RID."""
        return self.stem if self.ending is None else f"{self.stem}{rid}{self.ending}"


def write_metadata(
    directory: Path,
    configuration: ExecutionConfiguration,
    workflow: Workflow,
    facts: dict[str, Any],
    *,
    ml_schema: str,
    hydra_output: Path | None,
) -> list[Described]:
    """Write down the configuration, the code, the environment and what Hydra composed.

    Raises:
        DerivaMLUnavailableError: The files cannot be written.
    """
    place = directory / "assets" / ml_schema / TABLE
    with _reported(directory):
        place.mkdir(parents=True, exist_ok=True)
        return _write(place, configuration, workflow, facts, hydra_output)


def register_metadata(
    journal: Journal, directory: Path, described: Iterable[Described], rid: str
) -> None:
    """Give the files that describe a run their names, and register them as outputs.

    Raises:
        DerivaMLUnavailableError: The files cannot be renamed, or the journal cannot be written.
    """
    tokens = []
    for file in described:
        name, place = file.name(rid), file.path.parent
        with _reported(directory):
            file.path.rename(place / name)
        tokens.append(uuid.uuid4().hex)
        path = (place / name).relative_to(directory)
        output = OutputFile(
            place.parent.name,
            TABLE,
            name,
            path,
            (file.kind.value,),
            tokens[-1],
            description=file.description,
        )
        journal.add_output(output, flush=False)
    journal.record(described_by=tokens)


@contextmanager
def _reported(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"The metadata of the execution cannot be written below {str(directory)!r}: {error}. "
            "Check free space and permissions of the working directory."
        ) from error


def _write(
    place: Path,
    configuration: ExecutionConfiguration,
    workflow: Workflow,
    facts: dict[str, Any],
    hydra_output: Path | None,
) -> list[Described]:
    def kept(path: Path, kind: ExecMetadataType, description: str) -> Described:
        return Described(path, kind, description, path.name)

    text = "Configuration of the execution: inputs, workflow, options and command line."
    path = configuration.save(place / "configuration.json")
    files = [kept(path, _T.deriva_config, text)]
    about = place / "workflow.json"
    document = {**_describe(workflow), **facts}
    about.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    text = "Code that ran: file, commit, uncommitted changes."
    files.append(kept(about, _T.execution_config, text))
    path = write_environment_snapshot(place)
    text = "Packages, Python, system and hardware that the execution ran on."
    files.append(Described(path, _T.runtime_env, text, f"{path.stem}_", path.suffix))
    if workflow.git_root is not None and (workflow.git_root / "uv.lock").is_file():
        path = Path(shutil.copyfile(workflow.git_root / "uv.lock", place / "uv.lock"))
        files.append(kept(path, _T.execution_config, "Versions of all packages of the project."))
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


def _hydra_files(place: Path, hydra_output: Path | None) -> list[Described]:
    folder = None if hydra_output is None else hydra_output / "hydra-config"
    if folder is None or not folder.is_dir():
        return []
    stem = f"hydra-{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}-"
    found = sorted(f for f in folder.iterdir() if f.is_file())
    copies = {file: place / f"{stem}{file.name}" for file in found}
    copy_masked(copies)
    return [
        Described(copy, _T.hydra_config, f"{f.name} as Hydra composed it.", stem, f"-{f.name}")
        for f, copy in copies.items()
    ]
