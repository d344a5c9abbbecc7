"""Where the missing files of a bag come from: ways to fetch, to be put one after the other.

Each is a `Fetcher` for `materialize`. One that has no way to a URL raises `NotFound`, so that
`first_of` goes on to the next. Those that can bring many small files by one request are
`ManyFetcher`, and so are those that are made of them.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import CatalogError, Corrupted, Forbidden, NotAuthenticated, NotFound, Unavailable
from ..objects import Content
from ..objects.cache import ContentCache, Wanted
from ..objects.contract import Contents, Objects
from ..objects.names import PREFIX
from ..objects.packs import cut, most_at_once
from .tags import FetchEntry

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Fetcher",
    "ManyFetcher",
    "cached_fetcher",
    "content_fetcher",
    "fetch_together",
    "first_of",
    "object_fetcher",
    "url_fetcher",
]

log = logging.getLogger("deriva_catalog.bag")

Fetcher = Callable[[FetchEntry, Path], Content | None]
"""Writes the bytes that are at the ``url`` of an entry to a path that does not exist yet.

If it knows for certain what it wrote, it returns the digests; otherwise the file is hashed.
"""

FetchMany = Callable[[Sequence[tuple[FetchEntry, Path]]], dict[Path, Content | None]]
"""Brings what it can of some files, each whole and verified, to paths that do not exist yet.

