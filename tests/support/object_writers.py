"""Clients that write, rename and delete objects at random, and know what they were promised.

The server may be killed at any moment: what a client was not answered may have happened or not,
but nothing in between.
"""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from catalog_server import HttpClient, Reply

CHUNK = 40_000


@dataclass
class Promises:
    """What one client may count on.

    Attributes:
        kept: The bytes of versions, by their URLs.
        gone: URLs of versions that were deleted.
        perhaps_gone: URLs of versions whose deletion was not answered.
        sent: All bytes that were ever sent to a name: nothing else may be there.
        unfinished: Objects of which nobody ended an upload.
        moved: Old URLs of versions, to the new name of their object.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    perhaps_gone: set[str] = field(default_factory=set)
    sent: dict[str, set[bytes]] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)


class Writer:
    """One client, with a namespace of its own.

    Args:
        number: Which one; with the seed it decides what the client does.
        seed: Of the test.
        connect: Makes a connection to the server, once that is there.
        answered: Told of each answer.
    """

    def __init__(
        self,
        number: int,
        seed: int,
        connect: Callable[[], HttpClient],
        answered: Callable[[], object],
    ) -> None:
        self.promises = Promises()
        self._random = random.Random(f"{seed}/{number}")
        self._space = f"/hatrac/w{number}"
        self._names = 0
        self._connect = connect
        self._answered = answered
        self._client: HttpClient | None = None

    def run(self, ended: threading.Event) -> Promises:
        """Write until told to stop."""
        acts = [self._put, self._put_again, self._upload, self._leave, self._rename, self._delete]
        while not ended.is_set():
            act = self._random.choices(acts, (4, 3, 3, 1, 2, 1))[0]
            try:
                act()
            except (OSError, http.client.HTTPException):  # it was killed
                self._client = None
        if self._client is not None:
            self._client.close()
        return self.promises

    def _ask(self, method: str, target: str, body: object = None) -> Reply:
        if self._client is None:
            self._client = self._connect()
        reply = self._client.request(method, target, body)
        assert reply.status < 500, (method, target, reply.status, reply.text)
        self._answered()
        return reply

    def _fresh_name(self) -> str:
        self._names += 1
        return f"{self._space}/{self._names}"

    def _data(self) -> bytes:
        size = self._random.choice((0, 10, 5_000, 300_000, 1_500_000))
        same = self._random.random() < 0.3  # bytes that others write, too
        return (random.Random(size) if same else self._random).randbytes(size)

    def _send(self, name: str, data: bytes) -> None:
        self.promises.sent.setdefault(name, set()).add(data)

    def _kept(self, reply: Reply, data: bytes) -> None:
        assert reply.status == 201, reply.text
        self.promises.kept[reply.headers["location"]] = data

    # --- what it does ----------------------------------------------------------------

    def _put(self, name: str | None = None) -> None:
        name, data = name or self._fresh_name(), self._data()
        self._send(name, data)
        self._kept(self._ask("PUT", f"{name}?parents=true", data), data)

    def _put_again(self) -> None:
        self._put(self._some_name())

    def _begun(self, name: str, data: bytes) -> str:
        plan = {"chunk-length": CHUNK, "content-length": len(data)}
        made = self._ask("POST", f"{name};upload?parents=true", plan)
        assert made.status == 201, made.text
        return made.headers["location"]

    def _upload(self) -> None:
        name, data = self._fresh_name(), self._data()
        self.promises.unfinished.add(name)
        job = self._begun(name, data)
        numbers = list(range(-(-len(data) // CHUNK)))
        self._random.shuffle(numbers)
        for n in numbers:
            part = data[n * CHUNK : (n + 1) * CHUNK]
            assert self._ask("PUT", f"{job}/{n}", part).status == 204
        self.promises.unfinished.discard(name)
        self._send(name, data)
        self._kept(self._ask("POST", job), data)

    def _leave(self) -> None:
        name, data = self._fresh_name(), self._random.randbytes(2 * CHUNK)
        self.promises.unfinished.add(name)
        job = self._begun(name, data)
        assert self._ask("PUT", f"{job}/0", data[:CHUNK]).status == 204
        assert self._ask("POST", job).status == 409

    def _rename(self) -> None:
        urls = [u for u in self.promises.kept if u not in self.promises.moved]
        if not urls:
            return
        old = self._random.choice(urls).partition(":")[0]
        new = self._fresh_name()
        for url, data in self.promises.kept.items():
            if url.startswith(f"{old}:"):
                self._send(new, data)
        # What was not answered may be there as well, and moves along.
        self.promises.sent.setdefault(new, set()).update(self.promises.sent.get(old, ()))
        order = {"command": "rename_from", "source_name": old.removeprefix("/hatrac")}
        reply = self._ask("POST", new, order)
        if reply.status == 409:  # some of its versions have moved before, without an answer
            return
        assert reply.status in (201, 204), reply.text
        for url in list(self.promises.kept):
            if url.startswith(f"{old}:"):
                self.promises.moved[url] = new

    def _delete(self) -> None:
        if not self.promises.kept:
            return
        url = self._random.choice(sorted(self.promises.kept))
        del self.promises.kept[url]
        self.promises.perhaps_gone.add(url)
        assert self._ask("DELETE", url).status == 204
        self.promises.perhaps_gone.discard(url)
        self.promises.gone.add(url)

    def _some_name(self) -> str:
        names = sorted({url.partition(":")[0] for url in self.promises.kept})
        return self._random.choice(names) if names else self._fresh_name()
