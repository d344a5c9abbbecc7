"""Bytes stored once under their SHA-256, in any store that `obstore` can reach.

Content lies at ``sha256/<two digits>/<digest>``. What is on its way lies under ``incoming/``
and is renamed when complete, so that content is whole or absent; a process that dies leaves at
most a file in ``incoming/``, which `ContentStore.sweep` removes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast
from urllib.parse import unquote, urlsplit

from ..errors import BadRequest, CatalogError, Corrupted, NotFound, Unavailable
from .hashing import Content as Content
from .hashing import Hasher as Hasher
from .hashing import LazyHasher
from .hashing import Progress as Progress

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

PIECE = 1 << 20
_READ_ONLY = 0o444
_FLUSH_EACH = 32

Source = bytes | Path | BinaryIO | Iterable[bytes]
Check = Callable[[Content], None]


class Readable(Protocol):
    """A file that is read from any place on."""

    def seek(self, offset: int, /) -> object:
        """Go to a place."""
        ...

    def read(self, size: int, /) -> Any:
        """The next bytes, at most `size`."""
        ...


def hash_file(path: Path, progress: Progress | None = None) -> Content:
    """Return length and digests of a file; `progress` is told the bytes of each piece."""
    hasher = Hasher()
    with path.open("rb") as file:
        for piece in pieces(file):
            hasher.update(piece)
            if progress is not None:
                progress(len(piece))
    return hasher.content


def pieces(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a source, about a mebibyte at a time."""
    if isinstance(source, bytes):
        yield source
    elif isinstance(source, Path):
        with source.open("rb") as file:
            yield from pieces(file)
    elif hasattr(source, "read"):
        while piece := source.read(PIECE):
            yield piece
    else:
        yield from source


