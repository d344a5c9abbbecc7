"""The bytes of a served catalog by their SHA-256, where the server offers that.

Small contents travel many in one request, large ones in chunks: several at a time, and those
that a broken attempt has sent are not sent again, whichever process tries.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, BinaryIO

from ...errors import Conflict, Corrupted, NotFound, Unavailable
from ...objects import Content, Source
from ...objects.content import PIECE, Check, Hasher, Progress, pieces
from ...objects.hashing import ParallelHasher
from ...objects.packs import cut, most_at_once, pack_one
from .connection import Received, Repeat
from .link import Link
from .packed import PACKED, PackWriter, Placed, by_digest
from .parallel import for_each
from .receiving import Place, copy_to, receive, save

__all__ = ["Known", "Readable", "RemoteContents", "json_bytes"]

WORKERS = 4
SMALL = 64 * 1024
"""Contents up to this length go in packs."""
CHUNK = 16 * PIECE
"""Contents beyond this length go in chunks of it."""
_AT_ONCE = 2000
_MEMORY = PIECE
_SENT = PIECE // 4
_JSON = {"Content-Type": "application/json"}
_BYTES = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a source, read again whenever they are sent: they are never all in memory.

    Pieces are short. What a socket does not take at once is copied for each further attempt.
    """

    open: Callable[[], BinaryIO]
    begin: int
    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        with self.open() as file:
            file.seek(self.begin)
            while left > 0:
                piece = file.read(min(left, _SENT))
                if not piece:
                    raise Corrupted(
                        f"The bytes to be sent end {left} bytes early.",
                        hint="The file changed meanwhile. Try again.",
                    )
                left -= len(piece)
                yield piece


@dataclass(frozen=True, slots=True)
class Known:
    """A source whose digests are known, perhaps without the MD5, and how to open its bytes."""

    content: Content
    open: Callable[[], BinaryIO]

    def part(self, begin: int, length: int) -> Part:
        """Some of the bytes, as far as there are any."""
        return Part(self.open, begin, max(0, min(length, self.content.length - begin)))

    def whole(self) -> Content:
        """The content with its MD5."""
        if self.content.md5:
            return self.content
        with self.open() as file:
            return replace(self.content, md5=_digest_of(file, "md5"))


