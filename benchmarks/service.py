"""What the service does with 8 clients at once, beside the bare database asked by as many.

Clients are processes of their own with one connection each, which send a request as soon as the
answer to the one before is there; service, database and clients share the machine's cores. The
bare database is asked for the same rows over its driver, one statement in a transaction each.
Both databases have a row on the disk before they say so: PostgreSQL with its usual durability,
SQLite with `synchronous=FULL`.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from measure import Comparison

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from catalog_server import Tokens
from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, Registry
from deriva_catalog.engine.layout import live_name
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.model.lookup import find_table
from deriva_catalog.path.ast import TableName
from deriva_catalog.server.messages import Request
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.service import Service
from deriva_catalog.server.tokenfile import Anonymous
from postgres import database
from serve_command import ServeProcess, serve_process

CLIENTS = 8
ROUNDS = 5
SECONDS = 1.0
ROWS = 2000
TABLE = TableName("T", "s")
_COUNT = 1000
_MILLION = 1_000_000
_READS_GOAL, _INSERTS_GOAL = _COUNT / 1500, _COUNT / 500

Work = Callable[[int], Callable[[], object]]
"""Given the number of a client, what it does over and over; called in the client's process."""


def main(directory: Path) -> Iterator[Comparison]:
    """Measure on both databases, in catalogs below `directory`."""
    yield _model_document(directory / "model")
    for made in (_on_sqlite, _on_postgresql):
        with made(directory) as bench:
            yield _compared(
                f"{_COUNT} single-row reads, {CLIENTS} clients, {bench.name}",
                bench.reading,
                bench.bare_reading,
                _READS_GOAL,
            )
            yield _compared(
                f"{_COUNT} single-row inserts, {CLIENTS} clients, {bench.name}",
                bench.inserting,
                bench.bare_inserting,
                _INSERTS_GOAL,
            )
            yield _streamed(bench)


@dataclass(frozen=True)
class _Bench:
    """A served catalog with some rows, and the same database without the service."""

    name: str
    catalog: LocalCatalog
    served: ServeProcess
    token: str
    rids: list[str]
    connect: Callable[[], Any]
    mark: str

    def _target(self, tail: str) -> str:
        return f"/ermrest/catalog/{self.catalog.id}/entity/s:T{tail}"

    def reading(self, number: int) -> Callable[[], object]:
        ask, choose = _Asking(self.served.port, self.token), random.Random(number).choice
        return lambda: ask("GET", self._target(f"/RID={choose(self.rids)}"))

    def inserting(self, number: int) -> Callable[[], object]:
        ask = _Asking(self.served.port, self.token)
        body = json.dumps([{"a": number, "b": "text"}]).encode()
        return lambda: ask("POST", self._target(""), body)

    def bare_reading(self, number: int) -> Callable[[], object]:
        connection, choose = self.connect(), random.Random(number).choice
        table = find_table(self.catalog.model, TABLE)
        names = [f'"{column.physical}"' for column in table.columns]
        text = f'SELECT {", ".join(names)} FROM "{live_name(table)}" WHERE {names[0]} = {self.mark}'

        def read() -> object:
            connection.execute("BEGIN")
            found = connection.execute(text, (choose(self.rids),)).fetchall()
            connection.execute("COMMIT")
            return found

        return read

    def bare_inserting(self, number: int) -> Callable[[], object]:
        connection = self.connect()
        marks = ", ".join([self.mark] * 3)
        text = f"INSERT INTO bare (a, b, c) VALUES ({marks})"
        begin = "BEGIN IMMEDIATE" if self.mark == "?" else "BEGIN"

        def insert() -> None:
            connection.execute(begin)
            connection.execute(text, (number, "text", time.time()))
            connection.execute("COMMIT")

        return insert


