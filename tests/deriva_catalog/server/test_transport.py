"""Connections: targets as they are sent, limits, slow clients, overload, stopping."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import zstandard

from catalog_server import HttpClient, Served, serving
from deriva_catalog.errors import Conflict
from deriva_catalog.server.messages import Answer, Request, text_answer
from deriva_catalog.server.service import Service
from deriva_catalog.server.settings import Settings

PIECE = b"0123456789abcdef" * 4096
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


class Pieces:
    """A long answer, piece by piece; `ended` is set when it is closed."""

    def __init__(self, count: int, failing_at: int | None = None) -> None:
        self.left = count
        self.failing_at = failing_at
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.left == self.failing_at:
            raise Conflict("It went wrong on the way.")
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return PIECE

    def close(self) -> None:
        self.ended.set()


class Stage:
    """Routes that show what reaches a handler, and that take as long as the test wants."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.pieces = Pieces(0)

    def echo(self, service: Service, request: Request, segments: Sequence[str]) -> Answer:
        body = request.body.read()
        told = f"{request.method} {request.target} {len(body)} {zlib.crc32(body)} "
        return text_answer(told + f"{request.address} {request.is_secure}")

    def wait(self, service: Service, request: Request, segments: Sequence[str]) -> Answer:
        self.entered.release()
        self.open.wait(30)
        return text_answer("done")

    def stream(self, service: Service, request: Request, segments: Sequence[str]) -> Answer:
        self.pieces = Pieces(*map(int, segments))
        return Answer(200, self.pieces, "text/csv", {"ETag": '"tag"'})

    def crash(self, service: Service, request: Request, segments: Sequence[str]) -> Answer:
        raise RuntimeError("a defect, with a secret in its message")


