"""Clients that are killed while they send and fetch: whole objects and files, and the next goes on.

A process that has imported everything forks the clients, so that each is there at once.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_server import Served, serving
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import parse_host
from deriva_catalog.catalog.remote.connection import Connection
from deriva_catalog.catalog.remote.link import Link
from deriva_catalog.catalog.remote.objects import FEATURE, RemoteObjectStore
from deriva_catalog.errors import Conflict, NotFound

SEED = 61_126
FILES = 5
ROUNDS = 12
USER = default_client()

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

CLIENT = """
import os, random, signal, sys, time
import httpx
from pathlib import Path
from deriva_catalog.catalog.remote import parse_host, contents, plain, receiving
from deriva_catalog.catalog.remote.connection import Connection
from deriva_catalog.catalog.remote.link import Link
from deriva_catalog.catalog.remote.objects import FEATURE, RemoteObjectStore

contents.SMALL = receiving.LARGE = 4000
contents.CHUNK = plain.CHUNK = 20_000
url, token, place, kind = *sys.argv[1:3], Path(sys.argv[3]), sys.argv[4]

def store():
    link = Link(Connection(parse_host(url), credential={"bearer-token": token}), "zoo")
    if kind == "plain":
        link.features = {name: have for name, have in link.features.items() if name != FEATURE}
    return RemoteObjectStore(link)

def note(what):
    with (place / "acknowledged").open("a") as out:
        out.write(f"{what}\\n")

def put(names):
    objects = store()
    for name in names:
        version = objects.put(f"/hatrac/{kind}/{name}", place / name)
        note(version.url)

def get(names):
    objects = store()
    for name in names:
        objects.get(f"/hatrac/{kind}/{name}", place / "got" / name)

def get_many(names):
    objects = store()
    found = [objects.stat(f"/hatrac/{kind}/{name}").content for name in names]
    objects.content.get_many([(c, place / "many" / n) for c, n in zip(found, names, strict=True)])

def die_after(answers):
    left, send = iter(range(answers - 1)), httpx.Client.send
    def counted(*given, **named):
        answer = send(*given, **named)
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    httpx.Client.send = counted

# Each line: what to do, after how many answers ("3x") or seconds it is killed, or "end", and with
# which files.
for line in sys.stdin:
    act, when, *names = line.split()
    pid = os.fork()
    if pid == 0:
        if when.endswith("x"):
            die_after(int(when[:-1]))
        {"put": put, "get": get, "get_many": get_many}[act](names)
        os._exit(0)
    if when != "end" and not when.endswith("x"):
        time.sleep(float(when))
        os.kill(pid, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Clients:
    """Clients that run one after the other, and are killed when they are told to."""

    def __init__(self, served: Served, place: Path, kind: str) -> None:
        self.kind, self.place = kind, place
        self.datas: dict[str, bytes] = {}
        for number in range(FILES):
            data = random.Random(f"{SEED}{number}").randbytes(30_000 * (number + 1))
            self.datas[f"f{number}"] = data
            (place / f"f{number}").write_bytes(data)
        token = served.tokens.add(USER)
        link = Link(Connection(parse_host(served.url), credential={"bearer-token": token}), "zoo")
        if kind == "plain":
            link.features = {name: on for name, on in link.features.items() if name != FEATURE}
        self.objects = RemoteObjectStore(link)
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, served.url, token, str(place), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DERIVA_ML_HOME": str(place / "home")},
        )

    def run(self, act: str, when: float | str, names: list[str]) -> int:
        """Let a client do something with files; it is killed after ``3x`` answers, or seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{act} {when} {' '.join(names)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def acknowledged(self) -> list[str]:
        """The URLs of versions that a client was told it has made."""
        file = self.place / "acknowledged"
        return file.read_text().split() if file.exists() else []

    def missing(self) -> list[str]:
        """The files that no client was told to be stored."""
        done = {url.rpartition("/")[2].partition(":")[0] for url in self.acknowledged()}
        return [name for name in self.datas if name not in done]

    def visible(self) -> dict[str, list[str]]:
        """The versions that there are of each file."""
        found = {}
        for name in self.datas:
            try:
                found[name] = [v.url for v in self.objects.versions(f"/hatrac/{self.kind}/{name}")]
            except (NotFound, Conflict):
                continue
        return found

    def end(self) -> None:
        """Let the process come to its end."""
        self._process.communicate()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    Registry(home).create(catalog_id="zoo").close()
    with serving(home) as running:
        yield running


@pytest.fixture(params=["own", "plain"])
def clients(served: Served, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Clients]:
    made = Clients(served, tmp_path, request.param)
    yield made
    made.end()


def test_killed_clients_leave_whole_objects_and_files(clients: Clients) -> None:
    rng = random.Random(SEED)
    killed = 0
    while clients.missing() and killed < ROUNDS:
        # By answers first, which interrupts on a fast machine, too; then in the midst of anything.
        when = f"{killed + 1}x" if killed < 3 else rng.uniform(0.0, 0.01 * killed)
        killed += clients.run("put", when, clients.missing()) != 0
        visible = clients.visible()
        for urls in visible.values():
            for url in urls:
                name = url.rpartition("/")[2].partition(":")[0]
                assert clients.objects.read(url) == clients.datas[name]
        assert set(clients.acknowledged()) <= {url for urls in visible.values() for url in urls}
    assert killed > 2
    assert clients.run("put", "end", clients.missing() or ["f0"]) == 0
    assert clients.missing() == []

    got = clients.place / "got"
    for _ in range(ROUNDS):
        clients.run("get", rng.uniform(0.0, 0.08), rng.sample(list(clients.datas), FILES))
        for name, data in clients.datas.items():
            if (got / name).exists():
                assert (got / name).read_bytes() == data
    for name in clients.datas:
        (got / name).unlink(missing_ok=True)
    assert clients.run("get", "end", list(clients.datas)) == 0
    assert {name: (got / name).read_bytes() for name in clients.datas} == clients.datas
    assert sorted(p.name for p in got.iterdir()) == sorted(clients.datas)  # no parts, no locks

    many = clients.place / "many"
    for when in ("4x", "6x", "7x", rng.uniform(0.0, 0.08), "end"):
        clients.run("get_many", when, list(clients.datas))
        found = [p for p in many.glob("[!.]*")]
        assert all(p.read_bytes() == clients.datas[p.name] for p in found)
    assert len(found) == FILES
