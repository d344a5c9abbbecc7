"""Taking the bytes of an object: streamed, verified, and gone on with where they broke off.

What a large download has got when it breaks off stays beside its destination under a hidden name,
``.<key>.part``, whatever ends it: the next call for the same bytes and the same destination goes
on from there. Bytes that are refused leave nothing.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO

import httpx

from ...errors import (
    BadRequest,
    CatalogError,
    Corrupted,
    Forbidden,
    MethodNotAllowed,
    NotAuthenticated,
    PreconditionFailed,
    Unavailable,
)
from ...objects import Content
from ...objects.cache_files import held, put_into_place
from ...objects.content import PIECE, Progress
from .connection import Connection, Repeat, back_off_s

__all__ = ["Place", "copy_to", "receive", "save", "write_whole"]

log = logging.getLogger("deriva_catalog.remote")

LARGE = 8 * PIECE
"""Downloads from this length on are gone on with by the next call."""
_ATTEMPTS = 5
_AHEAD = 8
"""Pieces that may wait to be hashed."""
_AS_STORED = {"Accept-Encoding": "identity", "Accept": "*/*"}
_WRITABLE = 0o644


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes are: a server, and the target there."""

    connection: Connection
    target: str


class _CannotGoOn(Unavailable):
    """The server has other bytes now, or gives them from the beginning only."""


# --- streams -----------------------------------------------------------------------------


def receive(
    place: Place, length: int | None = None, *, begin: int = 0, etag: str | None = None
) -> Iterator[bytes]:
    """Yield the bytes at a target; when they break off, ask for the rest.

    Args:
        place: Where they are.
        length: How many there are altogether, if that is known.
        begin: How many to leave out.
        etag: Which bytes: those that the server calls so, if that is known.

    Raises:
        NotFound: There are none.
        Corrupted: They changed on the way.
        Unavailable: They broke off again and again, they changed meanwhile, or the server has
            no ranges.
    """
    done, attempt = begin, 0
    while length is None or done < length or done == begin == 0:
        before = done
        try:
            with place.connection.answered(
                "GET", place.target, headers=_asking(done, etag)
            ) as response:
                _require_rest(place, response, done)
                etag = response.headers.get("etag", etag)
                for piece in response.iter_raw():  # as it comes: nothing waits in a buffer
                    done += len(piece)
                    yield piece
            break
        except httpx.HTTPError as error:
            attempt = 1 if done > before else attempt + 1
            if attempt >= _ATTEMPTS:
                raise Unavailable(
                    f"{place.target} broke off after {done} bytes, {attempt} times: {error}.",
                    hint="Get it again; what came of a large file is not fetched again.",
                ) from error
            log.info("%s goes on after %s bytes: %s", place.target, done, error)
            if not done > before:
                time.sleep(back_off_s(attempt))
    if length is not None and done != length:
        raise Corrupted(
            f"{place.target} has {done} bytes, but {length} were announced.",
            hint="It changed meanwhile, or was damaged on the way. Get it again.",
        )


def _asking(done: int, etag: str | None) -> dict[str, str]:
    if not done:
        return _AS_STORED
    condition = {} if etag is None else {"If-Match": etag}
    return {**_AS_STORED, "Range": f"bytes={done}-", **condition}


def _require_rest(place: Place, response: httpx.Response, done: int) -> None:
    """See that an answer has what comes after `done` bytes, and nothing else.

    Source: Hatrac, where a condition on the ETag that is not met gives the status 304.
    """
    if not done:
        return
    if response.status_code == 206:
        given = response.headers.get("content-range", "")
        if given.startswith(f"bytes {done}-"):
            return
        raise _CannotGoOn(f"{place.target} was asked for from byte {done}, but gave {given!r}.")
    if response.status_code == 304:
        raise _CannotGoOn(f"{place.target} changed while it was got.", hint="Get it again.")
    raise _CannotGoOn(
        f"{place.target} broke off after {done} bytes, and the server does not go on from there.",
        hint="Get it again.",
    )


# --- files -------------------------------------------------------------------------------


