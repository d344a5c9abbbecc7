"""Metadata of versions over HTTP."""

from __future__ import annotations

import base64
import hashlib

import pytest

from catalog_server import HttpClient

DATA = b"some bytes"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()


def set_field(client: HttpClient, url: str, field: str, value: str) -> int:
    return client.put(f"{url};metadata/{field}", value, content_type="text/plain").status


def test_fields_are_what_was_declared(kim: HttpClient, name: str) -> None:
    url = kim.put(
        name,
        DATA,
        content_type="image/tiff",
        content_md5=MD5,
        content_sha256=SHA256,
        content_disposition="filename*=UTF-8''a.tif",
    ).text.strip()
    expected = {
        "content-type": "image/tiff",
        "content-disposition": "filename*=UTF-8''a.tif",
        "content-md5": MD5,
        "content-sha256": SHA256,
    }
    for target in (name, url):
        assert kim.get(f"{target};metadata").json == expected
        for field, value in expected.items():
            got = kim.get(f"{target};metadata/{field}")
            assert (got.status, got.text) == (200, value + "\n")
            assert got.headers["content-type"].startswith("text/plain")
    assert kim.get("/hatrac/ns;metadata").status == 404


def test_computed_digests_are_headers_but_no_metadata(kim: HttpClient, name: str) -> None:
    kim.put(name, DATA)
    assert kim.head(name).headers["content-md5"] == MD5
    assert kim.get(f"{name};metadata").json == {}
    for field, right in (("content-md5", MD5), ("content-sha256", SHA256)):
        assert kim.get(f"{name};metadata/{field}").status == 404
        assert kim.delete(f"{name};metadata/{field}").status == 404
        wrong = base64.b64encode(bytes(len(base64.b64decode(right)))).decode()
        assert set_field(kim, name, field, wrong) == 409
        assert kim.get(f"{name};metadata/{field}").status == 404
        assert set_field(kim, name, field, right) == 204
        assert set_field(kim, name, field, right) == 204
        assert set_field(kim, name, field, wrong) == 409
        assert kim.get(f"{name};metadata/{field}").text == right + "\n"
        assert kim.delete(f"{name};metadata/{field}").status == 204
        assert kim.get(f"{name};metadata/{field}").status == 404


def test_type_and_file_name_change(kim: HttpClient, name: str) -> None:
    kim.put(name, DATA)
    assert set_field(kim, name, "content-type", "text/x-a") == 204
    assert set_field(kim, name, "content-type", "text/x-b") == 204
    assert set_field(kim, name, "content-disposition", "filename*=UTF-8''b.tif") == 204
    got = kim.get(name)
    assert got.headers["content-type"] == "text/x-b"
    assert got.headers["content-disposition"] == "filename*=UTF-8''b.tif"
    assert kim.delete(f"{name};metadata/content-type").status == 204
    assert kim.delete(f"{name};metadata/content-type").status == 404
    assert kim.get(name).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content-md5", "zz"),
        ("content-md5", SHA256),
        ("content-sha256", MD5),
        ("content-disposition", "attachment; filename=a"),
        ("content-type", ""),
        ("content-type", "a/b\nX-Injected: 1"),
        ("content-length", "1"),
        ("bogus", "1"),
    ],
)
def test_bad_values_and_fields_are_refused(
    kim: HttpClient, name: str, field: str, value: str
) -> None:
    kim.put(name, DATA)
    assert set_field(kim, name, field, value) == 400
    assert kim.get(f"{name};metadata").json == {}


def test_a_value_is_plain_text(kim: HttpClient, name: str) -> None:
    kim.put(name, DATA)
    answer = kim.put(f"{name};metadata/content-type", b'"a/b"', content_type="application/json")
    assert answer.status == 400


def test_changing_needs_ownership(
    kim: HttpClient, lee: HttpClient, nobody: HttpClient, name: str
) -> None:
    kim.put(name, DATA)
    assert lee.get(f"{name};metadata").status == 200  # by the subtree's list
    assert set_field(lee, name, "content-type", "a/b") == 403
    assert lee.delete(f"{name};metadata/content-type").status == 403
    assert set_field(nobody, name, "content-type", "a/b") == 401


def test_preconditions_of_fields(kim: HttpClient, name: str) -> None:
    kim.put(name, DATA, content_type="a/b")
    here = f"{name};metadata/content-type"
    etag = kim.get(here).headers["etag"]
    assert kim.get(here, if_none_match=etag).status == 304
    assert kim.put(here, "c/d", content_type="text/plain", if_match='"x"').status == 412
    assert kim.put(here, "c/d", content_type="text/plain", if_match=etag).status == 204
