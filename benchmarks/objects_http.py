"""Objects over HTTP on the loopback: one large file and many small ones, each beside a limit.

The limits do less: `curl` takes a file from a server that knows nothing but files; sending is
set beside reading, hashing and writing the file on this machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from measure import Comparison, Timed, absolute, compare, seconds

from deriva_catalog.bag import (
    BagWriter,
    FetchEntry,
    cached_fetcher,
    content_fetcher,
    materialize,
)
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import open_remote, parse_host
from deriva_catalog.catalog.remote.catalog import RemoteCatalog
from deriva_catalog.objects import Content, Upload
from deriva_catalog.objects.cache import ContentCache

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from service_process import ServiceProcess

LARGE = 200_000_000
SMALL = 1_000
MANY = 10_000
A_SECOND = 1_000
"""How many small objects we want to send in a second."""
A_SECOND_HERE = 5_000
"""How many in one process."""


def main(directory: Path) -> list[Comparison]:
    """Measure with a service in a process of its own; needs `curl`."""
    if shutil.which("curl") is None:
        print("curl is not installed; objects over HTTP are not measured")
        return []
    home = directory / "home"
    registry = Registry(home)
    registry.create(catalog_id="bench").close()
    large = directory / "large"
    large.write_bytes(os.urandom(LARGE))
    with ServiceProcess(home) as service, catalog_of(service, registry) as catalog:
        return [
            *_large(directory, catalog, large),
            *_small(directory, catalog, registry),
        ]


@contextmanager
def catalog_of(service: ServiceProcess, registry: Registry) -> Iterator[RemoteCatalog]:
    """The catalog over HTTP, as its owner uses it."""
    local = registry.open("bench")
    owner = local.client
    local.close()
    credential = {"bearer-token": service.token(str(owner))}
    catalog = open_remote(parse_host(service.url), "bench", credential=credential)
    yield catalog
    catalog.close()


# --- one large file ----------------------------------------------------------------------


def _large(directory: Path, catalog: RemoteCatalog, large: Path) -> list[Comparison]:
    shown = f"{LARGE // 1_000_000} MB"
    put = catalog.objects.put("/hatrac/large", large)
    with files_served(directory) as port:
        address = f"http://127.0.0.1:{port}/large"
        bare = compare(
            f"get {shown}",
            _got(catalog, put.url, directory / "got", verify=False),
            _curled(address, directory / "curled", hashing=False),
            limit_name="curl from a bare file server",
            goal=1.5,
            rounds=5,
        )
        down = compare(
            f"get {shown}, verified",
            _got(catalog, put.url, directory / "got", verify=True),
            _curled(address, directory / "curled", hashing=True),
            limit_name="curl from a bare file server, then SHA-256",
            goal=1.5,
            rounds=5,
        )
    up = compare(
        f"put {shown}",
        _put(catalog, directory / "fresh"),
        _copied(directory / "source", directory / "copy"),
        limit_name="MD5, SHA-256, copy and flush here",
        goal=1.5,
        rounds=5,
    )
    return [bare, down, up]


def _got(catalog: RemoteCatalog, url: str, target: Path, *, verify: bool) -> Timed:
    return lambda: seconds(lambda: catalog.objects.get(url, target, verify=verify))


def _curled(url: str, target: Path, *, hashing: bool) -> Timed:
    def fetch() -> None:
        subprocess.run(["curl", "-s", "-o", str(target), url], check=True)
        if hashing:
            with target.open("rb") as file:
                hashlib.file_digest(file, "sha256")

    return lambda: seconds(fetch)


def _hash(path: Path) -> None:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            md5.update(piece)
            sha256.update(piece)


def _fresh(path: Path) -> None:
    """Bytes that nobody has stored yet."""
    path.write_bytes(os.urandom(LARGE))


def _put(catalog: RemoteCatalog, path: Path) -> Timed:
    numbers = count()

    def run() -> float:
        _fresh(path)
        return seconds(lambda: catalog.objects.put(f"/hatrac/up/{next(numbers)}", path))

    return run


def _copied(source: Path, target: Path) -> Timed:
    def copy() -> None:
        _hash(source)
        shutil.copyfile(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())

    def run() -> float:
        _fresh(source)
        target.unlink(missing_ok=True)
        return seconds(copy)

    return run


@contextmanager
def files_served(directory: Path) -> Iterator[int]:
    """A server that sends files of a directory by the kernel, and does nothing else."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                path = directory / connection.recv(65536).split()[1].decode().lstrip("/")
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {path.stat().st_size}\r\n\r\n"
                connection.sendall(head.encode())
                with path.open("rb") as file:
                    connection.sendfile(file)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


