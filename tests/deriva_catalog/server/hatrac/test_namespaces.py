"""Namespaces over HTTP: making, listing and deleting them."""

from __future__ import annotations

import pytest

from catalog_server import HttpClient

KIND = "application/x-hatrac-namespace"


def make(client: HttpClient, name: str, query: str = "") -> int:
    return client.put(name + query, content_type=KIND).status


def test_a_namespace_is_made_and_listed(kim: HttpClient, name: str) -> None:
    made = kim.put(name, content_type=KIND)
    assert (made.status, made.text, made.headers["location"]) == (201, f"{name}\n", name)
    assert kim.get(name).json == []
    kim.put(f"{name}/b", b"1")
    make(kim, f"{name}/a")
    kim.put(f"{name}/a/below", b"1")
    assert kim.get(name).json == [f"{name}/a", f"{name}/b"]
    assert kim.get(f"{name}/").json == [f"{name}/a", f"{name}/b"]
    assert kim.get(name).text.endswith("\n")
    assert kim.get(name, accept="text/uri-list").text == f"{name}/a\n{name}/b\n"
    page = kim.get(name, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.headers["content-type"].startswith("text/html")
    assert f'href="{name}/a"' in page.text
    kim.delete(f"{name}/b")
    assert kim.get(name).json == [f"{name}/a"]


def test_head_of_a_namespace_has_the_headers_of_get(kim: HttpClient, name: str) -> None:
    make(kim, name)
    got, head = kim.get(name), kim.head(name, accept="application/json")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": 0} == {**got.headers, "date": 0}
    assert kim.head(f"{name}/missing").status == 404


def test_listings_have_etags_for_each_representation(kim: HttpClient, name: str) -> None:
    make(kim, name)
    etags = {kim.get(name, accept=a).headers["etag"] for a in ("*/*", "text/uri-list", "text/html")}
    assert len(etags) == 3
    etag = kim.get(name).headers["etag"]
    assert kim.get(name, if_none_match=etag).status == 304
    kim.put(f"{name}/a", b"1")
    assert kim.get(name, if_none_match=etag).status == 200
    assert kim.delete(name, if_match=etag).status == 412
    lines = kim.get(name, accept="text/uri-list").headers["etag"]
    assert kim.delete(name, if_match=lines).status == 204


def test_parents_are_made_when_asked(kim: HttpClient, name: str) -> None:
    assert make(kim, f"{name}/a/b") == 404
    assert kim.put(f"{name}/a/b", b"1").status == 404
    assert kim.get(name).status == 404
    assert make(kim, f"{name}/a/b", "?parents=true&cid=x") == 201
    assert kim.put(f"{name}/c/d/e?parents=true", b"1").status == 201
    assert kim.get(f"{name}/c/d").json == [f"{name}/c/d/e"]
    for made in (f"{name}/c", f"{name}/c/d", f"{name}/c/d/e"):
        assert kim.get(f"{made};acl/owner").json == ["kim"]


def test_a_name_is_of_one_kind(kim: HttpClient, name: str) -> None:
    make(kim, f"{name}-ns")
    kim.put(f"{name}-ob", b"1")
    assert make(kim, f"{name}-ns") == 409
    assert kim.put(f"{name}-ns", b"1").status == 409
    assert kim.put(f"{name}-ob/below", b"1").status == 409
    assert make(kim, f"{name}-ob/below", "?parents=true") == 409
    assert kim.post(f"{name}-ob/x;upload", {"chunk-length": 1, "content-length": 1}).status == 409
    assert kim.post(f"{name}-ns;upload", {"chunk-length": 1, "content-length": 1}).status == 409
    # On an object it is a type of content like any other.
    assert make(kim, f"{name}-ob") == 201
    assert kim.get(f"{name}-ob").headers["content-type"] == KIND


def test_a_deleted_namespace_takes_all_with_it(kim: HttpClient, name: str) -> None:
    kim.put(f"{name}/a/b?parents=true", b"1")
    kim.put(f"{name}x", b"beside")
    job = kim.post(f"{name}/a/c;upload", {"chunk-length": 1, "content-length": 1}).text.strip()
    assert kim.delete(name).status == 204
    for gone in (name, f"{name}/a", f"{name}/a/b", job):
        assert kim.get(gone).status == 404
    assert make(kim, name) == 409
    assert make(kim, f"{name}/a") == 409
    assert kim.put(f"{name}/a/b?parents=true", b"1").status == 409
    assert kim.get(f"{name}x").body == b"beside"


def test_a_namespace_with_others_work_stays_whole(
    kim: HttpClient, lee: HttpClient, root: HttpClient, name: str
) -> None:
    make(kim, name)
    kim.put(f"{name};acl/create", ["lee"])
    kim.put(f"{name}/mine", b"1")
    make(lee, f"{name}/theirs")
    assert kim.delete(name).status == 403
    assert kim.get(f"{name}/mine").status == 200
    assert kim.put(f"{name};acl/subtree-owner", ["kim"]).status == 204
    assert kim.delete(name).status == 204
    make(kim, f"{name}-2")
    assert root.delete(f"{name}-2").status == 204  # the root's owners own everything


def test_the_root(kim: HttpClient, root: HttpClient, nobody: HttpClient) -> None:
    for spelled in ("/hatrac", "/hatrac/"):
        assert root.get(spelled).json == ["/hatrac/ns"]
        assert kim.get(spelled).status == 403
        assert nobody.get(spelled).status == 401
        refused = root.delete(spelled)
        assert refused.status == 403
        assert refused.text == "Root service namespace /hatrac/ cannot be deleted.\n"
        assert make(root, spelled) == 409
        assert root.put(spelled, b"1").status == 409
        assert "owner" in root.get(f"{spelled};acl").json


@pytest.mark.parametrize("accept", ["text/html", "application/json, text/plain, */*", ""])
def test_errors_are_a_line_of_text_or_a_page(kim: HttpClient, name: str, accept: str) -> None:
    missing = kim.get(name, accept=accept)
    assert missing.status == 404
    if accept == "text/html":
        assert missing.headers["content-type"].startswith("text/html")
    else:
        assert missing.headers["content-type"].startswith("text/plain")
        assert missing.text == f"Resource {name} not found.\n"
