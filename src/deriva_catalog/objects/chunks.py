"""Chunks of uploads that go on: each whole or absent, in any order, from many threads at once.

A chunk lies at ``uploads/<job>/<number>``. It is written under ``incoming/`` and renamed, so that
the last write of a chunk counts as a whole, and a process that dies leaves no half of one.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from ..errors import NotFound
from .content import ContentStore, pieces, translated

FOLDER = "uploads"


class ChunkStore:
    """The chunks beside a store of content."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content

    def begin(self, job: str) -> None:
        """Make room for the chunks of a job."""
        if self._content.directory is not None:
            with translated("beginning an upload"):
                (self._content.directory / FOLDER / job).mkdir(parents=True, exist_ok=True)

    def write(self, job: str, number: int, source: BinaryIO) -> None:
        """Keep one chunk: a file that is read from its beginning, and given away.

        Raises:
            NotFound: The job is gone.
            Unavailable: The storage failed.
        """
        incoming = f"incoming/{uuid.uuid4().hex}"
        with translated("storing a chunk of an upload"):
            try:
                source.seek(0)
                if not self._content.name_file(source, incoming):
                    self._content.write(incoming, pieces(source))
                self._settle(incoming, job, number)
            except BaseException:
                self._content.forget(incoming)
                raise

    def _settle(self, incoming: str, job: str, number: int) -> None:
        directory = self._content.directory
        if directory is None:
            import obstore

            obstore.rename(self._content.backend, incoming, f"{FOLDER}/{job}/{number}")
            return
        try:
            (directory / incoming).replace(directory / FOLDER / job / str(number))
        except FileNotFoundError as error:
            raise NotFound(f"The upload {job} is finished or cancelled.") from error

    def received(self, job: str) -> dict[int, int]:
        """The lengths of the chunks that are there, by their numbers."""
        return {number: length for number, length, _ in self._entries(job)}

    def touched(self, job: str) -> datetime | None:
        """When the latest chunk came, or the job began; None when nothing is known of it."""
        folder = None if self._content.directory is None else self._content.directory / FOLDER / job
        if folder is not None and folder.is_dir():
            return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return max((when for _, _, when in self._entries(job)), default=None)

    def _entries(self, job: str) -> Iterator[tuple[int, int, datetime]]:
        directory = self._content.directory
        if directory is not None:
            folder = directory / FOLDER / job
            for file in folder.iterdir() if folder.is_dir() else ():
                facts = file.stat()
                when = datetime.fromtimestamp(facts.st_mtime, UTC)
                yield int(file.name), facts.st_size, when
            return
        import obstore

        for batch in obstore.list(self._content.backend, prefix=f"{FOLDER}/{job}"):
            for entry in batch:
                number = int(str(entry["path"]).rsplit("/", 1)[-1])
                yield number, int(entry["size"]), entry["last_modified"]

    def read(self, job: str, count: int) -> Iterator[bytes]:
        """Yield the bytes of the first `count` chunks, in order."""
        import obstore

        directory = self._content.directory
        for number in range(count):
            with translated("reading a chunk of an upload"):
                if directory is not None:
                    yield from pieces(directory / FOLDER / job / str(number))
                    continue
                found = obstore.get(self._content.backend, f"{FOLDER}/{job}/{number}")
                for piece in found.stream():
                    yield bytes(piece)

    def remove(self, job: str) -> None:
        """Forget the chunks of a job."""
        directory = self._content.directory
        if directory is not None:
            shutil.rmtree(directory / FOLDER / job, ignore_errors=True)
            return
        for number in list(self.received(job)):
            self._content.forget(f"{FOLDER}/{job}/{number}")

    def jobs(self) -> set[str]:
        """The jobs of which there is something."""
        directory = self._content.directory
        if directory is not None:
            folder = directory / FOLDER
            return {each.name for each in folder.iterdir()} if folder.is_dir() else set()
        import obstore

        return {
            str(entry["path"]).split("/")[1]
            for batch in obstore.list(self._content.backend, prefix=FOLDER)
            for entry in batch
        }
