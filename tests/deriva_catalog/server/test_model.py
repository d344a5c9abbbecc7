"""Resources of the model. Source: ERMrest, "The model: documents" and "operations"."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from catalog_server import HttpClient
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)

SPECIES = "schema/zoo/table/Species"
ANIMAL = "schema/zoo/table/Animal"
FKEY = f"{ANIMAL}/foreignkey/species/reference/zoo:Species/name"


# --- which status for what is missing ------------------------------------------------------

MISSING = [
    ("schema/X", 404),
    ("schema/zoo/table/X", 404),
    (f"{SPECIES}/column/X", 404),
    (f"{SPECIES}/key/legs", 404),
    (f"{ANIMAL}/foreignkey/nr", 404),
    ("schema/X/table", 409),
    ("schema/X/table/T", 409),
    ("schema/X/comment", 409),
    ("schema/X/annotation", 409),
    ("schema/zoo/table/X/column", 409),
    ("schema/zoo/table/X/column/C", 409),
    ("schema/zoo/table/X/annotation", 409),
    ("schema/zoo/table/X/comment", 409),
    ("schema/zoo/table/X/key", 409),
    ("schema/zoo/table/X/foreignkey", 409),
    (f"{SPECIES}/column/X/comment", 404),
    (f"{SPECIES}/column/X/annotation/k", 404),
    (f"{SPECIES}/key/legs/annotation", 404),
    (f"{SPECIES}/key/X", 409),
    (f"{SPECIES}/key/name,X/comment", 409),
    (f"{ANIMAL}/foreignkey/X", 409),
    (f"{ANIMAL}/foreignkey/nr/reference", 409),
    (f"{ANIMAL}/foreignkey/nr/reference/zoo:Species", 409),
    (f"{ANIMAL}/foreignkey/nr/reference/zoo:Species/name", 409),
    (f"{ANIMAL}/foreignkey/species/reference/zoo:X/name", 409),
    (f"{ANIMAL}/foreignkey/species/reference/zoo:Species/X", 409),
    (f"{ANIMAL}/foreignkey/species/reference/zoo:Species/legs", 404),
    (f"{ANIMAL}/foreignkey/species/reference/zoo:Animal/RID", 404),
    (f"{SPECIES}/comment", 404),
    (f"{SPECIES}/annotation/k", 404),
]


@pytest.mark.parametrize(("tail", "status"), MISSING)
def test_the_status_says_what_is_missing(
    kim: HttpClient, park: str, tail: str, status: int
) -> None:
    assert kim.get(f"{park}/{tail}").status == status


@pytest.mark.parametrize(
    ("method", "tail", "status"),
    [
        ("DELETE", "schema/X", 404),
        ("DELETE", f"{ANIMAL}/foreignkey/nr/reference/zoo:Species/name", 409),
        ("POST", "schema/X/table", 409),
        ("POST", "schema/zoo/table/X/column", 409),
        ("PUT", "schema/X/comment", 409),
        ("PUT", f"{SPECIES}/column/X/comment", 404),
    ],
)
def test_changes_of_what_is_missing(
    kim: HttpClient, park: str, method: str, tail: str, status: int
) -> None:
    assert kim.request(method, f"{park}/{tail}", {"name": "n"}).status == status


def test_a_key_that_refers_elsewhere_is_an_empty_list(kim: HttpClient, park: str) -> None:
    assert kim.get(f"{park}/{ANIMAL}/foreignkey/species/reference/zoo:Animal").json == []


def test_what_has_no_address(kim: HttpClient, park: str) -> None:
    assert kim.get(f"{park}/nothing").status == 404
    assert kim.get(f"{park}/meta").status == 404
    assert kim.get(f"{park}/schema/zoo/tables").status == 404
    assert kim.get("/ermrest/catalog/none/schema").status == 404


# --- reading -------------------------------------------------------------------------------


def test_the_whole_model(kim: HttpClient, park: str) -> None:
    reply = kim.get(f"{park}/schema")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert {"public", "zoo"} <= set(reply.json["schemas"])
    assert {"snaptime", "annotations", "features", "rights", "acls"} <= set(reply.json)
    assert kim.get(f"{park}/schema/").json == reply.json


def test_elements_are_parts_of_the_whole(kim: HttpClient, park: str) -> None:
    schema = kim.get(f"{park}/schema").json["schemas"]["zoo"]
    table = schema["tables"]["Animal"]
    assert kim.get(f"{park}/schema/zoo").json == schema
    assert kim.get(f"{park}/{ANIMAL}").json == table
    assert kim.get(f"{park}/schema/zoo/table").json == list(schema["tables"].values())
    assert kim.get(f"{park}/{ANIMAL}/column").json == table["column_definitions"]
    assert kim.get(f"{park}/{ANIMAL}/column/nr").json in table["column_definitions"]
    assert kim.get(f"{park}/{ANIMAL}/key/").json == table["keys"]
    assert kim.get(f"{park}/{ANIMAL}/key/RID").json == table["keys"][0]


def test_foreign_keys_are_lists(kim: HttpClient, park: str) -> None:
    everything = kim.get(f"{park}/{ANIMAL}").json["foreign_keys"]
    assert kim.get(f"{park}/{ANIMAL}/foreignkey").json == everything
    expected = [f for f in everything if f["names"] == [["zoo", "Animal_species_fkey"]]]
    reference = f"{park}/{ANIMAL}/foreignkey/species/reference"
    targets = [
        f"{park}/{ANIMAL}/foreignkey/species",
        reference,
        f"{reference}/zoo:Species",
        f"{reference}/Species",
        f"{park}/{FKEY}",
    ]
    assert [kim.get(target).json for target in targets] == [expected] * len(targets)


def test_the_order_of_a_keys_columns_does_not_matter(kim: HttpClient, zoo: str) -> None:
    kim.post(f"{zoo}/{SPECIES}/key", key_document(["legs", "name"]))
    one = kim.get(f"{zoo}/{SPECIES}/key/legs,name")
    assert one.status == 200
    assert one.json == kim.get(f"{zoo}/{SPECIES}/key/name,legs").json


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b", "S:A", "per cent %", "käse", "?&;=,()", "..", "table"])
def test_any_name_can_be_addressed(kim: HttpClient, park: str, name: str) -> None:
    raw = quote(name, safe="")
    assert kim.post(f"{park}/schema/{raw}").status == 201
    table = table_document(name, [column_document(name, "text")], keys=[key_document([name])])
    made = kim.post(f"{park}/schema/{raw}/table", table)
    assert made.status == 201, made.text
    assert kim.get(f"{park}/schema/{raw}/table/{raw}").json == made.json
    assert kim.get(f"{park}/schema/{raw}/table/{raw}/column/{raw}").json["name"] == name
    assert kim.get(f"{park}/schema/{raw}/table/{raw}/key/{raw}").status == 200
    assert kim.delete(f"{park}/schema/{raw}/table/{raw}").status == 204


@pytest.mark.parametrize("raw", ["a+b", "a'b", "[x]", "S:A", "a=b", "%zz", "%ff", "%00", "a,b"])
def test_punctuation_in_a_name_must_be_escaped(kim: HttpClient, park: str, raw: str) -> None:
    assert kim.get(f"{park}/schema/{raw}").status == 400


# --- creating ------------------------------------------------------------------------------


def test_create_a_schema_by_name(kim: HttpClient, cat: str) -> None:
    made = kim.post(f"{cat}/schema/zoo")
    assert (made.status, made.body) == (201, b"")
    assert kim.post(f"{cat}/schema/zoo").status == 409


def test_create_in_bulk_by_an_object(kim: HttpClient, cat: str) -> None:
    made = kim.post(f"{cat}/schema", {"schemas": {"a": {"comment": "first"}, "b": {}}})
    assert made.status == 201
    whole = kim.get(f"{cat}/schema").json["schemas"]
    assert made.json == {"schemas": {"a": whole["a"], "b": whole["b"]}}
    assert whole["a"]["comment"] == "first"


def test_create_in_bulk_by_a_list_with_cycles(kim: HttpClient, cat: str) -> None:
    column = column_document("other", "text")
    one = table_document("One", [column], keys=[key_document(["other"])]) | {"schema_name": "s"}
    two = table_document("Two", [column], keys=[key_document(["other"])]) | {"schema_name": "s"}
    back = foreign_key_document(["other"], "s", "One", ["other"])
    back["foreign_key_columns"] = [
        {"schema_name": "s", "table_name": "Two", "column_name": "other"}
    ]
    one["foreign_keys"] = [foreign_key_document(["other"], "s", "Two", ["other"])]
    made = kim.post(f"{cat}/schema", [back, {"schema_name": "s"}, one, two])
    assert made.status == 201, made.text
    assert [d.get("table_name", d["schema_name"]) for d in made.json] == ["s", "One", "Two"]
    assert made.json[1:] == kim.get(f"{cat}/schema/s/table").json


def test_a_bulk_request_is_all_or_nothing(kim: HttpClient, cat: str) -> None:
    before = kim.get(f"{cat}/schema").body
    assert kim.post(f"{cat}/schema", [{"schema_name": "s"}, {"what": "is this"}]).status == 400
    assert kim.get(f"{cat}/schema").body == before


def test_what_is_created_is_told_as_it_is_read(kim: HttpClient, zoo: str) -> None:
    column = kim.post(f"{zoo}/{ANIMAL}/column", {"name": "mass", "type": {"typename": "real"}})
    assert column.status == 201
    assert column.json == kim.get(f"{zoo}/{ANIMAL}/column/mass").json
    assert column.json["type"]["typename"] == "float4"
    key = kim.post(f"{zoo}/{ANIMAL}/key", {"unique_columns": ["nr"]})
    assert key.status == 201
    assert key.json == [kim.get(f"{zoo}/{ANIMAL}/key/nr").json]
    assert key.json[0]["names"] == [["zoo", "Animal_nr_key"]]
    fkey = foreign_key_document(["nr"], "zoo", "Animal", ["nr"])
    made = kim.post(f"{zoo}/{ANIMAL}/foreignkey", fkey)
    assert made.status == 201
    assert made.json == kim.get(f"{zoo}/{ANIMAL}/foreignkey/nr").json


REFUSED: list[tuple[str, str, Any, int]] = [
    ("POST", "schema", [{"schema_name": "zoo"}], 409),
    ("POST", "schema", "text", 400),
    ("POST", "schema", {"schemas": []}, 400),
    ("POST", "schema", {"schemas": {"a": {"schema_name": "b"}}}, 400),
    ("POST", "schema", [{"schema_name": "a", "annotations": None}], 400),
    ("POST", "schema", [{"schema_name": "x" * 64}], 400),
    ("POST", "schema/zoo/table", {}, 400),
    ("POST", "schema/zoo/table", [], 400),
    ("POST", "schema/zoo/table", {"table_name": "T", "column_definitions": []}, 400),
    ("POST", "schema/zoo/table", table_document("Species"), 409),
    ("POST", "schema/zoo/table", table_document("T") | {"schema_name": "other"}, 409),
    ("POST", f"{SPECIES}/column", {"name": "x", "type": {"typename": "numeric"}}, 409),
    ("POST", f"{SPECIES}/column", {"name": "x"}, 400),
    ("POST", f"{SPECIES}/column", {"name": "legs", "type": {"typename": "int4"}}, 409),
    ("POST", f"{SPECIES}/key", {"unique_columns": ["X"]}, 400),
    ("POST", f"{SPECIES}/key", {"unique_columns": ["name"]}, 409),
    ("POST", f"{SPECIES}/key", {"unique_columns": ["legs"], "names": "n"}, 400),
    ("POST", f"{ANIMAL}/foreignkey", {"foreign_key_columns": [{"column_name": "nr"}]}, 400),
    ("POST", f"{ANIMAL}/foreignkey", foreign_key_document(["nr"], "zoo", "X", ["a"]), 409),
    ("PUT", f"{SPECIES}/column/RID", {"nullok": True}, 400),
    ("PUT", f"{SPECIES}/column/RID", {"default": "x"}, 403),
    ("PUT", f"{SPECIES}/column/RID", {"name": "x"}, 409),
    ("PUT", f"{SPECIES}/key/name", {"unique_columns": ["legs"]}, 400),
    ("PUT", SPECIES, {"comment": 3}, 400),
    ("PUT", SPECIES, {"table_name": "Animal"}, 409),
    ("PUT", "schema/new", {"comment": "incomplete"}, 400),
    ("PUT", "schema/zoo/table/New", {"comment": "incomplete"}, 400),
    ("PUT", f"{SPECIES}/column/new", {"comment": "incomplete"}, 400),
    ("PUT", f"{SPECIES}/key/legs", {"comment": "incomplete"}, 400),
    ("PUT", FKEY, {"on_delete": "EXPLODE"}, 400),
    ("DELETE", "schema/zoo", None, 409),
    ("DELETE", SPECIES, None, 409),
    ("DELETE", f"{SPECIES}/column/RID", None, 409),
    ("DELETE", f"{SPECIES}/key/RID", None, 409),
    ("DELETE", f"{SPECIES}/key/name", None, 409),
    ("DELETE", f"{SPECIES}/column", None, 405),
    ("DELETE", f"{SPECIES}/annotation", None, 405),
    ("PUT", "schema", {}, 405),
    ("POST", f"{SPECIES}/column/name", {}, 405),
    ("PUT", f"{ANIMAL}/foreignkey/species", {}, 405),
    ("PATCH", "schema", {}, 405),
]


@pytest.mark.parametrize(("method", "tail", "body", "status"), REFUSED)
def test_a_refused_request_changes_nothing(
    kim: HttpClient, park: str, method: str, tail: str, body: Any, status: int
) -> None:
    before = kim.get(f"{park}/schema").body
    reply = kim.request(method, f"{park}/{tail}", body)
    assert (reply.status, reply.headers["content-type"]) == (status, "text/plain"), reply.text
    assert kim.get(f"{park}/schema").body == before


def test_a_body_that_is_no_json_is_refused(kim: HttpClient, park: str) -> None:
    for body in ("{", "", "[NaN]", '{"a":1}}', "[" * 100_000, b"\xff\xfe"):
        reply = kim.post(f"{park}/schema", body)
        assert reply.status == 400, body
        assert reply.text.startswith("Request malformed. Detail: ")


# --- altering and dropping -----------------------------------------------------------------


def test_a_sparse_document_changes_what_it_names(kim: HttpClient, zoo: str) -> None:
    before = kim.get(f"{zoo}/{SPECIES}/column/legs").json
    reply = kim.put(f"{zoo}/{SPECIES}/column/legs", {"comment": "how many", "default": None})
    assert reply.status == 200
    assert reply.json == before | {"comment": "how many", "default": None}
    assert reply.json == kim.get(f"{zoo}/{SPECIES}/column/legs").json


def test_a_rename_moves_the_address_and_all_references(kim: HttpClient, zoo: str) -> None:
    rid = kim.get(f"{zoo}/{SPECIES}").json["RID"]
    reply = kim.put(f"{zoo}/schema/zoo", {"schema_name": "park"})
    assert (reply.status, reply.json["schema_name"], reply.json["tables"]) == (200, "park", {})
    assert kim.put(f"{zoo}/schema/park/table/Species", {"table_name": "Kind"}).status == 200
    assert kim.put(f"{zoo}/schema/park/table/Kind/column/name", {"name": "title"}).status == 200
    assert kim.get(f"{zoo}/{SPECIES}").status == 409
    assert kim.get(f"{zoo}/schema/park/table/Species").status == 404
    fkey = kim.get(f"{zoo}/schema/park/table/Animal/foreignkey").json[0]
    assert fkey["referenced_columns"] == [
        {"schema_name": "park", "table_name": "Kind", "column_name": "title"}
    ]
    assert kim.get(f"{zoo}/schema/park/table/Kind").json["RID"] == rid


def test_a_foreign_key_takes_an_object_or_a_list_of_one(kim: HttpClient, zoo: str) -> None:
    one = kim.put(f"{zoo}/{FKEY}", {"on_delete": "cascade"})
    two = kim.put(f"{zoo}/{FKEY}", [{"on_update": None, "comment": "c"}])
    assert (one.status, two.status) == (200, 200)
    assert (one.json["on_delete"], two.json[0]["comment"]) == ("CASCADE", "c")
    assert two.json == kim.get(f"{zoo}/{FKEY}").json


def test_a_complete_document_creates_what_is_missing(kim: HttpClient, zoo: str) -> None:
    whole = kim.get(f"{zoo}/{ANIMAL}").json
    assert kim.put(f"{zoo}/schema/new", {"schema_name": "new"}).status == 200
    assert kim.put(f"{zoo}/schema/new/table/T", table_document("T")).status == 200
    column = column_document("c", "int4")
    assert kim.put(f"{zoo}/schema/new/table/T/column/c", column).status == 200
    assert kim.put(f"{zoo}/schema/new/table/T/key/c", key_document(["c"])).status == 200
    fkey = foreign_key_document(["nr"], "new", "T", ["c"])
    target = f"{zoo}/{ANIMAL}/foreignkey/nr/reference/new:T/c"
    assert kim.put(target, fkey).status == 409  # the left side is no foreign key
    assert kim.post(f"{zoo}/{ANIMAL}/foreignkey", fkey).status == 201
    assert len(kim.get(f"{zoo}/{ANIMAL}").json["foreign_keys"]) == len(whole["foreign_keys"]) + 1


def test_what_was_dropped_is_gone(kim: HttpClient, zoo: str) -> None:
    assert kim.delete(f"{zoo}/{FKEY}").status == 204
    assert kim.get(f"{zoo}/{FKEY}").status == 409
    assert kim.delete(f"{zoo}/{FKEY}").status == 409
    assert kim.delete(f"{zoo}/{SPECIES}/key/name").status == 204
    assert kim.get(f"{zoo}/{SPECIES}/key/name").status == 404
    assert kim.delete(f"{zoo}/{SPECIES}/column/legs").status == 204
    assert kim.delete(f"{zoo}/{SPECIES}").status == 204
    assert kim.delete(f"{zoo}/{ANIMAL}").status == 204
    assert kim.delete(f"{zoo}/schema/zoo").status == 204
    assert kim.get(f"{zoo}/schema/zoo").status == 404


# --- comments and annotations --------------------------------------------------------------

SUBJECTS = ["schema/zoo", SPECIES, f"{SPECIES}/column/legs", f"{SPECIES}/key/name", FKEY]
KEY = "tag%3Aisrd.isi.edu%2C2019%3Achaise-config"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_comments(kim: HttpClient, park: str, subject: str) -> None:
    target = f"{park}/{subject}/comment"
    assert kim.delete(target).status == 204
    assert kim.put(target, "Über\nalles").status == 204
    found = kim.get(target)
    assert (found.status, found.headers["content-type"]) == (200, "text/plain")
    assert found.text == "Über\nalles\n"
    element = kim.get(f"{park}/{subject}").json
    assert (element[0] if isinstance(element, list) else element)["comment"] == "Über\nalles"
    assert kim.delete(target).status == 204
    assert kim.get(target).status == 404
    assert kim.put(target, b"\xff").status == 400


@pytest.mark.parametrize("subject", ["", *(f"{s}/" for s in SUBJECTS)])
def test_annotations(kim: HttpClient, zoo: str, subject: str) -> None:
    target = f"{zoo}/{subject}annotation"
    assert kim.put(target, {}).status == 204
    assert kim.get(target).json == {}
    assert kim.get(f"{target}/{KEY}").status == 404
    assert kim.delete(f"{target}/{KEY}").status == 404
    assert kim.put(f"{target}/{KEY}", {"a": [1, None]}).status == 201
    assert kim.put(f"{target}/{KEY}", "null").status == 204
    assert kim.get(f"{target}/{KEY}").json is None
    assert kim.put(f"{target}/k%2Fk", 7).status == 201
    assert kim.get(target).json == {"tag:isrd.isi.edu,2019:chaise-config": None, "k/k": 7}
    assert kim.delete(f"{target}/{KEY}").status == 204
    assert kim.put(target, [1]).status == 400
    assert kim.delete(target).status == 405
    assert kim.get(target).json == {"k/k": 7}


# --- entity tags and preconditions -----------------------------------------------------------


def test_a_tag_holds_until_the_model_changes(kim: HttpClient, zoo: str) -> None:
    first = kim.get(f"{zoo}/schema")
    again = kim.get(f"{zoo}/schema", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    made = kim.post(f"{zoo}/schema/more")
    after = kim.get(f"{zoo}/schema", if_none_match=first.headers["etag"])
    assert after.status == 200
    assert kim.get(f"{zoo}/schema/more").headers["etag"] == made.headers["etag"]


@pytest.mark.parametrize("form", ['"{}-gzip"', 'W/"{}"', '"x", "{}"', "*"])
def test_tags_are_compared_as_proxies_leave_them(kim: HttpClient, park: str, form: str) -> None:
    tag = kim.get(f"{park}/schema").headers["etag"].strip('"')
    assert kim.get(f"{park}/schema", if_none_match=form.format(tag)).status == 304
    assert kim.get(f"{park}/schema", if_match=form.format(tag)).status == 200
    assert kim.head(f"{park}/schema", if_match='"other"').status == 304


def test_a_change_that_depends_on_the_state(kim: HttpClient, zoo: str) -> None:
    old = kim.get(f"{zoo}/{SPECIES}").headers["etag"]
    done = kim.put(f"{zoo}/{SPECIES}", {"comment": "one"}, if_match=old)
    assert done.status == 200
    late = kim.put(f"{zoo}/{SPECIES}", {"comment": "two"}, if_match=old)
    assert late.status == 412
    assert late.headers["etag"] == done.headers["etag"]
    assert late.text.startswith("Resource state does not match requested preconditions. Detail: ")
    assert kim.get(f"{zoo}/{SPECIES}").json["comment"] == "one"
    assert kim.delete(f"{zoo}/{ANIMAL}", if_none_match="*").status == 412


def test_clients_of_other_roles_have_other_tags(kim: HttpClient, served: Any, park: str) -> None:
    tag = kim.get(f"{park}/schema").headers["etag"]
    again = served.client("https://lab.example/kim")
    assert again.get(f"{park}/schema").headers["etag"] != tag


# --- snapshots -----------------------------------------------------------------------------


def test_the_model_of_a_snapshot_stays(kim: HttpClient, zoo: str) -> None:
    then = kim.get(f"{zoo}/schema").json["snaptime"]
    before = kim.get(f"{zoo}/{SPECIES}").json
    kim.put(f"{zoo}/{SPECIES}", {"table_name": "Kind"})
    assert kim.get(f"{zoo}@{then}/{SPECIES}").json["RID"] == before["RID"]
    assert kim.get(f"{zoo}@{then}/schema/zoo/table/Kind").status == 404
    assert kim.put(f"{zoo}@{then}/{SPECIES}", {"comment": "late"}).status == 403
    assert kim.get(f"{zoo}@0-0000/schema").status == 409
    assert kim.get(f"{zoo}@/schema").status == 400
    assert kim.get(f"{zoo}@!!/schema").status == 400
