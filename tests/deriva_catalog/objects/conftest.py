"""Servers that refuse, for the tests of stores."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class _Denying(BaseHTTPRequestHandler):
    """Answers as S3 does to a key that it does not know."""

    def _deny(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = (
            b"<Error><Code>InvalidAccessKeyId</Code>"
            b"<Message>The key does not exist in our records.</Message></Error>"
        )
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _deny

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def denying_port() -> Iterator[int]:
    """The port of a server that takes nobody's credentials."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Denying) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that nobody listens on, nor can while this lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
