"""Running a run again: the same code, configuration and data; a fresh work tree; a comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flexlock.comparing import compare
from flexlock.errors import ConfigError, LockError
from flexlock.lock.document import read_lock, sheet_path
from flexlock.lock.record import RunLock
from flexlock.rerunning.report import OutputVerdict, RerunReport, judge
from flexlock.rerunning.workspace import Workspace, open_workspace
from flexlock.run import run_status
from flexlock.sharing.relocating import at_home

__all__ = ["rerun"]

_MASK = "***"
_PRIVATE = ".flexlock-rerun"


def rerun(
    run: str | os.PathLike[str],
    *,
    into: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> RerunReport:
    """Run a run again and compare what it leaves, hash by hash.

    The code is checked out into a fresh work tree, earlier runs and data are linked into it at the
    same relative places, and the function is called there with the configuration of the sheet. The
    first run, its directory and the user's work tree stay as they are.

    Args:
        run: The run directory, or the sheet in it.
        into: The folder for the second run, which is kept; by default it is temporary.
        overrides: Values of the configuration by dotted keys, for what is not in a sheet, such as
            secrets.
        quiet: Whether what the function prints is left out.

    Raises:
        LockError: The run is not one that can be run again.
        DataError: Data is not any longer what the run used.
        ConfigError: The configuration holds secrets, which are not in a sheet.
        CodeError: The code is not in the repository any longer.
    """
    sheet = sheet_path(Path(run)).absolute()
    lock = at_home(read_lock(sheet), sheet)
    _refuse_sweep(lock, sheet)
    config = _config(lock, overrides or {})
    target = Path(into).absolute() if into is not None else None
    with open_workspace(lock, sheet, target) as workspace:
        save_dir = _save_dir(config, workspace)
        _start(lock, config, save_dir, sheet.parent, workspace, quiet=quiet)
        status = run_status(save_dir)
        if status.id is None:
            message = "The second run did not begin; what it printed says why."
            raise LockError(message, hint="Run it by hand with --into.", path=str(sheet))
        second = read_lock(save_dir)
        outputs = judge(lock, sheet.parent, save_dir)
        return RerunReport(
            run=lock.id,
            second=second.id,
            status=status.name,
            outputs=outputs,
            same_result=lock.result == second.result,
            environment=compare(lock, second).of("env"),
            warnings=(*workspace.warnings, *_missing_first(outputs)),
            kept=workspace.root if target is not None else None,
        )


def _refuse_sweep(lock: RunLock, sheet: Path) -> None:
    sweep = lock.extra.get("sweep")
    if isinstance(sweep, Mapping):
        message = f"{str(sheet)!r} is the sheet of a sweep of {sweep.get('tasks')} tasks."
        hint = "Name the directory of one of its tasks, such as those that 'flexlock ls' lists."
        raise LockError(message, hint=hint, path=str(sheet))


def _missing_first(outputs: Sequence[OutputVerdict]) -> Iterator[str]:
    """Say when there was nothing to compare with, as after a pull without outputs."""
    if outputs and all(output.verdict == "new" for output in outputs):
        yield "The outputs of the first run are not here, and its sheet has no hashes of them."


def _config(lock: RunLock, overrides: Mapping[str, Any]) -> dict[str, Any]:
    from omegaconf import OmegaConf

    from flexlock.config import to_config, to_plain

    config = to_config(dict(lock.config))
    for key, value in overrides.items():
        OmegaConf.update(config, key, value)
    plain = to_plain(config)
    masked = sorted(_masked(plain))
    if masked:
        message = f"The configuration holds secrets that are not in the sheet: {masked}."
        raise ConfigError(message, hint=f"Give them, as in -o {masked[0]} VALUE.", keys=masked)
    return plain


def _masked(value: Any, key: str = "") -> list[str]:
    if isinstance(value, str):
        return [key] if value.startswith(_MASK) else []
    if isinstance(value, Mapping):
        return [k for n, v in value.items() for k in _masked(v, f"{key}.{n}" if key else str(n))]
    if isinstance(value, list):
        return [k for n, v in enumerate(value) for k in _masked(v, f"{key}[{n}]")]
    return []


def _save_dir(config: dict[str, Any], workspace: Workspace) -> Path:
    """Return where the second run writes: the same relative place, within the work tree."""
    given = str(config.get("save_dir") or _PRIVATE)
    if Path(given).is_absolute():
        moved = str(workspace.folder / _PRIVATE / Path(given).name)
        config.update(_replaced(config, given, moved))
        given = moved
    save_dir = Path(os.path.normpath(workspace.folder / given))
    if not save_dir.resolve().is_relative_to(workspace.root.resolve()):
        message = f"The save directory {given!r} leads out of the fresh work tree."
        hint = "It lies within an earlier run, or is a link; such a run cannot be run again."
        raise LockError(message, hint=hint, save_dir=given)
    return save_dir


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        if value == old or value.startswith(f"{old.rstrip('/')}/"):
            return new + value[len(old.rstrip("/")) :] if value != old else new
        return value
    if isinstance(value, Mapping):
        return {key: _replaced(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return value


def _start(
    lock: RunLock,
    config: Mapping[str, Any],
    save_dir: Path,
    first_dir: Path,
    workspace: Workspace,
    *,
    quiet: bool,
) -> None:
    home = Path(lock.caller.cwd or first_dir)
    outputs = {}
    for name, output in lock.outputs.items():
        place = home / output.path
        if place.is_relative_to(first_dir):
            outputs[name] = str(save_dir / place.relative_to(first_dir))
    request = workspace.root.parent / f"{workspace.root.name}.request.json"
    request.write_text(
        json.dumps(
            {
                "script": str(workspace.script),
                "function": lock.caller.function,
                "config": config,
                "save_dir": str(save_dir),
                "outputs": outputs,
            }
        )
    )
    try:
        subprocess.run(
            [sys.executable, "-m", "flexlock.rerunning.worker", str(request)],
            cwd=workspace.folder,
            stdout=subprocess.DEVNULL if quiet else None,
            check=False,
        )
    finally:
        request.unlink()
