"""Who may do what with objects over HTTP, and how owners say so."""

from __future__ import annotations

import pytest

from catalog_server import HttpClient

KIND = "application/x-hatrac-namespace"
NAMESPACE_LISTS = [
    "owner",
    "create",
    "read",
    "subtree-owner",
    "subtree-create",
    "subtree-read",
    "subtree-update",
]


@pytest.fixture
def closed(root: HttpClient, kim: HttpClient, name: str) -> str:
    """A namespace at the root that only kim has rights on."""
    path = name.replace("/ns/", "/")
    assert kim.put(path, content_type=KIND).status == 201
    return path


def test_lists_by_kind_of_resource(kim: HttpClient, closed: str) -> None:
    url = kim.put(f"{closed}/a", b"1").text.strip()
    lists = kim.get(f"{closed};acl").json
    assert list(lists) == NAMESPACE_LISTS
    assert lists["owner"] == ["kim"]
    assert not any(lists[name] for name in NAMESPACE_LISTS[1:])
    assert list(kim.get(f"{closed}/a;acl").json) == [
        "owner",
        "update",
        "read",
        "subtree-owner",
        "subtree-read",
    ]
    assert kim.get(f"{url};acl").json == {"owner": ["kim"], "read": []}
    for resource, access in ((closed, "update"), (f"{closed}/a", "create"), (url, "subtree-read")):
        for answer in (
            kim.get(f"{resource};acl/{access}"),
            kim.put(f"{resource};acl/{access}", ["x"]),
            kim.delete(f"{resource};acl/{access}"),
        ):
            assert answer.status == 400
            assert f"Invalid ACL name {access} for {resource}." in answer.text


def test_lists_are_changed(kim: HttpClient, closed: str) -> None:
    role = "https://idp.example/group/1"
    escaped = "https%3A%2F%2Fidp.example%2Fgroup%2F1"
    here = f"{closed};acl/read"
    assert kim.put(here, ["a", role]).status == 204
    assert kim.get(here).json == ["a", role]
    member = kim.get(f"{here}/{escaped}")
    assert (member.status, member.text.strip()) == (200, role)
    assert member.headers["content-type"].startswith("text/plain")
    for _ in range(2):
        assert kim.put(f"{here}/b").status == 204
    assert kim.get(here).json == ["a", role, "b"]
    assert kim.delete(f"{here}/{escaped}").status == 204
    assert kim.delete(f"{here}/{escaped}").status == 404
    assert kim.get(f"{here}/{escaped}").status == 404
    assert kim.delete(here).status == 204
    assert kim.get(here).json == []
    for bad in ({"a": 1}, "text", [1], None, [["a"]], [""]):
        assert kim.put(here, bad if bad is not None else b"null").status == 400
    for bad_json in (b"[", b'["\\ud800"]'):
        assert kim.put(here, bad_json).status == 400


def test_lists_have_preconditions(kim: HttpClient, closed: str) -> None:
    here = f"{closed};acl/read"
    etag = kim.get(here).headers["etag"]
    assert kim.put(here, ["a"], if_match=etag).status == 204
    assert kim.put(here, ["b"], if_match=etag).status == 412
    assert kim.get(here).json == ["a"]


def test_only_owners_see_and_change_lists(
    kim: HttpClient, lee: HttpClient, nobody: HttpClient, closed: str
) -> None:
    for client, status in ((lee, 403), (nobody, 401)):
        for answer in (
            client.get(f"{closed};acl"),
            client.get(f"{closed};acl/read"),
            client.get(f"{closed};acl/owner/kim"),
            client.put(f"{closed};acl/owner", ["lee"]),
            client.put(f"{closed};acl/owner/lee"),
            client.delete(f"{closed};acl/owner"),
            client.delete(f"{closed};acl/owner/kim"),
        ):
            assert answer.status == status
    assert kim.get(f"{closed};acl/owner").json == ["kim"]
    kim.put(f"{closed};acl/owner/lee")
    assert lee.get(f"{closed};acl/owner").json == ["kim", "lee"]


def test_an_orphan_is_brought_back_by_the_root(
    kim: HttpClient, root: HttpClient, closed: str
) -> None:
    assert kim.put(f"{closed};acl/owner", []).status == 204
    assert kim.get(f"{closed};acl").status == 403
    assert root.put(f"{closed};acl/owner", ["kim"]).status == 204
    assert kim.get(f"{closed};acl").status == 200


