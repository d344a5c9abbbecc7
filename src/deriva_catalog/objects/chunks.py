"""Chunks of uploads that go on: each whole or absent, in any order, from many threads at once.

A chunk lies at ``uploads/<job>/<number>``, in a directory or bucket as the content does. The last
write of a chunk counts as a whole, and a process that dies leaves no half of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from ..errors import NotFound
from .content import PIECE, ContentStore
from .sources import pieces
from .stores import FileStore, KeyStore, translated

FOLDER = "uploads"


class ChunkStore:
    """The chunks beside a store of content."""

    def __init__(self, content: ContentStore) -> None:
        self._keys = content.keys
        self._files = self._keys if isinstance(self._keys, FileStore) else None

    def begin(self, job: str) -> None:
        """Make room for the chunks of a job."""
        if self._files is not None:
            with translated("beginning an upload"):
                self._files.path(f"{FOLDER}/{job}").mkdir(parents=True, exist_ok=True)

    def write(self, job: str, number: int, source: BinaryIO, length: int) -> None:
        """Keep one chunk: a file that is read from its beginning, and given away.

        Raises:
            NotFound: The job is gone.
            Unavailable: The storage failed.
        """
        key = f"{FOLDER}/{job}/{number}"
        with translated("storing a chunk of an upload"):
            source.seek(0)
            if self._files is None:
                self._keys.put(key, pieces(source), length)
            else:
                _move(self._files, key, source)

    def received(self, job: str) -> dict[int, int]:
        """The lengths of the chunks that are there, by their numbers."""
        return {number: length for number, length, _ in self._entries(job)}

    def touched(self, job: str) -> datetime | None:
        """When the latest chunk came, or the job began; None when nothing is known of it."""
        if self._files is not None:
            with suppress(FileNotFoundError):
                facts = self._files.path(f"{FOLDER}/{job}").stat()
                return datetime.fromtimestamp(facts.st_mtime, UTC)
        return max((when for _, _, when in self._entries(job)), default=None)

    def _entries(self, job: str) -> Iterator[tuple[int, int, datetime]]:
        with translated("looking for the chunks of an upload"):
            for entry in self._keys.entries(f"{FOLDER}/{job}"):
                yield int(entry.name), entry.length, entry.modified

    def read(self, job: str, count: int) -> Chunks:
        """The bytes of the first `count` chunks, in order."""
        return Chunks(self._keys, job, count)

    def remove(self, job: str) -> None:
        """Forget the chunks of a job."""
        with translated("deleting the chunks of an upload"):
            if self._files is not None:
                self._files.remove_folder(f"{FOLDER}/{job}")
                return
            self._keys.remove([e.key for e in self._keys.entries(f"{FOLDER}/{job}")])

    def jobs(self) -> set[str]:
        """The jobs of which there is something."""
        with translated("looking for uploads"):
            return self._keys.folders(FOLDER)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks as one stream of bytes, which can be read more than once."""

    keys: KeyStore
    job: str
    count: int

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            with translated("reading a chunk of an upload"):
                yield from self.keys.pieces(f"{FOLDER}/{self.job}/{number}", PIECE)


def _move(files: FileStore, key: str, source: BinaryIO) -> None:
    incoming = files.incoming()
    try:
        if not files.name_file(source, incoming):
            files.fill(incoming, pieces(source))
        files.settle(incoming, key, parents=False)
    except FileNotFoundError as error:
        files.remove([incoming])
        raise NotFound(f"The upload {key.split('/')[1]} is finished or cancelled.") from error
    except BaseException:
        files.remove([incoming])
        raise
