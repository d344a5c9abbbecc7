"""Where executions keep their files on this machine, and what their journals say together.

::

    <working_dir>/execution/<RID>/journal.db                    what the run has done
    <working_dir>/execution/<RID>/assets/<schema>/<table>/...   outputs
    <working_dir>/execution/<RID>/tables/<schema>/<table>.csv   rows to insert
    <working_dir>/execution/<RID>/downloaded-assets/<table>/<RID>/...
    <working_dir>/execution/.new/<token>/journal.db             a run that is being created
    <working_dir>/execution/.turns/<fingerprint>                while a process looks for that run

There is no register besides the journals, so that none can disagree with them. A journal never
leaves its directory, since another process may have it open; when the files of an execution are
removed, it stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from deriva_ml.core.constants import is_rid
from deriva_ml.core.exceptions import DerivaMLStateInconsistency, DerivaMLUnavailableError

from .claim import FILE_NAME as CLAIM
from .journal import FILE_NAME, Journal

__all__ = ["LocalRuns", "size_of"]

_KEPT = frozenset({FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", CLAIM})


class LocalRuns:
    """The directories and journals of the executions of one working directory.

    Args:
        working_dir: The working directory of the session, which belongs to one catalog.

    Attributes:
        turns: Where processes that look for the same run take turns.
    """

    def __init__(self, working_dir: Path) -> None:
        self.root = working_dir / "execution"
        self._new = self.root / ".new"
        self.turns = self.root / ".turns"

    # --- directories -----------------------------------------------------------------

    def directory(self, rid: str) -> Path:
        """The directory of an execution, whether it exists or not."""
        return self.root / rid

    def beginning(self, token: str) -> Path:
        """The directory of an execution that has no RID yet."""
        return self._new / token

    def settle(self, token: str, rid: str) -> Path:
        """Give the directory of a new execution its final name, and return it.

        Another process may have done so already, on behalf of one that it took for dead.
        """
        source, target = self.beginning(token), self.directory(rid)
        try:
            source.rename(target)
        except OSError as error:
            if not (target / FILE_NAME).is_file():
                raise DerivaMLUnavailableError(
                    f"The directory {str(source)!r} cannot become {str(target)!r}: {error}."
                ) from error
        return target

    def unsettled(self) -> Iterator[tuple[str, Path]]:
        """Tokens and directories of executions whose creation did not come to its end."""
        yield from ((d.name, d) for d in _directories(self._new))

    def directories(self) -> list[tuple[str, Path]]:
        """RIDs and directories of the executions that have files here besides the journal."""
        return [
            (d.name, d)
            for d in _directories(self.root)
            if is_rid(d.name) and self.has_files(d.name)
        ]

    def has_files(self, rid: str) -> bool:
        """Whether an execution has files here besides the journal."""
        directory = self.directory(rid)
        return directory.is_dir() and any(e.name not in _KEPT for e in directory.iterdir())

    # --- journals --------------------------------------------------------------------

    def open(self, rid: str) -> tuple[Journal, Path]:
        """The journal of an execution, and the directory that it is in.

        Raises:
            DerivaMLStateInconsistency: There is none here, or it cannot be read.
        """
        directory = self.directory(rid)
        if (directory / FILE_NAME).is_file():
            return Journal.open(directory), directory
        known = ", ".join(rid for rid, _ in self.journals()) or "none"
        raise DerivaMLStateInconsistency(
            f"Execution {rid!r} has no journal in {str(self.root)!r}, so that it cannot be taken "
            f"up here; executions with a journal: {known}. Resume it on the machine, and with the "
            "working directory, that it was started with."
        )

    def has(self, rid: str) -> bool:
        """Whether there is a journal of the execution here."""
        return (self.directory(rid) / FILE_NAME).is_file()

    def journals(self) -> list[tuple[str, Path]]:
        """RIDs and directories of all executions with a journal, running or ended."""
        return [
            (d.name, d)
            for d in _directories(self.root)
            if is_rid(d.name) and (d / FILE_NAME).is_file()
        ]

    # --- removing --------------------------------------------------------------------

    def end(self, rid: str) -> int:
        """Remove the files of an execution, but not its journal; returns the bytes freed.

        Raises:
            DerivaMLUnavailableError: They cannot be removed.
        """
        directory = self.directory(rid)
        freed = 0
        try:
            for entry in (e for e in directory.iterdir() if e.is_dir()):
                freed += size_of(entry)[0]
                shutil.rmtree(entry)
        except OSError as error:
            raise DerivaMLUnavailableError(
                f"The files of execution {rid!r} in {str(directory)!r} cannot be removed: {error}."
            ) from error
        return freed

    def forget(self, rid: str) -> int:
        """Remove everything about an execution from this machine; returns the bytes freed."""
        directory = self.directory(rid)
        freed = size_of(directory)[0]
        shutil.rmtree(directory)
        return freed


def _directories(root: Path) -> list[Path]:
    return sorted(d for d in root.iterdir() if d.is_dir()) if root.is_dir() else []


def size_of(directory: Path) -> tuple[int, int]:
    """Bytes and number of the files below a directory; links count as nothing."""
    files = [f for f in directory.rglob("*") if f.is_file() and not f.is_symlink()]
    return sum(f.stat().st_size for f in files), len(files)
