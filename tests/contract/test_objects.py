"""Objects of a catalog: the same wherever it lives."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest

from backends import AnyCatalog, Backend
from deriva_catalog.bag import content_fetcher, materialize
from deriva_catalog.bag.export import ASSET, export_bag
from deriva_catalog.bag.tags import read_bag
from deriva_catalog.errors import BadRequest, Conflict, NotFound, Unavailable
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.objects import Content, Upload
from deriva_catalog.objects.contract import Objects
from deriva_catalog.path.ast import TableName

LARGE = 20_000_000


@pytest.fixture
def objects(catalog: AnyCatalog) -> Objects:
    """The objects of an empty catalog."""
    return catalog.objects


def content_of(data: bytes) -> Content:
    return Content(len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())


def test_bytes_come_back(objects: Objects, tmp_path: Path) -> None:
    put = objects.put("/hatrac/ns/a", b"abc", content_type="text/x-a", filename="é 1.txt")
    assert put.content == content_of(b"abc")
    assert (put.content_type, put.filename) == ("text/x-a", "é 1.txt")
    for url in (put.url, put.name):
        assert objects.stat(url) == put
        assert objects.read(url) == b"abc"
        with objects.open(url) as file:
            assert file.read() == b"abc"
        target = tmp_path / "deep" / "copy"
        assert objects.get(url, target) == objects.get(url, str(target)) == target
        assert target.read_bytes() == b"abc"


def test_every_kind_of_source(objects: Objects, tmp_path: Path) -> None:
    data = bytes(range(256)) * 300
    (tmp_path / "file").write_bytes(data)
    sources = [data, tmp_path / "file", io.BytesIO(data), iter([data[:100], data[100:]])]
    sources += [bytearray(data), memoryview(data), iter([bytearray(data)])]  # type: ignore[list-item]
    for source in sources:
        put = objects.put("/hatrac/a", source)
        assert put.content == content_of(data)
        assert objects.read(put.url) == data
    assert len(objects.versions("/hatrac/a")) == len(sources)
    for wrong in (io.StringIO("text"), ["text"], [7], 7, "text"):
        with pytest.raises(BadRequest, match="ytes"):
            objects.put("/hatrac/a", wrong)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="no content type"):
        objects.put("/hatrac/a", b"", content_type="text/plain\nX-Other: 1")
    assert len(objects.versions("/hatrac/a")) == len(sources)


def test_versions_stay(objects: Objects) -> None:
    first, second = (objects.put("/hatrac/ns/a", data) for data in (b"1", b"2"))
    assert objects.versions("/hatrac/ns/a") == [second, first]
    assert objects.read(first.url) == b"1"
    assert objects.stat_many([first.url, second.url, "/hatrac/ns/a:NONE", "/hatrac/no:X"]) == {
        first.url: first,
        second.url: second,
    }
    objects.delete(second.url)
    assert objects.stat("/hatrac/ns/a") == first
    objects.delete(first.url)
    assert objects.versions("/hatrac/ns/a") == []
    with pytest.raises(Conflict, match="currently has no content"):
        objects.stat("/hatrac/ns/a")


def test_names_are_listed_and_never_used_again(objects: Objects) -> None:
    objects.create_namespace("/hatrac/b/c")
    objects.create_namespace("/hatrac/b/c")
    objects.put("/hatrac/b/%C3%A9", b"1")
    assert objects.names() == ["/hatrac/b"]
    assert objects.names("/hatrac/b") == ["/hatrac/b/%C3%A9", "/hatrac/b/c"]
    objects.delete("/hatrac/b/c")
    assert objects.names("/hatrac/b") == ["/hatrac/b/%C3%A9"]
    for act in (
        lambda: objects.create_namespace("/hatrac/b/c"),
        lambda: objects.put("/hatrac/b/c", b"1"),
        lambda: objects.put("/hatrac/b", b"1"),
        lambda: objects.put("/hatrac/b/%C3%A9/x", b"1"),
        lambda: objects.create_namespace("/hatrac/b/%C3%A9"),
    ):
        with pytest.raises(Conflict):
            act()


def test_what_is_not_there_is_not_found(objects: Objects) -> None:
    asking = (objects.stat, objects.read, objects.versions, objects.names, objects.delete)
    for ask in asking:
        with pytest.raises(NotFound):
            ask("/hatrac/nothing")
    objects.put("/hatrac/a", b"1")
    with pytest.raises(NotFound):
        objects.names("/hatrac/a")
    objects.create_namespace("/hatrac/ns")
    for read in (objects.versions, objects.read):
        with pytest.raises(NotFound):
            read("/hatrac/ns")


def test_bad_names_are_refused(objects: Objects) -> None:
    for name in ("a", "/hatrac", "/hatrac/a b", "/hatrac/..", "/hatrac/a:b:c"):
        with pytest.raises(BadRequest):
            objects.put(name, b"1")
        with pytest.raises(BadRequest):
            objects.register([Upload(name, content=content_of(b"1"))])
    assert objects.names() == []


def test_wrong_digests_are_refused(objects: Objects) -> None:
    with pytest.raises(BadRequest, match="MD5"):
        objects.put("/hatrac/a", b"1", md5=content_of(b"2").md5)
    with pytest.raises(BadRequest, match="SHA-256"):
        objects.put("/hatrac/a", b"1", sha256=content_of(b"2").sha256)
    assert objects.names() == []
    assert not objects.content.has(content_of(b"1").sha256)


def test_parents_are_made_unless_they_must_be_there(objects: Objects) -> None:
    with pytest.raises(NotFound):
        objects.put("/hatrac/x/y", b"1", parents=False)
    assert objects.names() == []
    objects.put("/hatrac/x/y/z", b"1")
    assert objects.names("/hatrac/x/y") == ["/hatrac/x/y/z"]


def test_bytes_first_names_later(objects: Objects, tmp_path: Path) -> None:
    contents = objects.content
    datas = [b"%d" % n * (n % 7) for n in range(300)] + [b"x" * 200_000, b""]
    for n, data in enumerate(datas):
        (tmp_path / str(n)).write_bytes(data)
    sources = [tmp_path / str(n) if n % 2 else data for n, data in enumerate(datas)]
    told: list[int] = []
    added = contents.add_many(sources, told.append)
    assert added == [content_of(data) for data in datas]
    assert sum(told) == sum(map(len, datas))
    contents.flush([content.sha256 for content in added])
    assert objects.names() == []
    uploads = [Upload(f"/hatrac/ns/{n}", content=content) for n, content in enumerate(added)]
    made = objects.register(uploads)
    assert [version.name for version in made] == [upload.name for upload in uploads]
    assert objects.register(uploads, reuse=True) == made
    changed = [replace(uploads[0], content=added[1]), *uploads[1:]]
    again = objects.register(changed, reuse=True)
    assert [a == b for a, b in zip(again, made, strict=True)] == [False] + [True] * 301
    with pytest.raises(NotFound):
        contents.flush([content_of(b"never").sha256])


def test_many_contents_come_to_their_places(objects: Objects, tmp_path: Path) -> None:
    contents = objects.content
    datas = [b"%d" % n * (n % 7) for n in range(80)] + [b"x" * 400_000, b"x" * 400_000, b"last"]
    added = contents.add_many(datas)
    wanted = [(content, tmp_path / "deep" / str(n)) for n, content in enumerate(added)]
    told: list[int] = []
    contents.get_many(wanted, progress=told.append)
    assert [path.read_bytes() for _, path in wanted] == datas
    assert sum(told) == sum(map(len, datas))
    wanted[7][1].write_bytes(b"is replaced")
    contents.get_many(wanted[:20], verify=False, workers=1)
    assert wanted[7][1].read_bytes() == datas[7]
    contents.get_many([])
    asked = [added[3].sha256, added[3].sha256, content_of(b"not there").sha256, added[4].sha256]
    assert contents.lengths(asked) == {c.sha256: c.length for c in added[3:5]}
    never = content_of(b"never")
    several = [(added[n], tmp_path / "more" / str(n)) for n in range(40)]
    with pytest.raises(NotFound, match=never.sha256):
        contents.get_many([*several, (never, tmp_path / "more" / "never")])
    assert {p.name for p in (tmp_path / "more").iterdir()} == {str(n) for n in range(40)}


def test_a_version_is_called_as_in_another_store_unless_that_is_taken(objects: Objects) -> None:
    content = objects.content.add(b"moved")
    wanted = Upload("/hatrac/a", content=content, version="ABCDEFGHIJ234567ABCDEFGHIJ")
    (first,) = objects.register([wanted])
    assert first.url == "/hatrac/a:ABCDEFGHIJ234567ABCDEFGHIJ"
    assert objects.read(first.url) == b"moved"
    (other,) = objects.register([replace(wanted, name="/hatrac/b")])
    assert other.version not in (first.version, "")


def test_what_no_version_can_be_called_is_refused(objects: Objects) -> None:
    content = objects.content.add(b"moved")
    for version in ("\u00e9", "a-b", "A" * 65):
        with pytest.raises(BadRequest, match="identifier of a version"):
            objects.register([Upload("/hatrac/a", content=content, version=version)])
    assert objects.names() == []


def test_content_is_got_by_its_digest(objects: Objects, tmp_path: Path) -> None:
    contents, data = objects.content, b"some bytes"
    content = contents.add(data)
    assert contents.has(content.sha256)
    assert contents.length(content.sha256) == len(data)
    assert b"".join(contents.read(content.sha256)) == data
    contents.check(content.sha256)
    told: list[int] = []
    contents.get(content, tmp_path / "a" / "b", progress=told.append)
    assert (tmp_path / "a" / "b").read_bytes() == data
    assert sum(told) == len(data)
    none = content_of(b"none")
    assert not contents.has(none.sha256)
    assert contents.length(none.sha256) is None
    with pytest.raises(NotFound):
        contents.get(none, tmp_path / "none")
    with pytest.raises(NotFound):
        contents.check(none.sha256)
    assert not (tmp_path / "none").exists()
    with pytest.raises(Unavailable, match="directory"):
        contents.get(content, tmp_path / "a")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_a_large_file_goes_and_comes_whole(objects: Objects, tmp_path: Path) -> None:
    data = hashlib.shake_128(b"large").digest(LARGE)
    (tmp_path / "large").write_bytes(data)
    told: list[int] = []
    put = objects.put("/hatrac/large", tmp_path / "large", progress=told.append)
    assert put.content == content_of(data)
    assert sum(told) == LARGE
    got: list[int] = []
    objects.get(put.url, tmp_path / "copy", progress=got.append)
    assert sum(got) == LARGE
    assert (tmp_path / "copy").read_bytes() == data
    assert objects.put("/hatrac/again", tmp_path / "large").sha256 == put.sha256


def test_names_roll_back_with_the_rows(catalog: AnyCatalog) -> None:
    class Stopped(Exception):
        pass

    def put_and_stop() -> None:
        with catalog.transaction():
            put = catalog.objects.put("/hatrac/a", b"1")
            assert catalog.objects.stat("/hatrac/a") == put
            assert catalog.objects.read(put.url) == b"1"
            raise Stopped

    with pytest.raises(Stopped):
        put_and_stop()
    assert catalog.objects.names() == []
    with catalog.transaction():
        catalog.objects.put("/hatrac/a", b"1")
    assert catalog.objects.names() == ["/hatrac/a"]


def test_objects_are_of_one_catalog(backend: Backend, catalog: AnyCatalog) -> None:
    put = catalog.objects.put("/hatrac/a", b"1")
    other = backend.create()
    assert other.objects.names() == []
    assert not other.objects.content.has(put.sha256)
    assert backend.another(catalog).objects.stat(put.url) == put


def test_objects_are_no_part_of_snapshots(catalog: AnyCatalog) -> None:
    before = catalog.latest_snapshot()
    put = catalog.objects.put("/hatrac/a", b"1")
    assert catalog.latest_snapshot() == before
    assert catalog.at(before).objects.stat("/hatrac/a") == put


def test_a_bag_has_the_files_of_rows(catalog: AnyCatalog, tmp_path: Path) -> None:
    url = column_document("URL", "text", annotations={ASSET: {"filename_column": "Filename"}})
    columns = [url, column_document("Filename", "text")]
    catalog.create_schema({"schema_name": "S", "tables": {"File": table_document("File", columns)}})
    put = catalog.objects.put("/hatrac/a", b"of a row")
    row = catalog.insert(TableName("File", "S"), [{"URL": put.url, "Filename": "a.txt"}])[0]
    place = f"data/asset/{row['RID']}/File/a.txt"

    export_bag(catalog, tmp_path / "whole", {("S", "File"): "all"}, files="copy")
    assert (tmp_path / "whole" / place).read_bytes() == b"of a row"

    export_bag(catalog, tmp_path / "listed", {("S", "File"): "all"}, files="list")
    (entry,) = read_bag(tmp_path / "listed").fetch
    assert (entry.path, entry.length) == (place, 8)
    assert not (tmp_path / "listed" / place).exists()
    materialize(tmp_path / "listed", content_fetcher(catalog.objects.content))
    assert (tmp_path / "listed" / place).read_bytes() == b"of a row"
    if catalog.url.startswith("http"):
        assert entry.url == catalog.url.partition("/ermrest")[0] + put.url
