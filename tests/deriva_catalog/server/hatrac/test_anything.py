"""Whatever is sent about objects, there is an answer, and never a defect of the server."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_server import Tokens
from deriva_catalog.access import ANONYMOUS, Client
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.server.messages import Request
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.service import Service
from deriva_catalog.server.tokenfile import TokenFile

PIECES = [
    *("/", "/", "a", "b", "ns", ":", ";", "acl", "metadata", "upload", "versions", "content"),
    *("register", "stat", "have", "add", "get", "read", "owner", "content-md5", "content-type"),
    *(
        "%2F",
        "%00",
        "%ff",
        "%",
        "%zz",
        "..",
        ".",
        "é",
        " ",
        "+",
        "*",
        "@",
        "0",
        "-1",
        "99999999999",
    ),
    *("AAAAAAAAAAAAAAAAAAAAAAAAAA", "f" * 64, "?parents=true", "?", "&", "=", "#", "x" * 3000),
]
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "put", ""]
VALUES = ["", "*", '"x"', "bytes=0-1", "bytes=9-", "x=1", "\x00", "é", "-1", "1e9", "null", "a/b"]
HEADERS = [
    *("content-length", "content-md5", "content-sha256", "content-disposition", "content-type"),
    *("if-match", "if-none-match", "if-range", "range", "accept"),
]
BODIES = [
    *(b"", b"x", b"null", b"[]", b"{}", b"[1]", b'["a"]', b'[["a"]]', b"{", b"\xff", b"0" * 41),
    b'{"command": "rename_from", "source_name": "/ns/a"}',
    b'{"command": "rename_from", "source_name": "/ns/a", "source_versions": [1]}',
    b'{"command": "rename_from", "source_name": "../x", "copy_acls": 1}',
    b'{"chunk-length": 1, "content-length": 1}',
    b'{"chunk-length": 1e3, "content-length": "1"}',
    b'{"chunk-length": 1, "content-length": 1, "content-sha256": "' + b"f" * 64 + b'"}',
    b'{"uploads": [{}]}',
    b'{"uploads": [{"name": "/hatrac/a", "sha256": "'
    + b"f" * 64
    + b'", "length": 1, "md5": "x"}]}',
    b'["/hatrac/ns/a:X", "nothing", "/hatrac/ns/a"]',
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    registry = Registry(tmp_path)
    registry.create(catalog_id="zoo").close()
    made = Service(registry, TokenFile(Tokens(tmp_path / "tokens.json").path), ROUTES)
    yield made
    made.close()


def test_nothing_breaks_the_service(service: Service) -> None:
    chance = random.Random(7)
    clients = [Client(default_client()), Client("kim"), ANONYMOUS]
    seen: set[int] = set()
    for _ in range(4000):
        base = chance.choice(["/hatrac", "/hatrac/ns", "/ermrest/catalog/zoo/hatrac"])
        target = base + "".join(chance.choices(PIECES, k=chance.randrange(9)))
        headers = {n: chance.choice(VALUES) for n in HEADERS if chance.random() < 0.2}
        body = chance.choice(BODIES)
        if chance.random() < 0.7:
            headers["content-length"] = str(len(body))
        request = Request(
            chance.choice(METHODS), target, headers, chance.choice(clients), io.BytesIO(body)
        )
        answer = service.handle(request)
        if not isinstance(answer.body, bytes):
            assert isinstance(b"".join(answer.body), bytes)
        assert answer.status < 500 or answer.status == 501, request
        seen.add(answer.status)
    assert seen >= {200, 201, 204, 400, 401, 403, 404, 405, 409, 411, 412}
