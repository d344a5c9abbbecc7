"""What becomes of transactions when a login ends or is not good for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

from authn_server import LoginServer
from deriva_catalog.catalog.remote.frames import pack, unpack


@contextmanager
def wire(server: LoginServer, place: str, **headers: str) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}{place}/transaction"
    with dial(url, additional_headers=headers, proxy=None) as connection:
        yield connection


def said(connection: ClientConnection, **header: Any) -> int:
    connection.send(pack(header))
    return int(unpack(connection.recv(timeout=30))[0]["status"])


@pytest.fixture
def cookie(server: LoginServer) -> str:
    return server.cookie("kim")


@pytest.fixture
def place(server: LoginServer, cookie: str) -> str:
    made = server.client().post("/ermrest/catalog", Cookie=cookie)
    return made.headers["location"]


def test_a_login_that_ended_begins_no_transaction(
    server: LoginServer, cookie: str, place: str
) -> None:
    with wire(server, place, Cookie=cookie) as connection:
        assert said(connection, control="begin") == 200
        assert said(connection, control="commit") == 200
        assert server.client().delete("/authn/session", Cookie=cookie).status == 200
        assert said(connection, control="begin") == 401
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)


@pytest.mark.parametrize("last", [{"control": "commit"}, {"method": "GET", "target": "/ermrest/"}])
def test_a_login_that_ended_keeps_nothing(
    server: LoginServer, cookie: str, place: str, last: dict[str, str]
) -> None:
    with wire(server, place, Cookie=cookie) as connection:
        assert said(connection, control="begin") == 200
        connection.send(
            pack({"method": "POST", "target": f"{place}/schema/lost", "headers": {}}),
        )
        assert unpack(connection.recv(timeout=30))[0]["status"] == 201
        assert server.client().delete("/authn/session", Cookie=cookie).status == 200
        connection.send(pack(last))
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)
    again = server.cookie("kim")
    assert server.client().get(f"{place}/schema/lost", Cookie=again).status == 404


def test_a_token_for_reading_holds_nobody_up(server: LoginServer, cookie: str, place: str) -> None:
    wanted = {"name": "ci", "scope": {"read_only": True}}
    token = server.client().post("/authn/token", wanted, Cookie=cookie).json["token"]
    with (
        pytest.raises(InvalidStatus) as caught,
        wire(server, place, Authorization=f"Bearer {token}"),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_header_that_is_too_deep_ends_the_connection(
    server: LoginServer, cookie: str, place: str
) -> None:
    deep = b"[" * 200_000
    with wire(server, place, Cookie=cookie) as connection:
        connection.send(len(deep).to_bytes(4, "big") + deep)
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=30)
    assert caught.value.rcvd is not None
    assert "no JSON" in caught.value.rcvd.reason
