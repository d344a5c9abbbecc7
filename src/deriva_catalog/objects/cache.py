"""A cache of downloaded bytes on this machine: each content once, under its SHA-256.

::

    <root>/sha256/<two digits>/<digest>    the bytes, read-only
    <root>/index.sqlite                    MD5 of each, how its file looked, when it was used
    <root>/incoming/                       what is being fetched

What is asked for is put into its place by sharing blocks, by a hard link or by a copy (see
`put_into_place`), so that a file that ten bags hold takes its room once. Threads and processes
may use one cache at the same time: whoever asks for what another is fetching waits for it (of
what is fetched together, whoever asks for the same together). Bytes
get their name here when they are whole and verified, so that a process that is killed leaves
nothing but a file in ``incoming/``, from which the next one may go on.

A kept file is not read again before it is used, as long as it looks as it did: its length, the
time of its last change and its number on the device. If it was touched, it is hashed, and fetched
again when it is damaged.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import BadRequest, CatalogError, Corrupted, Unavailable
from .cache_files import READ_ONLY, held, put_into_place
from .cache_index import CacheIndex, Entry, look_of
from .content import content_key
from .hashing import Content, LazyHasher, is_digest

__all__ = ["CachedContent", "ContentCache", "Fetch", "Trimmed", "Wanted"]

Fetch = Callable[[Path], Content | None]
"""Writes the bytes to a path of the cache, whole.

The path does not exist, and is the same whenever the same content is fetched: what a broken
attempt left beside it, under a hidden name, may be gone on with. If the digests of what was
written are known for certain they are returned; otherwise the file is hashed.
"""
FetchMany = Callable[[Mapping["Wanted", Path]], Mapping[Path, Content | None]]
"""Writes what it can of some bytes to paths of the cache, each whole; returns those, as above."""
_PIECE = 1 << 20
_TOUCH_AFTER_S = 60.0
"""How exact the time of the last use is: writing it down at each use would cost more than it."""
_STALE_S = 14 * 86_400.0
"""How old what a broken attempt left may become."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of bytes that are asked for; at least one digest, in lower-case hexadecimal.

    All that is known is compared.

    Raises:
        BadRequest: There is none, or what is given is no digest.
    """

    sha256: str | None = None
    md5: str | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        if not self.sha256 and not self.md5:
            raise BadRequest("Bytes are asked for by their SHA-256 or their MD5; neither is given.")
        # They become names of files, and may come from a bag that a stranger made.
        for name, digest, algorithm in (
            ("SHA-256", self.sha256, "sha256"),
            ("MD5", self.md5, "md5"),
        ):
            if digest and not is_digest(digest, algorithm):
                raise BadRequest(f"{digest!r} is no {name} in lower-case hexadecimal.")

    @property
    def key(self) -> str:
        """A name for a file that belongs to the content."""
        return self.sha256 or f"md5-{self.md5}-{'any' if self.length is None else self.length}"

    def difference(self, found: Content) -> str | None:
        """How a content differs from what is asked for, as words; None if it does not."""
        for name, wanted, got in (
            ("length", self.length, found.length),
            ("SHA-256", self.sha256, found.sha256),
            ("MD5", self.md5, found.md5),
        ):
            if wanted not in (None, "", got):
                return f"the {name} {got}, not {wanted}"
        return None


@dataclass(frozen=True, slots=True)
class CachedContent:
    """One content of a cache: what it is, its file, when it was last used."""

    content: Content
    path: Path
    used: datetime


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many contents left a cache, and the bytes that this freed on the device.

    A file that is also linked elsewhere frees nothing.
    """

    removed: int
    bytes_freed: int


