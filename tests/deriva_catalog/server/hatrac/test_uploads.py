"""Uploads in chunks over HTTP."""

from __future__ import annotations

import base64
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog.objects.idle import expire

DATA = bytes(random.Random(1).randbytes(10_500))
CHUNK = 1000
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
PLAN = {"chunk-length": CHUNK, "content-length": len(DATA)}


def begin(client: HttpClient, name: str, **more: object) -> str:
    made = client.post(f"{name};upload?parents=true", {**PLAN, **more})
    assert made.status == 201, made.text
    assert made.text == made.headers["location"] + "\n"
    # As a published client does: the last component of the body, without its last character.
    assert made.text.startswith(f"{name};upload/")
    return f"{name};upload/{made.text.rsplit('/', 1)[1][:-1]}"


def chunk(number: int) -> bytes:
    return DATA[number * CHUNK : (number + 1) * CHUNK]


def send(client: HttpClient, job: str, numbers: object = range(11)) -> None:
    for number in numbers:  # type: ignore[attr-defined]
        assert client.put(f"{job}/{number}", chunk(number)).status == 204


def test_chunks_in_any_order_and_repeated(kim: HttpClient, name: str) -> None:
    job = begin(kim, name, **{"content-type": "a/b", "content-md5": MD5, "content-sha256": SHA256})
    assert kim.get(name).status == 409
    order = random.Random(2).sample(range(11), 11)
    assert kim.put(f"{job}/{order[0]}", bytes(len(chunk(order[0])))).status == 204
    send(kim, job, [*order, *order[:3]])
    done = kim.post(job, {})
    assert done.status == 201
    url = done.headers["location"]
    assert done.text == url + "\n"
    got = kim.get(url)
    assert got.body == DATA
    assert got.headers["content-type"] == "a/b"
    assert got.headers["content-md5"] == MD5
    assert kim.get(f"{url};metadata").json == {
        "content-type": "a/b",
        "content-md5": MD5,
        "content-sha256": SHA256,
    }
    for answer in (kim.get(job), kim.post(job), kim.delete(job), kim.put(f"{job}/0", chunk(0))):
        assert answer.status == 404


def test_chunks_in_parallel(served: Served, kim: HttpClient, name: str) -> None:
    job = begin(kim, name)
    clients = [HttpClient(served.port, kim.token) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: send(clients[n], job, range(n, 11, 4)), range(4)))
            # All of them send one chunk at once, each a whole one.
            same = [bytes([n]) * CHUNK for n in range(4)]
            list(pool.map(lambda n: clients[n].put(f"{job}/3", same[n]), range(4)))
    finally:
        for client in clients:
            client.close()
    url = kim.post(job).text.strip()
    got = kim.get(url).body
    assert got[3 * CHUNK : 4 * CHUNK] in same
    assert got[: 3 * CHUNK] + DATA[3 * CHUNK : 4 * CHUNK] + got[4 * CHUNK :] == DATA


def test_the_state_of_a_job(kim: HttpClient, name: str) -> None:
    job = begin(kim, name, **{"content-md5": MD5, "content-disposition": "filename*=UTF-8''a.tif"})
    send(kim, job, [0, 1, 2, 5, 10])
    assert kim.get(job).json == {
        "url": job,
        "target": name,
        "owner": ["kim"],
        "chunk-length": CHUNK,
        "content-length": len(DATA),
        "content-disposition": "filename*=UTF-8''a.tif",
        "content-md5": MD5,
        "chunks-received": [[0, 2], [5, 5], [10, 10]],
    }


def test_old_names_of_members(kim: HttpClient, name: str) -> None:
    made = kim.post(
        f"{name};upload",
        {"chunk_bytes": 7, "total_bytes": 70, "content_md5": MD5, "content_type": "a/b"},
    )
    found = kim.get(made.text.strip()).json
    assert (found["chunk-length"], found["content-length"]) == (7, 70)
    assert (found["content-md5"], found["content-type"]) == (MD5, "a/b")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"chunk-length": 10},
        {"content-length": 10},
        {"chunk-length": 0, "content-length": 10},
        {"chunk-length": -1, "content-length": 10},
        {"chunk-length": 1, "content-length": -1},
        {"chunk-length": "1", "content-length": 1},
        {"chunk-length": 1.5, "content-length": 1},
        {"chunk-length": True, "content-length": 1},
        {"chunk-length": 1, "content-length": 10**30},
        {"chunk-length": 1, "content-length": 10**9},
        {"chunk-length": 1, "content-length": 1, "content-md5": "zz"},
        {"chunk-length": 1, "content-length": 1, "content-md5": 7},
        {"chunk-length": 1, "content-length": 1, "content-disposition": "attachment"},
        {"chunk-length": 1, "content-length": 1, "content-type": "a\nb"},
    ],
)
def test_bad_plans_are_refused(kim: HttpClient, name: str, document: object) -> None:
    assert kim.post(f"{name};upload", document).status == 400
    assert kim.get(name).status == 404