# --- many small files --------------------------------------------------------------------


def _small(directory: Path, catalog: RemoteCatalog, registry: Registry) -> list[Comparison]:
    local = registry.open("bench")
    shown = f"{MANY:,} objects of 1 kB"
    fresh = count()

    def files() -> list[Upload]:
        number = next(fresh)
        folder = directory / f"small-{number}"
        folder.mkdir()
        uploads = []
        for n in range(MANY):
            path = folder / str(n)
            path.write_bytes(os.urandom(SMALL))
            uploads.append(Upload(f"/hatrac/small/{number}/{n}", path))
        return uploads

    def put(store: Callable[[list[Upload]], object]) -> Timed:
        def run() -> float:
            uploads = files()
            return seconds(lambda: store(uploads))

        return run

    try:
        up = absolute(
            f"put {shown}", put(catalog.objects.put_many), goal_s=MANY / A_SECOND, rounds=3
        )
        here = absolute(
            f"put {shown} in this process",
            put(local.objects.put_many),
            goal_s=MANY / A_SECOND_HERE,
            rounds=3,
        )
        uploads = files()[:1000]
        made = local.objects.put_many(uploads)
        contents = [v.content for v in made]
        together = compare(
            "get 1,000 objects of 1 kB, together",
            _got_together(catalog, contents, directory / "here"),
            _got_together(local, contents, directory / "there"),
            limit_name="the same in this process",
            rounds=5,
        )
        bag = compare(
            "complete a bag of these, kept in a cache as well",
            _completed(catalog, contents, directory / "bags", together=True),
            _completed(catalog, contents, directory / "bags", together=False),
            limit_name="one by one, 8 at a time",
            rounds=3,
        )
        down = compare(
            "get 1,000 objects of 1 kB, one by one",
            lambda: seconds(
                lambda: [catalog.objects.content.get(v.content, directory / "one") for v in made]
            ),
            lambda: seconds(
                lambda: [local.objects.content.get(v.content, directory / "one") for v in made]
            ),
            limit_name="the same in this process",
            rounds=3,
        )
    finally:
        local.close()
    return [up, here, down, together, bag]


def _got_together(
    catalog: RemoteCatalog | LocalCatalog, contents: list[Content], folder: Path
) -> Timed:
    def run() -> float:
        shutil.rmtree(folder, ignore_errors=True)
        wanted = [(content, folder / content.sha256) for content in contents]
        return seconds(lambda: catalog.objects.content.get_many(wanted))

    return run


def _completed(
    catalog: RemoteCatalog, contents: list[Content], folder: Path, *, together: bool
) -> Timed:
    numbers = count()
    fetch_small = content_fetcher(catalog.objects.content)

    def one_by_one(entry: FetchEntry, destination: Path) -> Content | None:
        return fetch_small(entry, destination)

    def run() -> float:
        place = folder / f"{together}-{next(numbers)}"
        with BagWriter(place / "bag") as writer:
            for n, c in enumerate(contents):
                url = f"https://elsewhere.example/{n}"
                writer.add_fetch(f"data/{n}", url, length=c.length, md5=c.md5, sha256=c.sha256)
        cache = ContentCache(place / "cache")
        fetcher = cached_fetcher(cache, fetch_small if together else one_by_one)
        taken = seconds(lambda: materialize(place / "bag", fetcher))
        cache.close()
        return taken

    return run
