"""Running pushed runs again: pull the tag, then run what it was pushed for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flexlock.errors import LockError
from flexlock.rerunning.report import RerunReport
from flexlock.rerunning.rerun import rerun
from flexlock.sharing.pull import pull
from flexlock.sharing.relocating import read_pulled

__all__ = ["rerun_tag"]


def rerun_tag(
    tag: str,
    *,
    repo: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    into: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> list[RerunReport]:
    """Pull the runs of a tag and run those that it was pushed for again.

    Args:
        tag: The name under which they were pushed.
        repo: The address of the main repository; see `pull`.
        store: Where the data is; by default where it was pushed to.
        into: A new folder that keeps both: what is pulled in ``pulled``, the second runs in
            ``again``. By default they are temporary.
        overrides: Values of the configuration by dotted keys.
        quiet: Whether what the functions print is left out.

    Raises:
        ShareError: The tag cannot be pulled.
        LockError: A run is not one that can be run again, or the folder is not empty.
        DataError: Data is not what the runs used.
    """
    kept = Path(into).absolute() if into is not None else None
    if kept is not None and kept.exists() and any(kept.iterdir()):
        message = f"{str(kept)!r} is not empty."
        raise LockError(message, hint="Name a folder that does not exist.", path=str(kept))
    folder = kept or Path(tempfile.mkdtemp(prefix="flexlock-pulled-"))
    try:
        pull(tag, repo=repo if repo is not None else _here(), store=store, into=folder / "pulled")
        chosen = [run for run in read_pulled(folder / "pulled", tag).runs if run.asked_for]
        return [
            rerun(
                folder / "pulled" / run.place,
                into=_again(kept, number, len(chosen)),
                overrides=overrides,
                quiet=quiet,
            )
            for number, run in enumerate(chosen)
        ]
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _here() -> str | None:
    """Return where the present clone came from: the folder that is pulled into is none."""
    from flexlock.sharing.checkout import origin_of

    return next((url for f in (Path.cwd(), *Path.cwd().parents) if (url := origin_of(f))), None)


def _again(kept: Path | None, number: int, count: int) -> Path | None:
    if kept is None:
        return None
    return kept / "again" if count == 1 else kept / "again" / str(number + 1)