class ContentCache:
    """Bytes kept on this machine by their digests.

    Args:
        root: The directory; made when something is kept.
        limit_bytes: How much is kept: beyond that the least recently used contents leave. None
            keeps everything.
    """

    def __init__(self, root: Path, *, limit_bytes: int | None = None) -> None:
        self.root = root
        self.limit_bytes = limit_bytes
        self._incoming = root / "incoming"
        self._index = CacheIndex(root / "index.sqlite")

    # --- using it --------------------------------------------------------------------

    def get(self, wanted: Wanted, destination: Path, fetch: Fetch, *, link: bool = True) -> Content:
        """Put bytes at `destination`, whole or not at all; fetch them first if they are not here.

        Args:
            wanted: What is known of them.
            destination: The file; missing parent directories are made, a file there is replaced.
            fetch: Gets the bytes; called at most once.
            link: Whether a hard link will do. The file is then read-only.

        Raises:
            Corrupted: What was fetched is not what was asked for; nothing of it is kept.
            Unavailable: A file cannot be written.
            CatalogError: As `fetch` raises.
        """
        found = self.place(wanted, destination, link=link)
        if found is not None:
            return found
        with self._alone(wanted, destination):
            # Whoever held the lock before us may have fetched it.
            found = self.place(wanted, destination, link=link)
            if found is not None:
                return found
            incoming = self._incoming / wanted.key
            try:
                content = self._fetched(wanted, incoming, fetch)
                with self._written(destination):
                    # First to where it is needed: whatever leaves the cache then, it is there.
                    put_into_place(incoming, destination, link=link)
                    self._keep(incoming, content)
            finally:
                incoming.unlink(missing_ok=True)
        if self.limit_bytes is not None:
            self.trim(self.limit_bytes)
        return content

    def get_many(
        self, wanted: Iterable[tuple[Wanted, Path]], fetch: FetchMany, *, link: bool = True
    ) -> dict[Path, Content]:
        """Put many small bytes at their places (see `get`); what is not here is fetched together.

        What does not come, or is not what was asked for, is left out: `get` tells what is wrong.

        Returns what is in its place now.

        Raises:
            Unavailable: A file cannot be written.
            CatalogError: As `fetch` raises.
        """
        found: dict[Path, Content] = {}
        missing = self._place_all(wanted, found, link)
        if not missing:
            return found
        name = hashlib.sha256("\n".join(one.key for one in missing).encode()).hexdigest()
        with ExitStack() as stack:
            with self._written(self._incoming):
                self._incoming.mkdir(parents=True, exist_ok=True)
                # Others that want the same, as processes that were started together, wait.
                stack.enter_context(held(self._incoming / f"many-{name}.lock"))
            left = [(one, place) for one, places in missing.items() for place in places]
            missing = self._place_all(left, found, link)
            if missing:
                found |= self._brought(missing, fetch, link)
        if self.limit_bytes is not None:
            self.trim(self.limit_bytes)
        return found

    def _place_all(
        self, wanted: Iterable[tuple[Wanted, Path]], found: dict[Path, Content], link: bool
    ) -> dict[Wanted, list[Path]]:
        """Put what is here at its places, and note it; returns the rest."""
        missing: dict[Wanted, list[Path]] = {}
        for one, place in wanted:
            content = self.place(one, place, link=link)
            if content is None:
                missing.setdefault(one, []).append(place)
            else:
                found[place] = content
        return missing

    def _brought(
        self, missing: Mapping[Wanted, list[Path]], fetch: FetchMany, link: bool
    ) -> dict[Path, Content]:
        found: dict[Path, Content] = {}
        # Names of their own: others may be fetching some of the same by themselves.
        places = {one: self._incoming / f"{one.key}.{uuid.uuid4().hex}" for one in missing}
        try:
            came = fetch(places)
            for one, incoming in places.items():
                if incoming not in came:
                    continue
                content = came[incoming] or _hashed(incoming)
                if one.difference(content) is not None:
                    continue
                with self._written(missing[one][0]):
                    for place in missing[one]:
                        put_into_place(incoming, place, link=link)
                        found[place] = content
                    self._keep(incoming, content)
        finally:
            for incoming in places.values():
                incoming.unlink(missing_ok=True)
        return found

    def place(self, wanted: Wanted, destination: Path, *, link: bool = True) -> Content | None:
        """Put bytes that are here at `destination` (see `get`); None if they are not here.

        Raises:
            Unavailable: `destination` cannot be written.
        """
        with self._written(destination):
            found = self.find(wanted)
            if found is None:
                return None
            try:
                put_into_place(found.path, destination, link=link)
            except FileNotFoundError:
                if found.path.exists():
                    raise
                return None  # it left the cache this moment
            return found.content

    def find(self, wanted: Wanted) -> CachedContent | None:
        """What is kept of the bytes asked for; None if they are not here.

        A file that was touched since it was kept is hashed; a damaged one is removed.
        """
        if not self.root.is_dir():
            return None
        entry = (
            self._index.by_sha256(wanted.sha256)
            if wanted.sha256
            else self._index.by_md5(wanted.md5 or "", wanted.length)
        )
        sha256 = entry.content.sha256 if entry is not None else wanted.sha256
        if sha256 is None:
            return None
        found = self._looked_at(sha256, entry)
        if found is None or wanted.difference(found.content):
            return None
        if time.time() - found.used > _TOUCH_AFTER_S:
            with suppress(Unavailable):  # a cache that can only be read
                self._index.touch(sha256)
        return self._shown(found)

    # --- looking after it ------------------------------------------------------------

    def contents(self) -> list[CachedContent]:
        """All that is kept, the least recently used first."""
        return [self._shown(e) for e in self._index.all()] if self.root.is_dir() else []

    def total_bytes(self) -> int:
        """The bytes of all that is kept."""
        return self._index.total() if self.root.is_dir() else 0

    def trim(self, limit_bytes: int, *, older_than_s: float = 0.0) -> Trimmed:
        """Remove the least recently used contents until the others are within a limit.

        What was put into a place stays there: a copy or a link does not depend on the cache.

        Args:
            limit_bytes: How much may stay.
            older_than_s: Only what was not used for so many seconds.
        """
        if not self.root.is_dir():
            return Trimmed(0, 0)
        self._sweep()
        total, before = self._index.total(), time.time() - older_than_s
        removed = freed = 0
        for entry in self._index.all() if total > limit_bytes else []:
            if total <= limit_bytes or entry.used > before:
                break
            freed += self._remove(entry)
            removed += 1
            total -= entry.content.length
        return Trimmed(removed, freed)

    def remove(self, sha256: str) -> Trimmed:
        """Remove one content; nothing happens if it is not here."""
        entry = self._index.by_sha256(sha256) if self.root.is_dir() else None
        return Trimmed(0, 0) if entry is None else Trimmed(1, self._remove(entry))

    def close(self) -> None:
        """Close the index; using the cache opens it again."""
        self._index.close()

    # --- inside ----------------------------------------------------------------------

    def _path(self, sha256: str) -> Path:
        return self.root / content_key(sha256)

    def _shown(self, entry: Entry) -> CachedContent:
        used = datetime.fromtimestamp(entry.used, UTC)
        return CachedContent(entry.content, self._path(entry.content.sha256), used)

    def _looked_at(self, sha256: str, entry: Entry | None) -> Entry | None:
        """The entry of a file that is what it should be; a damaged one is removed."""
        path = self._path(sha256)
        try:
            look = look_of(path.stat())
            if entry is not None and entry.look == look:
                return entry
            content = _hashed(path)
        except FileNotFoundError:
            if entry is not None:
                self._index.drop(sha256)
            return None
        if content.sha256 != sha256:
            path.unlink(missing_ok=True)
            self._index.drop(sha256)
            return None
        self._index.put(content, look)
        return Entry(content, look, time.time())

    @contextmanager
    def _alone(self, wanted: Wanted, destination: Path) -> Iterator[None]:
        """Keep others from fetching the same bytes."""
        with ExitStack() as stack:
            with self._written(destination):
                self._incoming.mkdir(parents=True, exist_ok=True)
                stack.enter_context(held(self._incoming / f"{wanted.key}.lock"))
                (self._incoming / wanted.key).unlink(missing_ok=True)
            yield

    def _fetched(self, wanted: Wanted, incoming: Path, fetch: Fetch) -> Content:
        content = fetch(incoming) or _hashed(incoming)
        difference = wanted.difference(content)
        if difference is not None:
            raise Corrupted(
                f"The bytes that were fetched have {difference}.",
                hint="They were damaged on the way, or changed at their source. Get them again.",
            )
        return content

    def _keep(self, incoming: Path, content: Content) -> None:
        if self.limit_bytes is not None and content.length > self.limit_bytes:
            return
        path = self._path(content.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming.chmod(READ_ONLY)
        # The entry first: one without a file is dropped at once, a file without one is hashed.
        self._index.put(content, look_of(incoming.stat()))
        incoming.replace(path)
        # Somebody who looked in between found an entry without a file, and dropped it.
        if self._index.by_sha256(content.sha256) is None:
            self._index.put(content, look_of(path.stat()))

    def _remove(self, entry: Entry) -> int:
        path = self._path(entry.content.sha256)
        freed = 0
        with suppress(FileNotFoundError):
            freed = entry.content.length if path.stat().st_nlink == 1 else 0
            path.unlink()
        self._index.drop(entry.content.sha256)
        return freed

    def _sweep(self) -> None:
        """Remove what broken attempts left long ago."""
        before = time.time() - _STALE_S
        with suppress(FileNotFoundError):
            for left in self._incoming.iterdir():
                with suppress(FileNotFoundError):
                    if left.stat().st_mtime < before:
                        left.unlink()

    @contextmanager
    def _written(self, destination: Path) -> Iterator[None]:
        try:
            yield
        except CatalogError:
            raise
        except OSError as error:
            raise Unavailable(
                f"{str(destination)!r} cannot be filled from the cache {str(self.root)!r}: "
                f"{error.strerror or error}.",
                hint="Check free space and permissions, then try again.",
            ) from error


def _hashed(path: Path) -> Content:
    with path.open("rb") as file, LazyHasher() as hasher:
        for _ in hasher.passing(iter(lambda: file.read(_PIECE), b"")):
            pass
        return hasher.content
