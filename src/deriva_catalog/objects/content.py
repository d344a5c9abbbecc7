"""Bytes stored once under their SHA-256, in a directory or a bucket.

Content lies at ``sha256/<two digits>/<digest>`` and is whole or absent. In a directory it is
hashed on its way to ``incoming/`` and renamed when complete. A bucket has no renames, so there
bytes are hashed first, and written under their digest.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import BadRequest, Corrupted, NotFound
from .hashing import Content as Content
from .hashing import Hasher as Hasher
from .hashing import LazyHasher, is_digest
from .hashing import Progress as Progress
from .sources import PIECE as PIECE
from .sources import Rereadable
from .sources import Source as Source
from .sources import pieces as pieces
from .stores import Entry, FileStore, KeyStore, open_store
from .stores import translated as translated
from .stores.files import write_new, write_pieces
from .together import each

_CONTENT = "sha256"
_INCOMING = "incoming"
_AT_ONCE = 1000

Check = Callable[[Content], None]


def hash_file(path: Path, progress: Progress | None = None) -> Content:
    """Return length and digests of a file; `progress` is told the bytes of each piece."""
    hasher = Hasher()
    with path.open("rb") as file:
        for piece in pieces(file):
            hasher.update(piece)
            if progress is not None:
                progress(len(piece))
    return hasher.content


class ContentStore:
    """Content-addressed bytes.

    Args:
        keys: The directory or bucket. When it is a directory, reading and linking go to its
            files directly.
    """

    def __init__(self, keys: KeyStore) -> None:
        self.keys = keys
        self._files = keys if isinstance(keys, FileStore) else None

    @classmethod
    def local(cls, directory: Path) -> ContentStore:
        """Content in files below `directory`, which is made when missing."""
        return cls(FileStore(directory))

    @classmethod
    def from_url(cls, url: str) -> ContentStore:
        """Content in the store that a URL names: ``file:///dir``, ``s3://bucket/prefix`` ...

        Credentials come from the environment; see `open_store`.

        Raises:
            BadRequest: There is no kind of store for the URL.
            Unavailable: The directory cannot be made.
        """
        return cls(open_store(url))

    @property
    def directory(self) -> Path | None:
        """Where the bytes are files of this machine; None elsewhere."""
        return self.keys.directory

    @property
    def packed(self) -> int:
        """Nothing is asked for together: 0."""
        return 0

    @property
    def url(self) -> str:
        """Where the bytes are."""
        return self.keys.url

    # --- writing ---------------------------------------------------------------------

    def add(
        self,
        source: Source,
        progress: Progress | None = None,
        *,
        check: Check | None = None,
        take: bool = False,
        sha256: str | None = None,
        length: int | None = None,
    ) -> Content:
        """Store bytes unless they are there already; returns what they are.

        Memory stays at a few pieces. A small file is hashed before anything is written, and
        written if it is new. What can be read only once waits in a temporary file on its way to
        a bucket. `progress` is told each byte once.

        Args:
            source: The bytes.
            progress: Told the bytes of each piece.
            check: May refuse what was read by an exception; then nothing of it is kept.
            take: Whether an open file is given away: if it has no name yet, it may become the
                stored file.
            sha256: What the digest is expected to be, so that bytes are on their way to a bucket
                while they are hashed. `check` must refuse others.
            length: How many bytes are expected, if that is known: the parts in which a large
                object goes to a bucket depend on it.

        Raises:
            Unavailable: The store cannot be written (full, read-only, unreachable), or the
                source could not be read to its end.
        """
        if isinstance(source, bytes):
            return self._add_small(source, progress, check)
        if isinstance(source, Path):
            with translated(f"storing the file {str(source)!r}"):
                if source.stat().st_size <= PIECE:
                    return self._add_small(source.read_bytes(), progress, check)
        with translated("storing an object"):
            if self._files is None:
                return self._add_hashed(source, progress, check, sha256, length)
            given = None
            if take and hasattr(source, "fileno"):
                given = cast("BinaryIO", source)
            return self._add_moved(self._files, source, progress, check, given)

    def add_many(
        self, sources: Sequence[Source], progress: Progress | None = None, *, workers: int = 4
    ) -> list[Content]:
        """Store the bytes of many sources, `workers` at a time; see `add`.

        Returns one content for each source, in order.
        """
        return each(
            lambda source: self.add(source, progress),
            sources,
            is_small=self.is_small,
            workers=workers,
        )

    def is_small(self, source: Source) -> bool:
        """Whether a source goes into a file of this machine at once."""
        if self._files is None:
            return False
        if isinstance(source, Path):
            with translated(f"storing the file {str(source)!r}"):
                return source.stat().st_size <= PIECE
        return isinstance(source, bytes) and len(source) <= PIECE

    def _add_small(self, data: bytes, progress: Progress | None, check: Check | None) -> Content:
        hasher = Hasher()
        hasher.update(data)
        content = hasher.content
        if check is not None:
            check(content)
        key = content_key(content.sha256)
        with translated("storing an object"):
            if self._files is None:
                if self.keys.entry(key) is None:
                    self.keys.put(key, [data], content.length)
            elif not self._files.has(key):
                self._files.put_small(key, data)
        if progress is not None:
            progress(content.length)
        return content

    def _add_moved(
        self,
        files: FileStore,
        source: Source,
        progress: Progress | None,
        check: Check | None,
        given: BinaryIO | None,
    ) -> Content:
        """Hash bytes on their way to a file, which then gets the name of its digest."""
        incoming = files.incoming()
        try:
            with LazyHasher() as hasher:
                passing = hasher.passing(pieces(source), progress)
                if given is not None and files.name_file(given, incoming):
                    for _ in passing:
                        pass  # it is where it shall be, and hashed
                else:
                    files.fill(incoming, passing)
                content = hasher.content
            if check is not None:
                check(content)
            files.settle(incoming, content_key(content.sha256))
        except BaseException:
            files.remove([incoming])
            raise
        return content

    def keep(self, file: BinaryIO, content: Content) -> bool:
        """Store an open file without a name, which is given away and whose digests are known.

        Returns whether that is possible; else the file is as it was.
        """
        files = self._files
        if files is None:
            return False
        incoming = files.incoming()
        with translated("storing an object"):
            try:
                if not files.name_file(file, incoming):
                    return False
                files.settle(incoming, content_key(content.sha256))
            except BaseException:
                files.remove([incoming])
                raise
        return True

    def _add_hashed(
        self,
        source: Source,
        progress: Progress | None,
        check: Check | None,
        sha256: str | None,
        length: int | None,
    ) -> Content:
        """Hash bytes, then write them under their digest.

        If their digest is foretold, that is one pass: bytes that turn out to be others never
        appear, because what is read raises before its end.
        """
        if sha256 is not None and not self.has(sha256):
            return self._pass(source, sha256, length, progress, check)
        with Rereadable(source, progress) as whole:
            content = whole.content
            if check is not None:
                check(content)
            if not self.has(content.sha256):
                self._pass(whole.again(), content.sha256, content.length, None, None)
        return content

    def _pass(
        self,
        source: Source,
        sha256: str,
        length: int | None,
        progress: Progress | None,
        check: Check | None,
    ) -> Content:
        found: list[Content] = []

        def verified() -> Iterator[bytes]:
            with LazyHasher() as hasher:
                yield from hasher.passing(pieces(source), progress)
                content = hasher.content
            if check is not None:
                check(content)
            if content.sha256 != sha256:
                raise Corrupted(
                    f"The bytes of {sha256} turned out to have the digest {content.sha256}.",
                    hint="They changed while they were read. Store them again.",
                )
            found.append(content)

        self.keys.put(content_key(sha256), verified(), length)
        return found[0]

    def flush(self, digests: Collection[str]) -> None:
        """Make stored bytes survive a loss of power; call this before they are named.

        Buckets keep what they accept.

        Raises:
            NotFound: There are no bytes of a digest.
            Unavailable: The device failed.
        """
        if self._files is None:
            return
        wanted = sorted(set(digests))
        with translated("flushing objects"):
            try:
                self._files.flush([content_key(sha256) for sha256 in wanted])
            except FileNotFoundError as error:
                gone = next((each for each in wanted if not self.has(each)), None)
                if gone is None:
                    raise
                raise _missing(gone) from error

    # --- reading ---------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """Whether bytes of that digest are stored."""
        return self.length(sha256) is not None

    def length(self, sha256: str) -> int | None:
        """How many bytes of that digest are stored; None if there are none."""
        with translated("looking for an object"):
            entry = self.keys.entry(content_key(sha256))
        return None if entry is None else entry.length

    def lengths(self, digests: Collection[str]) -> dict[str, int]:
        """How many bytes of each digest are stored; those that are not are left out."""
        found = ((sha256, self.length(sha256)) for sha256 in dict.fromkeys(digests))
        return {sha256: length for sha256, length in found if length is not None}

    def pieces(self, sha256: str, begin: int, length: int, piece: int = PIECE) -> Iterator[bytes]:
        """Yield a part of stored bytes, about `piece` of them at a time.

        Raises:
            NotFound: There are none of that digest.
            Corrupted: There are fewer than that.
        """
        left = length
        for data in self._reading(sha256, piece, begin, length):
            left -= len(data)
            yield data
        if left > 0:
            raise _damaged(sha256, f"only {begin + length - left} bytes")

    def _reading(
        self, sha256: str, piece: int, begin: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        with translated(f"reading the object {sha256}"):
            try:
                yield from self.keys.pieces(content_key(sha256), piece, begin, length)
            except FileNotFoundError as error:
                raise _missing(sha256) from error

    def path(self, sha256: str) -> Path | None:
        """The file that holds the content, when the store is a directory."""
        return None if self._files is None else self._files.path(content_key(sha256))

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield stored bytes in pieces.

        Raises:
            NotFound: There are none of that digest.
        """
        return self._reading(sha256, PIECE)

    def signed_url(self, sha256: str, seconds: float) -> str | None:
        """A URL that opens stored bytes for anybody, for a while; None if there can be none."""
        with translated("signing a URL"):
            return self.keys.sign(content_key(sha256), seconds)

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
            link: Hard-link the stored file when that is possible (see `link`). The file is then
                read-only.
            verify: Hash what is copied. A link is not hashed: it is the stored file.
            progress: Told the bytes of each piece.

        Raises:
            NotFound: The content is not stored.
            Corrupted: The stored bytes are not what their digest says.
            Unavailable: `destination` cannot be written.
        """
        with translated(f"writing {str(destination)!r}"):
            destination.parent.mkdir(parents=True, exist_ok=True)
            if link and self.link(content.sha256, temporary := _beside(destination)):
                try:
                    temporary.replace(destination)
                finally:  # it stays if there is such a link already
                    temporary.unlink(missing_ok=True)
                if progress is not None:
                    progress(content.length)
                return destination
            digest = hashlib.sha256()
            with _replacing(destination) as out:
                for piece in self.read(content.sha256):
                    if verify:
                        digest.update(piece)
                    write_pieces(out, [piece])
                    if progress is not None:
                        progress(len(piece))
                if verify and digest.hexdigest() != content.sha256:
                    raise _damaged(content.sha256, f"the digest {digest.hexdigest()}")
        return destination

    def get_many(
        self,
        wanted: Sequence[tuple[Content, Path]],
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
        workers: int = 4,
    ) -> None:
        """Put many contents at their places, several at a time; see `get`.

        What is in its place when another one fails stays there.

        Raises:
            NotFound, Corrupted, Unavailable: As for `get`; the first error that occurs.
        """
        each(
            lambda one: self.get(*one, link=link, verify=verify, progress=progress),
            wanted,
            is_small=lambda one: self._files is not None and one[0].length <= PIECE,
            workers=workers,
        )

    def link(self, sha256: str, destination: str | Path) -> bool:
        """Hard-link a stored file to a new name, if that is possible; returns whether it was.

        The file is read-only, so that nobody changes what is stored. The superuser, as which many
        containers run, would write to it without noticing, and gets verified copies of small
        files instead, and no large ones. Unlike `get`, this neither makes directories nor replaces
        a file.

        Raises:
            NotFound: The content is not stored.
            FileNotFoundError: The directory of `destination` does not exist.
            Corrupted: The stored bytes were read and are not what their digest says.
            Unavailable: `destination` cannot be written.
        """
        if self._files is None:
            return False
        try:
            if _modes_count():
                return self._files.link(content_key(sha256), destination)
            return self._copy_small(self._files, sha256, destination)
        except FileNotFoundError as error:
            if self.has(sha256):
                raise  # it is the destination's directory that is missing
            raise _missing(sha256) from error
        except FileExistsError:
            return False
        except OSError:
            with translated(f"writing {str(destination)!r}"):
                raise

    def _copy_small(self, files: FileStore, sha256: str, destination: str | Path) -> bool:
        data = files.read_small(content_key(sha256), PIECE)
        if data is None:
            return False
        digest = hashlib.sha256(data).hexdigest()
        if digest != sha256:
            raise _damaged(sha256, f"the digest {digest}")
        write_new(destination, data)
        return True

    def check(self, sha256: str) -> None:
        """Hash stored bytes and compare with their name.

        Raises:
            NotFound: They are missing.
            Corrupted: They differ.
        """
        digest = hashlib.sha256()
        for piece in self.read(sha256):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            raise _damaged(sha256, f"the digest {digest.hexdigest()}")

    def digests(self) -> Iterator[tuple[str, int]]:
        """Yield (SHA-256, length) of everything stored."""
        return ((entry.name, entry.length) for entry in self.stored())

    def stored(self) -> Iterator[Entry]:
        """Yield everything stored; the name of each entry is its SHA-256."""
        with translated("listing objects"):
            for entry in self.keys.entries(_CONTENT):
                if is_digest(entry.name, "sha256"):
                    yield entry

    # --- keeping house ---------------------------------------------------------------

    def remove(self, digests: Collection[str]) -> None:
        """Delete stored bytes; those that are not there do not matter.

        Raises:
            Unavailable: The store failed; some may be gone.
        """
        with translated("deleting objects"):
            self.keys.remove([content_key(sha256) for sha256 in digests])

    def arriving(self, older_than: timedelta = timedelta(days=1)) -> list[Entry]:
        """What dead processes left in ``incoming/``: what has not changed for so long."""
        limit = datetime.now(UTC) - older_than
        with translated("listing objects"):
            return [e for e in self.keys.entries(_INCOMING) if e.modified <= limit]

    def sweep(self, older_than: timedelta = timedelta(days=1)) -> int:
        """Remove what dead processes left in ``incoming/``; returns how many files."""
        stale = [entry.key for entry in self.arriving(older_than)]
        with translated("deleting what was left behind"):
            self.keys.remove(stale)
        return len(stale)

    def destroy(self) -> None:
        """Delete everything that is stored, for good.

        Raises:
            Unavailable: The store failed; some may be gone.
        """
        with translated("deleting a store of objects"):
            for prefix in (_CONTENT, _INCOMING, "uploads"):
                keys: list[str] = []
                for entry in self.keys.entries(prefix):
                    keys.append(entry.key)
                    if len(keys) == _AT_ONCE:
                        self.keys.remove(keys)
                        keys = []
                self.keys.remove(keys)
            if self._files is not None:
                self._files.remove_all()


def content_key(sha256: str) -> str:
    """Where content of that digest lies in the store.

    Raises:
        BadRequest: It is no SHA-256 in lower-case hexadecimal, so it could lead elsewhere.
    """
    if not is_digest(sha256, "sha256"):
        raise BadRequest(f"{sha256!r} is no SHA-256 in lower-case hexadecimal.")
    return f"sha256/{sha256[:2]}/{sha256}"


def _modes_count() -> bool:
    """Whether a read-only file is one that this user cannot write to."""
    return sys.platform == "win32" or os.geteuid() != 0


@contextmanager
def _replacing(destination: Path) -> Iterator[BinaryIO]:
    temporary = _beside(destination)
    try:
        with temporary.open("xb", buffering=0) as out:
            yield out
        temporary.replace(destination)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _beside(destination: Path) -> Path:
    """A place for what is on its way; its own name may be as long as names can be."""
    return destination.with_name(f".{uuid.uuid4().hex}")


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
