"""Whatever is sent: an answer that says what is wrong, never a defect, a hang or half a change."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from catalog_server import HttpClient, Reply
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)

FEW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")
TYPES = ("application/json", "application/x-json-stream", "text/csv", "image/png", "", "a/b;c")

WORDS = """schema zoo table Species Animal column name legs species key foreignkey reference comment
    annotation acl acl_binding owner select entity attribute attributegroup aggregate history
    entity_rid textfacet meta public ERMrest_Client RID RCT zoo:Species zoo:Animal A:=zoo:Species
    (species) (zoo:Animal:species) left(species)=(zoo:Species:name) $A name=owl legs::gt::2
    name::null:: !name=owl *::ciregexp::a name=any(a,b) RID;name RID;n:=cnt(*) n:=array_d(*)
    c:=bin(legs;3;0;9) @sort(RID) @sort(name::desc::,RID)@after(owl,1) @before(1) ,1-2 1,2"""
PARAMETERS = """?limit=3 ?limit=-1 ?limit=x ?accept=csv ?defaults=name ?nondefaults=RID
    ?onconflict=skip ?download=a ?vacuum ;limit=1 &limit=2 ?arrays=json"""

words = st.sampled_from(WORDS.split())
marks = st.sampled_from(list("/:;,=@&?!$()*+'\"[]#%<>\\^`{|}~ \t"))
escaped = st.binary(max_size=3).map(lambda data: "".join(f"%{byte:02X}" for byte in data))
texts = st.text(max_size=8).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe=""))
parameters = st.sampled_from(PARAMETERS.split())
tails = st.lists(
    st.one_of(words, words, words.map(lambda w: f"/{w}"), marks, escaped, texts, parameters),
    max_size=9,
).map("".join)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["name", "zoo", "RID", "int4", "text[]", "*", "2020-13-01", 2**70]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=6) | words, inner, max_size=3),
    ),
    max_leaves=8,
)
bodies = st.one_of(
    st.none(),
    st.binary(max_size=40),
    values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.lists(values, max_size=3).map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    st.sampled_from([b"name,legs\nowl,2\n", b'name\n"', b"\xef\xbb\xbfname\r\nowl", b"[{}]"]),
)


def check(reply: Reply, method: str, target: str) -> None:
    """An answer is one of success, or says what is wrong."""
    assert reply.status < 500, (method, target, reply)
    if reply.status >= 400 and method != "HEAD":
        assert reply.headers["content-type"] == "text/plain"
        assert reply.text.endswith("\n")
        assert len(reply.text) > 20


def is_sendable(target: str) -> bool:
    """Whether the client can send it as a request line at all."""
    return target.isascii() and target.isprintable() and " " not in target


@FEW
@given(st.sampled_from(METHODS), tails, bodies, st.sampled_from(TYPES))
@example("GET", "entity/zoo:Species/name=%00", None, "")
@example("GET", "entity/zoo:Species/RID=%ED%A0%80", None, "")
@example("PUT", "schema/zoo/comment", b"\x00", "")
@example("GET", "entity/" + "(" * 3000, None, "")
@example("GET", "entity/zoo:Species/" + "!(" * 500 + "name=a" + ")" * 500, None, "")
@example("GET", "entity/zoo:Species/name::regexp::%28a%2B%29%2B%5C1%24", None, "")
@example("POST", "entity/zoo:Species", b"[" * 50_000, "application/json")
@example("POST", "entity/zoo:Species", b'[{"legs": 1e999}]', "application/json")
@example("POST", "entity/zoo:Species", b'[{"name": "\\ud800"}]', "application/json")
@example("DELETE", "entity/zoo:Species/@sort(RID)", None, "")
def test_any_request_is_answered(
    kim: HttpClient, park: str, method: str, tail: str, body: bytes | None, media_type: str
) -> None:
    target = f"{park}/{tail}"
    if not is_sendable(target):
        target = park + "/" + quote(tail, safe="/:;,=@&?!$()*%")
    assume(method != "DELETE" or target.partition("?")[0].rstrip("/") != park)
    before = kim.get(park).json["snaptime"]
    headers = {"Content-Type": media_type} if media_type else {}
    reply = kim.request(method, target, body, headers)
    check(reply, method, target)
    if reply.status >= 400 or method in ("GET", "HEAD"):
        assert kim.get(park).json["snaptime"] == before


@FEW
@given(st.lists(marks | words | texts, max_size=6).map("/".join), st.sampled_from(METHODS))
def test_any_address_is_answered(kim: HttpClient, tail: str, method: str) -> None:
    target = f"/{tail}" if is_sendable(tail) else "/" + quote(tail, safe="/:;,=@&?!$()*%")
    check(kim.request(method, target), method, target)
    check(kim.request(method, f"/ermrest{target}"), method, f"/ermrest{target}")


TABLE = table_document(
    "T",
    [column_document("a", "int4", default=3), column_document("b", "text[]")],
    keys=[key_document(["a"])],
    foreign_keys=[foreign_key_document(["a"], "zoo", "Animal", ["RID"])],
)
BINDING = {
    "types": ["select", "update"],
    "projection": [
        {"outbound": ["zoo", "Animal_species_fkey"], "alias": "S"},
        {"or": [{"filter": "legs", "operand": 3}, {"filter": ["S", "name"], "operator": "="}]},
        "RID",
    ],
    "projection_type": "nonnull",
    "scope_acl": ["*"],
}
FKEY = foreign_key_document(["nr"], "zoo", "Animal", ["RID"])
BULK = [{"schema_name": "new", "tables": {"T": TABLE}}, TABLE | {"schema_name": "zoo"}]
DOCUMENTS = {
    "POST schema/zoo/table": TABLE,
    "PUT schema/zoo/table/Animal/acl_binding/b": BINDING,
    "POST schema/zoo/table/Animal/foreignkey": FKEY,
    "POST schema": BULK,
    "PUT schema/zoo/table/Animal/column/nr": column_document("nr", "int4"),
    "PUT schema/zoo/table/Species": TABLE | {"table_name": "Species"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a document a value stands."""
    found = [path]
    if isinstance(value, dict):
        for name, item in value.items():
            found += places(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += places(item, (*path, number))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Any]:
    """A request, and its document with another value somewhere."""
    request = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[request])
    place = draw(st.sampled_from(places(document)[1:]))
    inner: Any = document
    for step in place[:-1]:
        inner = inner[step]
    if draw(st.booleans()) and isinstance(inner, dict):
        del inner[place[-1]]
    else:
        inner[place[-1]] = draw(values)
    return request, document