class RemoteContents:
    """Bytes of one catalog of a server. Threads may share it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._chunks = BoundedSemaphore(WORKERS)
        """Chunks in memory at the same time, of however many files."""

    @property
    def directory(self) -> None:
        """The bytes are no files of this machine."""
        return

    @property
    def packed(self) -> int:
        """Contents up to this length come many in one answer."""
        return PACKED

    # --- writing ---------------------------------------------------------------------

    def add(
        self, source: Source, progress: Progress | None = None, *, check: Check | None = None
    ) -> Content:
        """Send bytes unless the server has them; returns what they are.

        They are hashed first; what can be read only once waits in a temporary file. `check` may
        refuse them by an exception before anything is sent.

        Raises:
            Unavailable: The server cannot be reached, or `source` not be read.
            NotAuthenticated, Forbidden: The client may not store bytes in the catalog.
        """
        # The server works the MD5 out anyhow; here it takes longer than all the rest.
        with Readable(source, md5=check is not None) as known:
            if check is not None:
                check(known.content)
            return self._send(known, progress)

    def add_many(
        self, sources: Sequence[Source], progress: Progress | None = None, *, workers: int = WORKERS
    ) -> list[Content]:
        """Send the bytes of many sources: small ones together, large ones `workers` at a time.

        Returns one content for each source, in order.
        """
        sizes = [_size(source) for source in sources]
        small = [n for n, size in enumerate(sizes) if size is not None and size <= SMALL]
        large = sorted(set(range(len(sources))) - set(small))
        parts = [*cut(small, sizes, most=_AT_ONCE), *([n] for n in large)]
        packed = len(parts) - len(large)

        def send(number: int) -> list[Content]:
            part = [sources[n] for n in parts[number]]
            if number < packed:
                return self._send_pack(part, progress)
            return [self.add(part[0], progress)]

        sent = for_each(send, range(len(parts)), workers=workers, name="upload")
        found = {
            n: content
            for part, contents in zip(parts, sent, strict=True)
            for n, content in zip(part, contents, strict=True)
        }
        return [found[n] for n in range(len(sources))]

    def _send_pack(self, sources: Sequence[Source], progress: Progress | None) -> list[Content]:
        datas = [_bytes_of(source) for source in sources]
        known = [content_of(data) for data in datas]
        present = self._have([content.sha256 for content in known])
        waiting = {
            content.sha256: data
            for content, data in zip(known, datas, strict=True)
            if content.sha256 not in present
        }
        if waiting:
            pack = b"".join(pack_one(sha256, data) for sha256, data in waiting.items())
            self._post(";content/add", pack, _BYTES)
        if progress is not None:
            for data in datas:
                progress(len(data))
        return known

    def _send(self, known: Known, progress: Progress | None) -> Content:
        content = known.content
        if content.length > SMALL and self.has(content.sha256):
            if progress is not None:
                progress(content.length)
            return known.whole()
        if content.length > CHUNK:
            return self._send_chunks(known, progress)
        body = known.part(0, content.length)
        sent = self._request("PUT", f";content/{content.sha256}", body, _BYTES)
        if progress is not None:
            progress(content.length)
        return _told(sent, known)

    def _send_chunks(self, known: Known, progress: Progress | None) -> Content:
        content = known.content
        plan = {
            "chunk-length": CHUNK,
            "content-length": content.length,
            "content-sha256": content.sha256,
        }
        job = self._post(";upload", json_bytes(plan), _JSON).json()
        length, place = int(job["chunk-length"]), f";upload/{job['job']}"
        there = {n for low, high in job["chunks-received"] for n in range(low, high + 1)}

        def send(number: int) -> None:
            with self._chunks:
                self._request(
                    "PUT", f"{place}/{number}", known.part(number * length, length), _BYTES
                )
            if progress is not None:
                progress(min(length, content.length - number * length))

        if progress is not None:
            for number in there:
                progress(min(length, content.length - number * length))
        missing = [n for n in range(-(-content.length // length)) if n not in there]
        for_each(send, missing, workers=WORKERS, name="upload")
        return self._finish(place, known)

    def _finish(self, place: str, known: Known) -> Content:
        try:
            return _told(self._post(place, b"", {}), known)
        except (NotFound, Unavailable):
            # An answer that was lost: it was finished, unless it was not.
            if not self.has(known.content.sha256):
                raise
            return known.whole()
        except Conflict:
            # What an earlier attempt sent is not what it should be: the next one begins anew.
            self._request("DELETE", place, b"", {})
            raise

    def flush(self, digests: Collection[str]) -> None:
        """See that the server has bytes, which it flushes before it says so.

        Raises:
            NotFound: There are no bytes of a digest.
        """
        missing = set(digests) - self.lengths(digests).keys()
        if missing:
            raise _missing(min(missing))

    # --- reading ---------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """Whether bytes of that digest are stored."""
        return self.length(sha256) is not None

    def length(self, sha256: str) -> int | None:
        """How many bytes of that digest are stored; None if there are none."""
        return self._have([sha256]).get(sha256)

    def lengths(self, digests: Collection[str]) -> dict[str, int]:
        """How many bytes of each digest are stored; those that are not are left out."""
        wanted = list(dict.fromkeys(digests))
        found: dict[str, int] = {}
        for begin in range(0, len(wanted), _AT_ONCE):
            found |= self._have(wanted[begin : begin + _AT_ONCE])
        return found

    def _have(self, digests: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = self._post(";content", json_bytes(list(digests)), _JSON).json()
        return found

    def path(self, sha256: str) -> None:
        """The bytes are no files of this machine."""
        return

    def link(self, sha256: str, destination: str | Path) -> bool:
        """The bytes are no files of this machine, so there is nothing to link: False."""
        return False

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield stored bytes in pieces. Raises `NotFound` if there are none."""
        return receive(self._place(sha256))

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

        Raises:
            NotFound: The content is not stored.
            Corrupted: The bytes are not what their digest says.
            Unavailable: `destination` cannot be written, or the server not be reached.
        """
        place = self._place(content.sha256)
        return save(place, content, destination, verify=verify, progress=progress)

    def get_many(
        self,
        wanted: Sequence[tuple[Content, Path]],
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> None:
        """Put many contents at their places: small ones together, large ones one by one.

        Requests are made `workers` at a time, and each content is got once for all its places.
        After an error nothing more is begun; what is in its place by then stays there.

        Raises:
            NotFound: A content is not stored; the others of its pack are in their places.
            Corrupted: The bytes are not what their digest says; likewise.
            Unavailable: A file cannot be written, or the server not be reached.
        """
        placed = by_digest(wanted)
        lengths = [one.content.length for one in placed]
        small = [n for n, length in enumerate(lengths) if length <= PACKED]
        large = [n for n, length in enumerate(lengths) if length > PACKED]
        writer = PackWriter(self._place("get"), verify, progress)

        def get(numbers: list[int]) -> None:
            if len(numbers) > 1:
                self._get_pack(writer, [placed[n] for n in numbers])
                return
            one = placed[numbers[0]]
            first, *others = one.places
            self.get(one.content, first, verify=verify, progress=progress)
            copy_to(first, others, progress)

        packs = cut(small, lengths, most=most_at_once(len(small), workers))
        for_each(get, [*([n] for n in large), *packs], workers=workers, name="download")

    def _get_pack(self, writer: PackWriter, wanted: Sequence[Placed]) -> None:
        try:
            writer.get(wanted)
        except NotFound:
            # The server answers only if it has all of them.
            present = self._have([one.content.sha256 for one in wanted])
            missing = [one for one in wanted if one.content.sha256 not in present]
            if not missing:
                raise
            writer.get([one for one in wanted if one.content.sha256 in present])
            raise _missing(missing[0].content.sha256) from None

    def check(self, sha256: str) -> None:
        """Get stored bytes, hash them and compare with their name.

        Raises:
            NotFound: They are missing.
            Corrupted: They differ.
        """
        digest = hashlib.sha256()
        for piece in self.read(sha256):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            raise Corrupted(
                f"The content {sha256} is damaged: its bytes have the digest {digest.hexdigest()}.",
                sha256=sha256,
            )

    # --- requests --------------------------------------------------------------------

    def _place(self, sha256: str) -> Place:
        return Place(self._link.connection, self._target(f";content/{sha256}"))

    def _target(self, tail: str) -> str:
        return f"{self._link.target}/hatrac/{tail}"

    def _post(
        self, tail: str, body: bytes, headers: dict[str, str], repeat: Repeat = Repeat.SAFE
    ) -> Received:
        return self._request("POST", tail, body, headers, repeat)

    def _request(
        self,
        method: str,
        tail: str,
        body: bytes | Part,
        headers: dict[str, str],
        repeat: Repeat = Repeat.SAFE,
    ) -> Received:
        # Bytes are no part of a transaction: they may go through connections of their own, many
        # at once. What is sent again is the same.
        if method != "DELETE":
            headers = {**headers, "Content-Length": str(len(body))}
        return self._link.connection.send(
            method, self._target(tail), headers=headers, content=body, repeat=repeat
        )


def json_bytes(document: Any) -> bytes:
    """A JSON document as a body."""
    return json.dumps(document, ensure_ascii=False).encode()


# --- sources -----------------------------------------------------------------------------


class Readable:
    """A source with its digests, readable from any place on while the context lasts.

    Without `md5` that of a large file is left out.
    """

    def __init__(self, source: Source, *, md5: bool = True) -> None:
        self._source = source
        self._md5 = md5
        self._spool: Any = None

    def __enter__(self) -> Known:
        source = self._source
        if isinstance(source, bytes):
            return Known(content_of(source), lambda: BytesIO(source))
        try:
            if isinstance(source, Path):
                return Known(_hashed_file(source, self._md5), lambda: source.open("rb"))
            spool = tempfile.NamedTemporaryFile()
            self._spool = spool
            content = _spooled(source, spool)
            spool.flush()
        except OSError as error:
            self.__exit__()
            raise Unavailable(
                f"The bytes to be sent cannot be read: {error}.",
                hint="Check the file and the space for temporary files.",
            ) from error
        except BaseException:
            self.__exit__()
            raise
        return Known(content, lambda: Path(spool.name).open("rb"))

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()


def _hashed_file(path: Path, md5: bool) -> Content:
    length = path.stat().st_size
    if length <= _MEMORY:
        return content_of(path.read_bytes())
    if not md5:
        with path.open("rb") as file:
            sha256 = _digest_of(file, "sha256")
            return Content(file.tell(), "", sha256)
    with ParallelHasher() as hasher:
        for piece in pieces(path):
            hasher.update(piece)
        return hasher.content


def _digest_of(file: BinaryIO, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _spooled(source: Source, out: Any) -> Content:
    with ParallelHasher() as hasher:
        for piece in pieces(source):
            hasher.update(bytes(piece))
            out.write(piece)
        return hasher.content


def _told(answer: Received, known: Known) -> Content:
    """What the server says that it stored, which is what was sent.

    Raises:
        Corrupted: It is not.
    """
    told, sent = answer.json(), known.content
    if (told["length"], told["sha256"]) != (sent.length, sent.sha256) or sent.md5 not in (
        "",
        told["md5"],
    ):
        raise Corrupted(
            f"The server stored {told['length']} bytes with the SHA-256 {told['sha256']}; "
            f"{sent.length} with {sent.sha256} were sent.",
            hint="The file changed meanwhile, or its bytes were damaged on the way. Try again.",
        )
    return Content(sent.length, str(told["md5"]), sent.sha256)


def content_of(data: bytes) -> Content:
    hasher = Hasher()
    hasher.update(data)
    return hasher.content


def _size(source: Source) -> int | None:
    """How long a source is; None if that shows only when it is read."""
    if isinstance(source, bytes):
        return len(source)
    return source.stat().st_size if isinstance(source, Path) and source.is_file() else None


def _bytes_of(source: Source) -> bytes:
    return source if isinstance(source, bytes) else b"".join(pieces(source))


def _missing(sha256: str) -> NotFound:
    return NotFound(f"The content {sha256} is not in the object store.", sha256=sha256)