def test_bad_chunks_are_refused_and_the_job_goes_on(kim: HttpClient, name: str) -> None:
    job = begin(kim, name)
    send(kim, job, [0])
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    for target, data, headers, status in (
        ("11", chunk(10), {}, 409),
        ("99999999999999999999", chunk(10), {}, 409),
        ("9" * 5_000, chunk(10), {}, 409),
        ("-1", chunk(0), {}, 400),
        ("x", chunk(0), {}, 400),
        ("1", chunk(1) + b"x", {}, 409),
        ("1", chunk(1)[1:], {}, 409),
        ("1", b"", {}, 409),
        ("10", chunk(1), {}, 409),
        ("0", chunk(0), {"content_md5": other}, 400),
    ):
        assert kim.put(f"{job}/{target}", data, **headers).status == status, target
    assert kim.get(f"{job}/0").status == 405
    assert kim.head(f"{job}/0").status == 405
    assert kim.get(job).json["chunks-received"] == [[0, 0]]
    send(kim, job)
    assert kim.post(job).status == 201
    assert kim.get(name).body == DATA


def test_an_incomplete_upload_is_not_finished(kim: HttpClient, name: str) -> None:
    job = begin(kim, name)
    send(kim, job, range(10))
    refused = kim.post(job)
    assert refused.status == 409
    assert "1 of its 11 chunks are missing (10)" in refused.text
    assert kim.get(name).status == 409
    send(kim, job, [10])
    assert kim.post(job).status == 201


@pytest.mark.parametrize("field", ["content-md5", "content-sha256"])
def test_wrong_bytes_are_not_finished_and_can_be_sent_again(
    served: Served, kim: HttpClient, name: str, field: str
) -> None:
    job = begin(kim, name, **{field: MD5 if field == "content-md5" else SHA256})
    send(kim, job)
    assert kim.put(f"{job}/4", bytes(CHUNK)).status == 204
    contents = len(list(served.service.objects.content.digests()))
    assert kim.post(job).status == 409
    assert kim.get(name).status == 409
    assert len(list(served.service.objects.content.digests())) == contents
    send(kim, job, [4])
    assert kim.post(job).status == 201
    assert kim.get(name).body == DATA


def test_an_upload_of_no_bytes(kim: HttpClient, name: str) -> None:
    made = kim.post(f"{name};upload", {"chunk-length": 5, "content-length": 0})
    job = made.text.strip()
    assert kim.put(f"{job}/0", b"").status == 409
    assert kim.post(job).status == 201
    assert kim.get(name).body == b""


def test_jobs_are_their_makers(
    kim: HttpClient, lee: HttpClient, nobody: HttpClient, name: str
) -> None:
    job = begin(kim, name)
    theirs = begin(lee, name)
    for client, status in ((lee, 403), (nobody, 401)):
        for answer in (
            client.get(job),
            client.put(f"{job}/0", chunk(0)),
            client.post(job),
            client.delete(job),
        ):
            assert answer.status == status
    assert kim.get(f"{name};upload").json == [job, theirs]  # the owner of the object: all
    assert lee.get(f"{name};upload").json == [theirs]
    assert nobody.get(f"{name};upload").status == 401
    other = name + "-other"
    kim.put(other, b"1")
    assert kim.get(job.replace(name, other)).status == 404


def test_a_cancelled_job_is_gone_with_its_chunks(
    served: Served, kim: HttpClient, name: str
) -> None:
    job = begin(kim, name)
    send(kim, job, [0])
    folder = served.service.objects.content.directory / "uploads" / job.rpartition("/")[2]
    assert folder.is_dir()
    assert kim.delete(job).status == 204
    assert not folder.exists()
    assert kim.delete(job).status == 404
    assert kim.get(f"{name};upload").json == []


def test_a_deleted_object_cancels_its_jobs(kim: HttpClient, name: str) -> None:
    job = begin(kim, name)
    send(kim, job)
    assert kim.delete(name).status == 204
    assert kim.get(job).status == 404
    assert kim.put(f"{job}/0", chunk(0)).status == 404
    assert kim.post(job).status == 404
    assert kim.post(f"{name};upload", PLAN).status == 409


def test_rights_are_looked_at_again_in_the_end(
    kim: HttpClient, max_: HttpClient, name: str
) -> None:
    kim.put(name, b"1")
    kim.put(f"{name};acl/update", ["max"])
    job = begin(max_, name)
    send(max_, job)
    kim.put(f"{name};acl/update", [])
    assert max_.post(job).status == 403
    assert kim.get(name).body == b"1"
    kim.put(f"{name};acl/update", ["max"])
    assert max_.post(job).status == 201


def test_idle_jobs_expire(served: Served, kim: HttpClient, name: str) -> None:
    store = served.service.objects
    job = begin(kim, name)
    send(kim, job, [0])
    assert expire(store, timedelta(days=1)) == 0
    assert kim.get(job).status == 200
    assert expire(store, timedelta(0)) >= 1
    assert kim.get(job).status == 404
    assert not (store.content.directory / "uploads" / job.rpartition("/")[2]).exists()
