"""A slow object store in memory that follows the Hatrac specification word by word.

It shares no code with the real one. `SlowHatrac.expect` tells the status that a request must
have, and what must be in the answer; identifiers of versions and jobs, which are random, are
taken from the real answer.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

ROOT = "/hatrac"
NAMESPACE = "application/x-hatrac-namespace"
LISTS = {
    "namespace": (
        *("owner", "create", "read"),
        *("subtree-owner", "subtree-create", "subtree-read", "subtree-update"),
    ),
    "object": ("owner", "update", "read", "subtree-owner", "subtree-read"),
    "version": ("owner", "read"),
}
FIELDS = ("content-type", "content-disposition", "content-md5", "content-sha256")


@dataclass(frozen=True)
class Asked:
    """One request: `name` is a path without a version."""

    method: str
    name: str
    version: str | None = None
    part: str | None = None
    arguments: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = b""
    parents: bool = False


@dataclass
class Version:
    id: str
    data: bytes
    home: Node
    acls: dict[str, list[str]]
    fields: dict[str, str]
    deleted: bool = False


@dataclass
class Job:
    id: str
    owner: str
    chunk: int
    length: int
    fields: dict[str, str]
    chunks: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Node:
    path: str
    kind: str
    acls: dict[str, list[str]]
    deleted: bool = False
    versions: list[Version] = field(default_factory=list)
    """Those that are here, and those that were before a rename; as they were made."""
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def live(self) -> list[Version]:
        return [v for v in self.versions if not v.deleted]

    @property
    def current(self) -> Version | None:
        return self.live[-1] if self.live else None


class Refused(Exception):
    """The status of an answer that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class SlowHatrac:
    """The model. `roles` are those of each client."""

    def __init__(self, owner: str) -> None:
        lists = {"owner": [owner], "subtree-owner": [owner], "create": ["*"]}
        self.nodes = {ROOT: Node(ROOT, "namespace", lists)}
        self.made: list[Version] = []

    def expect(self, asked: Asked, client: str | None, answer: Any) -> dict[str, Any]:
        """What the answer must be: ``status``, and perhaps ``json``, ``body``, ``headers``."""
        try:
            return getattr(self, f"_{asked.part or 'name'}")(asked, client, answer)
        except Refused as refused:
            return {"status": refused.status}

    # --- rights ----------------------------------------------------------------------

    def above(self, path: str) -> list[Node]:
        found = []
        while path != ROOT:
            path = path.rpartition("/")[0]
            if path in self.nodes:
                found.append(self.nodes[path])
        return found

    def may(self, right: str, own: dict[str, list[str]], over: list[Any], who: str | None) -> bool:
        roles = {"*"} if who is None else {"*", who}
        granted = {*own.get(right, ()), *own.get("owner", ())}
        for each in over:
            granted |= {*each.acls.get(f"subtree-{right}", ()), *each.acls.get("subtree-owner", ())}
        return bool(roles & granted)

    def need(self, right: str, node: Node, who: str | None) -> None:
        if not self.may(right, node.acls, self.above(node.path), who):
            raise Refused(401 if who is None else 403)

    def need_version(self, right: str, version: Version, who: str | None) -> None:
        over = [version.home, *self.above(version.home.path)]
        if not self.may(right, version.acls, over, who):
            raise Refused(401 if who is None else 403)

    # --- finding ---------------------------------------------------------------------

    def node(self, path: str, kind: str | None = None) -> Node:
        node = self.nodes.get(path)
        if node is None or node.deleted or kind not in (None, node.kind):
            raise Refused(404)
        return node

    def version(self, asked: Asked) -> Version:
        node = self.node(asked.name, "object")
        if asked.version is None:
            if node.current is None:
                raise Refused(409)
            return node.current
        for version in node.live:
            if version.id == asked.version:
                return version
        raise Refused(404)

    def claim(self, path: str, kind: str, parents: bool, who: str | None) -> None:
        """Whether the client may use a name for an object or namespace of its own."""
        node, over = self.nodes.get(path), self.above(path)
        if any(n.deleted or n.kind == "object" for n in over):
            raise Refused(409)
        if node is not None and (node.deleted or node.kind != kind):
            raise Refused(409)
        if not parents and path.rpartition("/")[0] not in self.nodes:
            raise Refused(404)
        if who is None:
            raise Refused(401)
        if node is None:
            self.need("create", over[0], who)
        elif kind == "object":
            self.need("update", node, who)

    def make(self, path: str, kind: str, who: str | None) -> Node:
        for place in [*reversed(self.missing(path)), path]:
            if place not in self.nodes:
                made = kind if place == path else "namespace"
                self.nodes[place] = Node(place, made, {"owner": [str(who)]})
        return self.nodes[path]

    def missing(self, path: str) -> list[str]:
        found = []
        while (path := path.rpartition("/")[0]) not in self.nodes:
            found.append(path)
        return found

    def condition(self, asked: Asked, state: str | None) -> None:
        wanted, unwanted = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        status = 304 if asked.method in ("GET", "HEAD") else 412

        def matches(header: str) -> bool:
            return state is not None and header in ("*", f'"{state}"')

        if wanted is not None and not matches(wanted):
            raise Refused(status)
        if unwanted is not None and matches(unwanted):
            raise Refused(status)

    # --- names and versions ----------------------------------------------------------

    def _name(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        return {"GET": self.get, "HEAD": self.get, "PUT": self.put, "DELETE": self.delete}.get(
            asked.method, self.rename
        )(asked, who, answer)

    def get(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if asked.version is None and self.node(asked.name).kind == "namespace":
            self.need("read", self.node(asked.name), who)
            names = [
                n.path
                for n in self.nodes.values()
                if not n.deleted and n.path != ROOT and n.path.rpartition("/")[0] == asked.name
            ]
            return {"status": 200, "json": sorted(names)}
        version = self.version(asked)
        self.need_version("read", version, who)
        self.condition(asked, version.id)
        headers = {
            "Content-MD5": md5(version.data),
            "Content-SHA256": sha256(version.data),
            "Content-Location": f"{version.home.path}:{version.id}",
            "Content-Length": str(len(version.data)),
            "ETag": f'"{version.id}"',
        }
        return {"status": 200, "body": version.data, "headers": headers}

    def put(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if asked.version is not None:
            raise Refused(405)
        node = self.nodes.get(asked.name)
        is_object = node is not None and node.kind == "object" and not node.deleted
        if asked.headers.get("content-type") == NAMESPACE and not is_object:
            return self.put_namespace(asked, who)
        self.claim(asked.name, "object", asked.parents, who)
        current = None if node is None else node.current
        self.condition(asked, None if current is None else current.id)
        fields = {k: v for k, v in asked.headers.items() if k in FIELDS}
        if fields.get("content-md5", md5(asked.body)) != md5(asked.body):
            raise Refused(400)
        if fields.get("content-sha256", sha256(asked.body)) != sha256(asked.body):
            raise Refused(400)
        return self.new_version(
            self.make(asked.name, "object", who), asked.body, fields, who, answer
        )

    def new_version(
        self, node: Node, data: bytes, fields: dict[str, str], who: str | None, answer: Any
    ) -> dict[str, Any]:
        url = answer.body.decode().strip()
        version = Version(url.rpartition(":")[2], data, node, {"owner": [str(who)]}, fields)
        self.made.append(version)
        node.versions.append(version)
        return {"status": 201, "body": f"{node.path}:{version.id}\n".encode()}

    def put_namespace(self, asked: Asked, who: str | None) -> dict[str, Any]:
        node = self.nodes.get(asked.name)
        if asked.headers.get("if-none-match") == "*" and node is not None and not node.deleted:
            raise Refused(412)
        if asked.headers.get("if-match") is not None:
            raise Refused(412)
        if node is not None and not node.deleted:
            raise Refused(409)
        self.claim(asked.name, "namespace", asked.parents, who)
        self.make(asked.name, "namespace", who)
        return {"status": 201, "body": f"{asked.name}\n".encode()}

    def delete(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if asked.name == ROOT:
            raise Refused(403)
        if asked.version is not None:
            version = self.version(asked)
            self.condition(asked, version.id)
            if not self.may("owner", version.home.acls, self.above(version.home.path), who):
                self.need_version("owner", version, who)
            version.deleted = True
            return {"status": 204}
        node = self.node(asked.name)
        if node.kind == "object":
            self.condition(asked, None if node.current is None else node.current.id)
        inside = [n for n in self.nodes.values() if (n.path + "/").startswith(node.path + "/")]
        for each in inside:
            if not each.deleted:
                self.need("owner", each, who)
        for each in inside:
            each.deleted = True
            each.jobs.clear()
            for version in each.versions:
                version.deleted |= version.home is each
        return {"status": 204}

    def rename(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        source = self.nodes.get(asked.body["source_name"])
        if source is None or source.deleted or source.kind != "object":
            raise Refused(409)
        self.need("owner", source, who)
        wanted = asked.body.get("source_versions")
        if wanted is not None and not set(wanted) <= {v.id for v in source.live}:
            raise Refused(409)
        chosen = [v for v in reversed(source.live) if wanted is None or v.id in wanted]
        for version in chosen:
            self.need_version("owner", version, who)
        target = self.nodes.get(asked.name)
        self.condition(
            asked, target.current.id if target and not target.deleted and target.current else None
        )
        if any(v.home is not source and v.home.path != asked.name for v in chosen):
            raise Refused(409)
        moving = [v for v in chosen if v.home is source is not target]
        if not moving and target is not None and not target.deleted:
            return {"status": 204}
        self.claim(asked.name, "object", False, who)
        fresh = target is None
        target = self.make(asked.name, "object", who)
        copied = asked.body.get("copy_acls", False)
        if fresh and copied:
            target.acls = {k: list(v) for k, v in source.acls.items()}
        for version in moving:
            version.home = target
            if not copied:
                version.acls = {"owner": [str(who)]}
            if version not in target.versions:
                target.versions.append(version)
        target.versions.sort(key=self.made.index)
        lines = [f"{asked.name}:{v.id}" for v in chosen] or [asked.name]
        return {"status": 201, "body": "".join(f"{line}\n" for line in lines).encode()}

    def _versions(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if asked.version is not None:
            raise Refused(404)
        node = self.node(asked.name, "object")
        self.need("read", node, who)
        return {"status": 200, "json": [f"{node.path}:{v.id}" for v in reversed(node.live)]}

    # --- lists -----------------------------------------------------------------------

    def _acl(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if asked.version is not None:
            version = self.version(asked)
            self.need_version("owner", version, who)
            kind, acls = "version", version.acls
        else:
            node = self.node(asked.name)
            self.need("owner", node, who)
            kind, acls = node.kind, node.acls
        if not asked.arguments:
            return {"status": 200, "json": {name: acls.get(name, []) for name in LISTS[kind]}}
        access, *member = asked.arguments
        if access not in LISTS[kind]:
            raise Refused(400)
        have = acls.setdefault(access, [])
        if member and asked.method in ("GET", "DELETE") and member[0] not in have:
            raise Refused(404)
        if asked.method == "GET":
            if member:
                return {"status": 200, "body": f"{member[0]}\n".encode()}
            return {"status": 200, "json": list(have)}
        if asked.method == "PUT":
            acls[access] = [*have, *(m for m in member if m not in have)] if member else asked.body
        else:
            acls[access] = [role for role in have if member and role != member[0]]
        return {"status": 204}

    # --- metadata --------------------------------------------------------------------

    def _metadata(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        version = self.version(asked)
        self.need_version("read" if asked.method == "GET" else "owner", version, who)
        if not asked.arguments:
            return {"status": 200, "json": version.fields}
        name = asked.arguments[0]
        if asked.method != "PUT" and name not in version.fields:
            raise Refused(404)
        if asked.method == "GET":
            return {"status": 200, "body": f"{version.fields[name]}\n".encode()}
        if asked.method == "DELETE":
            del version.fields[name]
            return {"status": 204}
        value = asked.body.decode()
        right = {"content-md5": md5, "content-sha256": sha256}.get(name)
        if right is not None and value != right(version.data):
            raise Refused(409)
        version.fields[name] = value
        return {"status": 204}

    # --- uploads ---------------------------------------------------------------------

    def _upload(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        if not asked.arguments:
            return self.begin(asked, who, answer)
        node = self.node(asked.name, "object")
        job = node.jobs.get(asked.arguments[0])
        if job is None:
            raise Refused(404)
        if job.owner != who:
            raise Refused(401 if who is None else 403)
        count = -(-job.length // job.chunk)
        if len(asked.arguments) == 2:
            return self.chunk(asked, job, count)
        if asked.method == "GET":
            return {"status": 200}
        if asked.method == "DELETE":
            del node.jobs[job.id]
            return {"status": 204}
        data = b"".join(job.chunks.get(n, b"") for n in range(count))
        if len(data) != job.length or job.fields.get("content-md5", md5(data)) != md5(data):
            raise Refused(409)
        self.claim(asked.name, "object", False, who)
        del node.jobs[job.id]
        return self.new_version(node, data, dict(job.fields), who, answer)

    def begin(self, asked: Asked, who: str | None, answer: Any) -> dict[str, Any]:
        self.claim(asked.name, "object", asked.parents, who)
        node = self.make(asked.name, "object", who)
        plan = asked.body
        fields = {k: v for k, v in plan.items() if k in FIELDS}
        job = answer.body.decode().strip().rpartition("/")[2]
        node.jobs[job] = Job(job, str(who), plan["chunk-length"], plan["content-length"], fields)
        return {"status": 201}

    def chunk(self, asked: Asked, job: Job, count: int) -> dict[str, Any]:
        number = int(asked.arguments[1])
        if number >= count or len(asked.body) != min(job.chunk, job.length - number * job.chunk):
            raise Refused(409)
        job.chunks[number] = asked.body
        return {"status": 204}