class ContentStore:
    """Content-addressed bytes.

    Args:
        backend: Any store of `obstore`.
        directory: Where the backend keeps its files when it is a local one: reading and linking
            then go to the files directly.
    """

    def __init__(self, backend: Backend, directory: Path | None = None) -> None:
        self.backend = backend
        self.directory = directory

    @classmethod
    def local(cls, directory: Path) -> ContentStore:
        """Content in files below `directory`, which is made when missing."""
        from obstore.store import LocalStore

        with translated(f"opening the object directory {str(directory)!r}"):
            directory.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(directory, mkdir=True), directory)

    @classmethod
    def from_url(cls, url: str) -> ContentStore:
        """Content in the store that a URL names: ``file:///dir``, ``memory://``, ``s3://bucket``.

        Credentials and the like come from the environment, as `obstore` describes.

        Raises:
            BadRequest: There is no kind of store for the URL.
            Unavailable: The directory cannot be made.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            return cls.local(Path(unquote(parts.path)))
        import obstore
        from obstore.store import from_url

        try:
            return cls(from_url(url))
        except (ValueError, obstore.exceptions.BaseError) as error:
            raise BadRequest(
                f"{url!r} names no store of objects: {error}.",
                hint="Write 'file:///directory', 's3://bucket/prefix' or another URL of obstore.",
            ) from error

    # --- writing ---------------------------------------------------------------------

    def add(
        self,
        source: Source,
        progress: Progress | None = None,
        *,
        check: Check | None = None,
        take: bool = False,
    ) -> Content:
        """Store bytes unless they are there already; returns what they are.

        They are read once, and hashed on their way to a temporary key; memory stays at a few
        pieces. A small file is hashed before anything is written, and written if it is new.
        `check` may refuse what was read by an exception; then nothing of it is kept. With `take`
        an open file is given away: if it has no name yet, it may become the stored file.

        Raises:
            Unavailable: The store cannot be written (full, read-only, unreachable), or the
                source could not be read to its end.
        """
        if isinstance(source, bytes):
            return self._add_small(source, progress, check)
        if not isinstance(source, Path):
            given = cast("BinaryIO", source) if take and hasattr(source, "fileno") else None
            return self._add_pieces(pieces(source), progress, check, given)
        with translated(f"storing the file {str(source)!r}"):
            if source.stat().st_size <= PIECE:
                return self._add_small(source.read_bytes(), progress, check)
            return self._add_pieces(pieces(source), progress, check)

    def add_many(
        self, sources: Sequence[Source], progress: Progress | None = None, *, workers: int = 4
    ) -> list[Content]:
        """Store the bytes of many sources, `workers` at a time; see `add`.

        Returns one content for each source, in order.
        """
        with ThreadPoolExecutor(workers, thread_name_prefix="objects") as pool:
            return list(pool.map(lambda source: self.add(source, progress), sources))

    def _add_small(self, data: bytes, progress: Progress | None, check: Check | None) -> Content:
        hasher = Hasher()
        hasher.update(data)
        if check is not None:
            check(hasher.content)
        if not self.has(hasher.content.sha256):
            return self._add_pieces(iter([data]), progress, None)
        if progress is not None:
            progress(len(data))
        return hasher.content

    def _add_pieces(
        self,
        source: Iterator[bytes],
        progress: Progress | None,
        check: Check | None,
        given: BinaryIO | None = None,
    ) -> Content:
        incoming = f"incoming/{uuid.uuid4().hex}"
        with translated("storing an object"):
            try:
                with LazyHasher() as hasher:
                    passing = hasher.passing(source, progress)
                    if given is not None and self.name_file(given, incoming):
                        for _ in passing:
                            pass  # it is where it shall be, and hashed
                    else:
                        self.write(incoming, passing)
                    content = hasher.content
                if check is not None:
                    check(content)
                self._settle(incoming, content)
            except BaseException:
                self.forget(incoming)
                raise
        return content

    def name_file(self, file: BinaryIO, key: str) -> bool:
        """Give an open file without a name a key, if that is possible; returns whether it was."""
        if self.directory is None:
            return False
        target = self.directory / key
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.flush()
            handle = file.fileno()
            if os.fstat(handle).st_nlink != 0:
                return False
            # With a directory the system follows the link that /proc has instead of a name.
            os.link(f"/proc/self/fd/{handle}", target, src_dir_fd=handle, follow_symlinks=True)
        except (OSError, NotImplementedError):
            return False  # another device or system
        return True

    def write(self, key: str, source: Iterator[bytes]) -> None:
        """Write bytes under a key that is free; for `incoming/` and the like."""
        import obstore

        if self.directory is None:
            obstore.put(self.backend, key, source)
            return
        # A local store needs no detour: thousands of small files are written several times
        # faster by plain system calls.
        target = self.directory / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            out.writelines(source)

    def _settle(self, incoming: str, content: Content) -> None:
        import obstore

        key = content_key(content.sha256)
        if self.directory is None:
            obstore.rename(self.backend, incoming, key)
            return
        target = self.directory / key
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.directory / incoming).chmod(_READ_ONLY)
        (self.directory / incoming).replace(target)

    def flush(self, digests: Collection[str]) -> None:
        """Make stored bytes survive a loss of power; call this before they are named.

        A few files are flushed one by one, many by flushing all of the machine's files once,
        which takes a fraction of the time. Stores that are no directory keep what they accept.

        Raises:
            NotFound: There are no bytes of a digest.
            Unavailable: The device failed.
        """
        if self.directory is None:
            return
        wanted = set(digests)
        with translated("flushing objects"):
            if len(wanted) > _FLUSH_EACH and hasattr(os, "sync"):
                os.sync()
                return
            for sha256 in sorted(wanted):
                file = self.directory / content_key(sha256)
                try:
                    _flush(file)
                except FileNotFoundError as error:
                    raise _missing(sha256) from error
            for folder in {(self.directory / content_key(sha256)).parent for sha256 in wanted}:
                _flush(folder)

    def forget(self, key: str) -> None:
        """Delete what lies under a key, if anything does."""
        import obstore

        try:
            obstore.delete(self.backend, key)
        except (OSError, obstore.exceptions.BaseError):
            return  # it was never there, or goes with the next sweep

    # --- reading ---------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """Whether bytes of that digest are stored."""
        if self.directory is not None:
            return (self.directory / content_key(sha256)).is_file()
        import obstore

        with translated("looking for an object"):
            try:
                obstore.head(self.backend, content_key(sha256))
            except FileNotFoundError:
                return False
        return True

    def length(self, sha256: str) -> int | None:
        """How many bytes of that digest are stored; None if there are none."""
        import obstore

        with translated("looking for an object"):
            try:
                if self.directory is not None:
                    return (self.directory / content_key(sha256)).stat().st_size
                return int(obstore.head(self.backend, content_key(sha256))["size"])
            except FileNotFoundError:
                return None

    def pieces(self, sha256: str, begin: int, length: int, piece: int = PIECE) -> Iterator[bytes]:
        """Yield a part of stored bytes, `piece` of them at a time.

        Raises:
            NotFound: There are none of that digest.
            Corrupted: There are fewer than that.
        """
        left = length
        with translated(f"reading the object {sha256}"), self._opened(sha256) as file:
            file.seek(begin)
            while left > 0:
                data = bytes(file.read(min(piece, left)))
                if not data:
                    raise _damaged(sha256, f"only {begin + length - left} bytes")
                left -= len(data)
                yield data

    @contextmanager
    def _opened(self, sha256: str) -> Iterator[Readable]:
        import obstore

        try:
            if self.directory is None:
                yield obstore.open_reader(self.backend, content_key(sha256))
                return
            with (self.directory / content_key(sha256)).open("rb", buffering=0) as file:
                yield file
        except FileNotFoundError as error:
            raise _missing(sha256) from error

    def path(self, sha256: str) -> Path | None:
        """The file that holds the content, when the store is a local one."""
        return None if self.directory is None else self.directory / content_key(sha256)

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield stored bytes in pieces.

        Raises:
            NotFound: There are none of that digest.
        """
        import obstore

        with translated(f"reading the object {sha256}"):
            try:
                found = obstore.get(self.backend, content_key(sha256))
            except FileNotFoundError as error:
                raise _missing(sha256) from error
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def get(
        self,
        content: Content,
        destination: Path,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put content at `destination`, whole or not at all; an existing file is replaced.

        Args:
            content: What to get.
            destination: The file; missing parent directories are made.
            link: Hard-link the stored file when that is possible. The file is then read-only.
            verify: Hash what is copied. A link is not hashed: it is the stored file.
            progress: Told the bytes of each piece.

        Raises:
            NotFound: The content is not stored.
            Corrupted: The stored bytes are not what their digest says.
            Unavailable: `destination` cannot be written.
        """
        with translated(f"writing {str(destination)!r}"):
            destination.parent.mkdir(parents=True, exist_ok=True)
            temporary = destination.with_name(f".{uuid.uuid4().hex}")  # a name may be at its limit
            if link and self.link(content.sha256, temporary):
                temporary.replace(destination)
                if progress is not None:
                    progress(content.length)
                return destination
            digest = hashlib.sha256()
            with _replacing(destination) as out:
                for piece in self._stored_pieces(content.sha256):
                    if verify:
                        digest.update(piece)
                    out.write(piece)
                    if progress is not None:
                        progress(len(piece))
                if verify and digest.hexdigest() != content.sha256:
                    raise _damaged(content.sha256, f"the digest {digest.hexdigest()}")
        return destination

    def link(self, sha256: str, destination: str | Path) -> bool:
        """Hard-link a stored file to a new name, if that is possible; returns whether it was.

        The file is read-only, so that nobody changes what is stored. Unlike `get`, this neither
        makes directories nor replaces a file.

        Raises:
            NotFound: The content is not stored.
            FileNotFoundError: The directory of `destination` does not exist.
        """
        if self.directory is None:
            return False
        try:
            os.link(f"{self.directory}/{content_key(sha256)}", destination)
        except FileNotFoundError as error:
            if self.has(sha256):
                raise  # it is the destination's directory that is missing
            raise _missing(sha256) from error
        except OSError:
            return False  # another file system, or one without links
        return True

    def _stored_pieces(self, sha256: str) -> Iterator[bytes]:
        stored = self.path(sha256)
        if stored is None:
            yield from self.read(sha256)
            return
        try:
            yield from pieces(stored)
        except FileNotFoundError as error:
            raise _missing(sha256) from error

    def check(self, sha256: str) -> None:
        """Hash stored bytes and compare with their name.

        Raises:
            NotFound: They are missing.
            Corrupted: They differ.
        """
        digest = hashlib.sha256()
        for piece in self._stored_pieces(sha256):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            raise _damaged(sha256, f"the digest {digest.hexdigest()}")

    def digests(self) -> Iterator[tuple[str, int]]:
        """Yield (SHA-256, length) of everything stored."""
        import obstore

        for batch in obstore.list(self.backend, prefix="sha256"):
            for entry in batch:
                yield str(entry["path"]).rsplit("/", 1)[-1], int(entry["size"])

    # --- keeping house ---------------------------------------------------------------

    def remove(self, sha256: str) -> None:
        """Delete stored bytes; nothing happens when there are none."""
        self.forget(content_key(sha256))

    def sweep(self, older_than: timedelta = timedelta(days=1)) -> int:
        """Remove what dead processes left in ``incoming/``; returns how many files."""
        import obstore

        limit = datetime.now(UTC) - older_than
        stale = [
            str(entry["path"])
            for batch in obstore.list(self.backend, prefix="incoming")
            for entry in batch
            if entry["last_modified"] <= limit
        ]
        for key in stale:
            self.forget(key)
        return len(stale)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def content_key(sha256: str) -> str:
    """Where content of that digest lies in the store."""
    return f"sha256/{sha256[:2]}/{sha256}"


@contextmanager
def _replacing(destination: Path) -> Iterator[BinaryIO]:
    handle, name = tempfile.mkstemp(dir=destination.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        temporary.chmod(0o644)
        shutil.move(temporary, destination)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the operating system and `obstore` raise inside into the catalog's errors."""
    import obstore

    try:
        yield
    except CatalogError:
        raise
    except (OSError, obstore.exceptions.BaseError) as error:
        # Without the path: clients of a service are told this as well.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise Unavailable(
            f"The storage failed while {doing}: {reason}.",
            hint="Check free space, permissions and the connection, then try again.",
        ) from error


def _missing(sha256: str) -> NotFound:
    return NotFound(
        f"The content {sha256} is not in the object store.",
        hint="Run 'deriva-catalog check' to list what else is missing.",
        sha256=sha256,
    )


def _damaged(sha256: str, found: str) -> Corrupted:
    return Corrupted(
        f"The stored content {sha256} is damaged: its bytes have {found}.",
        hint="Restore it from a backup; 'deriva-catalog check' lists all damage.",
        sha256=sha256,
    )
