"""Following a server to where it has the bytes, without telling anybody what is meant for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deriva_catalog.catalog.remote import parse_host
from deriva_catalog.catalog.remote.elsewhere import StoreClients, Timeouts, elsewhere
from deriva_catalog.errors import Unavailable

ASKED = {"Authorization": "Bearer secret", "Cookie": "webauthn=secret", "Range": "bytes=1-2"}
HERE = parse_host("http://localhost:1")


class _Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[Mapping[str, str]] = []  # noqa: RUF012 - one for the tests of this module
    ports: list[int] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.ports.append(self.client_address[1])
        self.send_response(403 if "refused" in self.path else 206)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"12")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[str]:
    """The URL of a store that remembers what it was asked with."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_no_credentials_go_there(store: str) -> None:
    with elsewhere(f"{store}/a?signature=s", ASKED, HERE, StoreClients(Timeouts())) as response:
        assert response.read() == b"12"
    seen = _Store.seen[-1]
    assert seen["range"] == "bytes=1-2"
    assert not {"authorization", "cookie"} & seen.keys()


def test_the_connection_is_used_again_until_it_is_closed(store: str) -> None:
    clients = StoreClients(Timeouts())
    for _ in range(2):
        with elsewhere(f"{store}/a", ASKED, HERE, clients) as response:
            response.read()
    clients.close()
    with elsewhere(f"{store}/a", ASKED, HERE, clients) as response:
        response.read()
    clients.close()
    first, second, third = _Store.ports[-3:]
    assert first == second != third


def test_a_refusal_there_does_not_tell_the_signature(store: str) -> None:
    with (
        pytest.raises(Unavailable, match="refused there: 403") as error,
        elsewhere(f"{store}/refused?signature=s3cret", ASKED, HERE, StoreClients(Timeouts())),
    ):
        pass
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "no address"),
        ("/hatrac/a", "no address"),
        ("ftp://example.org/a", "no address"),
        ("http://example.org/a", "read along"),
    ],
)
def test_what_is_no_safe_place_is_refused(url: str, told: str) -> None:
    host = parse_host("https://catalog.example.org")
    with (
        pytest.raises(Unavailable, match=told),
        elsewhere(url, ASKED, host, StoreClients(Timeouts())),
    ):
        pass


def test_a_store_that_cannot_be_reached_is_told() -> None:
    with (
        pytest.raises(Unavailable, match="cannot be reached"),
        elsewhere("http://127.0.0.1:1/a", ASKED, HERE, StoreClients(Timeouts())),
    ):
        pass
