"""Connections to servers that fail in every way that servers do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deriva_catalog.catalog.remote.connection import Connection, Repeat, Timeouts
from deriva_catalog.catalog.remote.host import parse_host
from deriva_catalog.errors import CatalogError, NotFound, Unavailable

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
BUSY = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 0\r\nconnection: close\r\n\r\n"
GONE = b"HTTP/1.1 404 X\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnone"
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nok"
NOTHING = b""


def request(connection: socket.socket) -> bytes:
    """What is asked, with the body if its length is told."""
    data = connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    _, told, rest = head.lower().partition(b"content-length: ")
    if told:
        while len(body) < int(rest.split(b"\r")[0]):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body
    return data


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers, one a connection; yields where, and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    asked.append(request(connection))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    made = Connection(parse_host(url), credential={"bearer-token": "t"}, timeouts=Timeouts(2, 2))
    yield made
    made.close()


@pytest.mark.parametrize("failure", [BUSY, NOTHING])
def test_what_is_safe_is_asked_again(failure: bytes) -> None:
    with server(failure, failure, OK) as (url, asked), connection(url) as to:
        assert to.send("GET", "/x", repeat=Repeat.SAFE).body == b"ok"
    assert len(asked) == 3


@pytest.mark.parametrize("failure", [BUSY, NOTHING])
def test_what_is_not_safe_is_asked_once(failure: bytes) -> None:
    with server(failure, OK) as (url, asked), connection(url) as to:
        with pytest.raises(Unavailable) as caught:
            to.send("POST", "/x", content=b"[]")
        assert len(asked) == 1
        assert to.send("GET", "/y").body == b"ok"
    if failure is NOTHING:
        assert "done or not" in str(caught.value)


def test_a_body_that_is_made_on_the_way_is_sent_once() -> None:
    with server(BUSY, OK) as (url, asked), connection(url) as to:
        with pytest.raises(Unavailable):
            to.send("POST", "/x", content=iter([b"[", b"]"]), repeat=Repeat.SAFE)
        assert len(asked) == 1
        to.send("GET", "/y")


def test_a_body_that_can_be_made_again_is_sent_again() -> None:
    headers = {"Content-Length": "2"}
    with server(BUSY, OK) as (url, asked), connection(url) as to:
        body = [b"[", b"]"]
        answer = to.send("POST", "/x", headers=headers, content=body, repeat=Repeat.SAFE)
        assert answer.body == b"ok"
    assert [each.rpartition(b"\r\n")[2] for each in asked] == [b"[]", b"[]"]


def test_an_error_is_not_asked_again() -> None:
    with (
        server(GONE) as (url, _),
        connection(url) as to,
        pytest.raises(NotFound, match="none"),
    ):
        to.send("GET", "/x", repeat=Repeat.SAFE)


def test_an_answer_that_breaks_off_is_told() -> None:
    with server(CUT) as (url, _), connection(url) as to, pytest.raises(Unavailable, match="broke"):
        list(to.stream("GET", "/x", headers={}))


def test_targets_and_credentials_go_as_they_are() -> None:
    with server(OK) as (url, asked), connection(url) as to:
        to.send("GET", "/a%2Fb/..:T/c=any(x,y)@sort(c::desc::)?limit=3")
    first, _, rest = asked[0].partition(b"\r\n")
    assert first == b"GET /a%2Fb/..:T/c=any(x,y)@sort(c::desc::)?limit=3 HTTP/1.1"
    assert b"authorization: bearer t" in rest.lower()


def test_a_server_that_is_not_there_is_told_with_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deriva_catalog.catalog.remote.connection._FIRST_PAUSE_S", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with connection(url) as to, pytest.raises(Unavailable, match=url) as caught:
        to.send("POST", "/x")
    assert "server runs" in str(caught.value)


def test_a_plain_server_that_is_asked_for_tls_is_told_at_once() -> None:
    with server(b"HTTP/1.1 400 X\r\n\r\n") as (url, asked):
        secure = url.replace("http:", "https:")
        with connection(secure) as to, pytest.raises(Unavailable) as caught:
            to.send("GET", "/x", repeat=Repeat.SAFE)
    assert len(asked) == 1
    assert f"{secure} does not speak TLS" in str(caught.value)
    assert f"A server without TLS is {url}." in str(caught.value)


def check(make: Callable[[], object], kind: type[CatalogError]) -> None:
    with pytest.raises(kind):
        make()


def test_something_else_than_a_catalog_is_told() -> None:
    with server(OK) as (url, _), connection(url) as to:
        check(lambda: to.send("GET", "/x").json(), Unavailable)
