"""``--skip_if_done``: a finished run that is the same stands for a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flexlock.cli.calls import Call, Outcome, shown_path
from flexlock.errors import ConfigError
from flexlock.reporting import say

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.reuse import Match

__all__ = ["done_before", "preview_text"]


def done_before(call: Call, config: DictConfig, save_dir: Path | None) -> Outcome | None:
    """Return the outcome of a finished run that is the same, recorded in `save_dir`; else None.

    Raises:
        ConfigError: The call keeps no run sheets, so there is nothing to compare.
        LockError: The reuse cannot be recorded.
    """
    if not call.options.skip_if_done:
        return None
    match = _find_done(call, config, save_dir)
    if match is None or save_dir is None:
        return None
    from flexlock.reuse import record_reuse

    lock = record_reuse(match, save_dir)
    say(f"skipped: {match}", quiet=call.options.quiet)
    return Outcome(lock.result, match.path, lock.id, reused=True)


def _find_done(call: Call, config: DictConfig, save_dir: Path | None) -> Match | None:
    """Return the finished run that is the same; when there is none, say why."""
    from flexlock.reuse import Match, why

    if save_dir is None or not call.entry.lock:
        what = "a save_dir in the config" if save_dir is None else "clicfg(lock=True)"
        message = "--skip_if_done compares run sheets, and this run has none."
        raise ConfigError(message, hint=f"It needs {what}.")
    folders = [Path(folder) for folder in call.options.search_dirs] or [save_dir.parent]
    absent = [folder for folder in folders if not folder.is_dir()]
    if absent and call.options.search_dirs:
        message = f"There is no folder {str(absent[0])!r} to look in."
        raise ConfigError(message, hint="Correct --search_dir.", path=str(absent[0]))
    found = why(call.sheet(config, commit=False), folders)
    if isinstance(found, Match):
        return found
    say(found.short, quiet=call.options.quiet)
    return None


def preview_text(call: Call, config: DictConfig, save_dir: Path | None) -> str | None:
    """Return what ``--dry_run`` says of a run that is done already; None when it is not."""
    if not call.options.skip_if_done:
        return None
    match = _find_done(call, config, save_dir)
    return None if match is None else f"would skip {call.address}: {shown_path(match.path)} is done"
