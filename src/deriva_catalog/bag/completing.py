"""Completing a bag: getting the files that ``fetch.txt`` lists."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..errors import Corrupted, NotFound
from ..objects import Content
from ..objects.content import Progress
from ..objects.contract import Contents
from .names import inside
from .staging import staging
from .tags import FetchEntry, read_bag
from .validation import damage

CONCURRENCY = 8

Fetcher = Callable[[FetchEntry, Path], Content | None]
"""Writes the bytes of an entry to a path that does not exist yet.

If it knows for certain what it wrote, it returns the digests; otherwise the file is hashed.
"""


@dataclass(frozen=True, slots=True)
class Materialized:
    """How many files were fetched, how many were there already, and the bytes fetched."""

    fetched: int
    present: int
    length: int


def materialize(
    directory: Path,
    fetcher: Fetcher,
    *,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
) -> Materialized:
    """Get the missing files of a bag, each whole or not at all.

    Files that are there with the length listed are left alone, so that an interrupted call is
    continued by the next one and a complete bag costs no more than looking.

    Args:
        directory: The bag.
        fetcher: Gets one file; called by `concurrency` threads at once.
        concurrency: How many files are fetched at once.
        progress: Told the bytes of each file when it is in its place.

    Raises:
        NotFound: There is no bag, or a file cannot be found.
        Corrupted: The bag is malformed, or what was fetched is not what its manifest lists.
        Unavailable: A file cannot be written.
    """
    bag = read_bag(directory)
    checked: set[str] = set()
    wanted = [(entry, inside(directory, entry.path, checked)) for entry in bag.fetch]
    missing = [(entry, place) for entry, place in wanted if not _is_there(entry, place)]
    if not missing:
        return Materialized(0, len(wanted), 0)

    def get(numbered: tuple[int, tuple[FetchEntry, Path]]) -> int:
        number, (entry, place) = numbered
        length = _get(entry, place, temporaries / str(number), fetcher)
        if progress is not None:
            progress(length)
        return length

    # Beside the bag, so that the renaming stays on one device and the bag stays clean.
    with (
        staging(directory.absolute(), f"completing the bag {str(directory)!r}") as temporaries,
        ThreadPoolExecutor(concurrency, thread_name_prefix="fetch") as pool,
    ):
        lengths = list(pool.map(get, enumerate(missing)))
    return Materialized(len(missing), len(wanted) - len(missing), sum(lengths))


def _is_there(entry: FetchEntry, place: Path) -> bool:
    try:
        found = place.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and entry.length in (None, found.st_size)


def _get(entry: FetchEntry, place: Path, temporary: Path, fetcher: Fetcher) -> int:
    content = fetcher(entry, temporary)
    length = temporary.stat().st_size
    if entry.length not in (None, length):
        raise Corrupted(
            f"{entry.url!r} has {length} bytes, but the bag lists {entry.length} for "
            f"{entry.path!r}.",
            hint="It changed since the bag was made; make the bag again.",
            path=entry.path,
        )
    problem = _known_damage(entry, content) if content else damage(temporary, entry.digests)
    if problem is not None:
        raise Corrupted(
            f"{entry.url!r} for {entry.path!r} {problem}.",
            hint="It changed since the bag was made, or was damaged on the way.",
            path=entry.path,
        )
    try:
        temporary.replace(place)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(place)
    return length


def _known_damage(entry: FetchEntry, content: Content) -> str | None:
    known = {"md5": content.md5, "sha256": content.sha256}
    for name, digest in entry.digests.items():
        if name in known and known[name] != digest:
            return f"has the {name} {known[name]}, not {digest}"
    return None


def content_fetcher(store: Contents, *, link: bool = True) -> Fetcher:
    """Return a fetcher that takes files from an object store, by their SHA-256.

    Args:
        store: Where the bytes are.
        link: Whether a hard link will do; it is read-only.
    """

    def fetch(entry: FetchEntry, destination: Path) -> Content | None:
        sha256 = entry.digests.get("sha256")
        if sha256 is None:
            raise NotFound(
                f"{entry.path!r} cannot be found by its content: the bag lists no SHA-256.",
                hint=f"Get it from {entry.url!r}.",
                path=entry.path,
            )
        content = Content(entry.length or 0, entry.digests.get("md5", ""), sha256)
        if not (link and store.link(sha256, destination)):
            store.get(content, destination)
        return content

    return fetch
