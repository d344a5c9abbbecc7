"""Random requests, answered by the service and by a slow model that shares no code with it."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from catalog_server import Tokens
from deriva_catalog.access import ANONYMOUS, Client
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.server.messages import Answer, Request
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.service import Service
from deriva_catalog.server.tokenfile import TokenFile
from postgres import database
from slow_hatrac import NAMESPACE, ROOT, Asked, SlowHatrac, md5, sha256

STEPS = 200
USER = default_client()
LISTS = [
    *("owner", "create", "read", "update", "bogus"),
    *("subtree-owner", "subtree-create", "subtree-read", "subtree-update"),
]
CLIENTS = {name: Client(name) for name in (USER, "kim", "lee")} | {None: ANONYMOUS}
NAMES = [
    f"{ROOT}/{path}" for path in ("a", "b", "a/c", "a/d", "a/c/e", "a/c/f", "b/c", "b/c/d", "x%3Ay")
]

OPEN = ("create", "read", "subtree-create", "subtree-read", "subtree-update")
BEGINNING = [
    Asked("PUT", f"{ROOT}/a", headers={"content-type": NAMESPACE}),
    *(Asked("PUT", f"{ROOT}/a", None, "acl", (access,), body=["kim", "lee"]) for access in OPEN),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service without sockets: requests are handed to it as values."""
    tokens = TokenFile(Tokens(tmp_path / "tokens.json").path)
    if request.param == "sqlite":
        made = Service(Registry(tmp_path), tokens, ROUTES)
        yield made
        made.close()
        return
    with database() as empty:
        registry = Registry.of_database(empty.url, tmp_path / "files")
        made = Service(registry, tokens, ROUTES)
        yield made
        made.close()
        registry.close()


def target_of(asked: Asked) -> str:
    text = asked.name if asked.version is None else f"{asked.name}:{asked.version}"
    if asked.part is not None:
        text += ";" + "/".join([asked.part, *(quote(a, safe="") for a in asked.arguments)])
    return text + ("?parents=true" if asked.parents else "")


def send(service: Service, asked: Asked, client: str | None) -> Answer:
    body = asked.body if isinstance(asked.body, bytes) else json.dumps(asked.body).encode()
    headers = {"content-length": str(len(body)), **asked.headers}
    answer = service.handle(
        Request(asked.method, target_of(asked), headers, CLIENTS[client], io.BytesIO(body))
    )
    if not isinstance(answer.body, bytes):
        return Answer(answer.status, b"".join(answer.body), answer.media_type, answer.headers)
    return answer


