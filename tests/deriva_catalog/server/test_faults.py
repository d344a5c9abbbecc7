"""Faults: a killed server, a full disk, a lost database, thousands of idle connections.

What was answered is kept, what was not is not half there, and what comes back is used again.
"""

from __future__ import annotations

import http.client
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_server import HttpClient, Served, Tokens, serving
from deriva_catalog.catalog import Registry
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.server.settings import Settings
from postgres import database, server
from serve_command import ServeProcess, serve_process

ROWS = table_document("T", [column_document("batch", "int4"), column_document("text", "text")])


def new_table(client: HttpClient) -> str:
    """A catalog with the table ``s:T``."""
    made = client.post("/ermrest/catalog")
    assert made.status == 201, made.text
    cat = str(made.headers["location"])
    assert client.post(f"{cat}/schema", [{"schema_name": "s", "tables": {"T": ROWS}}]).status == 201
    return cat


def count(client: HttpClient, cat: str) -> int:
    found: int = client.get(f"{cat}/aggregate/s:T/n:=cnt(*)").json[0]["n"]
    return found


# --- a killed server -------------------------------------------------------------------------


class Writer(threading.Thread):
    """Inserts batches of three rows until the server is gone; `told` are those acknowledged."""

    def __init__(self, port: int, token: str, cat: str, first: int) -> None:
        super().__init__()
        self._client = HttpClient(port, token)
        self._target = f"{cat}/entity/s:T"
        self._first = first
        self.told: list[int] = []

    def run(self) -> None:
        number = self._first
        while True:
            rows = [{"batch": number, "text": "x" * 500}] * 3
            try:
                reply = self._client.post(self._target, rows)
            except (OSError, http.client.HTTPException):
                self._client.close()
                return
            assert reply.status == 200, reply.text
            self.told.append(number)
            number += 1


def test_a_killed_server_keeps_what_it_answered(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    token = tokens.add("kim")
    options = ("--tokens-file", str(tokens.path))
    with serve_process(tmp_path, *options) as served:
        with HttpClient(served.port, token) as client:
            cat = new_table(client)
        writers = [Writer(served.port, token, cat, n * 1_000_000) for n in range(4)]
        for writer in writers:
            writer.start()
        while min(len(writer.told) for writer in writers) < 5:
            assert all(writer.is_alive() for writer in writers)
        served.kill()
        for writer in writers:
            writer.join()
    with serve_process(tmp_path, *options) as again, HttpClient(again.port, token) as client:
        groups = client.get(f"{cat}/attributegroup/s:T/batch;n:=cnt(*)").json
        told = {number for writer in writers for number in writer.told}
        assert told <= {group["batch"] for group in groups}
        assert {group["n"] for group in groups} == {3}
        assert len(groups) <= len(told) + len(writers)
        assert client.post(f"{cat}/entity/s:T", [{"batch": -1, "text": ""}]).status == 200
    found = Registry(tmp_path).open(cat.rsplit("/", 1)[1])
    assert found.check() == []
    found.close()


# --- a full disk -----------------------------------------------------------------------------


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[ServeProcess, HttpClient]]:
    tokens = Tokens(tmp_path / "tokens.json")
    token = tokens.add("kim")
    with (
        serve_process(tmp_path, "--tokens-file", str(tokens.path)) as served,
        HttpClient(served.port, token) as client,
    ):
        yield served, client


def test_a_full_disk_is_a_refusal_and_nothing_else(
    process: tuple[ServeProcess, HttpClient], tmp_path: Path
) -> None:
    served, client = process
    cat = new_table(client)
    target = f"{cat}/entity/s:T"
    assert client.post(target, [{"batch": 1, "text": "small"}]).status == 200
    largest = max(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    free = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    # No file of the process may grow much more: what a full disk does, for this process alone.
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (largest + 50_000, free[1]))
    rows = [{"batch": 2, "text": "x" * 1000}] * 900
    for times, told in ((1, "Nothing was changed"), (3, "smaller parts"), (1, "Nothing")):
        full = client.post(target, rows * times)  # the second waits in a temporary file
        assert full.status == 503, full.text
        assert full.text.startswith("The service is temporarily unavailable. Detail: ")
        assert told in full.text
        assert count(client, cat) == 1
    assert client.get("/readyz").status == 200
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, free)
    assert client.post(target, rows * 3).status == 200
    assert count(client, cat) == 2701


# --- a lost database -------------------------------------------------------------------------


def test_a_database_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with database() as found:
        registry = Registry.of_database(found.url, tmp_path / "files")
        with serving(tmp_path, registry=registry) as served:
            client = served.client("kim")
            cat = new_table(client)
            assert client.post(f"{cat}/entity/s:T", [{"batch": 1, "text": "a"}]).status == 200
            server().stop()
            try:
                assert client.get("/healthz").status == 200
                assert client.get("/readyz").status == 503
                for reply in (
                    client.get(f"{cat}/entity/s:T"),
                    client.post(f"{cat}/entity/s:T", [{"batch": 2, "text": "b"}]),
                    client.get(f"{cat}/schema"),
                    client.get(cat),
                ):
                    assert reply.status == 503, reply.text
                    assert reply.text.startswith("The service is temporarily unavailable. ")
                    assert (
                        "postgres" not in reply.text
                    )  # who runs it is none of a client's business
            finally:
                server().start()
            assert client.get("/readyz").status == 200
            assert count(client, cat) == 1
            assert client.post(f"{cat}/entity/s:T", [{"batch": 2, "text": "b"}]).status == 200
            assert count(client, cat) == 2
        registry.close()


# --- many connections ------------------------------------------------------------------------


def test_thousands_of_idle_connections_are_no_burden(served: Served, kim: HttpClient) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2000
    if hard < 2 * wanted + 200:
        pytest.skip(f"a process may have only {hard} files open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * wanted + 200), hard))
    idle: list[socket.socket] = []
    try:
        for _ in range(wanted):
            idle.append(socket.create_connection(("127.0.0.1", served.port)))
        with HttpClient(served.port) as fresh:
            assert fresh.get("/ermrest/").status == 200
        assert kim.get("/ermrest/").status == 200
        idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle[-1].recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- a read that takes too long ----------------------------------------------------------------


def test_a_read_has_a_time_limit(tmp_path: Path) -> None:
    with serving(tmp_path, settings=Settings(query_seconds=0.3)) as served:
        client = served.client("kim")
        cat = new_table(client)
        rows = [{"batch": 1, "text": "x"}] * 3000
        assert client.post(f"{cat}/entity/s:T", rows).status == 200
        every = (
            f"{cat}/aggregate/A:=s:T/B:=(batch)=(s:T:batch)/C:=(batch)=(s:T:batch)/n:=cnt(A:RID)"
        )
        slow = client.get(every)
        assert slow.status == 400
        assert "Query run time limit exceeded." in slow.text
        assert count(client, cat) == 3000
