"""Objects over HTTP: content, versions, ranges, preconditions, deletes, renames."""

from __future__ import annotations

import base64
import hashlib
import http.client

import pytest

from catalog_server import HttpClient, Served

DATA = b"The quick brown fox jumps over the lazy dog."


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(client: HttpClient, name: str, data: bytes = DATA, **headers: str) -> str:
    """Put content; returns the URL of the version."""
    made = client.put(name, data, **headers)
    assert made.status == 201, made.text
    assert made.headers["location"] == made.text.removesuffix("\n")
    assert made.text.endswith("\n")
    return made.text.strip()


def test_content_comes_back_with_its_headers(kim: HttpClient, name: str) -> None:
    url = put(kim, name, content_type="text/x-fox")
    version = url.rpartition(":")[2]
    assert url == f"{name}:{version}"
    assert len(version) == 26
    for target in (name, url, f"{url}?uinit=1&cid=x", f"{name}/"):
        got = kim.get(target)
        assert (got.status, got.body) == (200, DATA)
        assert got.headers["content-type"] == "text/x-fox"
        assert got.headers["content-length"] == str(len(DATA))
        assert got.headers["content-md5"] == md5(DATA)
        assert got.headers["content-sha256"] == sha256(DATA)
        assert got.headers["content-location"] == url
        assert got.headers["etag"] == f'"{version}"'
        assert got.headers["accept-ranges"] == "bytes"
        assert got.headers["content-disposition"] == f"filename*=UTF-8''{name.rpartition('/')[2]}"
        assert "cookie" in got.headers["vary"]


@pytest.mark.parametrize("kind", ["x/y", "text/html", "image/svg+xml", "application/xhtml+xml"])
def test_a_page_among_the_objects_does_not_act_for_its_reader(
    kim: HttpClient, name: str, kind: str
) -> None:
    url = put(kim, name, b"<script>fetch('/ermrest/')</script>", content_type=kind)
    for got in (kim.get(url), kim.get(url, range="bytes=0-9"), kim.head(url)):
        policy = got.headers["content-security-policy"].split()
        assert policy[0] == "sandbox"
        assert "allow-same-origin" not in policy
        assert got.headers["x-content-type-options"] == "nosniff"


def test_a_document_that_needs_its_viewer_is_not_sniffed(kim: HttpClient, name: str) -> None:
    url = put(kim, name, b"<script>1</script>", content_type="application/pdf")
    got = kim.get(url)
    assert "content-security-policy" not in got.headers
    assert got.headers["x-content-type-options"] == "nosniff"


def test_head_has_the_headers_of_get_and_no_body(kim: HttpClient, name: str) -> None:
    put(kim, name)
    got, head = kim.get(name), kim.head(name)
    different = {"date"}
    assert head.status == 200
    assert head.body == b""
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in got.headers.items() if k not in different
    }


def test_large_content_is_streamed_whole(kim: HttpClient, name: str) -> None:
    data = bytes(range(256)) * 20_000
    put(kim, name, data, content_md5=md5(data), content_sha256=sha256(data))
    assert kim.get(name).body == data
    assert kim.head(name).headers["content-length"] == str(len(data))
    part = kim.get(name, range="bytes=1000000-4000000")
    assert part.status == 206
    assert part.body == data[1_000_000:4_000_001]


def test_content_is_not_compressed(kim: HttpClient, name: str) -> None:
    put(kim, name, DATA * 1000, content_type="text/plain")
    got = kim.get(name, accept_encoding="gzip, zstd")
    assert got.body == DATA * 1000
    assert "content-encoding" not in got.headers
    assert got.headers["content-length"] == str(len(DATA) * 1000)
    assert "no-transform" in got.headers["cache-control"]


def test_content_without_bytes_is_content(kim: HttpClient, name: str) -> None:
    put(kim, name, b"")
    got = kim.get(name)
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")
    assert kim.get(name, range="bytes=0-10").status == 416
    assert kim.get(name, range="bytes=-10").status == 200


def test_each_put_makes_a_version(kim: HttpClient, lee: HttpClient, name: str) -> None:
    first, second, third = put(kim, name), put(kim, name), put(lee, name, b"other")
    assert len({first, second, third}) == 3
    assert kim.get(f"{name};versions").json == [third, second, first]
    lines = kim.get(f"{name};versions", accept="text/uri-list")
    assert lines.text == f"{third}\n{second}\n{first}\n"
    assert kim.get(name).body == b"other"
    assert kim.get(first).body == DATA
    assert kim.get("/hatrac/ns;versions").status == 404


