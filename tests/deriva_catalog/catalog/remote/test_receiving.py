"""Downloads from servers that break off, change their mind, or lie."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deriva_catalog.catalog.remote import connection as connecting
from deriva_catalog.catalog.remote import receiving
from deriva_catalog.catalog.remote.connection import Connection, Timeouts
from deriva_catalog.catalog.remote.host import parse_host
from deriva_catalog.catalog.remote.receiving import Place, receive, save
from deriva_catalog.errors import Corrupted, NotFound, Unavailable
from deriva_catalog.objects import Content

DATA = hashlib.shake_128(b"object").digest(300_000)
BUSY = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 0\r\nconnection: close\r\n\r\n"
GONE = b"HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Teller:
    """What a server answers: one object, as it should be; `cuts` say where answers break off.

    `cuts` has one number for each GET, of the bytes that are sent of its answer; None and all
    later ones send everything.
    """

    data: bytes = DATA
    etag: str | None = '"one"'
    ranges: bool = True
    no_match: int = 412
    cuts: list[int | None] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: str) -> bytes:
        """The whole answer to a request."""
        self.asked.append(request)
        if self.answers:
            return self.answers.pop(0)
        wanted = re.search(r"(?im)^range: bytes=(\d+)-", request)
        match = re.search(r"(?im)^if-match: (.*?)\r?$", request)
        if match and match.group(1) != self.etag:
            return f"HTTP/1.1 {self.no_match} X\r\nconnection: close\r\n\r\n".encode()
        begin = int(wanted.group(1)) if wanted and self.ranges else 0
        head = [f"content-length: {len(self.data) - begin}", "connection: close"]
        if begin:
            head.append(f"content-range: bytes {begin}-{len(self.data) - 1}/{len(self.data)}")
        if self.etag:
            head.append(f"etag: {self.etag}")
        top = f"HTTP/1.1 {206 if begin else 200} OK\r\n" + "\r\n".join(head) + "\r\n\r\n"
        if request.startswith("HEAD"):
            return top.encode()
        cut = self.cuts.pop(0) if self.cuts else None
        return top.encode() + self.data[begin:][:cut]

    def gets(self) -> list[str]:
        """The ranges that were asked for; empty for all."""
        found = (re.search(r"(?im)^range: (.*?)\r?$", r) for r in self.asked if r[:3] == "GET")
        return [each.group(1) if each else "" for each in found]


@contextmanager
def telling(teller: Teller) -> Iterator[Place]:
    """A server on the loopback, one request a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    request = connection.recv(65536).decode()
                    if request:
                        connection.sendall(teller.answer(request))

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        to = Connection(parse_host(url), credential={"bearer-token": "t"}, timeouts=Timeouts(5, 5))
        try:
            yield Place(to, "/x")
        finally:
            to.close()
            listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short, and everything beyond a thousand bytes is large."""
    monkeypatch.setattr(connecting, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(receiving, "LARGE", 1000)


def content_of(data: bytes) -> Content:
    return Content(len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())


CONTENT = content_of(DATA)


def left_in(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


# --- connections that are lost -----------------------------------------------------------


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    teller = Teller(cuts=[100_000, 50_000])
    told: list[int] = []
    with telling(teller) as place:
        save(place, CONTENT, tmp_path / "got", progress=told.append)
    assert (tmp_path / "got").read_bytes() == DATA
    assert teller.gets() == ["", "bytes=100000-", "bytes=150000-"]
    assert 'if-match: "one"' in teller.asked[1].lower()
    assert sum(told) == len(DATA)
    assert left_in(tmp_path) == ["got"]


def test_a_stream_goes_on_where_it_broke_off() -> None:
    teller = Teller(cuts=[10, 0, 20])
    with telling(teller) as place:
        assert b"".join(receive(place, len(DATA))) == DATA
    assert teller.gets() == ["", "bytes=10-", "bytes=10-", "bytes=30-"]


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    teller = Teller(answers=[BUSY, BUSY])
    with telling(teller) as place:
        save(place, CONTENT, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == DATA


def test_a_server_that_stays_busy_is_told(tmp_path: Path) -> None:
    teller = Teller(answers=[BUSY] * 20)
    with telling(teller) as place, pytest.raises(Unavailable, match="status 503"):
        save(place, CONTENT, tmp_path / "got")
    assert len(teller.asked) == 5
    assert left_in(tmp_path) == []


def test_the_next_call_goes_on_with_what_the_last_one_left(tmp_path: Path) -> None:
    teller = Teller(cuts=[200_000, 0, 0, 0, 0, 0])
    with telling(teller) as place:
        with pytest.raises(Unavailable, match="broke off after 200000 bytes"):
            save(place, CONTENT, tmp_path / "got")
        (partial,) = left_in(tmp_path)
        assert partial.startswith(".")
        teller.cuts.clear()
        told: list[int] = []
        save(place, CONTENT, tmp_path / "got", progress=told.append)
    assert teller.gets()[-1] == "bytes=200000-"
    assert 'if-match: "one"' in teller.asked[-1].lower()
    assert (tmp_path / "got").read_bytes() == DATA
    assert sum(told) == len(DATA)
    assert left_in(tmp_path) == ["got"]


def test_a_small_download_that_breaks_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "LARGE", 1 << 20)
    (tmp_path / "got").write_bytes(b"as it was")
    with (
        telling(Teller(cuts=[10, 0, 0, 0, 0, 0])) as place,
        pytest.raises(Unavailable, match="broke off"),
    ):
        save(place, CONTENT, tmp_path / "got")
    assert left_in(tmp_path) == ["got"]
    assert (tmp_path / "got").read_bytes() == b"as it was"


# --- servers that change their mind ------------------------------------------------------


def half(teller: Teller, place: Place, target: Path) -> None:
    """Leave the first half of a download."""
    teller.cuts[:] = [150_000, 0, 0, 0, 0, 0]
    with pytest.raises(Unavailable):
        save(place, CONTENT, target)
    teller.cuts.clear()
    teller.asked.clear()


def change_etag(teller: Teller) -> None:
    teller.etag = '"two"'


def forget_etag(teller: Teller) -> None:
    teller.etag = None


def forget_ranges(teller: Teller) -> None:
    teller.ranges = False


@pytest.mark.parametrize("change", [change_etag, forget_etag, forget_ranges])
def test_a_half_is_completed_whatever_the_server_calls_it(
    tmp_path: Path, change: Callable[[Teller], None]
) -> None:
    teller = Teller()
    with telling(teller) as place:
        half(teller, place, tmp_path / "got")
        change(teller)
        save(place, CONTENT, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == DATA
    assert left_in(tmp_path) == ["got"]


def test_a_half_that_is_damaged_is_got_anew(tmp_path: Path) -> None:
    teller = Teller()
    with telling(teller) as place:
        half(teller, place, tmp_path / "got")
        (partial,) = tmp_path.iterdir()
        partial.write_bytes(b"?" * 150_000)
        save(place, CONTENT, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == DATA
    assert teller.gets() == ["bytes=150000-", ""]
    assert left_in(tmp_path) == ["got"]


def test_a_half_of_something_longer_is_got_anew(tmp_path: Path) -> None:
    teller = Teller()
    with telling(teller) as place:
        half(teller, place, tmp_path / "got")
        (partial,) = tmp_path.iterdir()
        partial.write_bytes(DATA + b"more")
        save(place, CONTENT, tmp_path / "got")
    assert teller.gets() == [""]


@pytest.mark.parametrize("no_match", [412, 304])
def test_an_object_that_changes_on_the_way_is_refused(tmp_path: Path, no_match: int) -> None:
    teller = Teller(cuts=[100_000], no_match=no_match)

    def change(_: int) -> None:
        teller.etag = '"two"'

    with telling(teller) as place, pytest.raises(Exception, match=r"changed|status 412") as caught:
        save(place, CONTENT, tmp_path / "got", progress=change)
    assert type(caught.value).__module__.startswith("deriva_catalog")
    assert left_in(tmp_path) == []


def test_a_server_without_ranges_that_breaks_off_is_told(tmp_path: Path) -> None:
    with (
        telling(Teller(cuts=[100_000], ranges=False)) as place,
        pytest.raises(Unavailable, match="does not go on"),
    ):
        save(place, CONTENT, tmp_path / "got")
    assert left_in(tmp_path) == []


# --- servers that lie --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (CONTENT, "SHA-256"),
        (Content(CONTENT.length, CONTENT.md5, ""), "MD5"),
    ],
)
@pytest.mark.parametrize("large", [1000, 1 << 20])
def test_other_bytes_of_the_same_length_are_refused(
    tmp_path: Path, content: Content, named: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "LARGE", large)
    with telling(Teller(data=DATA[:-1] + b"?")) as place, pytest.raises(Corrupted, match=named):
        save(place, content, tmp_path / "got")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"?", b""])
@pytest.mark.parametrize("large", [1000, 1 << 20])
def test_more_or_fewer_bytes_are_refused(
    tmp_path: Path, data: bytes, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "LARGE", large)
    with telling(Teller(data=data)) as place, pytest.raises(Corrupted, match="were announced"):
        save(place, CONTENT, tmp_path / "got")
    assert left_in(tmp_path) == []


def test_an_answer_without_a_length_that_ends_early_is_refused(tmp_path: Path) -> None:
    short = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + DATA[:1000]
    with telling(Teller(answers=[short])) as place, pytest.raises(Corrupted, match="1000 bytes"):
        save(place, CONTENT, tmp_path / "got")
    assert left_in(tmp_path) == []


def test_another_range_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    wrong = b"HTTP/1.1 206 X\r\ncontent-range: bytes 5-9/10\r\nconnection: close\r\n\r\nabcde"
    teller = Teller(cuts=[100_000])
    with telling(teller) as place, pytest.raises(Unavailable, match="from byte 100000"):
        save(place, CONTENT, tmp_path / "got", progress=lambda _: teller.answers.append(wrong))
    assert left_in(tmp_path) == []


def test_what_is_gone_is_told_and_its_half_removed(tmp_path: Path) -> None:
    teller = Teller()
    with telling(teller) as place:
        half(teller, place, tmp_path / "got")
        teller.answers[:] = [GONE] * 3
        with pytest.raises(NotFound):
            save(place, CONTENT, tmp_path / "got")
    assert left_in(tmp_path) == []


def test_without_checking_only_the_length_counts(tmp_path: Path) -> None:
    other = DATA[::-1]
    with telling(Teller(data=other)) as place:
        save(place, CONTENT, tmp_path / "got", verify=False)
    assert (tmp_path / "got").read_bytes() == other


def test_nothing_at_all_is_got(tmp_path: Path) -> None:
    with telling(Teller(data=b"")) as place:
        save(place, content_of(b""), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b""


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with telling(Teller()) as place, pytest.raises(Unavailable, match="cannot be written"):
        save(place, CONTENT, tmp_path / "file" / "got")
