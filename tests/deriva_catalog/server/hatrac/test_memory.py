"""Large objects pass through the service without being in its memory."""

from __future__ import annotations

import hashlib
import http.client
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory_of
from catalog_server import HttpClient, Tokens
from deriva_catalog.catalog.opening import default_client
from serve_command import ServeProcess, serve_process

SIZE = 80 << 20
PIECE = bytes(range(256)) * 4096
CHUNK = 20 << 20
MOST = 70 << 20
"""Parts on their way to a bucket take some 45 MiB, however long the object is."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are Linux's")


@pytest.fixture(params=["file", "s3"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServeProcess]:
    """The command, over a directory or a bucket."""
    options = ["--tokens-file", str(Tokens(tmp_path / "tokens.json").path)]
    if request.param == "s3":
        options += ["--objects", request.getfixturevalue("bucket").url()]
    with serve_process(tmp_path / "home", *options) as process:
        yield process


def body(size: int = SIZE) -> Iterator[bytes]:
    for _ in range(size // len(PIECE)):
        yield PIECE


def digest() -> str:
    hashed = hashlib.sha256()
    for piece in body():
        hashed.update(piece)
    return hashed.hexdigest()


def test_memory_stays_flat(served: ServeProcess, tmp_path: Path) -> None:
    token = Tokens(tmp_path / "tokens.json").add(default_client())
    client = HttpClient(served.port, token)
    assert client.put("/hatrac/warm", b"1").status == 201
    assert client.get("/hatrac/warm").body == b"1"
    pid = served.process.pid
    memory_of.forget_peak(pid)
    before = memory_of.now(pid)

    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    login = {"Authorization": f"Bearer {token}"}
    connection.request("PUT", "/hatrac/whole", body(), {**login, "Content-Length": str(SIZE)})
    put = connection.getresponse()
    assert (put.status, len(put.read()) > 0) == (201, True)

    plan = {"chunk-length": CHUNK, "content-length": SIZE}
    job = client.post("/hatrac/chunks;upload", plan).headers["location"]
    for number in range(SIZE // CHUNK):
        sent = {**login, "Content-Length": str(CHUNK)}
        connection.request("PUT", f"{job}/{number}", body(CHUNK), sent)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
    assert client.post(job).status == 201

    connection.request("GET", "/hatrac/chunks", headers=login)
    got, hashed = connection.getresponse(), hashlib.sha256()
    while piece := got.read(1 << 20):
        hashed.update(piece)
    assert hashed.hexdigest() == digest()
    connection.close()
    client.close()
    assert memory_of.peak(pid) - before < MOST
