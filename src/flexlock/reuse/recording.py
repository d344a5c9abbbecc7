"""Writing down that a run was not run, because a finished one is the same."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flexlock.lock.record import REUSED, REUSED_FROM
from flexlock.run.session import open_run

if TYPE_CHECKING:
    from flexlock.lock.record import OutputState, RunLock
    from flexlock.reuse.search import Match

__all__ = ["record_reuse"]


def record_reuse(match: Match, save_dir: Path) -> RunLock:
    """Write a sheet that says which finished run stands for a new one, and return it.

    The sheet is complete, with the result and the outputs of the finished run; the outputs stay
    where they are. In the directory of the finished run itself nothing is written.

    Args:
        match: The finished run.
        save_dir: The directory of the new one.

    Raises:
        OccupiedError: A run that is alive owns the directory.
        LockError: The sheet cannot be written.
    """
    if os.path.realpath(match.path) == os.path.realpath(save_dir):
        return match.lock
    first = str(match.lock.extra.get(REUSED, match.lock.id))
    home = str(match.lock.extra.get(REUSED_FROM, match.path.absolute()))
    asked = match.asked
    lock = replace(
        asked,
        repos={
            name: replace(state, commit=state.commit or match.lock.repos[name].commit)
            for name, state in asked.repos.items()
        },
        outputs={name: _placed(output, match) for name, output in match.lock.outputs.items()},
        extra={**asked.extra, REUSED: first, REUSED_FROM: home},
    )
    with open_run(save_dir, lock=lock) as session:
        session.result = match.lock.result
        assert session.lock is not None
    return session.lock


def _placed(output: OutputState, match: Match) -> OutputState:
    """Return an output under its absolute path: the new run may have another working folder."""
    home = match.lock.caller.cwd or match.path
    return replace(output, path=os.path.normpath(Path(home, output.path)))
