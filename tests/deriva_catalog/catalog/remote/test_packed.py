"""Packs from servers that break off, leave something out, or lie."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deriva_catalog.catalog.remote import connection as connecting
from deriva_catalog.catalog.remote.connection import Connection, Timeouts
from deriva_catalog.catalog.remote.host import parse_host
from deriva_catalog.catalog.remote.packed import PackWriter, Placed, by_digest
from deriva_catalog.catalog.remote.receiving import Place
from deriva_catalog.errors import Corrupted, Unavailable
from deriva_catalog.objects import Content
from deriva_catalog.objects.packs import pack_one

DATAS = [b"content %d " % n * 10 for n in range(6)]


def content_of(data: bytes) -> Content:
    return Content(len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())


@dataclass
class Teller:
    """What a server answers: packs of what it has under a digest, right or wrong.

    `cuts` say after how many bytes answers break off; None and all later ones are whole. With
    `ends` they do not break off but end there.
    """

    has: dict[str, bytes]
    cuts: list[int | None] = field(default_factory=list)
    ends: bool = False
    asked: list[list[str]] = field(default_factory=list)

    def answer(self, wanted: list[str]) -> tuple[int, bytes]:
        """The length that is announced, and what is sent."""
        self.asked.append(wanted)
        pack = b"".join(pack_one(sha256, self.has[sha256]) for sha256 in wanted)
        sent = pack[: self.cuts.pop(0) if self.cuts else None]
        return len(sent if self.ends else pack), sent


@contextmanager
def telling(teller: Teller) -> Iterator[Place]:
    """A server on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            length, sent = teller.answer(wanted)
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        to = Connection(parse_host(url), credential={"bearer-token": "t"}, timeouts=Timeouts(5, 5))
        try:
            yield Place(to, "/packs")
        finally:
            to.close()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short."""
    monkeypatch.setattr(connecting, "_FIRST_PAUSE_S", 0.001)


@pytest.fixture
def teller() -> Teller:
    return Teller({content_of(data).sha256: data for data in DATAS})


def wanted_in(directory: Path) -> list[Placed]:
    return by_digest((content_of(data), directory / str(n)) for n, data in enumerate(DATAS))


def left_in(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def test_what_broke_off_is_asked_for_from_there_on(teller: Teller, tmp_path: Path) -> None:
    one = len(pack_one("0" * 64, DATAS[0]))
    progress: list[int] = []
    for teller.ends in (False, True):
        teller.cuts, teller.asked = [2 * one + 50, one], []
        directory = tmp_path / str(teller.ends)
        with telling(teller) as place:
            PackWriter(place, progress=progress.append).get(wanted_in(directory))
        assert left_in(directory) == {str(n): data for n, data in enumerate(DATAS)}
        assert [len(asked) for asked in teller.asked] == [6, 4, 3]
    assert sum(progress) == 2 * sum(map(len, DATAS))


def test_a_content_that_never_comes_is_named_and_not_asked_for_for_ever(
    teller: Teller, tmp_path: Path
) -> None:
    one = len(pack_one("0" * 64, DATAS[0]))
    for teller.ends in (False, True):
        teller.cuts, teller.asked = [2 * one + 60, 60, 60, 60, 60, 60], []
        directory = tmp_path / str(teller.ends)
        sha256 = content_of(DATAS[2]).sha256
        with telling(teller) as place, pytest.raises(Unavailable, match=sha256) as caught:
            PackWriter(place).get(wanted_in(directory))
        assert caught.value.facts["sha256"] == sha256
        assert left_in(directory) == {"0": DATAS[0], "1": DATAS[1]}
        assert len(teller.asked) == 4


@pytest.mark.parametrize("wrong", [b"x" * len(DATAS[1]), b"", DATAS[1] + b"more"])
def test_a_wrong_content_is_named_and_the_others_come(
    teller: Teller, wrong: bytes, tmp_path: Path
) -> None:
    sha256 = content_of(DATAS[1]).sha256
    teller.has[sha256] = wrong
    with telling(teller) as place, pytest.raises(Corrupted, match=sha256):
        PackWriter(place).get(wanted_in(tmp_path))
    assert left_in(tmp_path) == {str(n): d for n, d in enumerate(DATAS) if n != 1}
    assert len(teller.asked) == 1


def test_contents_that_nobody_asked_for_are_refused(tmp_path: Path) -> None:
    class Liar(Teller):
        def answer(self, wanted: list[str]) -> tuple[int, bytes]:
            self.asked.append(wanted)
            pack = pack_one("0" * 64, b"?")
            return len(pack), pack

    liar = Liar({})
    with telling(liar) as place, pytest.raises(Unavailable, match="0000 where"):
        PackWriter(place).get(wanted_in(tmp_path))
    assert left_in(tmp_path) == {}
    assert len(liar.asked) == 3


def test_a_file_that_cannot_be_written_ends_it(teller: Teller, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with telling(teller) as place, pytest.raises(Unavailable, match="cannot be written"):
        PackWriter(place).get(wanted_in(tmp_path / "file"))
    assert len(teller.asked) == 1
