"""What a call of a decorated function is on its way to a run, and what comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.cli.options import Options
from flexlock.entry import Entry

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.config.merging import Draft
    from flexlock.lock.record import Caller, RepoState, RunLock

__all__ = ["Call", "Outcome", "shown_path"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a decorated function, its config merged.

    Attributes:
        entry: What is known of the function.
        function: The decorated function itself, by which workers find it.
        source: What the config was made from.
        draft: The merged config, interpolations unresolved.
        options: What the command line asks for.
        command: The command line, program included; None for a plain call.
        note: A remark for the run sheet.
        code: The code, when it was captured before.
    """

    entry: Entry
    function: Callable[..., Any]
    source: Any
    draft: Draft
    options: Options
    command: tuple[str, ...] | None
    note: str | None = None
    code: Mapping[str, RepoState] | None = None

    @property
    def is_program(self) -> bool:
        """Whether a command line was read, so that errors end the process."""
        return self.command is not None

    @property
    def address(self) -> str:
        """The function, as people know it."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def sheet(self, config: DictConfig, *, commit: bool = True) -> RunLock:
        """Return the run sheet of this call with a config.

        Args:
            config: Its values.
            commit: Whether a commit keeps the code; see `compose_lock`.

        Raises:
            DataError: Data that the config names is missing or cannot be hashed.
            LockError: An earlier run that it names is missing.
        """
        from flexlock.config.plain import to_plain
        from flexlock.config.secrets import mask_secrets
        from flexlock.lock.composing import compose_lock

        lock = compose_lock(
            config, caller=self._caller(), commit=commit, note=self.note, code=self.code
        )
        raw = to_plain(self.draft.config, resolve=False)
        return lock if raw == to_plain(config) else replace(lock, config_raw=mask_secrets(raw))

    def _caller(self) -> Caller:
        from flexlock.lock.record import Caller
        from flexlock.target import Target

        target = Target.of(self.function)
        return Caller(target.module, target.qualname, target.file, argv=self.command or ())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        result: What the function returned, or the report of its tasks.
        save_dir: Where it ran; None without a run directory.
        id: The run; None without a sheet.
        reused: Whether a finished run stands for it.
    """

    result: Any = None
    save_dir: Path | None = None
    id: str | None = None
    reused: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        from flexlock.run.result import recorded_result

        place = None if self.save_dir is None else str(self.save_dir)
        result = recorded_result(self.result)[0]
        return {"id": self.id, "save_dir": place, "reused": self.reused, "result": result}


def shown_path(path: Path) -> str:
    """Return a path as people know it: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
