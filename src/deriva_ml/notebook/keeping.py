"""What is kept of a notebook's run: the executed notebook and its Markdown, in the catalog.

While it runs, the executed notebook is in a directory of its own below the working directory, so
that it outlives the process. When all is in the catalog, the directory goes away. That of a run
that nothing is uploaded of stays some days for the user.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.config import mask_text, secret_values

from ..core.enums import ExecAssetType, ExecutionStatus, MLAsset
from ..core.host import is_directory
from ..execution import lifecycle
from ..execution.claim import claimed, claimed_soon
from .markdown import to_markdown

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from ..execution.execution import Execution

__all__ = [
    "Place",
    "keep",
    "keep_failed",
    "kept_notebook",
    "let_go",
    "mark_failed",
    "new_place",
    "open_execution",
    "places_of",
    "ran_whole",
]

_DIRECTORY = "notebook-runs"
_NOTEBOOK = "executed.ipynb"
_WHO = "execution.json"
_DAYS = 7
"""How long the notebook of a run is kept that nothing is uploaded of."""


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of one run of a notebook.

    Attributes:
        directory: It.
    """

    directory: Path

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.directory / _NOTEBOOK

    @property
    def who(self) -> Path:
        """What the execution says of itself."""
        return self.directory / _WHO

    def identity(self) -> dict[str, Any] | None:
        """Which execution the notebook began; None as long as it has begun none."""
        try:
            found = json.loads(self.who.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def told(self) -> str:
        """Where the notebook is and how long it stays there, for the user."""
        swept = self.directory.parent.name == _DIRECTORY
        return f"{self.notebook} (kept for {_DAYS} days)" if swept else str(self.notebook)


@contextmanager
def new_place(working_dir: Path | None) -> Iterator[Place]:
    """A directory for a run; without a working directory it is a temporary one.

    What runs that began no execution left is removed after some days.
    """
    if working_dir is None:
        place = Place(Path(tempfile.mkdtemp(prefix="deriva-ml-notebook-")))
    else:
        _sweep(working_dir / _DIRECTORY)
        place = Place(working_dir / _DIRECTORY / uuid.uuid4().hex)
        place.directory.mkdir(parents=True)
    with claimed(place.directory):
        yield place


def _sweep(root: Path) -> None:
    oldest = time.time() - _DAYS * 24 * 3600
    with claimed(root) as alone:  # otherwise another run does it at the moment
        for directory in root.iterdir() if alone else ():
            with suppress(FileNotFoundError):  # its own run may remove it
                past = directory.is_dir() and directory.stat().st_mtime < oldest
                if past and Place(directory).identity() is None:
                    _remove(directory)


def _remove(directory: Path) -> None:
    """Remove the directory of a run, unless that is still under way."""
    with claimed(directory) as mine:
        if mine:
            shutil.rmtree(directory, ignore_errors=True)


def let_go(place: Place) -> None:
    """A run that nothing will be uploaded of is over; its notebook stays some days."""
    place.who.unlink(missing_ok=True)


def ran_whole(place: Place) -> bool:
    """Whether all cells of the saved notebook were run to their ends."""
    try:
        content = json.loads(place.notebook.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(
        cell["metadata"].get("papermill", {}).get("status") == "completed"
        for cell in content["cells"]
        if cell["cell_type"] == "code"
    )


def places_of(working_dir: Path, rid: str) -> list[Place]:
    """The directories of the runs of an execution, the newest first."""
    root = working_dir / _DIRECTORY
    found = [Place(d) for d in root.iterdir()] if root.is_dir() else []
    own: list[tuple[float, Place]] = []
    for place in found:
        if (place.identity() or {}).get("execution_rid") == rid:
            with suppress(FileNotFoundError):  # its own run may remove it
                own.append((place.who.stat().st_mtime, place))
    return [place for _, place in sorted(own, key=lambda pair: pair[0], reverse=True)]


@contextmanager
def open_execution(identity: dict[str, Any], settings: Any) -> Iterator[tuple[DerivaML, Execution]]:
    """The execution of a run whose kernel has ended, on a connection of its own.

    Args:
        identity: What it said of itself.
        settings: The connection's configuration; None means as the identity says.
    """
    from ..core.base import DerivaML

    if settings is not None:
        ml = DerivaML.instantiate(settings)
    elif is_directory(identity["hostname"]):  # which is one catalog, and is not told its number
        ml = DerivaML(identity["hostname"])
    else:
        ml = DerivaML(identity["hostname"], identity["catalog_id"])
    ml.session = replace(ml.session, working_dir=Path(identity["working_dir"]))
    try:
        directory = ml.executions.around.local.directory(identity["execution_rid"])
        with claimed_soon(directory):
            yield ml, ml.resume_execution(identity["execution_rid"])
    finally:
        ml.catalog.close()


def kept_notebook(execution: Execution, name: str) -> bool:
    """Whether the executed notebook is registered with the execution."""
    return any(
        output.table == MLAsset.execution_asset and output.file_name == name
        for output in execution._run.journal.outputs()
    )


def keep(execution: Execution, place: Place, source: Path) -> None:
    """Upload the outputs of a run that ended well, with the executed notebook and its Markdown.

    Raises:
        DerivaMLUploadError: Something cannot be uploaded; another call tries again.
    """
    if not kept_notebook(execution, source.name):
        _register(execution, place, source.stem)
    execution.commit_output_assets(clean_folder=None)
    for old in places_of(execution._run.session.working_dir, execution.execution_rid):
        shutil.rmtree(old.directory, ignore_errors=True)
    shutil.rmtree(place.directory, ignore_errors=True)


def keep_failed(execution: Execution, place: Place, source: Path, error: str) -> None:
    """Mark a run as failed, and upload the notebook as far as it came.

    Nothing happens to one that was given up.

    Raises:
        DerivaMLUploadError: It cannot be uploaded; the execution is ``Failed`` all the same.
    """
    mark_failed(execution, error)
    if execution.status is not ExecutionStatus.Failed:
        return
    number = 1
    while kept_notebook(execution, f"{source.stem}{_mark(number)}.ipynb"):
        number += 1
    execution.upload_failed_outputs(_register(execution, place, source.stem, _mark(number)))
    shutil.rmtree(place.directory, ignore_errors=True)


def mark_failed(execution: Execution, error: str) -> None:
    """Mark a run as failed, whether its cells had ended it before or not."""
    if execution.status is not ExecutionStatus.Aborted:
        lifecycle.fail_after_end(execution._run, error)


def _mark(number: int) -> str:
    """What the names of files say of a failure, which may not be the first of an execution."""
    return ".failed" if number == 1 else f".failed-{number}"


def _register(execution: Execution, place: Place, stem: str, mark: str = "") -> list[Path]:
    """Register the log, the Markdown, and last the executed notebook; returns their paths.

    Where the notebook is registered, everything is.
    """
    content = _tidied(json.loads(place.notebook.read_text(encoding="utf-8")))
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    # Files are written first and registered then: the name of one that is to be written could
    # be that of the notebook itself, in the directory of the command.
    output = place.directory / "output"
    output.mkdir(exist_ok=True)
    made: list[tuple[MLAsset, Path, str | None, str]] = []
    log = _log(place)
    if log:
        file = output / f"notebook-{execution.execution_rid}{mark}.log"
        file.write_bytes(log)
        made.append((MLAsset.execution_metadata, file, None, "What the notebook logged."))
    kind, table = ExecAssetType.notebook_output.value, MLAsset.execution_asset
    for name, written, about in (
        (f"{stem}{mark}.md", to_markdown(content), "The executed notebook as Markdown."),
        (f"{stem}{mark}.ipynb", text, "The executed notebook, with its outputs."),
    ):
        file = output / name
        file.write_text(written, encoding="utf-8")
        made.append((table, file, kind, about))
    return [
        execution.asset_file_path(
            table.value, file, asset_types=kind, copy_file=True, description=about
        )
        for table, file, kind, about in made
    ]


def _tidied(content: dict[str, Any]) -> dict[str, Any]:
    """The notebook without the paths of this machine that papermill noted, and without secrets.

    These are the values of parameters whose names say so, wherever they occur.
    """
    noted = content["metadata"].get("papermill", {})
    for name in ("input_path", "output_path"):
        noted.pop(name, None)
    found = secret_values(noted.get("parameters") or {})
    if not found:
        return content
    # In the cell that gives the parameters their values they are written as Python writes them.
    written = {text.encode("unicode_escape").decode().replace('"', '\\"') for text in found}
    masked: dict[str, Any] = _masked(content, found | written)
    return masked


def _masked(tree: Any, found: frozenset[str]) -> Any:
    if isinstance(tree, dict):
        return {name: _masked(value, found) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_masked(value, found) for value in tree]
    return mask_text(tree, found) if isinstance(tree, str) else tree


def _log(place: Place) -> bytes:
    """What Hydra's log has of the run."""
    output = (place.identity() or {}).get("hydra_runtime_output_dir")
    try:
        return (Path(output) / "notebook.log").read_bytes() if output else b""
    except OSError:
        return b""