SETTINGS = Settings(
    body_bytes=3_000_000,
    memory_bytes=100_000,
    head_bytes=20_000,
    head_seconds=0.4,
    body_seconds=0.4,
    slowest_bytes_per_second=1_000_000,
    answer_seconds=0.4,
    threads=4,
    waiting=2,
    origins=("https://chaise.example.org",),
    trusted_proxies=("127.0.0.1",),
)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def staged(
    stage: Stage, log: io.StringIO, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    routes = {n: getattr(stage, n) for n in ("echo", "wait", "stream", "crash")}
    home = tmp_path_factory.mktemp("staged")
    with serving(home, settings=SETTINGS, routes=routes, access_log=log) as running:
        yield running


@pytest.fixture
def somebody(staged: Served) -> HttpClient:
    return staged.client("kim")


def raw(port: int, data: bytes) -> bytes:
    """Everything that comes back on a connection until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# --- targets and heads ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/echo/S%3AA/a%2Fb",
        "/echo//x/",
        "/echo/../y/./z",
        "/echo/a?b=%26&c=a;d#e",
        "/echo/a#b",
        "/echo/?",
        "/echo/%E4%zz",
        "/echo/:;,()@$!*'\"",
    ],
)
def test_a_target_arrives_as_it_was_sent(somebody: HttpClient, target: str) -> None:
    assert somebody.get(target).text.startswith(f"GET {target} 0 ")


def test_a_target_in_absolute_form_loses_its_host(staged: Served) -> None:
    answer = raw(
        staged.port,
        b"GET http://elsewhere/echo/a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert b"GET /echo/a?b 0 " in answer


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"GET /echo/\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
)
def test_what_is_no_http_is_refused(staged: Served, data: bytes) -> None:
    answer = raw(staged.port, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\ncontent-type: text/plain\r\n" in answer
    assert answer.endswith(b"Request malformed. Detail: This is no HTTP/1.1 request.\n")


def test_a_head_of_sixteen_kibibytes_is_fine(somebody: HttpClient) -> None:
    reply = somebody.get("/echo/" + "x" * 8000, deriva_client_context="%7B" * 2700)
    assert reply.status == 200


def test_a_head_that_is_too_large_is_refused(staged: Served) -> None:
    answer = raw(staged.port, b"GET /echo/" + b"x" * 21_000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"more than 20000 bytes" in answer


def test_a_head_that_does_not_come_is_not_waited_for(staged: Served) -> None:
    # The service ends these connections; the client itself would wait for twenty seconds, and fail.
    assert raw(staged.port, b"GET /echo/ HTTP/1.1\r\nHos") == b""
    assert raw(staged.port, b"") == b""


# --- bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 10, 99_999, 100_001, 2_500_000])
def test_a_body_arrives_whole(somebody: HttpClient, size: int) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    reply = somebody.put("/echo/b", body)
    assert reply.text.startswith(f"PUT /echo/b {size} {zlib.crc32(body)} ")


def test_a_chunked_body_arrives_whole(staged: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", staged.port, timeout=20)
    pieces = [PIECE, b"", b"x" * 70_000, PIECE]
    connection.request("POST", "/echo/c", iter(pieces), encode_chunked=True)
    body = b"".join(pieces)
    told = connection.getresponse().read().decode()
    connection.close()
    assert told.startswith(f"POST /echo/c {len(body)} {zlib.crc32(body)} ")


def test_a_body_that_is_too_large_is_refused(somebody: HttpClient) -> None:
    reply = somebody.put("/echo/b", b"x" * 3_000_001)
    assert reply.status == 413
    assert reply.text.startswith("The request is too large. Detail: ")
    assert somebody.get("/echo/next").status == 200


def test_so_is_one_that_did_not_say_its_size(staged: Served) -> None:
    head = b"POST /echo/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", staged.port), timeout=20) as connection:
        connection.sendall(head)
        for _ in range(48):
            connection.sendall(b"10000\r\n" + PIECE + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_come_is_not_waited_for(staged: Served) -> None:
    head = b"POST /echo/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n123"
    answer = raw(staged.port, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The body came too slowly: 3 bytes until now." in answer


def test_a_client_that_leaves_in_the_middle_is_forgotten(
    staged: Served, somebody: HttpClient
) -> None:
    head = b"POST /echo/gone HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"
    with socket.create_connection(("127.0.0.1", staged.port)) as connection:
        connection.sendall(head)
    assert somebody.get("/echo/").status == 200


# --- answers -------------------------------------------------------------------------------


def test_a_long_answer_is_streamed(somebody: HttpClient, stage: Stage) -> None:
    reply = somebody.get("/stream/100")
    assert reply.body == PIECE * 100
    assert reply.headers["content-type"] == "text/csv"
    assert stage.pieces.ended.wait(10)


def test_a_short_answer_in_pieces_goes_out_in_one(somebody: HttpClient) -> None:
    assert somebody.get("/stream/2").headers["content-length"] == str(2 * len(PIECE))


def test_head_closes_what_it_does_not_send(somebody: HttpClient, stage: Stage) -> None:
    assert somebody.head("/stream/100").body == b""
    assert stage.pieces.ended.is_set()
    assert stage.pieces.left == 100


def test_an_error_before_the_first_byte_is_told(somebody: HttpClient, stage: Stage) -> None:
    reply = somebody.get("/stream/2/1")
    assert (reply.status, stage.pieces.ended.is_set()) == (409, True)


def test_an_error_on_the_way_breaks_the_answer_off(somebody: HttpClient, stage: Stage) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        somebody.get("/stream/50/10")
    assert stage.pieces.ended.wait(10)


def test_a_client_that_takes_nothing_is_given_up(staged: Served, stage: Stage) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", staged.port))
    connection.sendall(b"GET /stream/1000 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(10)
    assert stage.pieces.ended.wait(20)
    assert stage.pieces.left > 0
    connection.close()


def test_a_client_that_leaves_ends_its_answer(staged: Served, stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", staged.port)) as connection:
        connection.sendall(b"GET /stream/100000 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(10)
    assert stage.pieces.ended.wait(20)
    assert stage.pieces.left > 0


def test_a_defect_is_not_told_to_the_client(
    somebody: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    reply = somebody.get("/crash")
    assert reply.status == 500
    assert reply.text == "The request execution encountered a runtime error.\n"
    assert "secret" in caplog.text


# --- compression ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("zstd;q=0.1, gzip", "gzip")],
)
@pytest.mark.parametrize("count", [1, 100])
def test_text_for_other_machines_is_compressed(
    somebody: HttpClient, accept: str, coding: str, count: int
) -> None:
    reply = somebody.request(
        "GET", f"/stream/{count}", headers=ELSEWHERE | {"Accept-Encoding": accept}
    )
    assert reply.headers["content-encoding"] == coding
    assert reply.headers["etag"] == f'"tag-{coding}"'
    assert "accept-encoding" in reply.headers["vary"]
    assert len(reply.body) < len(PIECE)
    unpack = zstandard.ZstdDecompressor().decompressobj().decompress
    assert (gzip.decompress if coding == "gzip" else unpack)(reply.body) == PIECE * count


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/stream/3", {"Accept-Encoding": "gzip"}),  # this machine
        ("/stream/3", ELSEWHERE),
        ("/stream/3", ELSEWHERE | {"Accept-Encoding": "br, gzip;q=0"}),
        ("/echo/short", ELSEWHERE | {"Accept-Encoding": "gzip"}),
    ],
)
def test_otherwise_it_is_not(somebody: HttpClient, target: str, headers: dict[str, str]) -> None:
    assert "content-encoding" not in somebody.request("GET", target, headers=headers).headers


# --- proxies and other origins ---------------------------------------------------------------


def test_a_trusted_proxy_says_who_asks(somebody: HttpClient) -> None:
    told = somebody.request("GET", "/echo/", headers=ELSEWHERE).text
    assert told.endswith(" 203.0.113.7 True")
    assert somebody.get("/echo/").text.endswith(" 127.0.0.1 False")


def test_nobody_else_is_believed(tmp_path: Path, stage: Stage) -> None:
    with serving(tmp_path, routes={"echo": stage.echo}) as running:
        told = running.client().request("GET", "/echo/", headers=ELSEWHERE).text
    assert told.endswith(" 127.0.0.1 False")


def test_allowed_origins_may_read_answers(somebody: HttpClient) -> None:
    asked = {
        "Origin": "https://chaise.example.org",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "deriva-client-context,content-type",
    }
    before = somebody.request("OPTIONS", "/echo/", headers=asked)
    assert before.status == 204
    assert before.headers["access-control-allow-origin"] == "https://chaise.example.org"
    assert before.headers["access-control-allow-credentials"] == "true"
    assert before.headers["access-control-allow-headers"] == "deriva-client-context,content-type"
    reply = somebody.get("/echo/", origin="https://chaise.example.org")
    assert reply.headers["access-control-allow-origin"] == "https://chaise.example.org"
    assert "ETag" in reply.headers["access-control-expose-headers"]
    other = somebody.get("/echo/", origin="https://elsewhere.example.org")
    assert "access-control-allow-origin" not in other.headers
    assert "origin" in other.headers["vary"]


# --- monitoring ------------------------------------------------------------------------------


def test_health(somebody: HttpClient) -> None:
    assert somebody.get("/healthz").text == "ok\n"
    assert somebody.get("/readyz").text == "ready\n"


def told(text: str, name: str) -> float:
    """The value of a metric without labels."""
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_metrics_are_for_monitors_only(somebody: HttpClient) -> None:
    somebody.get("/echo/")
    reply = somebody.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.text.splitlines()
    assert any(
        line.startswith('deriva_requests_total{method="GET",status="2xx",resource="other"} ')
        for line in lines
    )
    assert 'le="+Inf"' in reply.text
    before = told(reply.text, "deriva_received_bytes_total")
    somebody.put("/echo/", b"12345")
    assert told(somebody.get("/metrics").text, "deriva_received_bytes_total") == before + 5
    assert told(reply.text, "deriva_sent_bytes_total") > 0
    assert all(line.startswith("#") or len(line.split(" ")) == 2 for line in lines)
    assert somebody.request("GET", "/metrics", headers=ELSEWHERE).status == 403


def test_the_access_log_tells_who_asked_for_what(staged: Served, log: io.StringIO) -> None:
    client = staged.client("https://lab.example/ann")
    context = "%7B%22cid%22%3A%22chaise%22%7D"
    client.get("/echo/logged?a=b", deriva_client_context=context, cookie="other=1")
    client.get("/authn/session?code=hidden")
    client.request("GET", "/echo/bearer", headers={"Authorization": f"Bearer {client.token}"})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [found] = [line for line in lines if line["target"] == "/echo/logged?a=b"]
    assert (found["method"], found["status"], found["address"]) == ("GET", 200, "127.0.0.1")
    assert found["context"] == {"cid": "chaise"}
    assert found["ms"] >= 0
    assert any(line["client"] == "https://lab.example/ann" for line in lines)
    assert "hidden" not in log.getvalue()
    assert client.token is not None
    assert client.token not in log.getvalue()


# --- overload and stopping -------------------------------------------------------------------


def test_too_many_requests_are_refused_and_idle_connections_are_not(
    staged: Served, stage: Stage, somebody: HttpClient
) -> None:
    stage.open.clear()
    waiting = [staged.client() for _ in range(6)]
    replies: list[int] = []
    threads = [
        threading.Thread(target=lambda c=c: replies.append(c.get("/wait").status)) for c in waiting
    ]
    for thread in threads:
        thread.start()
    while "deriva_requests_running 7\n" not in somebody.get("/metrics").text:  # and this one
        assert all(thread.is_alive() for thread in threads)
    reply = somebody.get("/echo/")
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert somebody.get("/healthz").status == 200
    stage.open.set()
    for thread in threads:
        thread.join()
    assert replies == [200] * 6
    assert somebody.get("/echo/").status == 200


def test_running_requests_finish_when_the_service_stops(tmp_path: Path) -> None:
    stage = Stage()
    done: list[str] = []
    with serving(tmp_path, routes={"wait": stage.wait}) as running:
        busy, idle = running.client(), running.client()
        idle.get("/healthz")
        thread = threading.Thread(target=lambda: done.append(busy.get("/wait").text))
        thread.start()
        assert stage.entered.acquire(timeout=10)
        threading.Timer(0.3, stage.open.set).start()
        port = running.port
    assert not thread.is_alive() or thread.join() is None
    assert done == ["done"]
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port))