class Asking:
    """Makes up requests, mostly about what is there."""

    def __init__(self, seed: int, model: SlowHatrac) -> None:
        self.random = random.Random(seed)
        self.model = model

    def ask(self) -> Asked:
        kind = self.random.choices(
            [self.put, self.get, self.delete, self.acl, self.metadata, self.upload, self.rename],
            [6, 6, 1, 6, 4, 8, 2],
        )[0]
        return kind()

    def next(self) -> tuple[Asked, str | None]:
        """A request and who sends it."""
        asked = self.ask()
        return asked, self.client(asked)

    def name(self, kind: str | None = None) -> str:
        """A name, mostly one that is there (and of a kind)."""
        there = [
            n.path
            for n in self.model.nodes.values()
            if not n.deleted and n.path != ROOT and kind in (None, n.kind)
        ]
        return self.random.choice(there if there and self.random.random() < 0.75 else NAMES)

    def fresh(self) -> str:
        """A name, mostly one that was never used."""
        free = [name for name in NAMES if name not in self.model.nodes]
        return self.random.choice(free) if free and self.random.random() < 0.5 else self.name()

    def client(self, asked: Asked) -> str | None:
        """Who asks, mostly who has begun the upload."""
        node = self.model.nodes.get(asked.name)
        job = node.jobs.get(asked.arguments[0]) if node and asked.arguments else None
        if job is not None and self.random.random() < 0.8:
            return job.owner
        return self.random.choices([USER, "kim", "lee", None], [4, 4, 2, 1])[0]

    def place(self) -> tuple[str, str | None]:
        """A name, perhaps with a version that it has, or had, or never had."""
        name = self.name("object" if self.random.random() < 0.7 else None)
        node = self.model.nodes.get(name)
        if self.random.random() < 0.5 or node is None or not node.versions:
            return name, None
        pool = node.versions if self.random.random() < 0.9 else self.model.made
        return name, self.random.choice(pool).id

    def data(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 10, 25]))

    def conditions(self, name: str) -> dict[str, str]:
        node = self.model.nodes.get(name)
        current = node.current.id if node is not None and node.current else "none"
        if self.random.random() < 0.75:
            return {}
        header = self.random.choice(["if-match", "if-none-match"])
        return {header: self.random.choice(["*", f'"{current}"', '"other"'])}

    def put(self) -> Asked:
        name, data = self.fresh(), self.data()
        parents = self.random.random() < 0.5
        if self.random.random() < 0.3:
            return Asked("PUT", name, headers={"content-type": NAMESPACE}, parents=parents)
        headers = self.conditions(name)
        for field, digest in (("content-md5", md5), ("content-sha256", sha256)):
            if self.random.random() < 0.3:
                headers[field] = digest(data if self.random.random() < 0.8 else b"other")
        if self.random.random() < 0.3:
            headers["content-type"] = "text/x-a"
        return Asked("PUT", name, headers=headers, body=data, parents=parents)

    def get(self) -> Asked:
        name, version = self.place()
        if self.random.random() < 0.2:
            return Asked("GET", name, None, "versions")
        if self.random.random() < 0.1:
            return Asked("GET", ROOT)
        node = self.model.nodes.get(name)
        is_object = node is not None and node.kind == "object"
        headers = self.conditions(name) if is_object else {}
        return Asked(self.random.choice(["GET", "HEAD"]), name, version, headers=headers)

    def delete(self) -> Asked:
        name, version = self.place()
        node = self.model.nodes.get(name)
        if version is None and self.random.random() < 0.9:
            return self.get()  # a deleted name is gone for good, which soon ends all
        headers = self.conditions(name) if node is not None and node.kind == "object" else {}
        return Asked("DELETE", name, version, headers=headers)

    def acl(self) -> Asked:
        name, version = self.place()
        if self.random.random() < 0.1:
            return Asked("GET", name, version, "acl")
        access = self.random.choice(LISTS)
        role = self.random.choice(["kim", "lee", USER, "*", "https://x/y;z"])
        method = self.random.choice(["GET", "PUT", "PUT", "DELETE"])
        if self.random.random() < 0.5:
            return Asked(method, name, version, "acl", (access, role))
        roles = sorted({role, self.random.choice(["kim", "lee"])}) if method == "PUT" else b""
        return Asked(method, name, version, "acl", (access,), body=roles)

    def metadata(self) -> Asked:
        name, version = self.place()
        if self.random.random() < 0.2:
            return Asked("GET", name, version, "metadata")
        field = self.random.choice(
            ["content-type", "content-disposition", "content-md5", "content-sha256"]
        )
        method = self.random.choice(["GET", "PUT", "PUT", "DELETE"])
        if method != "PUT":
            return Asked(method, name, version, "metadata", (field,))
        datas = [v.data for v in self.model.made] or [b""]
        data = self.random.choice(datas)
        value = {
            "content-type": self.random.choice(["text/x-b", "a/b"]),
            "content-disposition": "filename*=UTF-8''b%20c.txt",
            "content-md5": md5(data),
            "content-sha256": sha256(data),
        }[field]
        headers = {"content-type": "text/plain"}
        return Asked("PUT", name, version, "metadata", (field,), headers, value.encode())

    def upload(self) -> Asked:
        jobs = [(n.path, j) for n in self.model.nodes.values() for j in n.jobs.values()]
        if not jobs or self.random.random() < 0.2:
            plan: dict[str, Any] = {"chunk-length": 4, "content-length": self.random.randrange(12)}
            if self.random.random() < 0.3:
                plan["content-md5"] = md5(bytes(plan["content-length"]))
            parents = self.random.random() < 0.5
            return Asked("POST", self.fresh(), None, "upload", (), {}, plan, parents)
        name, job = self.random.choice(jobs)
        if self.random.random() < 0.1:
            name = self.name()
        if self.random.random() < 0.35:
            method = self.random.choice(["POST", "POST", "POST", "GET", "DELETE"])
            return Asked(method, name, None, "upload", (job.id,))
        number = self.random.randrange(4)
        length = max(0, min(4, job.length - 4 * number)) + self.random.choice([0, 0, 0, 0, 1])
        data = bytes(length) if self.random.random() < 0.8 else self.random.randbytes(length)
        return Asked("PUT", name, None, "upload", (job.id, str(number)), body=data)

    def rename(self) -> Asked:
        source, version = self.place()
        document: dict[str, Any] = {"command": "rename_from", "source_name": source}
        if version is not None:
            document["source_versions"] = [version]
        if self.random.random() < 0.3:
            document["copy_acls"] = True
        return Asked("POST", self.fresh(), body=document)


@pytest.mark.parametrize(
    ("service", "seed"),
    [*(("sqlite", n) for n in range(6)), ("postgresql", 6)],
    indirect=["service"],
)
def test_answers_are_those_of_the_model(service: Service, seed: int) -> None:
    model = SlowHatrac(USER)
    asking = Asking(seed, model)
    for step, asked in enumerate([*BEGINNING, *(None,) * STEPS]):
        asked, client = (asked, USER) if asked is not None else asking.next()
        answer = send(service, asked, client)
        expected = model.expect(asked, client, answer)
        what = f"step {step}: {asked} by {client}: {answer}"
        assert answer.status == expected["status"], what
        if "json" in expected and asked.method != "HEAD":
            assert json.loads(answer.body) == expected["json"], what
        if "body" in expected:
            assert answer.body == (b"" if asked.method == "HEAD" else expected["body"]), what
        headers = expected.get("headers", {})
        assert {name: answer.headers[name] for name in headers} == headers, what