The answer has the paths that are there now, with digests as a `Fetcher` returns them; what is
wrong with another file shows when it is fetched by itself. It raises `Unavailable` when nothing
can be had.
"""


@dataclass(frozen=True, slots=True)
class ManyFetcher:
    """A `Fetcher` that can also bring many small files by one request.

    Attributes:
        one: Fetches one file.
        many: Brings many.
        up_to: The length of the largest files that `many` is for, in bytes.
    """

    one: Fetcher
    many: FetchMany = field(repr=False)
    up_to: int

    def __call__(self, entry: FetchEntry, destination: Path) -> Content | None:
        """Fetch one file."""
        return self.one(entry, destination)

    def groups(self, entries: Sequence[FetchEntry], workers: int) -> list[list[int]]:
        """Which of some files are to be brought together: their numbers, in groups.

        The files of a group have a few MiB, equal ones are in the same group, and there are
        groups for all workers. What is in none is to be fetched by itself.
        """
        same: dict[str, list[int]] = {}
        for number, entry in enumerate(entries):
            if entry.length is not None and entry.length <= self.up_to:
                same.setdefault(entry.digests.get("sha256", entry.url), []).append(number)
        equal = {numbers[0]: numbers for numbers in same.values()}
        lengths = [entry.length for entry in entries]
        parts = cut(list(equal), lengths, most=most_at_once(len(equal), workers))
        groups = [[n for first in part for n in equal[first]] for part in parts]
        return [group for group in groups if len(group) > 1]


CONNECT_S = 10.0
READ_S = 610.0
_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.2


def first_of(*fetchers: Fetcher) -> Fetcher:
    """Return a fetcher that asks the given ones in order until one finds the file."""

    def fetch(entry: FetchEntry, destination: Path) -> Content | None:
        for fetcher in fetchers[:-1]:
            try:
                return fetcher(entry, destination)
            except NotFound:
                continue
        return fetchers[-1](entry, destination)

    asked: list[ManyFetcher] = []
    for fetcher in fetchers:
        if not isinstance(fetcher, ManyFetcher):
            break  # those behind it come later
        asked.append(fetcher)
    if not asked:
        return fetch

    def fetch_many(wanted: Sequence[tuple[FetchEntry, Path]]) -> dict[Path, Content | None]:
        found: dict[Path, Content | None] = {}
        for fetcher in asked:
            left = [one for one in wanted if one[1] not in found]
            if left:
                found |= fetcher.many(left)
        return found

    return ManyFetcher(fetch, fetch_many, max(f.up_to for f in asked))


def fetch_together(
    fetcher: Fetcher, wanted: Sequence[tuple[FetchEntry, Path]]
) -> dict[Path, Content | None]:
    """Bring those of some files that a fetcher can bring many by one request.

    The answer is that of `FetchMany`: what is left out is to be fetched by itself, which also
    tells what is wrong with it.
    """
    found: dict[Path, Content | None] = {}
    if not isinstance(fetcher, ManyFetcher):
        return found
    for group in fetcher.groups([entry for entry, _ in wanted], 1):
        try:
            found |= fetcher.many([wanted[n] for n in group])
        except Unavailable as error:
            log.info("%s files are asked for one by one: %s", len(group), error)
            break
    return found


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
        length = store.length(sha256) if entry.length is None else entry.length
        if length is None:
            raise NotFound(
                f"The bytes of {entry.path!r} are not in the store.",
                hint=f"Get them from {entry.url!r}.",
                path=entry.path,
            )
        content = Content(length, entry.digests.get("md5", ""), sha256)
        if not (link and store.link(sha256, destination)):
            store.get(content, destination)
        return content

    def fetch_many(wanted: Sequence[tuple[FetchEntry, Path]]) -> dict[Path, Content | None]:
        known = {
            path: Content(entry.length, entry.digests.get("md5", ""), entry.digests["sha256"])
            for entry, path in wanted
            if entry.length is not None and "sha256" in entry.digests
        }
        return {path: known[path] for path in _got(store, known)}

    return ManyFetcher(fetch, fetch_many, store.packed) if store.packed else fetch


def _got(store: Contents, wanted: Mapping[Path, Content]) -> list[Path]:
    """Get many contents; returns the paths that are there.

    Raises:
        Unavailable: The store cannot be reached, or the paths not be written.
    """
    try:
        store.get_many([(content, path) for path, content in wanted.items()], workers=1)
    except (NotFound, Corrupted, Forbidden, NotAuthenticated) as error:
        log.info("Some of %s files are asked for one by one: %s", len(wanted), error)
    except Unavailable as error:
        if not any(path.exists() for path in wanted):
            raise
        log.info("Some of %s files are asked for one by one: %s", len(wanted), error)
    return [path for path in wanted if path.exists()]


def cached_fetcher(cache: ContentCache, fetcher: Fetcher, *, link: bool = True) -> Fetcher:
    """Return a fetcher that asks another only for what is not kept on this machine already.

    Args:
        cache: What is kept, by digests; what is fetched is added to it.
        fetcher: Gets the rest.
        link: Whether a hard link to the kept file will do; it is read-only.
    """

    def fetch(entry: FetchEntry, destination: Path) -> Content | None:
        sha256, md5 = entry.digests.get("sha256"), entry.digests.get("md5")
        if sha256 is None and md5 is None:
            return fetcher(entry, destination)
        wanted = Wanted(sha256, md5, entry.length)
        return cache.get(wanted, destination, lambda place: fetcher(entry, place), link=link)

    if not isinstance(fetcher, ManyFetcher):
        return fetch
    inner = fetcher

    def fetch_many(wanted: Sequence[tuple[FetchEntry, Path]]) -> dict[Path, Content | None]:
        entries: dict[Wanted, FetchEntry] = {}
        places: list[tuple[Wanted, Path]] = []
        for entry, path in wanted:
            digests = entry.digests
            if "sha256" in digests or "md5" in digests:
                asked = Wanted(digests.get("sha256"), digests.get("md5"), entry.length)
                entries.setdefault(asked, entry)
                places.append((asked, path))

        def bring(missing: Mapping[Wanted, Path]) -> Mapping[Path, Content | None]:
            return inner.many([(entries[asked], path) for asked, path in missing.items()])

        return dict(cache.get_many(places, bring, link=link))

    return ManyFetcher(fetch, fetch_many, inner.up_to)


def object_fetcher(objects: Objects, addresses: Collection[str], *, link: bool = True) -> Fetcher:
    """Return a fetcher that takes files from a catalog's objects, by their names.

    Args:
        objects: The objects.
        addresses: What stands before ``/hatrac/`` in URLs that name these objects:
            ``https://host``, ``deriva://localhost/7``.
        link: Whether a hard link will do; it is read-only.
    """
    starts = tuple(f"{address.rstrip('/')}{PREFIX}/" for address in addresses)

    def own(entry: FetchEntry) -> str | None:
        start = next((s for s in starts if entry.url.startswith(s)), None)
        return None if start is None else f"{PREFIX}/{entry.url.removeprefix(start)}"

    def fetch(entry: FetchEntry, destination: Path) -> None:
        url = own(entry)
        if url is None:
            raise NotFound(f"{entry.url!r} is no object of this catalog.", path=entry.path)
        objects.get(url, destination, link=link)

    store = _packing(objects)
    if store is None:
        return fetch
    packing = store

    def fetch_many(wanted: Sequence[tuple[FetchEntry, Path]]) -> dict[Path, Content | None]:
        urls = {path: url for entry, path in wanted if (url := own(entry)) is not None}
        try:
            known = objects.stat_many(urls.values())
        except (Forbidden, NotAuthenticated) as error:
            # Who may not read all objects asks for each by its name.
            log.info("%s files are asked for one by one: %s", len(urls), error)
            return {}
        contents = {path: known[url].content for path, url in urls.items() if url in known}
        # What the server says of the MD5 was not compared with the bytes.
        return dict.fromkeys(_got(packing, {p: c for p, c in contents.items() if c.sha256}))

    return ManyFetcher(fetch, fetch_many, packing.packed)


def _packing(objects: Objects) -> Contents | None:
    """The bytes of objects, if many are brought by one request and the client may ask so."""
    try:
        store = objects.content
    except (Forbidden, NotAuthenticated):
        return None
    return store if store.packed else None


def url_fetcher(
    *, connect_s: float = CONNECT_S, read_s: float = READ_S, local_files: bool = False
) -> Fetcher:
    """Return a fetcher for ``http:`` and ``https:`` URLs, which threads may share.

    Args:
        connect_s: Seconds to wait for a connection.
        read_s: Seconds to wait for the next bytes.
        local_files: Whether ``file:`` URLs are followed. A bag from elsewhere could name any file
            of this machine, so leave it off for those.
    """

    @cache
    def client() -> httpx.Client:
        import httpx

        limits = httpx.Timeout(read_s, connect=connect_s)
        return httpx.Client(timeout=limits, follow_redirects=True)

    def fetch(entry: FetchEntry, destination: Path) -> None:
        scheme = urlsplit(entry.url).scheme.lower()
        if scheme in ("http", "https"):
            _download_patiently(client(), entry.url, destination)
        elif scheme == "file" and local_files:
            _copy(entry.url, destination)
        else:
            raise NotFound(
                f"There is no way to {entry.url!r} from here.",
                hint="Files of this machine are only read where that is allowed."
                if scheme == "file"
                else "Connect to the catalog that the bag comes from.",
                path=entry.path,
            )

    return fetch


def _download_patiently(client: httpx.Client, url: str, destination: Path) -> None:
    """Download; what fails for the moment is tried again, a little later."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _download(client, url, destination)
        except Unavailable:
            destination.unlink(missing_ok=True)
            if attempt == _ATTEMPTS:
                raise
            time.sleep(_FIRST_PAUSE_S * 4 ** (attempt - 1))
        else:
            return


def _download(client: httpx.Client, url: str, destination: Path) -> None:
    import httpx

    try:
        # As it is stored: what a server compresses on the way would have other digests.
        with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
            if response.status_code != 200:
                raise _refusal(url, response.status_code)
            with destination.open("xb") as out:
                for piece in response.iter_bytes(1 << 20):
                    out.write(piece)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"{url!r} cannot be fetched: {error or type(error).__name__}.",
            hint="Check the address and the network, then try again.",
        ) from error


def _refusal(url: str, status: int) -> CatalogError:
    kinds: dict[int, type[CatalogError]] = {
        401: NotAuthenticated,
        403: Forbidden,
        404: NotFound,
        410: NotFound,
    }
    return kinds.get(status, Unavailable)(
        f"{url!r} cannot be fetched: the answer is {status}.",
        hint="Check the address, and that you may read it.",
    )


def _copy(url: str, destination: Path) -> None:
    path = Path(url2pathname(urlsplit(url).path))
    if not path.is_file():
        raise NotFound(f"There is no file at {url!r}.")
    try:
        with path.open("rb") as source, destination.open("xb") as out:
            shutil.copyfileobj(source, out)
    except OSError as error:
        raise Unavailable(f"{url!r} cannot be fetched: {error}.") from error
