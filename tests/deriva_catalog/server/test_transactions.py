"""Transactions over WebSockets, as clients of any behaviour use them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

from catalog_server import Served, serving
from deriva_catalog.catalog.remote import RemoteCatalog, open_remote, parse_host
from deriva_catalog.catalog.remote.frames import pack, unpack
from deriva_catalog.errors import BadRequest, Unavailable
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.server.settings import Settings

NOTE = TableName("Note", "S")


@contextmanager
def shelf(home: Path, **settings: Any) -> Iterator[tuple[Served, RemoteCatalog]]:
    """A service with one catalog, which has one table."""
    with serving(home, settings=Settings(**settings)) as served:
        registered = served.service.registry.create(catalog_id="shelf", client="kim")
        registered.close()
        credential = {"bearer-token": served.tokens.add("kim")}
        catalog = open_remote(parse_host(served.url), "shelf", credential=credential)
        document = table_document("Note", [column_document("text", "text")])
        catalog.create_schema({"schema_name": "S", "tables": {"Note": document}})
        yield served, catalog
        catalog.close()


@contextmanager
def wire(served: Served, target: str = "shelf", **headers: str) -> Iterator[ClientConnection]:
    """A bare WebSocket connection of somebody who is logged in."""
    sent = headers or {"Authorization": f"Bearer {served.tokens.add('kim')}"}
    url = f"ws://localhost:{served.port}/ermrest/catalog/{target}/transaction"
    with dial(url, additional_headers=sent, proxy=None) as connection:
        yield connection


def said(connection: ClientConnection, **header: Any) -> tuple[int, bytes]:
    connection.send(pack(header))
    answer, body = unpack(connection.recv(timeout=30))
    return answer["status"], body


def test_a_client_that_is_killed_leaves_nothing_and_nobody_waits(tmp_path: Path) -> None:
    script = """if True:
        import sys
        from deriva_catalog.catalog import connect
        from deriva_catalog.path.ast import TableName
        catalog = connect(sys.argv[1], "shelf", credential={"bearer-token": sys.argv[2]})
        with catalog.transaction():
            catalog.insert(TableName("Note", "S"), [{"text": "lost"}])
            print("written", flush=True)
            sys.stdin.read()
    """
    with shelf(tmp_path) as (served, catalog):
        command = [sys.executable, "-c", script, served.url, served.tokens.add("kim")]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "written\n"
            os.kill(client.pid, signal.SIGKILL)
        catalog.insert(NOTE, [{"text": "kept"}])
        assert [row["text"] for row in catalog.fetch("entity/S:Note")] == ["kept"]


def test_a_client_that_does_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with shelf(tmp_path, transaction_seconds=0.5) as (_, catalog):
        rested = threading.Event()

        def rest() -> None:
            with catalog.transaction():
                catalog.insert(NOTE, [{"text": "lost"}])
                rested.wait(1.0)
                catalog.insert(NOTE, [{"text": "too late"}])

        with pytest.raises(Unavailable, match=r"Nothing came for 0.5 s.*do it again"):
            rest()
        assert catalog.count(NOTE) == 0
        with catalog.transaction():
            catalog.insert(NOTE, [{"text": "again"}])
        assert catalog.count(NOTE) == 1


def test_a_connection_closed_between_transactions_is_replaced(tmp_path: Path) -> None:
    with shelf(tmp_path, connection_seconds=0.1) as (_, catalog):
        for _ in range(3):
            with catalog.transaction():
                catalog.insert(NOTE, [{"text": "x"}])
            threading.Event().wait(0.3)
        assert catalog.count(NOTE) == 3


def test_an_interrupt_in_the_middle_of_a_message_undoes_all(tmp_path: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield b'[{"text": "a"},'
        raise KeyboardInterrupt

    with shelf(tmp_path) as (_, catalog):

        def fail() -> None:
            with catalog.transaction():
                catalog.insert(NOTE, [{"text": "lost"}])
                catalog._link.send("POST", "entity/S:Note", content=interrupted())

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert catalog.count(NOTE) == 0


def test_bodies_of_any_size_go_both_ways(tmp_path: Path) -> None:
    rows = [{"text": f"{n:04}" * 300} for n in range(3_000)]  # more than one message
    with shelf(tmp_path) as (_, catalog):
        with catalog.transaction():
            assert len(catalog.insert(NOTE, rows)) == 3_000
            assert sorted(r["text"] for r in catalog.fetch("entity/S:Note")) == [
                r["text"] for r in rows
            ]
        many = ",".join(f"{n:04}" * 300 for n in range(200))
        assert len(catalog.fetch(f"entity/S:Note/text=any({many})")) == 200


def test_a_body_beyond_the_limit_ends_the_transaction(tmp_path: Path) -> None:
    with shelf(tmp_path, body_bytes=2_000_000) as (_, catalog):

        def fail() -> None:
            with catalog.transaction():
                catalog.insert(NOTE, [{"text": "lost"}])
                catalog.insert(NOTE, [{"text": "x" * 3_000_000}])

        with pytest.raises(Unavailable, match="more than 2000000 bytes"):
            fail()
        assert catalog.count(NOTE) == 0


def test_more_transactions_than_allowed_are_refused(tmp_path: Path) -> None:
    with shelf(tmp_path, transactions=1) as (served, catalog):
        with catalog.transaction(), wire(served) as other:
            status, text = said(other, control="begin")
            assert (status, b"Too many transactions" in text) == (503, True)
        with wire(served) as other:
            assert said(other, control="begin")[0] == 200
            assert said(other, control="undo")[0] == 200


def test_what_happens_in_a_transaction_is_in_the_access_log(tmp_path: Path) -> None:
    written = io.StringIO()
    with serving(tmp_path, access_log=written) as served:
        served.service.registry.create(catalog_id="shelf", client="kim").close()
        credential = {"bearer-token": served.tokens.add("kim")}
        catalog = open_remote(parse_host(served.url), "shelf", credential=credential)
        with catalog.transaction():
            catalog.lease_rids(["a"])
        catalog.close()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    inside = [(e["method"], e["target"], e["status"], e["client"]) for e in lines[1:]]
    home = "/ermrest/catalog/shelf"
    assert inside == [
        ("POST", f"{home}/leases", 200, "kim"),
        ("COMMIT", f"{home}/transaction", 200, "kim"),
    ]


def test_who_may_not_write_is_refused_before_the_connection_is_open(tmp_path: Path) -> None:
    with shelf(tmp_path) as (served, catalog):
        catalog.set_acl(Address(), "select", ["readers"])
        for target, token, status in (
            ("shelf", "nobody", 401),
            ("nothing", served.tokens.add("kim"), 404),
            ("shelf", served.tokens.add("sam"), 403),
            ("shelf", served.tokens.add("lou", ["readers"]), 403),
            (f"shelf@{catalog.latest_snapshot()}", served.tokens.add("kim"), 403),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            with pytest.raises(InvalidStatus) as caught, wire(served, target, **headers):
                pass
            assert caught.value.response.status_code == status, target


def test_a_transaction_is_about_one_catalog(tmp_path: Path) -> None:
    with shelf(tmp_path) as (served, _), wire(served) as connection:
        assert said(connection, control="begin")[0] == 200
        for target in ("/ermrest/", "/ermrest/catalog/shelf2/schema", "/authn/session"):
            assert said(connection, method="GET", target=target)[0] == 400
        assert said(connection, method="GET", target="/ermrest/catalog/shelf/schema")[0] == 200
        assert said(connection, control="commit")[0] == 200


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"",
        b"\0\0\0\x09{}",
        pack({"control": "commit"}),
        pack({"method": "GET", "target": "/ermrest/catalog/shelf"}),
    ],
)
def test_what_is_no_beginning_ends_the_connection(tmp_path: Path, message: str | bytes) -> None:
    with shelf(tmp_path) as (served, _), wire(served) as connection:
        connection.send(message)
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.reason


@pytest.mark.parametrize(
    "message",
    [
        b"\0\0\0\x02[]",
        pack({"control": "release"}),
        pack({"control": "dance"}),
        pack({"method": "POST"}),
    ],
)
def test_what_is_not_understood_undoes_the_transaction(
    tmp_path: Path, message: str | bytes
) -> None:
    with shelf(tmp_path) as (served, catalog), wire(served) as connection:
        assert said(connection, control="begin")[0] == 200
        target = "/ermrest/catalog/shelf/entity/S:Note"
        connection.send(pack({"method": "POST", "target": target}, b'[{"text":"lost"}]'))
        assert unpack(connection.recv(timeout=30))[0]["status"] == 200
        connection.send(message)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)
        assert catalog.count(NOTE) == 0


def test_a_server_without_transactions_is_named(tmp_path: Path) -> None:
    with shelf(tmp_path) as (_, catalog):
        catalog._link.features = {}
        with pytest.raises(BadRequest, match=r"no transactions.*'transactions'"):
            catalog.transaction().__enter__()
        assert catalog.lease_rids(["a"]) == catalog.lease_rids(["a"])
        assert catalog.leased_rids(["a", "b"]) == catalog.lease_rids(["a"])
        row = catalog.insert(NOTE, [{"text": "x"}])[0]
        assert set(catalog.resolve_rids([row["RID"], "9-ZZZZ"])) == {row["RID"]}
        many = [{"text": f"{n:04}"} for n in range(3_000)]
        catalog.insert(NOTE, many, returning=False)
        wanted = tuple(row["text"] for row in many)
        path = catalog.path.S.Note
        found = path.filter(path.text.any_of(wanted)).entities().sort(path.text.desc)
        assert [row["text"] for row in found.fetch(limit=10)] == list(reversed(wanted))[:10]
        assert found.count() == 3_000
        csv = b"".join(path.filter(path.text.any_of(wanted)).entities().stream("text/csv"))
        assert len(csv.splitlines()) == 3_001
        assert catalog.delete(path.filter(path.text == "0001").as_path()) == 1
        assert catalog.delete(path.filter(path.text == "0001").as_path()) == 0
        with pytest.raises(BadRequest, match="too long"):
            path.filter(path.text.any_of(wanted)).delete()
