"""Objects of a served catalog where a server has less, or has them elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.access import Client, Scope
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import open_remote, parse_host, plain
from deriva_catalog.catalog.remote.connection import Connection
from deriva_catalog.catalog.remote.link import Link
from deriva_catalog.catalog.remote.objects import FEATURE, RemoteObjectStore
from deriva_catalog.catalog.remote.staged import StagedContents
from deriva_catalog.errors import BadRequest, Conflict, Forbidden, NotFound
from deriva_catalog.objects import Content, Upload
from deriva_catalog.server.messages import Request

USER = default_client()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    Registry(home).create(catalog_id="zoo").close()
    with serving(home) as running:
        yield running


@pytest.fixture
def link(served: Served) -> Iterator[Link]:
    """The catalog, as the user whose service it is."""
    credential = {"bearer-token": served.tokens.add(USER)}
    made = Link(Connection(parse_host(served.url), credential=credential), "zoo")
    yield made
    made.close()


@pytest.fixture
def foreign(link: Link) -> RemoteObjectStore:
    """Objects as on a server that has the plain protocol and nothing else."""
    link.features = {name: have for name, have in link.features.items() if name != FEATURE}
    return RemoteObjectStore(link)


@pytest.fixture
def top(tmp_path: Path) -> str:
    """A name that no other test uses."""
    return f"/hatrac/{tmp_path.name}"


def content_of(data: bytes) -> Content:
    return Content(len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())


def test_a_plain_server_stores_and_gives(
    foreign: RemoteObjectStore, top: str, tmp_path: Path
) -> None:
    put = foreign.put(f"{top}/a.txt", b"abc", filename="é.txt")
    assert put.content == content_of(b"abc")
    assert put.content_type == "text/plain"
    for url in (put.url, put.name):
        found = foreign.stat(url)
        assert (found.url, found.content, found.filename) == (put.url, put.content, "é.txt")
        assert foreign.read(url) == b"abc"
    with foreign.open(put.url) as file:
        assert file.read(2) == b"ab"
    foreign.get(put.url, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"abc"
    second = foreign.put(f"{top}/a.txt", io.BytesIO(b"second"))
    assert [v.url for v in foreign.versions(f"{top}/a.txt")] == [second.url, put.url]
    assert set(foreign.stat_many([put.url, second.url, f"{top}/a.txt:NONE"])) == {
        put.url,
        second.url,
    }
    assert foreign.names(top) == [f"{top}/a.txt"]
    assert top in foreign.names()
    foreign.delete(second.url)
    assert foreign.stat(f"{top}/a.txt").url == put.url


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Chunks of 3,000 bytes; gives the directory where begun uploads are remembered."""
    monkeypatch.setattr(plain, "CHUNK", 3000)
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "own"))
    return tmp_path / "own" / "uploads"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of twenty chunks."""
    made = tmp_path / "file"
    made.write_bytes(hashlib.shake_128(b"x").digest(60_000))
    return made


@pytest.fixture
def chunks(served: Served) -> Callable[[], list[Path]]:
    """The chunks that the service keeps of uploads that this test has not finished."""
    uploads = Path(str(served.service.objects.content.directory)) / "uploads"
    before = set(uploads.glob("*"))

    def kept() -> list[Path]:
        return [chunk for chunk in uploads.glob("*/*") if chunk.parent not in before]

    return kept


def stopping_after(count: int) -> Callable[[int], None]:
    """A callback for progress that fails at some piece, like an impatient user."""
    told: list[int] = []

    def stop(length: int) -> None:
        told.append(length)
        if len(told) > count:
            raise RuntimeError("stopped")

    return stop


def test_a_plain_server_takes_large_files_in_chunks(
    foreign: RemoteObjectStore,
    top: str,
    file: Path,
    small_chunks: Path,
    chunks: Callable[[], list[Path]],
) -> None:
    told: list[int] = []
    put = foreign.put(f"{top}/large", file, progress=told.append)
    assert sum(told) == 60_000
    assert foreign.read(put.url) == file.read_bytes()
    assert chunks() == []
    assert list(small_chunks.iterdir()) == []


def test_a_broken_upload_goes_on_with_the_chunks_that_came(
    foreign: RemoteObjectStore,
    top: str,
    file: Path,
    small_chunks: Path,
    chunks: Callable[[], list[Path]],
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        foreign.put(f"{top}/large", file, progress=stopping_after(3))
    with pytest.raises(Conflict):
        foreign.stat(f"{top}/large")  # nothing is visible yet
    came = {chunk: chunk.stat().st_ino for chunk in chunks()}
    assert 3 < len(came) < 20
    with pytest.raises(RuntimeError, match="stopped"):
        foreign.put(f"{top}/large", file, progress=stopping_after(len(came) - 1))
    assert {chunk: chunk.stat().st_ino for chunk in came} == came  # not sent again
    told: list[int] = []
    put = foreign.put(f"{top}/large", file, progress=told.append)
    assert sum(told) == 60_000
    assert foreign.read(put.url) == file.read_bytes()
    assert len(foreign.versions(f"{top}/large")) == 1
    assert (chunks(), list(small_chunks.iterdir())) == ([], [])


def test_other_bytes_begin_an_upload_of_their_own(
    foreign: RemoteObjectStore, top: str, file: Path, small_chunks: Path
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        foreign.put(f"{top}/large", file, progress=stopping_after(2))
    changed = file.read_bytes()[::-1]
    file.write_bytes(changed)
    assert foreign.read(foreign.put(f"{top}/large", file).url) == changed
    assert len(list(small_chunks.iterdir())) == 1  # the first may still be gone on with


def test_an_upload_that_the_server_gave_up_begins_anew(
    foreign: RemoteObjectStore, top: str, file: Path, small_chunks: Path, served: Served
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        foreign.put(f"{top}/large", file, progress=stopping_after(2))
    (line,) = (each.read_text().splitlines()[0] for each in small_chunks.iterdir())
    job = json.loads(line)["job"]
    assert served.client(USER).delete(f"{top}/large;upload/{job}").status == 204
    assert foreign.read(foreign.put(f"{top}/large", file).url) == file.read_bytes()


def test_chunks_that_were_damaged_are_sent_again(
    foreign: RemoteObjectStore,
    top: str,
    file: Path,
    small_chunks: Path,
    chunks: Callable[[], list[Path]],
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        foreign.put(f"{top}/large", file, progress=stopping_after(2))
    damaged = chunks()[0]
    damaged.chmod(0o644)
    damaged.write_bytes(b"?" * damaged.stat().st_size)
    assert foreign.read(foreign.put(f"{top}/large", file).url) == file.read_bytes()
    assert len(foreign.versions(f"{top}/large")) == 1


def test_a_refused_upload_is_given_up(
    foreign: RemoteObjectStore,
    top: str,
    file: Path,
    small_chunks: Path,
    chunks: Callable[[], list[Path]],
) -> None:
    wrong = "0" * 32
    with pytest.raises(BadRequest):
        foreign.put(f"{top}/large", file, md5=wrong)
    with pytest.raises(NotFound):
        foreign.put(f"{top}/none/large", file, parents=False)
    assert chunks() == []
    assert list(small_chunks.iterdir()) == []


def test_where_nothing_can_be_remembered_uploads_go_through(
    foreign: RemoteObjectStore,
    top: str,
    file: Path,
    small_chunks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(file / "below"))
    assert foreign.read(foreign.put(f"{top}/large", file).url) == file.read_bytes()


def test_a_plain_server_gets_bytes_when_they_are_named(
    foreign: RemoteObjectStore, top: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"of a file")
    contents = foreign.content
    assert isinstance(contents, StagedContents)
    added = contents.add_many([tmp_path / "file", b"in memory"])
    contents.flush([content.sha256 for content in added])
    assert contents.length(added[0].sha256) == 9
    uploads = [Upload(f"{top}/{n}", content=content) for n, content in enumerate(added)]
    made = foreign.register(uploads)
    assert [foreign.read(version.url) for version in made] == [b"of a file", b"in memory"]
    again = foreign.register(uploads, reuse=True)
    assert [version.url for version in again] == [version.url for version in made]
    contents.get(added[1], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"in memory"
    places = [tmp_path / "many" / str(n) for n in range(3)]
    contents.get_many(list(zip([*added, added[0]], places, strict=True)))
    assert [place.read_bytes() for place in places] == [b"of a file", b"in memory", b"of a file"]
    assert contents.packed == 0
    contents.check(added[0].sha256)
    with pytest.raises(NotFound):
        foreign.register([Upload(f"{top}/none", content=content_of(b"never added"))])
    with pytest.raises(NotFound):
        contents.get(content_of(b"never seen"), tmp_path / "none")
    with pytest.raises(Conflict, match="only together with a name"):
        contents.add(io.BytesIO(b"a stream"))


def test_a_plain_server_refuses_as_ours(foreign: RemoteObjectStore, top: str) -> None:
    foreign.create_namespace(f"{top}/ns")
    foreign.create_namespace(f"{top}/ns")
    foreign.put(f"{top}/a", b"1")
    for act, error in (
        (lambda: foreign.put(f"{top}/ns", b"1"), Conflict),
        (lambda: foreign.create_namespace(f"{top}/a"), Conflict),
        (lambda: foreign.put(f"{top}/a", b"1", md5="0" * 32), BadRequest),
        (lambda: foreign.put(f"{top}/x/y", b"1", parents=False), NotFound),
        (lambda: foreign.stat(f"{top}/none"), NotFound),
        (lambda: foreign.stat(f"{top}/ns"), NotFound),
        (lambda: foreign.names(f"{top}/a"), NotFound),
        (lambda: foreign.versions(f"{top}/none"), NotFound),
    ):
        with pytest.raises(error):
            act()
    assert len(foreign.versions(f"{top}/a")) == 1


def test_what_others_put_beside_the_catalog_is_found(
    link: Link, served: Served, top: str, tmp_path: Path
) -> None:
    client = served.client(USER)
    url = client.put(f"{top}/a?parents=true", b"by another client").text.strip()
    objects = RemoteObjectStore(link)
    assert objects.stat(url).content == content_of(b"by another client")
    assert objects.read(url) == b"by another client"
    objects.get(url, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"by another client"
    own = objects.put(f"{top}/b", b"of the catalog")
    assert set(objects.stat_many([url, own.url, f"{top}/c:NONE"])) == {url, own.url}
    with pytest.raises(NotFound):
        objects.stat(f"{top}/none")


def test_what_a_client_may_not_is_refused(served: Served, link: Link, top: str) -> None:
    objects = RemoteObjectStore(link)
    put = objects.put(f"{top}/a", b"1")
    credential = {"bearer-token": served.tokens.add("lee")}
    with pytest.raises(Forbidden):
        open_remote(parse_host(served.url), "zoo", credential=credential)
    lee: HttpClient = served.client("lee")
    assert lee.get(put.url).status == 404  # not even that it is there is told


def test_one_object_may_be_for_others_than_the_rest(
    served: Served, link: Link, top: str, tmp_path: Path
) -> None:
    objects = RemoteObjectStore(link)
    shown, kept = objects.put(f"{top}/a", b"shown"), objects.put(f"{top}/b", b"kept")
    base = "/ermrest/catalog/zoo"
    owner = served.client(USER)
    assert owner.put(f"{base}/acl/enumerate", ["ann"]).status == 200
    for access in ("read", "subtree-read"):
        assert owner.put(f"{base}{shown.name};acl/{access}", ["ann"]).status == 204
    credential = {"bearer-token": served.tokens.add("ann")}
    ann = open_remote(parse_host(served.url), "zoo", credential=credential).objects
    assert ann.stat(shown.name).url == shown.url
    assert ann.stat_many([shown.url])[shown.url].content == shown.content
    assert ann.read(shown.url) == ann.get(shown.url, tmp_path / "a").read_bytes() == b"shown"
    for act in (ann.stat, ann.read):
        with pytest.raises(Forbidden, match=f"{top}/b"):
            act(kept.url)


def test_a_token_for_reading_asks_in_bulk_and_changes_nothing(
    link: Link, served: Served, top: str
) -> None:
    put = RemoteObjectStore(link).put(f"{top}/a", b"1")
    # What the service does with the client of such a token, whatever it came by.
    reader = Client(USER, scope=Scope(read_only=True))

    def ask(method: str, tail: str, document: object) -> int:
        body = io.BytesIO(json.dumps(document).encode())
        target = f"/ermrest/catalog/zoo/hatrac/{tail}"
        headers = {"content-length": "10", "content-type": "application/json"}
        return served.service.handle(Request(method, target, headers, reader, body)).status

    assert ask("POST", ";stat", [put.url]) == 200
    assert ask("POST", ";content", [put.sha256]) == 200
    assert ask("POST", ";content/get", [put.sha256]) == 200
    assert ask("GET", f";content/{put.sha256}", None) == 200
    assert ask("POST", ";register", {"uploads": []}) == 403
    assert ask("POST", ";content/add", []) == 403
    assert ask("POST", "b;upload", {"chunk-length": 1, "content-length": 1}) == 403
    assert ask("POST", ";upload", {"chunk-length": 1, "content-length": 1}) == 403