def test_digests_are_verified_and_nothing_is_left(kim: HttpClient, name: str) -> None:
    other = b"something else"
    for headers in (
        {"content_md5": md5(other)},
        {"content_sha256": sha256(other)},
        {"content_md5": md5(DATA), "content_sha256": sha256(other)},
        {"content_md5": "zz"},
        {"content_md5": base64.b64encode(b"short").decode()},
    ):
        refused = kim.put(name, DATA, **headers)
        assert refused.status == 400, headers
        assert refused.headers["content-type"].startswith("text/plain")
    assert kim.get(name).status == 404
    put(kim, name, content_md5=hashlib.md5(DATA).hexdigest())
    assert kim.get(f"{name};metadata/content-md5").text == md5(DATA) + "\n"


@pytest.mark.parametrize(
    "disposition",
    [
        "attachment; filename=x",
        "filename=x",
        "filename*=UTF-8''a%2Fb",
        "filename*=UTF-8''a%5Cb",
        "filename*=UTF-8''a b",
        "filename*=UTF-8''%ff",
        "filename*=UTF-8''",
        "filename*=UTF-8''a%0Ab",
    ],
)
def test_other_content_dispositions_are_refused(
    kim: HttpClient, name: str, disposition: str
) -> None:
    assert kim.put(name, DATA, content_disposition=disposition).status == 400
    assert kim.get(name).status == 404


def test_a_file_name_is_kept(kim: HttpClient, name: str) -> None:
    given = "filename*=UTF-8''caf%C3%A9%20%231.tif"
    put(kim, name, content_disposition=given)
    assert kim.get(name).headers["content-disposition"] == given