def save(
    place: Place,
    content: Content,
    destination: Path,
    *,
    verify: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Put the bytes at a target into a file, whole or not at all; an existing file is replaced.

    The SHA-256 of `content` is compared, or the MD5 if that is all there is; with neither, the
    length is.

    Raises:
        NotFound: There are none.
        Corrupted: They are not what they should be.
        Unavailable: The file cannot be written, or the server not be reached.
    """
    saving = _Saving(place, content, verify, progress)
    with _writing(destination), ExitStack() as stack:
        if destination.is_dir():  # before anything is fetched
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(destination))
        destination.parent.mkdir(parents=True, exist_ok=True)
        if content.length >= LARGE:
            partial = _partial(place, content, destination)
            if stack.enter_context(held(partial.with_suffix(".lock"), wait=False)):
                return _saved_by_parts(saving, partial, destination)
        return _saved_at_once(saving.fill, destination)


def write_whole(data: bytes, destination: Path) -> Path:
    """Put bytes into a file, whole or not at all; an existing file is replaced.

    Raises:
        Unavailable: The file cannot be written.
    """
    with _writing(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        return _saved_at_once(lambda out: _write_all(out, data), destination)


def copy_to(source: Path, places: Iterable[Path], progress: Progress | None) -> None:
    """Put a file that was just got into more places, each whole or not at all.

    Raises:
        Unavailable: One cannot be written.
    """
    for place in places:
        with _writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            put_into_place(source, place, link=False)
            if progress is not None:
                progress(source.stat().st_size)


@contextmanager
def _writing(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, CatalogError):
            raise
        raise Unavailable(
            f"{str(destination)!r} cannot be written: {error}.",
            hint="Check free space and permissions, then try again.",
        ) from error


@dataclass(frozen=True, slots=True)
class _Saving:
    """What is to be saved."""

    place: Place
    content: Content
    verify: bool
    progress: Progress | None

    def fill(self, out: BinaryIO, begin: int = 0, etag: str | None = None) -> None:
        """Write the bytes behind the first `begin`, which are in the file already."""
        content = self.content
        wanted = content.sha256 or content.md5 if self.verify else ""
        with _Digest("sha256" if content.sha256 else "md5", bool(wanted), content.length) as digest:
            out.seek(0)
            left = begin
            while left and (piece := out.read(min(PIECE, left))):
                self._pass(piece, digest)
                left -= len(piece)
            for piece in receive(self.place, content.length, begin=begin, etag=etag):
                self._pass(piece, digest)
                _write_all(out, piece)
            found = digest.hexdigest() if wanted else ""
        if found != wanted:
            raise Corrupted(
                f"The bytes of {self.place.target} have the "
                f"{'SHA-256' if content.sha256 else 'MD5'} {found}, not {wanted}.",
                hint="They were damaged on the way or on the server. Get them again.",
            )

    def _pass(self, piece: bytes, digest: _Digest) -> None:
        digest.update(piece)
        if self.progress is not None:
            self.progress(len(piece))


def _write_all(out: BinaryIO, piece: bytes) -> None:
    """Write to a file without a buffer, which may take a part at a time."""
    view = memoryview(piece)
    while view:
        view = view[out.write(view) :]


def _saved_at_once(fill: Callable[[BinaryIO], None], destination: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=destination.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b", buffering=0) as out:
            fill(out)
        return _settled(temporary, destination)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _partial(place: Place, content: Content, destination: Path) -> Path:
    facts = (
        destination.name,
        place.connection.host.origin,
        place.target,
        content.sha256 or content.md5,
        str(content.length),
    )
    key = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return destination.with_name(f".{key}.part")


def _saved_by_parts(saving: _Saving, partial: Path, destination: Path) -> Path:
    try:
        with partial.open("a+b", buffering=0) as out:
            begin = os.fstat(out.fileno()).st_size
            if begin > saving.content.length:
                out.truncate(begin := 0)
            try:
                saving.fill(out, begin, _etag(saving.place) if begin else None)
            except (_CannotGoOn, PreconditionFailed, Corrupted, BadRequest) as error:
                if not begin:
                    raise
                # Once more from the beginning: what an earlier call left is of no use.
                log.info("%s begins anew: %s", saving.place.target, error)
                out.truncate(0)
                saving.fill(out)
    except (CatalogError, OSError) as error:
        if not _may_go_on(error) or partial.stat().st_size == 0:
            partial.unlink(missing_ok=True)
        raise
    return _settled(partial, destination)


def _may_go_on(error: CatalogError | OSError) -> bool:
    """Whether what came before an error is of use for the next call.

    It is after a lost connection and when a credential has run out; it is not when the bytes
    are wrong or gone, and on a full disk it is in the way.
    """
    lost = isinstance(error, (Unavailable, NotAuthenticated, Forbidden))
    return lost and not isinstance(error, _CannotGoOn)


def _etag(place: Place) -> str | None:
    """What the server calls the bytes at a target now, if it says so."""
    try:
        answer = place.connection.send("HEAD", place.target, headers=_AS_STORED, repeat=Repeat.SAFE)
    except (MethodNotAllowed, BadRequest):
        return None
    return answer.headers.get("etag")


def _settled(temporary: Path, destination: Path) -> Path:
    temporary.chmod(_WRITABLE)
    return temporary.replace(destination)


# --- digests -----------------------------------------------------------------------------


class _Digest:
    """A digest of pieces that pass by, worked out beside what brings them when there are many."""

    def __init__(self, algorithm: str, wanted: bool, length: int) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if wanted else None
        self._queue: Queue[bytes | None] = Queue(_AHEAD)
        self._thread = Thread(target=self._run, daemon=True, name="hash")
        self._beside = wanted and length >= LARGE

    def __enter__(self) -> _Digest:
        if self._beside:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def update(self, piece: bytes) -> None:
        """Take the next piece, which must not change any more."""
        if self._beside:
            self._queue.put(piece)
        elif self._hash is not None:
            self._hash.update(piece)

    def hexdigest(self) -> str:
        """The digest of all pieces; none may come after that."""
        self._end()
        assert self._hash is not None
        return self._hash.hexdigest()

    def _end(self) -> None:
        if self._beside:
            self._beside = False
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        assert self._hash is not None
        while (piece := self._queue.get()) is not None:
            self._hash.update(piece)
