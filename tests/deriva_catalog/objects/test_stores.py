"""Directories, buckets and memory as places for bytes: the same contract over each."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deriva_catalog.errors import BadRequest, Corrupted, NotFound, Unavailable
from deriva_catalog.objects import Content, ContentStore
from deriva_catalog.objects.chunks import ChunkStore
from deriva_catalog.objects.placing import copy_contents, try_place
from deriva_catalog.objects.stores import open_store, own_place
from deriva_catalog.objects.stores.addresses import probe
from s3_server import Bucket, S3Server

LARGE = random.Random(1).randbytes(9_000_001)
SMALL = b"0123456789"


@pytest.fixture(params=["file", "s3", "memory"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    """Content in each kind of store."""
    if request.param == "file":
        return ContentStore.from_url((tmp_path / "a store").as_uri())
    if request.param == "memory":
        return ContentStore.from_url("memory://")
    return ContentStore.from_url(request.getfixturevalue("bucket").url())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def once(data: bytes) -> Iterator[bytes]:
    for begin in range(0, len(data), 1_000_000):
        yield data[begin : begin + 1_000_000]


class Parts:
    """Bytes in pieces, which can be read again."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __iter__(self) -> Iterator[bytes]:
        return once(self.data)


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["none", "small", "large"])
@pytest.mark.parametrize("kind", [io.BytesIO, once, Parts], ids=["file", "once", "parts"])
def test_bytes_come_back_whatever_they_are_read_from(content: ContentStore, data, kind) -> None:
    told: list[int] = []
    added = content.add(kind(data), told.append)
    assert added == Content(len(data), hashlib.md5(data).hexdigest(), digest(data))
    assert sum(told) == len(data)
    assert b"".join(content.read(added.sha256)) == data
    assert content.length(added.sha256) == len(data)
    assert list(content.digests()) == [(added.sha256, len(data))]
    content.check(added.sha256)


@pytest.mark.parametrize("begin", [0, 1, 1_048_576, len(LARGE) - 1])
def test_parts_are_read(content: ContentStore, begin: int) -> None:
    sha256 = content.add(LARGE).sha256
    for length in (0, 1, 1_500_000):
        wanted = LARGE[begin : begin + length]
        assert b"".join(content.pieces(sha256, begin, len(wanted))) == wanted
    with pytest.raises(Corrupted, match="only"):
        list(content.pieces(sha256, begin, len(LARGE) + 1 - begin))


def test_what_is_refused_or_fails_is_not_there(content: ContentStore, tmp_path: Path) -> None:
    def refuse(found: Content) -> None:
        raise BadRequest("not these")

    def failing() -> Iterator[bytes]:
        yield LARGE
        raise KeyError("the source broke")

    for data in (SMALL, LARGE):
        for source in (data, io.BytesIO(data), once(data)):
            with pytest.raises(BadRequest):
                content.add(source, check=refuse)
        with pytest.raises(BadRequest):
            content.add(Parts(data), check=refuse, sha256=digest(data))
    with pytest.raises(KeyError):
        content.add(failing())
    with pytest.raises(KeyError):
        content.add(failing(), sha256=digest(LARGE))
    assert list(content.digests()) == []
    assert list(content.keys.entries("incoming")) == []


def test_bytes_are_never_stored_under_a_digest_that_is_not_theirs(bucket: Bucket) -> None:
    content = ContentStore.from_url(bucket.url())
    with pytest.raises(Corrupted, match="turned out"):
        content.add(Parts(LARGE), sha256="0" * 64)
    assert bucket.all_keys() == []
    assert bucket.unfinished() == []


def test_a_foretold_digest_that_is_there_opens_nothing(content: ContentStore) -> None:
    content.add(LARGE)
    assert content.add(Parts(SMALL), sha256=digest(LARGE)).sha256 == digest(SMALL)


def test_a_file_is_given_out_whole_and_verified(content: ContentStore, tmp_path: Path) -> None:
    added = content.add(LARGE)
    content.get(added, tmp_path / "copy", link=True)
    assert (tmp_path / "copy").read_bytes() == LARGE
    wrong = Content(added.length, added.md5, digest(SMALL))
    with pytest.raises(NotFound):
        content.get(wrong, tmp_path / "other")
    assert [p.name for p in tmp_path.iterdir() if p.name != "a store"] == ["copy"]


def test_equal_bytes_at_the_same_time_are_stored_once(content: ContentStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(content.add, [LARGE] * 4))
    assert len(set(added)) == 1
    assert len(list(content.digests())) == 1
    content.remove([added[0].sha256, digest(SMALL)])
    assert list(content.digests()) == []
    assert not content.has(added[0].sha256)


def test_chunks_are_whole_and_the_last_one_counts(content: ContentStore) -> None:
    chunks = ChunkStore(content)
    chunks.begin("job")
    assert chunks.received("job") == {}
    for number, data in ((2, b"c"), (0, b"zz"), (0, b"aa"), (1, b"bb")):
        chunks.write("job", number, io.BytesIO(data), len(data))
    assert chunks.received("job") == {0: 2, 1: 2, 2: 1}
    read = chunks.read("job", 3)
    assert [b"".join(read), b"".join(read)] == [b"aabbc"] * 2
    assert chunks.jobs() == {"job"}
    assert chunks.touched("job") is not None
    chunks.remove("job")
    assert chunks.jobs() == set()
    assert chunks.received("job") == {}


def test_a_store_is_emptied(content: ContentStore) -> None:
    chunks = ChunkStore(content)
    chunks.begin("job")
    chunks.write("job", 0, io.BytesIO(b"1"), 1)
    content.add(SMALL)
    content.destroy()
    assert chunks.received("job") == {}
    assert list(content.digests()) == []


