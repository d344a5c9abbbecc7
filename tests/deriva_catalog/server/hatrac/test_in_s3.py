"""The protocol over objects in a bucket: the same answers, redirects, and a store that breaks."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from catalog_server import HttpClient, Served, Tokens, serving
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import open_remote, parse_host
from deriva_catalog.catalog.remote.catalog import RemoteCatalog
from deriva_catalog.errors import Corrupted, Unavailable
from deriva_catalog.objects.collecting import Keeping, collect
from deriva_catalog.server.settings import Settings
from relay import Relay
from s3_server import Bucket
from serve_command import COMMAND, serve_process

USER = default_client()
DATA = random.Random(2).randbytes(9_000_003)
NOW = Keeping(timedelta(0), timedelta(0), timedelta(0))
CATALOG = "/ermrest/catalog/zoo/hatrac"

Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path, bucket: Bucket) -> Iterator[Serve]:
    """Starts a service whose objects are in the bucket, and a catalog of it called zoo."""
    with ExitStack() as stack:

        def start(port: int | None = None, **settings: float) -> Served:
            registry = Registry(tmp_path / "home")
            registry.objects = bucket.url(port=port)
            registry.create(catalog_id="zoo").close()
            running: AbstractContextManager[Served] = serving(
                tmp_path / "home", registry=registry, settings=Settings(**settings)
            )
            return stack.enter_context(running)

        yield start


def connected(served: Served) -> RemoteCatalog:
    token = served.tokens.add(USER)
    host = parse_host(f"http://localhost:{served.port}")
    return open_remote(host, "zoo", credential={"bearer-token": token})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("root", ["/hatrac", CATALOG])
def test_objects_are_written_read_and_deleted(serve: Serve, bucket: Bucket, root: str) -> None:
    kim = serve().client(USER)
    for name, data in (("small", DATA[:10]), ("none", b""), ("large", DATA)):
        put = kim.put(f"{root}/{name}", data, content_type="text/plain")
        assert put.status == 201
        got = kim.get(put.headers["location"])
        assert (got.status, got.body) == (200, data)
        assert got.headers["content-length"] == str(len(data))
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        assert got.headers["content-sha256"] == digest
    part = kim.get(f"{root}/large", range="bytes=5-1500004")
    assert (part.status, part.body) == (206, DATA[5:1_500_005])
    assert kim.get(f"{root}/large", range=f"bytes={len(DATA)}-").status == 416
    head = kim.head(f"{root}/large")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(DATA)))
    wrong = kim.put(f"{root}/wrong", DATA, content_md5=base64.b64encode(bytes(16)).decode())
    assert wrong.status == 400
    assert kim.get(f"{root}/wrong").status == 404
    assert len(bucket.contents()) == 3
    assert bucket.unfinished() == []
    assert kim.delete(f"{root}/large").status == 204
    assert kim.get(f"{root}/large").status == 404


def test_chunks_come_in_parallel_and_failed_ends_leave_the_job(
    serve: Serve, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deriva_catalog.objects.stores.bucket._MOST_PARTS", 1)
    served = serve()
    kim = served.client(USER)
    length = 2_500_000
    count = -(-len(DATA) // length)
    for declared in (sha256(DATA), None):
        plan = {"chunk-length": length, "content-length": len(DATA)}
        if declared:
            plan["content-sha256"] = base64.b64encode(bytes.fromhex(declared)).decode()
        job = kim.post(f"/hatrac/big-{declared}"[:12] + ";upload", plan).headers["location"]

        def send(n: int, job: str = job) -> int:
            with HttpClient(served.port, kim.token) as own:
                return own.put(f"{job}/{n}", DATA[n * length : (n + 1) * length]).status

        assert kim.put(f"{job}/0", bytes(length)).status == 204  # wrong bytes: the last ones count
        with ThreadPoolExecutor(3) as pool:
            assert set(pool.map(send, reversed(range(1, count)))) == {204}
        assert kim.get(job).json["chunks-received"] == [[0, count - 1]]
        if declared:
            assert kim.post(job).status == 409
            assert bucket.contents() == set()
        assert send(0) == 204
        done = kim.post(job)
        assert done.status == 201
        assert kim.get(done.headers["location"]).body == DATA
        assert kim.get(job).status == 404
        (key,) = [key for key in bucket.all_keys() if key.endswith(sha256(DATA))]
        etag = bucket.admin.head_object(Bucket=bucket.name, Key=key)["ETag"]
        assert etag.strip('"').endswith("-1")  # one part, as its length was known
    assert bucket.contents() == {sha256(DATA)}
    assert bucket.unfinished() == []
    assert [key for key in bucket.all_keys() if "/uploads/" in key] == []


def test_what_is_deleted_is_collected_from_the_bucket(serve: Serve, bucket: Bucket) -> None:
    served = serve()
    kim = served.client(USER)
    for name in ("a", "b", "c"):
        kim.put(f"/hatrac/{name}", DATA[: 10 if name == "c" else 20])
    kim.delete("/hatrac/a")
    kim.delete("/hatrac/c")
    plan = {"chunk-length": 5, "content-length": 10}
    job = kim.post("/hatrac/d;upload", plan).headers["location"]
    kim.put(f"{job}/0", b"12345")
    found = collect(served.service.objects, NOW)
    assert (found.contents, found.uploads) == (1, 1)
    assert [key[-64:] for key in bucket.all_keys()] == [sha256(DATA[:20])]
    assert kim.get("/hatrac/b").body == DATA[:20]
    assert kim.put(f"{job}/1", b"67890").status == 404


def test_readers_are_sent_to_the_bucket_when_that_is_wanted(
    serve: Serve, bucket: Bucket, tmp_path: Path
) -> None:
    served = serve(signed_url_seconds=60.0)
    kim = served.client(USER)
    put = kim.put("/hatrac/a", DATA)
    sent = kim.get("/hatrac/a")
    assert (sent.status, sent.body) == (303, b"")
    assert sent.headers["location"].startswith(f"http://127.0.0.1:{bucket.port}/{bucket.name}/")
    assert sent.headers["cache-control"] == "no-store"
    assert httpx.get(sent.headers["location"]).content == DATA
    head = kim.head("/hatrac/a")
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
    assert "content-sha256" in head.headers
    assert sent.headers["etag"] == head.headers["etag"]
    assert kim.get("/hatrac/a", if_none_match=head.headers["etag"]).status == 304
    assert served.client().get("/hatrac/a").status == 401  # rights are looked at before
    assert put.status == 201


def test_our_client_follows_and_verifies(serve: Serve, bucket: Bucket, tmp_path: Path) -> None:
    catalog = connected(serve(signed_url_seconds=60.0))
    put = catalog.objects.put("/hatrac/a", DATA)
    assert catalog.objects.read(put.url) == DATA
    catalog.objects.get(put.url, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    assert catalog.objects.get(put.url, tmp_path / "again").read_bytes() == DATA
    (key,) = [key for key in bucket.all_keys() if key.endswith(put.sha256)]
    bucket.admin.put_object(Bucket=bucket.name, Key=key, Body=DATA[:-1] + b"x")
    for get in (
        lambda: catalog.objects.get(put.url, tmp_path / "damaged"),
        lambda: catalog.objects.content.check(put.sha256),
    ):
        with pytest.raises(Corrupted):
            get()
    assert not (tmp_path / "damaged").exists()
    bucket.admin.delete_object(Bucket=bucket.name, Key=key)
    with pytest.raises(Unavailable, match="refused there: 404"):
        catalog.objects.get(put.url, tmp_path / "damaged")
    catalog.close()


def test_our_client_goes_on_where_the_bucket_broke_off(
    serve: Serve, bucket: Bucket, tmp_path: Path
) -> None:
    with Relay(bucket.port) as relay:
        catalog = connected(serve(port=relay.port, signed_url_seconds=60.0))
        put = catalog.objects.put("/hatrac/a", DATA)
        relay.cut_answers_after, relay.cuts = 3_000_000, 2
        assert catalog.objects.get(put.url, tmp_path / "copy").read_bytes() == DATA
        assert relay.cuts == 0
        catalog.close()


def test_content_is_streamed_unless_the_deployment_says_otherwise(serve: Serve) -> None:
    kim = serve().client(USER)
    kim.put("/hatrac/a", b"1")
    assert kim.get("/hatrac/a").status == 200


# --- a store that breaks -----------------------------------------------------------------


def test_a_store_that_is_gone_is_told_and_leaves_nothing(serve: Serve, bucket: Bucket) -> None:
    with Relay(bucket.port) as relay:
        served = serve(port=relay.port)
        kim = served.client(USER)
        assert kim.put("/hatrac/before", b"before").status == 201
        job = kim.post("/hatrac/j;upload", {"chunk-length": 5, "content-length": 5}).text.strip()
        relay.refuses = True
        relay.cut()
        with ThreadPoolExecutor(4) as pool:

            def ask(method: str, target: str, body: bytes | None) -> int:
                with HttpClient(served.port, kim.token) as own:
                    return own.request(method, target, body).status

            asked = [
                pool.submit(ask, "PUT", "/hatrac/during", b"during"),
                pool.submit(ask, "PUT", "/hatrac/before", DATA),
                pool.submit(ask, "GET", "/hatrac/before", None),
                pool.submit(ask, "PUT", f"{job}/0", b"12345"),
            ]
            assert [each.result() for each in asked] == [503] * 4
        assert kim.get("/hatrac/during").status == 404
        relay.refuses = False
        assert kim.get("/hatrac/before").body == b"before"
        assert len(kim.get("/hatrac/before;versions").json) == 1
        assert kim.put("/hatrac/during", b"after").status == 201
        assert kim.put(f"{job}/0", b"12345").status == 204
        assert kim.post(job).status == 201
    assert len(bucket.contents()) == 3


def test_connections_to_the_store_that_are_cut_are_made_again(serve: Serve, bucket: Bucket) -> None:
    with Relay(bucket.port) as relay:
        kim = serve(port=relay.port).client(USER)
        relay.cut_requests_after, relay.cuts = 3_000_000, 1
        assert kim.put("/hatrac/up", DATA).status == 201
        assert relay.cuts == 0
        relay.cut_requests_after, relay.cut_answers_after, relay.cuts = None, 3_000_000, 2
        assert kim.get("/hatrac/up").body == DATA
        assert relay.cuts == 0
    assert bucket.contents() == {sha256(DATA)}
    assert bucket.unfinished() == []


# --- the command -------------------------------------------------------------------------


def test_several_processes_share_a_bucket(tmp_path: Path, bucket: Bucket) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    options = ("--objects", bucket.url(), "--workers", "2", "--tokens-file", str(tokens.path))
    with serve_process(tmp_path / "home", *options) as process:
        token = tokens.add(USER)
        for number in range(4):  # by connections of their own, so that both get some
            with HttpClient(process.port, token) as client:
                assert client.put(f"/hatrac/{number}", b"%d" % number).status == 201
                made = client.post("/ermrest/catalog")
                assert made.status == 201
                root = f"{made.headers['location']}/hatrac"
                assert client.put(f"{root}/a", b"in a catalog").status == 201
                assert client.get(f"{root}/a").body == b"in a catalog"
    assert len(bucket.all_keys()) == 8  # each catalog has a place of its own
    assert len(bucket.contents()) == 5


def test_a_service_does_not_start_without_its_bucket(tmp_path: Path, bucket: Bucket) -> None:
    url = bucket.url().replace(bucket.name, "no-such-bucket")
    ended = subprocess.run(
        [*COMMAND, "--port", "0", "--objects", url, "--workers", "2"],
        env={**os.environ, "DERIVA_ML_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1
    assert "NoSuchBucket" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