@settings(FEW, max_examples=80)
@given(damaged())
def test_a_damaged_document_changes_nothing(
    kim: HttpClient, park: str, sent: tuple[str, Any]
) -> None:
    request, document = sent
    method, tail = request.split()
    before = kim.get(f"{park}/schema").json
    reply = kim.request(method, f"{park}/{tail}", json.dumps(document).encode())
    check(reply, method, f"{tail} {document}")
    after = kim.get(f"{park}/schema").json
    if reply.status >= 400:
        assert after == before
    elif reply.status == 201:
        undo(kim, park, before, after)


def undo(kim: HttpClient, park: str, before: Any, after: Any) -> None:
    """Drop what is there now and was not before."""
    for schema in after["schemas"].values():
        known = before["schemas"].get(schema["schema_name"], {"tables": {}})["tables"]
        here = f"{park}/schema/{quote(schema['schema_name'], safe='')}"
        for table in schema["tables"].values():
            there = f"{here}/table/{quote(table['table_name'], safe='')}"
            for fkey in table["foreign_keys"]:
                if (
                    table["table_name"] not in known
                    or fkey not in known[table["table_name"]]["foreign_keys"]
                ):
                    assert kim.delete(f"{there}/{reference(fkey)}").status == 204
        for name in set(schema["tables"]) - set(known):
            assert kim.delete(f"{here}/table/{quote(name, safe='')}").status == 204
    for name in set(after["schemas"]) - set(before["schemas"]):
        assert kim.delete(f"{park}/schema/{quote(name, safe='')}").status == 204


def reference(fkey: Any) -> str:
    """The address of a foreign key below its table."""
    columns = ",".join(quote(c["column_name"], safe="") for c in fkey["foreign_key_columns"])
    target = fkey["referenced_columns"]
    place = f"{quote(target[0]['schema_name'], safe='')}:{quote(target[0]['table_name'], safe='')}"
    names = ",".join(quote(c["column_name"], safe="") for c in target)
    return f"foreignkey/{columns}/reference/{place}/{names}"


@FEW
@given(st.sampled_from(["schema/zoo", "schema/zoo/table/Animal/column/nr", ""]), values)
def test_any_acl_and_annotation(kim: HttpClient, park: str, subject: str, value: Any) -> None:
    body = json.dumps(value).encode()
    for part in ("acl", "acl/select", "acl_binding", "acl_binding/b", "annotation/k"):
        target = f"{park}/{subject}/{part}".replace("//", "/")
        reply = kim.put(target, body)
        check(reply, "PUT", target)
        if reply.status < 400 and part != "acl":
            kim.delete(target)


@pytest.mark.parametrize(
    "name", ["If-Match", "If-None-Match", "Accept", "Accept-Encoding", "Cookie"]
)
@FEW
@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20))
def test_any_header(kim: HttpClient, park: str, name: str, value: str) -> None:
    reply = kim.request("GET", f"{park}/schema", headers={name: value.strip()})
    assert reply.status in (200, 304, 401)
