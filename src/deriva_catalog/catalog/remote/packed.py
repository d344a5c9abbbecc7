"""Many small contents of a server in one answer, each written to its places as it comes.

An answer that breaks off is asked for again from the content on that did not come whole. What is
wrong with one content keeps none of the others from coming.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from ...errors import CatalogError, Corrupted, Unavailable
from ...objects import Content
from ...objects.content import PIECE, Progress
from ...objects.packs import BrokenPack, read_pack
from ...objects.sources import PieceReader
from .connection import back_off_s
from .receiving import Place, write_whole

__all__ = ["PACKED", "PackWriter", "Placed", "by_digest"]

log = logging.getLogger("deriva_catalog.remote")

PACKED = PIECE // 4
"""Contents up to this length are asked for together: each is in memory while it is verified."""
_BREAKS = 3
"""How often an answer may break off before the same content."""
_BUFFER = 128 * 1024
_ASKING = {
    "Accept-Encoding": "identity",
    "Accept": "*/*",
    "Content-Type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A content, and all the files that are to have it."""

    content: Content
    places: tuple[Path, ...]


def by_digest(wanted: Iterable[tuple[Content, Path]]) -> list[Placed]:
    """Each content once, with all its places, in order."""
    found: dict[str, tuple[Content, list[Path]]] = {}
    for content, path in wanted:
        found.setdefault(content.sha256, (content, []))[1].append(path)
    return [Placed(content, tuple(places)) for content, places in found.values()]


@dataclass(frozen=True, slots=True)
class PackWriter:
    """Gets contents from where a server answers with packs, and writes them to files.

    Attributes:
        place: Where the server answers.
        verify: Whether the bytes are hashed.
        progress: Told the bytes of each file that is in its place.
    """

    place: Place
    verify: bool = True
    progress: Progress | None = None

    def get(self, wanted: Sequence[Placed]) -> None:
        """Get contents, of which no two have the same digest, into all of their places.

        Raises:
            NotFound: The server does not have one of them; none has come.
            Corrupted: One is not what it should be; the others are in their places.
            Unavailable: The server cannot be reached, the answer broke off again and again before
                one and the same content, or a file cannot be written.
        """
        left = {one.content.sha256: one for one in wanted}
        failures: list[CatalogError] = []
        breaks = 0
        while left:
            before = len(left)
            try:
                self._ask(left, failures)
            except (httpx.HTTPError, BrokenPack) as error:
                breaks = breaks + 1 if len(left) == before else 0
                if breaks >= _BREAKS:
                    raise self._broken_off(next(iter(left)), breaks, error) from error
                log.info("%s goes on with %s contents: %s", self.place.target, len(left), error)
                if breaks:
                    time.sleep(back_off_s(breaks))
        if failures:
            raise failures[0]

    def _ask(self, left: dict[str, Placed], failures: list[CatalogError]) -> None:
        """Ask for what is left, and take out of it what comes, be it right or wrong."""
        body = json.dumps(list(left)).encode()
        headers = {**_ASKING, "Content-Length": str(len(body))}
        connection, target = self.place.connection, self.place.target
        with connection.answered("POST", target, headers=headers, content=body) as response:
            # As it comes: nothing waits in a buffer but the content that is being read.
            file = io.BufferedReader(PieceReader(response.iter_raw()), _BUFFER)
            for sha256, data in read_pack(file):
                expected = next(iter(left), None)
                if sha256 != expected:
                    raise BrokenPack(f"It has {sha256} where {expected or 'its end'} should be.")
                problem = self._problem(left[sha256].content, data)
                if problem is None:
                    self._write(data, left[sha256].places)
                else:
                    failures.append(problem)
                del left[sha256]
        if left:
            sha256 = next(iter(left))
            raise BrokenPack(f"It ends before the content {sha256}.", sha256=sha256)

    def _problem(self, content: Content, data: bytes) -> Corrupted | None:
        sha256 = content.sha256
        if len(data) != content.length:
            found = f"{len(data)} bytes, not {content.length}"
        elif self.verify and (digest := hashlib.sha256(data).hexdigest()) != sha256:
            found = f"the SHA-256 {digest}"
        else:
            return None
        return Corrupted(
            f"The content {sha256} of a pack from {self.place.target} has {found}.",
            hint="It was damaged on the way or on the server. Get it again.",
            sha256=sha256,
        )

    def _write(self, data: bytes, places: Sequence[Path]) -> None:
        for path in places:
            write_whole(data, path)
            if self.progress is not None:
                self.progress(len(data))

    def _broken_off(self, sha256: str, breaks: int, error: Exception) -> Unavailable:
        return Unavailable(
            f"The pack from {self.place.target} broke off {breaks} times before the content "
            f"{sha256} had come: {error}.",
            hint="Get it again; the contents before it are in their places.",
            sha256=sha256,
        )
