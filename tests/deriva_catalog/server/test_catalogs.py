"""Catalogs and aliases. Source: ERMrest, "Catalogs and aliases"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.server.settings import Settings

STAFF = "https://lab.example/group/staff"
ACLS = ["create", "delete", "enumerate", "insert", "owner", "select", "update", "write"]


@pytest.fixture
def name() -> str:
    """A name that nothing has yet."""
    return f"n{uuid4().hex[:12]}"


# --- creating ------------------------------------------------------------------------------


def test_a_catalog_needs_nothing_said(kim: HttpClient) -> None:
    made = kim.post("/ermrest/catalog")
    assert (made.status, made.headers["content-type"]) == (201, "application/json")
    assert made.headers["location"] == f"/ermrest/catalog/{made.json['id']}"
    assert made.json["id"].isdecimal()
    found = kim.get(made.headers["location"]).json
    assert found["acls"]["owner"] == [kim.id]
    assert sorted(found["acls"]) == ACLS
    assert found["rights"] == {"owner": True, "create": True}
    assert found["is_persistent"] is True
    assert "tag:isrd.isi.edu,2018:indexing-preferences" in found["annotations"]
    assert not {"name", "description", "alias_target", "clone_source"} & set(found)


def test_everything_said_is_kept(kim: HttpClient, name: str) -> None:
    body = {
        "id": name,
        "owner": [kim.id, STAFF],
        "name": "Lab",
        "description": "What it is for",
        "is_persistent": False,
        "clone_source": "1",
        "annotations": {"tag:x": {"a": 1}},
        "unknown": "ignored",
    }
    assert kim.post("/ermrest/catalog/", body).json == {"id": name}
    found = kim.get(f"/ermrest/catalog/{name}/").json
    assert found["acls"]["owner"] == [kim.id, STAFF]
    assert found["annotations"]["tag:x"] == {"a": 1}
    for member in ("id", "name", "description", "is_persistent", "clone_source"):
        assert found[member] == body[member]


def test_null_means_not_given(kim: HttpClient) -> None:
    members = ("id", "owner", "name", "description", "is_persistent", "clone_source", "annotations")
    assert kim.post("/ermrest/catalog", dict.fromkeys(members)).status == 201


def test_the_bare_id_for_those_who_want_text(kim: HttpClient) -> None:
    made = kim.post("/ermrest/catalog", accept="text/plain")
    assert made.headers["content-type"] == "text/plain"
    assert made.headers["location"].endswith(f"/{made.text}")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ("{", 400),
        ({"id": 7}, 400),
        ({"id": "a/b"}, 400),
        ({"id": "a@b"}, 400),
        ({"id": ""}, 400),
        ({"id": "ä"}, 400),
        ({"name": ["x"]}, 400),
        ({"name": "\0"}, 400),
        ({"is_persistent": "yes"}, 400),
        ({"annotations": []}, 400),
        ({"owner": 3}, 400),
        ({"owner": ["*"]}, 400),
        ({"owner": ["https://lab.example/ann"]}, 409),
        ({"owner": []}, 409),
    ],
)
def test_what_makes_no_catalog(kim: HttpClient, body: Any, status: int) -> None:
    assert kim.post("/ermrest/catalog", body).status == status


def test_an_id_in_use(kim: HttpClient, ann: HttpClient, name: str) -> None:
    assert kim.post("/ermrest/catalog", {"id": name}).status == 201
    assert kim.post("/ermrest/catalog", {"id": name}).status == 409
    assert ann.post("/ermrest/catalog", {"id": name}).status == 403
    assert kim.delete(f"/ermrest/catalog/{name}").status == 204
    assert kim.post("/ermrest/catalog", {"id": name}).status == 409


def test_who_may_create(nobody: HttpClient, tmp_path: Path) -> None:
    assert nobody.post("/ermrest/catalog", "{").status == 401
    assert nobody.get("/ermrest/catalog").status == 405
    assert nobody.get("/ermrest/catalog/").status == 405
    with serving(tmp_path, settings=Settings(creators=(STAFF,))) as running:
        assert running.client("a").post("/ermrest/catalog").status == 403
        assert running.client("a").post("/ermrest/alias").status == 403
        assert running.client("b", groups=[STAFF]).post("/ermrest/catalog").status == 201


# --- reading -------------------------------------------------------------------------------


def test_a_catalog_tells_the_latest_snapshot_of_anything(kim: HttpClient, zoo: str) -> None:
    first = kim.get(zoo)
    assert kim.get(zoo, if_none_match=first.headers["etag"]).status == 304
    kim.put(f"{zoo}/schema/zoo/comment", "new")
    after = kim.get(zoo, if_none_match=first.headers["etag"])
    assert after.json["snaptime"] > first.json["snaptime"]
    then = kim.get(f"{zoo}@{first.json['snaptime']}").json
    assert then["snaptime"] == first.json["snaptime"]
    assert then["rights"] == {"owner": False, "create": False}
    assert kim.get(f"{zoo}@Z-ZZZZ").status in (200, 400, 409)


def test_others_see_nothing_until_they_may(
    kim: HttpClient, ann: HttpClient, nobody: HttpClient, zoo: str
) -> None:
    targets = [zoo, f"{zoo}/schema", f"{zoo}/schema/zoo", f"{zoo}/annotation", f"{zoo}/schema/X"]
    assert {ann.get(target).status for target in targets} == {403}
    assert {nobody.get(target).status for target in targets} == {401}
    assert kim.put(f"{zoo}/acl/enumerate", ["*"]).status == 200
    found = nobody.get(zoo).json
    assert found["rights"] == {"owner": False, "create": False}
    assert "acls" not in found
    assert "acls" not in nobody.get(f"{zoo}/schema").json
    assert nobody.put(f"{zoo}/schema/zoo/comment", "x").status == 401
    assert ann.put(f"{zoo}/schema/zoo/comment", "x").status == 403


def test_a_condition_tells_others_nothing_before_they_may(
    ann: HttpClient, nobody: HttpClient, zoo: str
) -> None:
    parts = (
        *("", "/", "/schema", "/schema/zoo/acl", "/entity_rid/1", "/history/,", "/annotation"),
        *("/entity/zoo:Animal", "/aggregate/zoo:Animal/n:=cnt(*)", "/textfacet/x", "/hatrac/"),
    )
    identifier = zoo.rpartition("/")[2]
    for target in (*(zoo + part for part in parts), f"/id/{identifier}/1"):
        for headers in ({"If-None-Match": "*"}, {"If-Match": '"other"'}):
            for client, status in ((ann, 403), (nobody, 401)):
                for method in ("GET", "HEAD"):
                    reply = client.request(method, target, headers=headers)
                    assert reply.status in (status, 404), (method, target)
                    assert "etag" not in reply.headers, (method, target)


def test_what_is_no_catalog(kim: HttpClient, name: str) -> None:
    missing = kim.get(f"/ermrest/catalog/{name}")
    assert missing.text == f"Resource not found. Detail: There is no catalog {name!r}.\n"
    assert missing.status == 404
    assert kim.get(f"/ermrest/catalog/{name}/entity/a").status == 404
    assert kim.get("/ermrest/catalog/%zz").status == 400


# --- deleting and tending --------------------------------------------------------------------


def test_a_deleted_catalog_is_gone(kim: HttpClient, ann: HttpClient, zoo: str) -> None:
    kim.put(f"{zoo}/acl/enumerate", [ann.id])
    assert ann.delete(zoo).status == 403
    snapshot = kim.get(zoo).json["snaptime"]
    assert kim.delete(f"{zoo}@{snapshot}").status == 403
    assert kim.delete(zoo).status == 204
    for target in (zoo, f"{zoo}/schema", f"{zoo}@{snapshot}"):
        assert kim.get(target).status == 404
    assert kim.delete(zoo).status == 404


@pytest.mark.parametrize("hint", ["vacuum", "analyze"])
def test_hints_are_for_owners(kim: HttpClient, ann: HttpClient, cat: str, hint: str) -> None:
    assert kim.post(f"{cat}?{hint}").status == 204
    assert ann.post(f"{cat}?{hint}").status == 403
    assert kim.post(cat).status == 400
    assert kim.put(cat).status == 405


# --- aliases -------------------------------------------------------------------------------


def test_an_alias_is_a_second_name(kim: HttpClient, zoo: str, name: str) -> None:
    target = zoo.rsplit("/", 1)[1]
    made = kim.post("/ermrest/alias", {"id": name, "alias_target": target, "name": "Zoo"})
    assert (made.status, made.json) == (201, {"id": name})
    assert made.headers["location"] == f"/ermrest/catalog/{name}"
    found = kim.get(f"/ermrest/catalog/{name}").json
    assert (found["id"], found["alias_target"]) == (name, target)
    assert kim.get(f"/ermrest/catalog/{name}/schema").json["alias_target"] == target
    assert "alias_target" not in kim.get(f"{zoo}/schema").json
    alias = kim.get(f"/ermrest/alias/{name}")
    assert alias.json == {"id": name, "owner": [kim.id], "alias_target": target, "name": "Zoo"}


def test_deleting_through_an_alias_deletes_the_alias(kim: HttpClient, zoo: str, name: str) -> None:
    kim.post("/ermrest/alias", {"id": name, "alias_target": zoo.rsplit("/", 1)[1]})
    assert kim.delete(f"/ermrest/catalog/{name}").status == 204
    assert kim.get(f"/ermrest/catalog/{name}").status == 404
    assert kim.get(f"/ermrest/alias/{name}").status == 404
    assert kim.get(zoo).status == 200


def test_an_alias_can_be_reserved_moved_and_unbound(
    kim: HttpClient, ann: HttpClient, cat: str, zoo: str, name: str
) -> None:
    one, two = cat.rsplit("/", 1)[1], zoo.rsplit("/", 1)[1]
    assert kim.put(f"/ermrest/alias/{name}", {"id": name}).status == 201
    unbound = kim.get(f"/ermrest/catalog/{name}")
    assert unbound.status == 409
    assert f"Alias '{name}' is currently not bound to a catalog." in unbound.text
    assert kim.put(f"/ermrest/alias/{name}", {"alias_target": one}).status == 200
    assert kim.get(f"/ermrest/catalog/{name}").json["alias_target"] == one
    moved = kim.put(f"/ermrest/alias/{name}", {"alias_target": two, "description": "d"})
    assert moved.json["owner"] == [kim.id]
    assert moved.json["description"] == "d"
    assert kim.get(f"/ermrest/catalog/{name}").json["alias_target"] == two
    assert ann.get(f"/ermrest/alias/{name}").status == 403
    assert ann.put(f"/ermrest/alias/{name}", {"alias_target": one}).status == 403
    assert ann.delete(f"/ermrest/alias/{name}").status == 403
    assert kim.put(f"/ermrest/alias/{name}", {"alias_target": None}).status == 200
    assert kim.get(f"/ermrest/catalog/{name}").status == 409
    assert kim.delete(f"/ermrest/alias/{name}").status == 204
    assert kim.delete(f"/ermrest/alias/{name}").status == 404


def test_what_makes_no_alias(kim: HttpClient, ann: HttpClient, cat: str, name: str) -> None:
    number = cat.rsplit("/", 1)[1]
    assert kim.post("/ermrest/alias", {"id": name, "alias_target": "none"}).status == 409
    assert kim.post("/ermrest/alias", {"id": name, "alias_target": number}).status == 201
    assert kim.post("/ermrest/alias", {"id": f"{name}2", "alias_target": name}).status == 409
    assert kim.put(f"/ermrest/alias/{name}", {"id": "other"}).status == 400
    assert kim.put(f"/ermrest/alias/{name}", {"owner": [ann.id]}).status == 409
    assert kim.post("/ermrest/alias", {"id": number}).status == 409
    assert ann.post("/ermrest/alias", {"id": name}).status == 403
    assert kim.post("/ermrest/alias", []).status == 400
    assert kim.get(f"/ermrest/alias/{number}").status == 404
    assert kim.get("/ermrest/alias").status == 405
    assert kim.post("/ermrest/alias").json["id"]


# --- several processes -----------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """Two services of one home, as two processes of one service are."""
    settings = Settings(workers=2)
    with serving(tmp_path, settings=settings) as one, serving(tmp_path, settings=settings) as other:
        yield one, other


def test_what_one_process_did_all_of_them_know(two: tuple[Served, Served], name: str) -> None:
    one, other = (served.client("kim") for served in two)
    cat = one.post("/ermrest/catalog").headers["location"]
    assert other.get(cat).status == 200
    made = one.post(f"{cat}/schema", [{"schema_name": "s"}])
    assert other.get(f"{cat}/schema/s").json == made.json[0]
    table = table_document("T", [column_document("c", "text")])
    assert other.post(f"{cat}/schema/s/table", table).status == 201
    assert one.get(f"{cat}/schema/s/table/T").status == 200
    one.post("/ermrest/alias", {"id": name, "alias_target": cat.rsplit("/", 1)[1]})
    assert other.get(f"/ermrest/catalog/{name}").status == 200
    one.put(f"/ermrest/alias/{name}", {"alias_target": None})
    assert other.get(f"/ermrest/catalog/{name}").status == 409
    one.delete(cat)
    assert other.get(cat).status == 404


def test_a_reader_is_recorded_without_a_snapshot(served: Served, kim: HttpClient, zoo: str) -> None:
    kim.put(f"{zoo}/acl/enumerate", ["*"])
    before = kim.get(zoo).json["snaptime"]
    reader = served.client("https://lab.example/reader")
    assert reader.get(f"{zoo}/schema").status == 200
    catalog = served.service.registry.open(zoo.rsplit("/", 1)[1])
    query = "entity/public:ERMrest_Client/ID=https%3A%2F%2Flab.example%2Freader"
    while not (found := catalog.fetch(query)):  # it is written beside the request
        pass
    catalog.close()
    assert found[0]["Display_Name"] == "https://lab.example/reader"
    assert kim.get(zoo).json["snaptime"] == before