def test_trying_a_directory_leaves_nothing_in_it(tmp_path: Path) -> None:
    try_place((tmp_path / "store").as_uri())
    assert list((tmp_path / "store").iterdir()) == []


# --- buckets -----------------------------------------------------------------------------


def test_two_places_below_one_store_have_nothing_in_common(bucket: Bucket) -> None:
    places = [ContentStore.from_url(own_place(bucket.url())) for _ in range(2)]
    added = [place.add(SMALL).sha256 for place in places]
    assert added[0] == added[1]
    assert len(bucket.all_keys()) == 2
    places[0].destroy()
    assert places[1].has(added[1])


def test_a_large_object_goes_up_in_parts(bucket: Bucket) -> None:
    content = ContentStore.from_url(bucket.url())
    sha256 = content.add(LARGE).sha256
    head = bucket.admin.head_object(Bucket=bucket.name, Key=bucket.all_keys()[0])
    assert head["ETag"].strip('"').endswith("-2")
    assert head["ContentLength"] == len(LARGE)
    assert bucket.all_keys() == [f"lab/sha256/{sha256[:2]}/{sha256}"]


def test_parts_are_as_long_as_a_known_length_needs(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deriva_catalog.objects.stores.bucket._MOST_PARTS", 1)
    content, sha256 = ContentStore.from_url(bucket.url()), digest(LARGE)
    content.add(once(LARGE), sha256=sha256, length=len(LARGE))
    head = bucket.admin.head_object(Bucket=bucket.name, Key=bucket.all_keys()[0])
    assert head["ETag"].strip('"').endswith("-1")


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_damaged_bytes_are_copied_nowhere(bucket: Bucket, tmp_path: Path, data: bytes) -> None:
    source = ContentStore.local(tmp_path / "source")
    stored = source.path(source.add(data).sha256)
    assert stored is not None
    stored.chmod(0o644)
    stored.write_bytes(data[:-1] + b"x")
    for target in (ContentStore.from_url(bucket.url()), ContentStore.local(tmp_path / "target")):
        with pytest.raises(Corrupted, match="is damaged"):
            copy_contents(source, target)
        assert list(target.digests()) == []
    stored.write_bytes(data)
    assert copy_contents(source, ContentStore.from_url(bucket.url())) == 1
    assert bucket.contents() == {digest(data)}


def test_a_signed_url_opens_one_object_without_credentials(bucket: Bucket) -> None:
    import httpx

    content = ContentStore.from_url(bucket.url())
    url = content.signed_url(content.add(SMALL).sha256, 60)
    assert url is not None
    assert httpx.get(url, headers={"Range": "bytes=2-4"}).content == b"234"


def test_directories_and_memory_sign_nothing(tmp_path: Path) -> None:
    for content in (ContentStore.local(tmp_path), ContentStore.from_url("memory://")):
        assert content.signed_url(content.add(SMALL).sha256, 60) is None


def test_a_missing_bucket_is_one_clear_error(s3: S3Server, bucket: Bucket) -> None:
    gone = Bucket(bucket.port, "no-such-bucket", bucket.admin)
    with pytest.raises(Unavailable, match="NoSuchBucket") as error:
        probe(open_store(gone.url()))
    assert "Make the bucket" in error.value.hint
    assert "\n" not in error.value.message
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        ContentStore.from_url(gone.url()).add(SMALL)
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        list(ContentStore.from_url(gone.url()).digests())


def test_wrong_credentials_are_one_clear_error(denying_port: int, bucket: Bucket) -> None:
    with pytest.raises(Unavailable, match="InvalidAccessKeyId") as error:
        probe(open_store(bucket.url(port=denying_port)))
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_a_server_that_does_not_answer_is_told(bucket: Bucket, unused_port: int) -> None:
    with pytest.raises(Unavailable, match="trying the store"):
        probe(open_store(bucket.url(port=unused_port)))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://lab?endpint=http://x", "no option 'endpint'"),
        ("s3://key:secret@lab/x", "holds credentials"),
        ("s3:///x", "names no bucket"),
        ("s3://lab?endpoint=", "is empty"),
        ("s3://lab?virtual_hosted_style=perhaps", "true or false"),
        ("gs://lab?endpoint=http://x", "no option 'endpoint'"),
        ("https://example.org/x", "names no store"),
        ("bogus://x", "names no store"),
        ("just/a/path", "names no store"),
        ("file://host/x", "no directory of this machine"),
        ("az://container/x", "Account must be specified"),
    ],
)
def test_urls_that_name_no_store_are_refused(
    url: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(BadRequest, match=told) as error:
        open_store(url)
    assert "secret" not in error.value.message


def test_azure_and_google_are_addressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    azure = open_store("az://container/lab?account=kim").backend
    assert azure.prefix == "lab"
    assert azure.config["account_name"] == "kim"
    assert azure.config["container_name"] == "container"
    google = open_store("gs://bucket/lab").backend
    assert (google.prefix, google.config["bucket"]) == ("lab", "bucket")
    emulated = open_store("az://c/x?account=kim&endpoint=http://127.0.0.1:1/kim").backend
    assert emulated.client_options["allow_http"] == "true"


def test_the_endpoint_can_stand_in_the_environment(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    content = ContentStore.from_url(f"s3://{bucket.name}/plain")
    assert b"".join(content.read(content.add(SMALL).sha256)) == SMALL


def test_a_catalog_keeps_nothing_in_memory() -> None:
    with pytest.raises(BadRequest, match="forgotten"):
        own_place("memory://")


def test_a_cancelled_upload_takes_no_chunks(tmp_path: Path) -> None:
    chunks = ChunkStore(ContentStore.local(tmp_path))
    with pytest.raises(NotFound, match="finished or cancelled"):
        chunks.write("gone", 0, io.BytesIO(b"1"), 1)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
