"""``deriva-catalog serve`` killed at random moments keeps its promises, and leaves no halves."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from catalog_server import HttpClient, Tokens
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.own_objects import find_own_objects
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.objects.checking import unreferenced, verify
from object_writers import Promises, Writer
from s3_server import Bucket
from serve_command import ServeProcess, serve_process

USER = default_client()
ALL = ("--deleted", "0", "--unnamed", "0", "--uploads", "0")


class Killed:
    """A service that is killed again and again, and started anew at the same port."""

    def __init__(self, home: Path, options: Sequence[str]) -> None:
        self.home = home
        self.tokens = Tokens(home.with_name("tokens.json"))
        self.token = self.tokens.add(USER)
        self._options = ("--tokens-file", str(self.tokens.path), *options)
        self._is_there = threading.Event()
        self._stack = ExitStack()
        self.port = 0
        self.start()

    def start(self) -> None:
        self._process: ServeProcess = self._stack.enter_context(
            serve_process(self.home, *self._options, port=self.port)
        )
        self.port = self._process.port
        self._is_there.set()

    def kill(self) -> None:
        self._is_there.clear()
        self._process.kill()

    def connect(self) -> HttpClient:
        """A client, once the service is there."""
        assert self._is_there.wait(300)
        return HttpClient(self.port, self.token)

    def close(self) -> None:
        self._stack.close()


def written(service: Killed, seed: int, writers: int, kills: int) -> list[Promises]:
    """What writers were promised while the service was killed under their hands."""
    moments, ended = random.Random(seed), threading.Event()
    answers = threading.Semaphore(0)
    with ThreadPoolExecutor(writers) as pool:
        running = [
            pool.submit(Writer(number, seed, service.connect, answers.release).run, ended)
            for number in range(writers)
        ]
        try:
            for _ in range(kills):
                for _ in range(moments.randrange(8 * writers, 20 * writers)):
                    assert answers.acquire(timeout=300)
                time.sleep(moments.uniform(0, 0.03))  # so that it comes in the midst of anything
                service.kill()
                service.start()
        finally:
            ended.set()
        return [each.result() for each in running]


def check_promises(client: HttpClient, promises: Promises) -> None:
    for url, data in promises.kept.items():
        got = client.get(url)
        assert (got.status, got.body) == (200, data), url
        if url in promises.moved:
            assert got.headers["content-location"].startswith(f"{promises.moved[url]}:")
    for url in promises.gone:
        assert client.get(url).status == 404
    for url in promises.perhaps_gone:
        assert client.get(url).status in (200, 404)
    for name in promises.unfinished:
        assert client.get(name).status in (404, 409)  # 404: not even its beginning was answered
    for name, datas in promises.sent.items():
        listed = client.get(f"{name};versions")
        assert listed.status in (200, 404)
        for url in listed.json if listed.status == 200 else ():
            assert client.get(url).body in datas
    spaces = {name.rpartition("/")[0] for name in promises.sent}
    for space in spaces:
        for name in client.get(space).json:
            assert name in promises.sent or name in promises.unfinished


def collected(home: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "deriva_catalog.cli", "gc", "/hatrac", *ALL, "--json"],
        env={**os.environ, "DERIVA_ML_HOME": str(home)},
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, int] = json.loads(done.stdout)["/hatrac"]
    return found


def stored_is_named(home: Path) -> set[str]:
    """Check that exactly what versions name is stored, undamaged; returns its digests."""
    store = find_own_objects(Registry(home))
    assert store is not None
    with closing(store):
        assert verify(store) == []
        assert unreferenced(store) == []
        assert list(store.content.keys.entries("incoming")) == []
        assert list(store.content.keys.entries("uploads")) == []
        return {sha256 for sha256, _ in store.content.digests()}


def scenario(service: Killed, seed: int, *, writers: int, kills: int) -> list[Promises]:
    promises = written(service, seed, writers, kills)
    with service.connect() as client:
        for each in promises:
            check_promises(client, each)
    collected(service.home)
    digests = stored_is_named(service.home)
    with service.connect() as client:  # the service goes on, and nothing was lost
        for each in promises:
            check_promises(client, each)
            for data in each.kept.values():
                assert hashlib.sha256(data).hexdigest() in digests
    return promises


@pytest.mark.parametrize("seed", [1])
def test_promises_are_kept_over_a_directory(tmp_path: Path, seed: int) -> None:
    with closing(Killed(tmp_path / "home", ())) as service:
        scenario(service, seed, writers=3, kills=2)


def test_promises_are_kept_over_a_bucket(tmp_path: Path, bucket: Bucket) -> None:
    with closing(Killed(tmp_path / "home", ("--objects", bucket.url()))) as service:
        promises = scenario(service, 3, writers=2, kills=1)
    named = {hashlib.sha256(d).hexdigest() for each in promises for d in each.kept.values()}
    assert named <= bucket.contents()
