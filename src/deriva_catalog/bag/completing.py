"""Completing a bag: getting the files that ``fetch.txt`` lists."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import (
    CatalogError,
    Corrupted,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from ..objects import Content
from ..objects.content import Progress
from .names import inside
from .seen import Look, Seen, look_of, looked_over
from .sources import Fetcher as Fetcher
from .sources import ManyFetcher, log
from .staging import staging
from .tags import FetchEntry, read_bag
from .validation import damage

CONCURRENCY = 8
_NEXT_SOURCE = (NotFound, Unavailable, Corrupted, Forbidden, NotAuthenticated)
"""What makes us try the next source of a file; anything else is wrong with this machine or us."""


@dataclass(frozen=True, slots=True)
class Materialized:
    """How many files were fetched, how many were there already, and the bytes fetched.

    `damaged` of the fetched ones were there but were not what their manifest lists.
    """

    fetched: int
    present: int
    length: int
    damaged: int = 0


def materialize(
    directory: Path | str,
    fetcher: Fetcher,
    *,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
    seen: Path | None = None,
    paths: Collection[str] | None = None,
) -> Materialized:
    """Get the missing files of a bag, each whole or not at all.

    Files that are there with the length listed are left alone, so that an interrupted call is
    continued by the next one and a complete bag costs no more than looking. With a record of how
    files looked when they were last known to be right, those that look different are hashed, and
    fetched again if they are damaged. The sources of a file are tried in their order.

    Args:
        directory: The bag.
        fetcher: Gets one file; called by `concurrency` threads at once, once for each source.
            If it is a `ManyFetcher`, small files are asked for together first.
        concurrency: How many files are fetched at once.
        progress: Told the bytes of each file when it is in its place.
        seen: The file of the record, outside of the bag; it is made if it is not there.
        paths: The files that are wanted, as the bag lists them; None means all.

    Raises:
        NotFound: There is no bag, or a file cannot be found.
        Corrupted: The bag is malformed, or what was fetched is not what its manifest lists.
        Unavailable: A file cannot be written.
    """
    directory = Path(directory)
    bag = read_bag(directory)
    checked: set[str] = set()
    wanted = [
        (entry, inside(directory, entry.path, checked))
        for entry in bag.fetch
        if paths is None or entry.path in paths
    ]
    record = _Record(directory, seen)
    # Beside the bag, so that the renaming stays on one device and the bag stays clean.
    with (
        record.kept(),
        staging(directory.absolute(), f"completing the bag {str(directory)!r}") as temporaries,
        ThreadPoolExecutor(concurrency, thread_name_prefix="fetch") as pool,
    ):
        states = list(pool.map(lambda one: record.state(*one), wanted))
        missing = [one for one, state in zip(wanted, states, strict=True) if state != "right"]

        def done(number: int, length: int) -> int:
            record.note(missing[number][0].path, missing[number][1])
            if progress is not None:
                progress(length)
            return length

        def get(number: int) -> int:
            entry, place = missing[number]
            return done(number, _get(entry, place, temporaries / str(number), fetcher))

        def get_together(numbers: list[int]) -> dict[int, int]:
            files = {n: (*missing[n], temporaries / str(n)) for n in numbers}
            came = _get_together(files, fetcher)
            return {n: done(n, length) for n, length in came}

        lengths: dict[int, int] = {}
        entries = [entry for entry, _ in missing]
        for some in pool.map(get_together, _groups(entries, fetcher, concurrency)):
            lengths |= some
        rest = [n for n in range(len(missing)) if n not in lengths]
        lengths |= zip(rest, pool.map(get, rest), strict=True)
    return Materialized(
        len(missing), len(wanted) - len(missing), sum(lengths.values()), states.count("damaged")
    )


def _groups(entries: list[FetchEntry], fetcher: Fetcher, workers: int) -> list[list[int]]:
    return fetcher.groups(entries, workers) if isinstance(fetcher, ManyFetcher) else []


def _get_together(
    files: Mapping[int, tuple[FetchEntry, Path, Path]], fetcher: Fetcher
) -> Iterator[tuple[int, int]]:
    """Get what comes of many files by one request, each as the bag lists it, with its length.

    A file is left out, to be got by itself, if it does not come, or not as it should be.
    """
    assert isinstance(fetcher, ManyFetcher)
    try:
        came = fetcher.many([(entry, temporary) for entry, _, temporary in files.values()])
    except Unavailable:
        if any(not entry.others for entry, _, _ in files.values()):
            raise
        return
    for number, (entry, place, temporary) in files.items():
        if temporary not in came:
            continue
        try:
            yield number, _settle(entry, place, temporary, came[temporary])
        except Corrupted as error:
            log.info("%r is fetched by itself: %s", entry.path, error)
            temporary.unlink(missing_ok=True)


@dataclass(slots=True)
class _Record:
    """What is known of the files of a bag, and what was learned of them meanwhile."""

    directory: Path
    file: Path | None
    before: Seen | None = field(init=False)
    learned: dict[str, Look] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.before = None if self.file is None else Seen.load(self.file)

    def state(self, entry: FetchEntry, place: Path) -> str:
        """Whether a file is ``right``, ``missing`` or ``damaged``."""
        try:
            found = place.lstat()
        except FileNotFoundError:
            return "missing"
        if not stat.S_ISREG(found.st_mode) or entry.length not in (None, found.st_size):
            return "missing" if self.file is None else "damaged"
        if self.file is None or (
            self.before and self.before.looks.get(entry.path) == look_of(found)
        ):
            return "right"
        if damage(place, entry.digests) is not None:
            return "damaged"
        self.note(entry.path, place)
        return "right"

    def note(self, path: str, place: Path) -> None:
        """Remember a file that was just verified."""
        if self.file is not None:
            look = look_of(os.lstat(place))
            with self._lock:
                self.learned[path] = look

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write the record in the end, also when something failed on the way."""
        try:
            yield
        finally:
            if self.file is not None and self.learned:
                looked_over(self.directory, self.file, self.learned)