class _Asking:
    """A client that costs as little as it can, so that the service has the cores."""

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = token

    def __call__(self, method: str, target: str, body: bytes = b"") -> bytes:
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        data = self._socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        start, _, rest = data.partition(b"\r\n\r\n")
        assert start.startswith(b"HTTP/1.1 200 "), data
        length = int(start.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < length:
            rest += self._socket.recv(65536)
        return rest


# --- load ----------------------------------------------------------------------------------


def _compared(name: str, ours: Work, bare: Work, goal_s: float) -> Comparison:
    """Seconds for 1,000 requests, alternately; the p99 of ours stands in the note."""
    both: tuple[list[float], list[float]] = ([], [])
    latencies: list[float] = []
    _load(ours, 0.3)
    for _ in range(ROUNDS):
        for work, found in zip((ours, bare), both, strict=True):
            taken = _load(work, SECONDS)
            found.append(_COUNT * SECONDS / len(taken))
            if work is ours:
                latencies += taken
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * q)] * 1000 for q in (0.5, 0.99))
    rate = _COUNT / sorted(both[0])[ROUNDS // 2]
    note = f"{rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    limit = "the bare database"
    return Comparison(name, limit, tuple(both[0]), tuple(both[1]), goal_s=goal_s, note=note)


def _load(work: Work, seconds: float) -> list[float]:
    """How long each of the requests took that the clients could make in that time."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    barrier = context.Barrier(CLIENTS)

    def client(number: int) -> None:
        taken: list[float] = []
        try:
            act = work(number)
            act()
            barrier.wait()
            end = time.perf_counter() + seconds
            while (begun := time.perf_counter()) < end:
                act()
                taken.append(time.perf_counter() - begun)
        finally:
            barrier.abort()
            results.put(taken)

    clients = [context.Process(target=client, args=(n,)) for n in range(CLIENTS)]
    for process in clients:
        process.start()
    found = [latency for _ in clients for latency in results.get()]
    for process in clients:
        process.join()
    return found


# --- memory --------------------------------------------------------------------------------


def _streamed(bench: _Bench) -> Comparison:
    """Read a million rows, and tell by how much the service grew meanwhile."""
    part = 100_000
    for _ in range(_MILLION // part):
        rows = [{"a": n, "b": f"some text of row {n}"} for n in range(part)]
        bench.catalog.insert(TABLE, rows, returning=False)
    _read_all(bench)  # so that the caches of the database are as large as they will be
    before = _resident(bench.served)
    seconds, size, most = _read_all(bench)
    note = f"{size / 1e6:.0f} MB; the service grew by {(most - before) / 1e6:.0f} MB"
    name = f"stream a million rows as CSV, {bench.name}"
    return Comparison(name, "", (seconds,), (), note=note)


def _read_all(bench: _Bench) -> tuple[float, int, int]:
    """Read everything as CSV: seconds, bytes, and how large the service was at most."""
    ask = socket.create_connection(("127.0.0.1", bench.served.port))
    target = f"/ermrest/catalog/{bench.catalog.id}/entity/s:T"
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bench.token}\r\n"
    begun, size, most = time.perf_counter(), 0, 0
    ask.sendall(head.encode() + b"Accept: text/csv\r\nConnection: close\r\n\r\n")
    while piece := ask.recv(1 << 20):
        size += len(piece)
        if size % 16 == 0:
            most = max(most, _resident(bench.served))
    seconds = time.perf_counter() - begun
    ask.close()
    return seconds, size, max(most, _resident(bench.served))


def _resident(served: ServeProcess) -> int:
    """Bytes of memory of all processes of the service."""
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in (pid, *children))
    return pages * 4096


# --- the model -----------------------------------------------------------------------------


def _model_document(home: Path) -> Comparison:
    """The document of a model of 200 tables: what the service itself takes, once it is kept."""
    registry = Registry(home)
    catalog = registry.create(client="kim")
    columns = [column_document(f"column{n}", "text", comment="What it is.") for n in range(12)]
    tables = {f"Table{n}": table_document(f"Table{n}", columns) for n in range(200)}
    catalog.create_schema({"schema_name": "s", "tables": tables})
    service = Service(registry, Anonymous(), ROUTES)
    target = f"/ermrest/catalog/{catalog.id}/schema"
    asked = Request("GET", target, {}, Client("kim"), BytesIO())

    def read(request: Request) -> float:
        begun = time.perf_counter()
        answer = service.handle(request)
        assert answer.status in (200, 304), answer
        return time.perf_counter() - begun

    size = len(service.handle(asked).body)  # type: ignore[arg-type]
    kept = tuple(read(asked) for _ in range(200))
    service.documents.clear()
    made = tuple(_unkept(service, asked, read) for _ in range(200))
    service.close()
    catalog.close()
    name = f"the model of 200 tables ({size / 1e6:.1f} MB), kept"
    return Comparison(name, "made anew", kept, made, goal_s=0.002)


def _unkept(service: Service, asked: Request, read: Callable[[Request], float]) -> float:
    service.documents.clear()
    return read(replace(asked, body=BytesIO()))


# --- databases -----------------------------------------------------------------------------


@contextmanager
def _on_sqlite(directory: Path) -> Iterator[_Bench]:
    home = directory / "sqlite"
    registry = Registry(home)

    def connect() -> Any:
        file = registry.open("1").directory / "catalog.db"
        connection = sqlite3.connect(file, isolation_level=None, timeout=60)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    with _serving("SQLite", home, registry, (), connect, "?") as bench:
        yield bench


@contextmanager
def _on_postgresql(directory: Path) -> Iterator[_Bench]:
    import psycopg

    with database(durable=True) as found:
        registry = Registry.of_database(found.url, directory / "files")
        options = ("--database", found.url, "--files", str(directory / "files"))

        def connect() -> Any:
            connection = psycopg.connect(found.url, autocommit=True)
            connection.execute("SET search_path TO c_1")
            return connection

        with _serving(
            "PostgreSQL", directory / "postgresql", registry, options, connect, "%s"
        ) as bench:
            yield bench
        registry.close()


@contextmanager
def _serving(
    name: str,
    home: Path,
    registry: Registry,
    options: tuple[str, ...],
    connect: Callable[[], Any],
    mark: str,
) -> Iterator[_Bench]:
    home.mkdir(parents=True)
    tokens = Tokens(home / "tokens.json")
    token = tokens.add("kim")
    catalog = registry.create(client="kim")
    columns = [column_document("a", "int4"), column_document("b", "text")]
    catalog.create_schema({"schema_name": "s", "tables": {"T": table_document("T", columns)}})
    rows = catalog.insert(TABLE, [{"a": n, "b": f"row {n}"} for n in range(ROWS)])
    connection = connect()
    connection.execute("CREATE TABLE bare (a INTEGER, b TEXT, c REAL)")
    connection.close()
    given = (*options, "--workers", "2", "--tokens-file", str(tokens.path))
    with serve_process(home, *given) as served:
        rids = [row["RID"] for row in rows]
        yield _Bench(name, catalog, served, token, rids, connect, mark)
    catalog.close()