def test_read_of_an_object_does_not_open_its_content(
    kim: HttpClient, lee: HttpClient, closed: str
) -> None:
    url = kim.put(f"{closed}/a", b"1").text.strip()
    reads = (url, f"{closed}/a", f"{url};metadata", f"{closed}/a;metadata")
    kim.put(f"{closed}/a;acl/read", ["lee"])
    assert lee.get(f"{closed}/a;versions").status == 200
    assert [lee.get(target).status for target in reads] == [403] * 4
    kim.put(f"{url};acl/read", ["lee"])
    assert [lee.get(target).status for target in reads] == [200] * 4
    kim.put(f"{closed}/a;acl/read", [])
    assert lee.get(f"{closed}/a;versions").status == 403


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_subtree_right_holds_below_at_any_depth(
    kim: HttpClient, lee: HttpClient, closed: str, depth: int
) -> None:
    above = closed + "/x" * depth
    here = f"{closed}/x/x/y"
    url = kim.put(f"{here}/z?parents=true", b"1").text.strip()
    assert lee.get(url).status == 403
    kim.put(f"{above};acl/subtree-read", ["lee"])
    for target in (url, f"{here}/z", here, f"{here}/z;versions"):
        assert lee.get(target).status == 200
    assert lee.get(above).status == 403  # not of the namespace itself
    assert lee.put(f"{here}/new", b"1").status == 403
    kim.put(f"{above};acl/subtree-create", ["lee"])
    assert lee.put(f"{here}/new", b"1").status == 201
    assert lee.put(f"{above}/new", b"1").status == 403
    assert lee.put(f"{here}/z", b"1").status == 403
    kim.put(f"{above};acl/subtree-update", ["lee"])
    assert lee.put(f"{here}/z", b"2").status == 201
    assert lee.delete(url).status == 403
    kim.put(f"{above};acl/subtree-owner", ["lee"])
    assert lee.get(f"{url};acl").status == 200
    assert lee.delete(url).status == 204


def test_rights_of_an_object_and_its_versions(
    kim: HttpClient, lee: HttpClient, closed: str
) -> None:
    url = kim.put(f"{closed}/a", b"1").text.strip()
    kim.put(f"{closed}/a;acl/update", ["lee"])
    theirs = lee.put(f"{closed}/a", b"2").text.strip()
    assert lee.get(theirs).status == 200
    assert lee.get(url).status == 403
    assert kim.get(theirs).status == 403  # its owner is who put it
    assert kim.delete(theirs).status == 204  # but who owns the object may delete it
    kim.put(f"{closed}/a;acl/subtree-read", ["lee"])
    assert lee.get(url).status == 200
    kim.put(f"{closed}/a;acl/subtree-owner", ["lee"])
    assert lee.put(f"{url};metadata/content-type", b"a/b", content_type="text/plain").status == 204
    assert lee.delete(f"{closed}/a").status == 403


def test_everybody_and_nobody(
    kim: HttpClient, lee: HttpClient, nobody: HttpClient, closed: str
) -> None:
    url = kim.put(f"{closed}/a", b"1").text.strip()
    denied = nobody.get(url)
    assert denied.status == 401
    assert denied.text == f"Authentication required for access to {url}.\n"
    assert "www-authenticate" in denied.headers
    forbidden = lee.get(url)
    assert (forbidden.status, forbidden.text) == (403, f"Access to {url} forbidden.\n")
    for access in ("create", "subtree-read", "subtree-create", "subtree-update", "subtree-owner"):
        assert kim.put(f"{closed};acl/{access}", ["*"]).status == 204
    assert nobody.get(url).status == 200
    for answer in (
        nobody.put(f"{closed}/b", b"1"),
        nobody.put(f"{closed}/a", b"1"),
        nobody.put(f"{closed}/c", content_type=KIND),
        nobody.post(f"{closed}/b;upload", {"chunk-length": 1, "content-length": 1}),
    ):
        assert answer.status == 401
    assert lee.put(f"{closed}/b", b"1").status == 201


def test_a_group_is_a_role(served, kim: HttpClient, closed: str) -> None:
    member = served.client("zoe", groups=["https://idp.example/lab"])
    url = kim.put(f"{closed}/a", b"1").text.strip()
    assert member.get(url).status == 403
    kim.put(f"{closed};acl/subtree-read", ["https://idp.example/lab"])
    assert member.get(url).status == 200


def test_who_may_create_names_at_the_root(kim: HttpClient, nobody: HttpClient, closed: str) -> None:
    assert nobody.put(f"{closed}-2", content_type=KIND).status == 401
    assert kim.put(f"{closed}-2", content_type=KIND).status == 201
