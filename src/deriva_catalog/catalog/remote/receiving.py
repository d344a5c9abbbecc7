"""Taking the bytes of an object: streamed, verified, and gone on with where they broke off."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from ...errors import Corrupted, Unavailable
from ...objects import Content
from ...objects.content import PIECE, Hasher, Progress
from ...objects.hashing import ParallelHasher
from .connection import Connection

__all__ = ["Place", "receive", "save"]

log = logging.getLogger("deriva_catalog.remote")

_ATTEMPTS = 5
_LARGE = 8 * PIECE
_AS_STORED = {"Accept-Encoding": "identity", "Accept": "*/*"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes are: a server, and the target there."""

    connection: Connection
    target: str


def receive(place: Place, length: int | None = None) -> Iterator[bytes]:
    """Yield the bytes at a target; when they break off, ask for the rest.

    Args:
        place: Where they are.
        length: How many there are, if that is known.

    Raises:
        NotFound: There are none.
        Corrupted: They changed on the way.
        Unavailable: They broke off again and again, or the server has no ranges.
    """
    done, etag, attempt = 0, None, 0
    while True:
        headers = dict(_AS_STORED)
        if done:
            headers["Range"] = f"bytes={done}-"
            if etag is not None:
                headers["If-Range"] = etag
        before = done
        try:
            with place.connection.answered("GET", place.target, headers=headers) as response:
                if done and response.status_code != 206:
                    raise Unavailable(
                        f"{place.target} broke off after {done} bytes, and the server does not "
                        "go on from there.",
                        hint="Get it again.",
                    )
                etag = response.headers.get("etag", etag)
                for piece in response.iter_raw(PIECE):
                    done += len(piece)
                    yield piece
            break
        except httpx.HTTPError as error:
            if length is not None and done == length:
                break
            attempt = 1 if done > before else attempt + 1
            if attempt >= _ATTEMPTS:
                raise Unavailable(
                    f"{place.target} broke off after {done} bytes: {error}.", hint="Get it again."
                ) from error
            log.info("%s goes on after %s bytes: %s", place.target, done, error)
    if length is not None and done != length:
        raise Corrupted(
            f"{place.target} has {done} bytes, but {length} were announced.",
            hint="It changed meanwhile, or was damaged on the way. Get it again.",
        )


def save(
    place: Place,
    content: Content,
    destination: Path,
    *,
    verify: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Put the bytes at a target into a file, whole or not at all; an existing file is replaced.

    Digests that `content` has are compared, the others (empty) are not.

    Raises:
        NotFound: There are none.
        Corrupted: They are not what they should be.
        Unavailable: The file cannot be written, or the server not be reached.
    """
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=destination.parent, prefix=".")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                found = _copied(place, content, out.write, verify, progress)
            if verify:
                _check(place, content, found)
            temporary.chmod(0o644)
            shutil.move(temporary, destination)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if isinstance(error, (Unavailable, Corrupted)):
            raise
        raise Unavailable(
            f"{str(destination)!r} cannot be written: {error}.",
            hint="Check free space and permissions, then try again.",
        ) from error
    return destination


def _copied(
    place: Place,
    content: Content,
    write: Callable[[bytes], object],
    verify: bool,
    progress: Progress | None,
) -> Content | None:
    def passing(hasher: Hasher | ParallelHasher | None) -> None:
        for piece in receive(place, content.length):
            if hasher is not None:
                hasher.update(piece)
            write(piece)
            if progress is not None:
                progress(len(piece))

    if not verify:
        passing(None)
        return None
    if content.length < _LARGE:
        hasher = Hasher()
        passing(hasher)
        return hasher.content
    with ParallelHasher() as parallel:
        passing(parallel)
        return parallel.content


def _check(place: Place, expected: Content, found: Content | None) -> None:
    assert found is not None
    for name, wanted, got in (
        ("SHA-256", expected.sha256, found.sha256),
        ("MD5", expected.md5, found.md5),
    ):
        if wanted and wanted != got:
            raise Corrupted(
                f"The bytes of {place.target} have the {name} {got}, not {wanted}.",
                hint="They were damaged on the way or on the server. Get them again.",
            )