def test_a_body_without_length_is_refused(served: Served, kim: HttpClient, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request(
        "PUT",
        name,
        iter([DATA]),
        {"Authorization": f"Bearer {kim.token}"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 411
    connection.close()
    assert kim.get(name).status == 404


def test_a_body_that_is_cut_off_leaves_nothing(served: Served, kim: HttpClient, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest("PUT", name)
    connection.putheader("Authorization", f"Bearer {kim.token}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"x" * 1000)
    connection.close()
    assert kim.get(name).status == 404
    assert list((served.service.registry.home / "objects/content").glob("incoming/*")) == []


# --- ranges ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=4-8", 206, 4, 8),
        ("bytes=40-1000", 206, 40, 43),
        ("bytes=40-", 206, 40, 43),
        ("bytes=-3", 206, 41, 43),
        ("bytes=0-43", 200, 0, 43),
        ("bytes=0-", 200, 0, 43),
        ("bytes=-1000", 200, 0, 43),
        ("bytes=5-2", 200, 0, 43),
        ("bytes=-0", 200, 0, 43),
        ("bytes=x-y", 200, 0, 43),
        ("garbage", 200, 0, 43),
    ],
)
def test_ranges(kim: HttpClient, name: str, asked: str, status: int, first: int, last: int) -> None:
    url = put(kim, name)
    got = kim.get(name, range=asked)
    assert got.status == status
    assert got.body == DATA[first : last + 1]
    assert got.headers["content-length"] == str(len(got.body))
    assert ("content-md5" in got.headers) == (status == 200)
    assert ("content-sha256" in got.headers) == (status == 200)
    assert got.headers["content-location"] == url
    if status == 206:
        assert got.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    head = kim.head(name, range=asked)
    assert (head.status, head.headers["content-length"]) == (status, str(len(got.body)))


def test_ranges_that_cannot_be(kim: HttpClient, name: str) -> None:
    put(kim, name)
    beyond = kim.get(name, range="bytes=44-50")
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */44")
    huge = "9" * 5_000  # more digits than Python reads
    assert kim.get(name, range=f"bytes={huge}-").status == 416
    assert kim.get(name, range=f"bytes=0-{huge}").status == 200
    assert kim.get(name, range=f"bytes=-{huge}").status == 200
    assert kim.get(name, range="bytes=0-1,3-4").status == 501
    assert kim.get(name, range="rows=0-1").status == 501
    kim.put("/hatrac/ns/list", content_type="application/x-hatrac-namespace")
    assert kim.get("/hatrac/ns/list", range="bytes=0-1").status == 501


def test_a_range_of_content_that_changed_is_the_whole(kim: HttpClient, name: str) -> None:
    put(kim, name)
    etag = kim.get(name).headers["etag"]
    assert kim.get(name, range="bytes=0-1", if_range=etag).status == 206
    put(kim, name)
    assert kim.get(name, range="bytes=0-1", if_range=etag).status == 200


# --- preconditions -----------------------------------------------------------------------


def test_preconditions_of_reads(kim: HttpClient, name: str) -> None:
    put(kim, name)
    etag = kim.get(name).headers["etag"]
    gzipped = etag[:-1] + '-gzip"'
    for header, value, status in (
        ("If-None-Match", etag, 304),
        ("If-None-Match", f'"x", W/{etag}', 304),
        ("If-None-Match", gzipped, 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"x"', 200),
        ("If-Match", etag, 200),
        ("If-Match", "*", 200),
        ("If-Match", '"x"', 304),
    ):
        got = kim.request("GET", name, headers={header: value})
        assert got.status == status, (header, value)
        assert got.headers["etag"] == etag
        assert kim.request("HEAD", name, headers={header: value}).status == status


def test_preconditions_of_writes(kim: HttpClient, name: str) -> None:
    assert kim.put(name, DATA, if_match="*").status == 412
    assert kim.put(name, DATA, if_none_match="*").status == 201
    refused = kim.put(name, DATA, if_none_match="*")
    assert refused.status == 412
    assert refused.text == "Resource state does not match requested preconditions.\n"
    etag = kim.get(name).headers["etag"]
    assert kim.put(name, b"second", if_match=etag).status == 201
    assert kim.put(name, b"third", if_match=etag).status == 412
    assert kim.delete(name, if_match=etag).status == 412
    assert kim.get(name).body == b"second"
    assert kim.delete(name, if_match=kim.get(name).headers["etag"]).status == 204


def test_content_may_be_put_if_there_is_none_any_more(kim: HttpClient, name: str) -> None:
    kim.delete(put(kim, name))
    assert kim.get(name).status == 409
    assert kim.put(name, b"new", if_none_match="*").status == 201


# --- deleting ----------------------------------------------------------------------------


def test_a_deleted_version_uncovers_the_one_before(kim: HttpClient, name: str) -> None:
    first, second = put(kim, name, b"1"), put(kim, name, b"2")
    assert kim.delete(second).status == 204
    assert kim.get(second).status == 404
    assert kim.delete(second).status == 404
    assert kim.get(name).body == b"1"
    assert kim.delete(first).status == 204
    empty = kim.get(name)
    assert empty.status == 409
    assert "currently has no content" in empty.text
    assert kim.head(name).status == 409
    assert kim.get(f"{name};versions").json == []
    put(kim, name, b"3")
    assert kim.get(name).body == b"3"


def test_a_deleted_name_is_never_used_again(kim: HttpClient, name: str) -> None:
    url = put(kim, name)
    assert kim.delete(name).status == 204
    for target in (name, url, f"{name};versions", f"{name};acl", f"{name};metadata"):
        assert kim.get(target).status == 404
    assert kim.put(name, DATA).status == 409
    assert kim.put(name, content_type="application/x-hatrac-namespace").status == 409
    assert kim.delete(name).status == 404


# --- renaming ----------------------------------------------------------------------------


def rename(client: HttpClient, name: str, source: str, **more: object) -> tuple[int, list[str]]:
    document = {"command": "rename_from", "source_name": source, **more}
    answer = client.post(name, document)
    return answer.status, answer.text.splitlines()


def test_a_rename_keeps_versions_and_old_urls(kim: HttpClient, name: str) -> None:
    first, second = put(kim, name, b"1"), put(kim, name, b"2")
    new = f"{name}-new"
    versions = [url.rpartition(":")[2] for url in (second, first)]
    status, urls = rename(kim, new, name.removeprefix("/hatrac"))
    assert (status, urls) == (201, [f"{new}:{v}" for v in versions])
    assert rename(kim, new, name) == (204, [])
    for old, now, data in ((first, urls[1], b"1"), (second, urls[0], b"2"), (name, urls[0], b"2")):
        got = kim.get(old)
        assert (got.status, got.body, got.headers["content-location"]) == (200, data, now)
    assert kim.get(f"{name};versions").json == [second, first]
    assert kim.get(f"{new};versions").json == urls
    assert rename(kim, f"{name}-other", name)[0] == 409
    assert rename(kim, new, new) == (204, [])
    for _ in range(2):  # back, and again: as often as one likes
        assert rename(kim, name, new) == (201, [second, first])
        assert kim.get(urls[1]).headers["content-location"] == first
        assert rename(kim, new, name) == (201, urls)
    put(kim, name, b"3")
    assert kim.get(name).body == b"3"
    assert kim.get(new).body == b"2"


def test_some_versions_are_renamed(kim: HttpClient, name: str) -> None:
    first, second = put(kim, name, b"1"), put(kim, name, b"2")
    new = f"{name}-new"
    for member, url in (("source_versions", second), ("versions", first)):
        status, urls = rename(kim, new, name, **{member: [url.rpartition(":")[2]]})
        assert (status, urls) == (201, [url.replace(name, new)])
    # As they were made, not as they were renamed.
    assert [u.rpartition(":")[2] for u in kim.get(f"{new};versions").json] == [
        second.rpartition(":")[2],
        first.rpartition(":")[2],
    ]


def test_renames_that_cannot_be(kim: HttpClient, lee: HttpClient, name: str) -> None:
    put(kim, name)
    new = f"{name}-new"
    for source in (f"{name}-nothing", "/hatrac/ns"):
        assert rename(kim, new, source)[0] == 409
    assert rename(kim, new, name, source_versions=["X"])[0] == 409
    assert rename(kim, new, name, more=1)[0] == 400
    assert kim.post(new, {"command": "rename_to", "source_name": name}).status == 400
    assert kim.post(new, {"command": "rename_from"}).status == 400
    assert kim.post(new, ["x"]).status == 400
    assert kim.post(new, b"{", content_type="application/json").status == 400
    assert rename(lee, new, name)[0] == 403
    kim.delete(put(kim, f"{name}-gone").partition(":")[0])
    assert rename(kim, f"{name}-gone", name)[0] == 409
    assert rename(kim, "/hatrac/ns", name)[0] == 409
    assert rename(kim, "/hatrac/ns/missing/x", name)[0] == 404
    assert kim.get(new).status == 404


def test_a_rename_copies_lists_only_when_asked(kim: HttpClient, lee: HttpClient, name: str) -> None:
    for copied in (True, False):
        old, new = f"{name}-{copied}", f"{name}-{copied}-new"
        url = put(kim, old)
        for resource in (old, url):
            kim.put(f"{resource};acl/read", ["max"])
        status, urls = rename(kim, new, old, copy_acls=copied)
        assert status == 201
        expected = ["max"] if copied else []
        assert kim.get(f"{new};acl/read").json == expected
        assert kim.get(f"{urls[0]};acl/read").json == expected
        assert kim.get(f"{urls[0]};acl/owner").json == ["kim"]


# --- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        "/hatrac/ns/../x",
        "/hatrac/ns/..",
        "/hatrac/ns/.",
        "/hatrac/ns/%2e%2e/x",
        "/hatrac/ns/%2E",
        "/hatrac/ns//x",
        "/hatrac//etc/passwd",
        "/hatrac/ns/a b",
        "/hatrac/ns/a+b",
        "/hatrac/ns/%00",
        "/hatrac/ns/%ff",
        "/hatrac/ns/a:b:c",
        "/hatrac/ns/x;nothing",
        "/hatrac/ns/x;versions/1",
        "/hatrac/ns/x;acl/read/kim/more",
    ],
)
def test_bad_names_are_refused(served: Served, kim: HttpClient, bad: str) -> None:
    # Through a socket: clients resolve dots before they send.
    for method in ("GET", "PUT", "DELETE", "POST"):
        assert raw(served, kim, method, bad) == 400, method


def raw(served: Served, client: HttpClient, method: str, target: str) -> int:
    import socket

    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        head = (
            f"{method} {target.replace(' ', chr(9))} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        )
        head += f"Authorization: Bearer {client.token}\r\nContent-Length: 1\r\n\r\nx"
        connection.sendall(head.encode())
        return int(connection.recv(100).split()[1])


def test_an_escaped_name_is_one_component_and_no_path(served: Served, kim: HttpClient) -> None:
    files = served.service.registry.home / "objects"
    before = {p for p in files.rglob("*") if "content/sha256" not in str(p)}
    for encoded in ("..%2F..%2Fetc%2Fpasswd", "%2Fabsolute", "md5%3Aabc", "a%3Bacl", "C%3A%5Cx"):
        url = put(kim, f"/hatrac/ns/{encoded}")
        assert url.startswith(f"/hatrac/ns/{encoded}:")
        assert kim.get(url).body == DATA
    assert {p for p in files.rglob("*") if "content/sha256" not in str(p)} == before


def test_spellings_of_one_name_are_one(kim: HttpClient, name: str) -> None:
    url = put(kim, name.replace("test_spell", "%74est%5Fspell"))
    assert url.startswith(f"{name}:")
    assert kim.get(name).status == 200


def test_other_methods_are_refused(kim: HttpClient, name: str) -> None:
    url = put(kim, name)
    for method, target in (
        ("PUT", url),
        ("POST", url),
        ("PATCH", name),
        ("PUT", f"{name};versions"),
        ("POST", f"{name};metadata"),
        ("POST", f"{name};metadata/content-type"),
        ("PUT", f"{name};acl"),
        ("POST", f"{name};acl/read"),
        ("PUT", f"{name};upload"),
    ):
        refused = kim.request(method, target, b"x")
        assert refused.status == 405, (method, target)
        assert "allow" in refused.headers
