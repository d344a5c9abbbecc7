"""Uploads in chunks that this machine has begun, so that another process can go on with them.

A server of ours finds an upload of bytes again by their digest. Other servers know it by the
identifier they gave it alone, so that is kept in a small file, ``<home>/uploads/<key>.jsonl``: the
job in the first line, then the number of each chunk that the server has acknowledged. The key
stands for the server, the name, and the length and digest of the bytes: other bytes of the same
name have another.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from ...objects import Content
from ...objects.cache_files import held
from ..registry import default_home

__all__ = ["BegunUpload", "begun_upload"]

_FORGOTTEN_S = 60 * 86_400.0
"""Servers give uploads up after a month or so."""


@dataclass(slots=True)
class BegunUpload:
    """What is known here of one upload; `job` is None when it was not begun."""

    file: Path | None
    job: str | None = None
    chunk_length: int = 0
    sent: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, job: str, chunk_length: int) -> None:
        """Remember a new job."""
        self.job, self.chunk_length, self.sent = job, chunk_length, set()
        self._write("w", {"job": job, "chunk-length": chunk_length})

    def acknowledged(self, number: int) -> None:
        """Remember that the server has a chunk. Threads may call this at the same time."""
        with self._lock:
            self.sent.add(number)
            self._write("a", number)

    def forget(self) -> None:
        """The job is finished or gone."""
        self.job = None
        if self.file is not None:
            with suppress(OSError):
                self.file.unlink(missing_ok=True)

    def _write(self, mode: str, document: object) -> None:
        if self.file is None:
            return
        try:
            with self.file.open(mode) as out:
                out.write(f"{json.dumps(document)}\n")
        except OSError:  # the upload goes on; it just cannot be taken up by another process
            self.file = None


@contextmanager
def begun_upload(server: str, target: str, content: Content) -> Iterator[BegunUpload]:
    """What is known of the upload of some bytes to a name, held while the block runs.

    Where another process is at the same upload, or nothing can be written, the upload is one that
    nobody remembers.
    """
    facts = "\n".join([server, target, content.sha256, str(content.length)])
    folder = default_home() / "uploads"
    file = folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:32]}.jsonl"
    with ExitStack() as stack:
        mine = False
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            mine = stack.enter_context(held(file.with_suffix(".lock"), wait=False))
        if not mine:
            yield BegunUpload(None)
            return
        _tidy(folder)
        yield _read(file)


def _read(file: Path) -> BegunUpload:
    try:
        # The last line may have been cut off by a kill or a full disk.
        first, *rest = file.read_text().split("\n")[:-1]
        described = json.loads(first)
        job, length = str(described["job"]), int(described["chunk-length"])
        sent = {int(line) for line in rest}
    except (OSError, ValueError, KeyError, TypeError):
        return BegunUpload(file)
    found = BegunUpload(file)
    found.begin(job, length)
    for number in sorted(sent):
        found.acknowledged(number)
    return found


def _tidy(folder: Path) -> None:
    before = time.time() - _FORGOTTEN_S
    for each in folder.iterdir():
        with suppress(OSError):
            if each.stat().st_mtime < before:
                each.unlink()