def _get(entry: FetchEntry, place: Path, temporary: Path, fetcher: Fetcher) -> int:
    """Get a file from the first of its sources that has it as it should be."""
    failures: list[CatalogError] = []
    for url in entry.sources:
        try:
            return _get_from(replace(entry, url=url, others=()), place, temporary, fetcher)
        except _NEXT_SOURCE as error:
            failures.append(error)
            temporary.unlink(missing_ok=True)
    if len(failures) == 1:
        raise failures[0]
    told = "; ".join(error.message for error in failures[:10])
    raise type(failures[-1])(
        f"None of the {len(failures)} sources of {entry.path!r} has it: {told}",
        hint=failures[-1].hint,
        path=entry.path,
    ) from failures[-1]


def _get_from(entry: FetchEntry, place: Path, temporary: Path, fetcher: Fetcher) -> int:
    return _settle(entry, place, temporary, fetcher(entry, temporary))


def _settle(entry: FetchEntry, place: Path, temporary: Path, content: Content | None) -> int:
    """Put a file that was got into its place, if it is what the bag lists; returns its length."""
    length = temporary.stat().st_size
    if entry.length not in (None, length):
        raise Corrupted(
            f"{entry.url!r} has {length} bytes, but the bag lists {entry.length} for "
            f"{entry.path!r}.",
            hint="It changed since the bag was made; make the bag again.",
            path=entry.path,
        )
    problem = _problem(entry, content, temporary)
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


def _problem(entry: FetchEntry, content: Content | None, file: Path) -> str | None:
    """How a file differs from what is listed; it is hashed unless it is known what it is."""
    known = {} if content is None else {"md5": content.md5, "sha256": content.sha256}
    compared = [name for name in entry.digests if known.get(name)]
    if not compared:
        return damage(file, entry.digests)
    for name in compared:
        if known[name] != entry.digests[name]:
            return f"has the {name} {known[name]}, not {entry.digests[name]}"
    return None
