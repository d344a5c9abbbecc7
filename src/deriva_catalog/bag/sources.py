"""Where the missing files of a bag come from: ways to fetch, to be put one after the other.

Each is a `Fetcher` for `materialize`. One that has no way to a URL raises `NotFound`, so that
`first_of` goes on to the next.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import CatalogError, Forbidden, NotAuthenticated, NotFound, Unavailable
from ..objects import Content
from ..objects.cache import ContentCache, Wanted
from ..objects.contract import Contents, Objects
from ..objects.names import PREFIX
from .tags import FetchEntry

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Fetcher",
    "cached_fetcher",
    "content_fetcher",
    "first_of",
    "object_fetcher",
    "url_fetcher",
]

Fetcher = Callable[[FetchEntry, Path], Content | None]
"""Writes the bytes that are at the ``url`` of an entry to a path that does not exist yet.

If it knows for certain what it wrote, it returns the digests; otherwise the file is hashed.
"""

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

    return fetch


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

    return fetch


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

    return fetch


def object_fetcher(objects: Objects, addresses: Collection[str], *, link: bool = True) -> Fetcher:
    """Return a fetcher that takes files from a catalog's objects, by their names.

    Args:
        objects: The objects.
        addresses: What stands before ``/hatrac/`` in URLs that name these objects:
            ``https://host``, ``deriva://localhost/7``.
        link: Whether a hard link will do; it is read-only.
    """
    starts = tuple(f"{address.rstrip('/')}{PREFIX}/" for address in addresses)

    def fetch(entry: FetchEntry, destination: Path) -> None:
        start = next((s for s in starts if entry.url.startswith(s)), None)
        if start is None:
            raise NotFound(f"{entry.url!r} is no object of this catalog.", path=entry.path)
        objects.get(f"{PREFIX}/{entry.url.removeprefix(start)}", destination, link=link)

    return fetch


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
