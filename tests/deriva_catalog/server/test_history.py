"""History over HTTP. Source: ERMrest, "History control" and "RID resolution"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog import snaptime
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.model.definitions import column_document, key_document, table_document


@dataclass
class Past:
    """A catalog with a past: an owl with 2 legs, then 3, then gone."""

    at: str
    times: list[str]
    rid: str
    local: LocalCatalog

    @property
    def whole(self) -> str:
        return f"{self.times[0]},{snaptime.encode(snaptime.decode(self.times[-1]) + 1)}"

    def legs(self, kim: HttpClient, number: int) -> list[int | None]:
        rows = kim.get(f"{self.at}@{self.times[number]}/entity/zoo:Species").json
        return [row["legs"] for row in rows]

    def column(self, name: str) -> str:
        return self.local.model.schemas["zoo"].tables["Species"].by_name[name].rid


@contextmanager
def owls(kim: HttpClient, served: Served) -> Iterator[Past]:
    local = served.service.registry.create(client=kim.id)
    columns = [column_document("name", "text", nullok=False), column_document("legs", "int4")]
    document = table_document("Species", columns, keys=[key_document(["name"])])
    local.create_schema({"schema_name": "zoo", "tables": {"Species": document}})
    at = f"/ermrest/catalog/{local.id}"
    species = f"{at}/entity/zoo:Species"
    rid = kim.post(species, [{"name": "owl", "legs": 2}]).json[0]["RID"]
    times = [local.latest_snapshot()]
    for change in (
        lambda: kim.put(f"{at}/attributegroup/zoo:Species/name;legs", [{"name": "owl", "legs": 3}]),
        lambda: kim.delete(species),
    ):
        assert change().status in (200, 204)
        times.append(local.latest_snapshot())
    yield Past(at, times, rid, local)
    local.close()


@pytest.fixture
def past(kim: HttpClient, served: Served) -> Iterator[Past]:
    with owls(kim, served) as made:
        yield made


@pytest.fixture(scope="module")
def still(kim: HttpClient, served: Served) -> Iterator[Past]:
    """One for all tests that change nothing."""
    with owls(kim, served) as made:
        yield made


def test_the_extent_is_clipped(kim: HttpClient, still: Past) -> None:
    first, last = still.local.history_range()
    whole = kim.get(f"{still.at}/history/,")
    assert (whole.status, whole.json) == (200, {"snaprange": [first, last], "amendver": None})
    part = kim.get(f"{still.at}/history/{still.times[0]},{still.times[1].lower()}").json
    assert part["snaprange"] == still.times[:2]
    etag = whole.headers["etag"]
    assert kim.get(f"{still.at}/history/,", if_none_match=etag).status == 304


@pytest.mark.parametrize(
    ("method", "tail", "status"),
    [
        ("GET", "history", 404),
        ("GET", "history/", 404),
        ("GET", "history/{1},{0}", 409),
        ("GET", "history/{0}", 400),
        ("GET", "history/{0},{1},", 400),
        ("GET", "history/UUU,", 400),
        ("GET", "history/%FF,", 400),
        ("PUT", "history/{0},{1}", 405),
        ("DELETE", "history/{0},{1}", 400),
        ("DELETE", "history/{0},", 400),
        ("DELETE", "history/,", 400),
        ("DELETE", "history/,0", 404),
        ("GET", "history/{0},{1}/nothing", 404),
        ("GET", "history/{0},{1}/attribute", 404),
        ("GET", "history/,{1}/attribute/{c}", 400),
        ("DELETE", "history/{0},/attribute/{c}", 400),
        ("PUT", "history/{0},{1}/attribute/{c}", 405),
        ("DELETE", "history/{0},{1}/attribute/9-ZZZZ", 404),
        ("GET", "history/{0},{1}/attribute/9-ZZZZ", 404),
        ("GET", "history/{0},{1}/attribute/{c}/9-ZZZZ=1", 404),
        ("DELETE", "history/{0},{1}/attribute/{rid}", 409),
        ("DELETE", "history/{0},{1}/attribute/{rmt}", 409),
        ("DELETE", "history/{0},{1}/attribute/{c}/{c}", 400),
        ("DELETE", "history/{0},{1}/attribute/{c}/{c}=owl", 400),
        ("DELETE", "history/{0},{1}/attribute/{c}/{c}=NaN", 400),
        ("DELETE", "history/{0},{1}/attribute/{c}/{c}=%22owl%22", 400),
        ("DELETE", "history/{0},{1}/attribute/{c}/{c}=1/2", 404),
        ("DELETE", "history/{0},{1}/acl", 405),
        ("PUT", "history/{0},/acl", 400),
        ("PUT", "history/{0},{1}/acl/9-ZZZZ", 404),
        ("GET", "history/{0},{1}/annotation/9-ZZZZ", 404),
        ("GET", "history/{0},{1}/acl//", 404),
        ("GET", "history/{0},{1}/acl/", 400),
    ],
)
def test_wrong_requests_have_their_status(
    kim: HttpClient, still: Past, method: str, tail: str, status: int
) -> None:
    names = {"c": still.column("legs"), "rid": still.column("RID"), "rmt": still.column("RMT")}
    target = f"{still.at}/{tail.format(*still.times, **names)}"
    reply = kim.request(method, target, {} if method == "PUT" else None)
    assert reply.status == status, reply.text
    assert still.local.history.extent().amended is None


def test_a_snapshot_has_no_history(kim: HttpClient, still: Past) -> None:
    assert kim.get(f"{still.at}@{still.times[0]}/history/,").status == 404


def test_history_is_truncated(kim: HttpClient, past: Past) -> None:
    assert kim.delete(f"{past.at}/history/,{past.times[1]}").status == 204
    known = kim.get(f"{past.at}/history/,").json
    assert known["snaprange"] == past.times[1:]
    gone = kim.get(f"{past.at}@{past.times[0]}/entity/zoo:Species")
    assert gone.status == 409
    assert (
        f'Requested catalog revision "{past.times[0]}" is prior to any known revision.' in gone.text
    )
    assert past.legs(kim, 1) == [3]
    assert kim.delete(f"{past.at}/history/,{past.times[1]}").status == 404


def test_a_column_is_redacted(kim: HttpClient, past: Past) -> None:
    target = f"{past.at}/history/{past.whole}/attribute/{past.column('legs')}"
    then = f"{past.at}@{past.times[0]}/entity/zoo:Species"
    etag = kim.get(then).headers["etag"]
    assert kim.get(target).json["amendver"] is None
    name = past.column("name").lower()
    assert kim.delete(f"{target}/{name}={quote(json.dumps('cat'))}").status == 204
    assert past.legs(kim, 0) == [2]
    assert kim.delete(f"{target}/{past.column('legs')}=2").status == 204
    assert (past.legs(kim, 0), past.legs(kim, 1)) == ([None], [3])
    version = kim.get(f"{past.at}/history/,").json["amendver"]
    assert kim.get(target).json["amendver"] == version
    assert kim.get(then, if_none_match=etag).status == 200
    assert kim.delete(target).status == 204
    assert past.legs(kim, 1) == [None]
    assert kim.get(target).json["amendver"] > version


@pytest.mark.parametrize("kind", ["acl", "acl_binding", "annotation"])
def test_what_was_recorded_is_amended(kim: HttpClient, past: Past, kind: str) -> None:
    table = past.local.model.schemas["zoo"].tables["Species"]
    target = f"{past.at}/history/{past.whole}/{kind}"
    documents = {
        "acl": {"select": ["*"], "enumerate": ["*"]},
        "acl_binding": {"mine": {"types": ["select"], "projection": "RCB"}},
        "annotation": {"note": {"x": 1}},
    }
    assert kim.get(target).status == 200
    assert kim.put(f"{target}/{table.rid}", documents[kind]).status == 204
    then = past.local.at(past.times[0]).model.schemas["zoo"].tables["Species"]
    member = {"acl": then.acls, "acl_binding": then.acl_bindings, "annotation": then.annotations}
    assert member[kind].keys() == documents[kind].keys()
    assert kim.get(f"{target}/{table.rid}").json["amendver"] == past.local.at(past.times[0]).amended
    whole = kim.put(target, documents[kind])
    assert whole.status == (409 if kind == "acl_binding" else 204)
    for wrong in ("[]", "{", "null", '"x"'):
        assert kim.put(f"{target}/{table.rid}", wrong).status == 400


def test_amendments_are_checked(kim: HttpClient, past: Past) -> None:
    rid = past.local.model.schemas["zoo"].tables["Species"].rid
    base = f"{past.at}/history/{past.whole}"
    assert kim.put(f"{base}/acl/{rid}", {"create": []}).status == 409
    assert kim.put(f"{base}/acl/{rid}", {"select": None}).status == 400
    assert kim.put(f"{base}/acl/{rid}", {"owner": ["*"]}).status == 400
    capture = {"tag:isrd.isi.edu,2020:history-capture": False}
    assert kim.put(f"{base}/annotation/{rid}", capture).status == 400


# --- entity_rid --------------------------------------------------------------------------------


def test_a_row_is_found_by_its_rid(kim: HttpClient, zoo: str) -> None:
    rid = kim.post(f"{zoo}/entity/zoo:Species", [{"name": "owl"}]).json[0]["RID"]
    place = {"RID": rid, "schema_name": "zoo", "table_name": "Species"}
    reply = kim.get(f"{zoo}/entity_rid/{rid}")
    assert (reply.status, reply.json) == (200, place)
    assert kim.get(f"{zoo}/entity_rid/{rid.lower()}").json == place
    etag = reply.headers["etag"]
    assert kim.get(f"{zoo}/entity_rid/{rid}", if_none_match=etag).status == 304


def test_a_row_that_is_gone_is_found_too(kim: HttpClient, still: Past) -> None:
    gone = kim.get(f"{still.at}/entity_rid/{still.rid}").json
    assert gone["last_visible_snaptime"] == still.times[1]
    for member, time in (("deleted_at", still.times[2]), ("last_visible_at", still.times[1])):
        moment = snaptime.to_iso(snaptime.decode(time)).replace("T", " ")
        assert gone[member] == moment
    then = kim.get(f"{still.at}@{still.times[1]}/entity_rid/{still.rid}").json
    assert then == {"RID": still.rid, "schema_name": "zoo", "table_name": "Species"}


@pytest.mark.parametrize(
    ("tail", "status"),
    [("9-ZZZZ", 404), ("", 400), ("a/b", 404), ("a%FF", 400), ("a:b", 400), ("%20", 404)],
)
def test_other_rids_are_not_found(kim: HttpClient, still: Past, tail: str, status: int) -> None:
    assert kim.get(f"{still.at}/entity_rid/{tail}").status == status


def test_elements_of_the_model_are_no_rows(kim: HttpClient, still: Past) -> None:
    assert kim.get(f"{still.at}/entity_rid/{still.column('legs')}").status == 404
    assert kim.post(f"{still.at}/entity_rid/{still.rid}").status == 405


# --- /id ---------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_short_address_leads_to_the_row(kim: HttpClient, zoo: str) -> None:
    catalog = zoo.rsplit("/", 1)[1]
    rid = kim.post(f"{zoo}/entity/zoo:Species", [{"name": "owl"}]).json[0]["RID"]
    for accept in ("application/json, text/plain, */*", "*/*", "application/json"):
        found = kim.get(f"/id/{catalog}/{rid}", accept=accept)
        assert (found.status, found.headers["content-type"]) == (200, "application/json")
    assert found.json["catalog"] == catalog
    assert kim.get(found.json["rows"]).json[0]["name"] == "owl"
    page = kim.get(f"/id/{catalog}/{rid.lower()}", accept=BROWSER)
    assert (page.status, page.headers["content-type"]) == (200, "text/html")
    assert f'<a href="{found.json["rows"]}">' in page.text


def test_a_short_address_may_name_a_snapshot(kim: HttpClient, still: Past) -> None:
    catalog = still.at.rsplit("/", 1)[1]
    then = kim.get(f"/id/{catalog}/{still.rid}@{still.times[0]}").json
    assert then["catalog"] == f"{catalog}@{still.times[0]}"
    assert kim.get(then["rows"]).json[0]["legs"] == 2
    gone = kim.get(f"/id/{catalog}/{still.rid}").json
    assert "deleted_at" in gone
    assert kim.get(gone["rows"]).json[0]["legs"] == 3


@pytest.mark.parametrize(
    ("tail", "status"),
    [("9-ZZZZ", 404), ("", 400), ("x/y", 404), ("9-ZZZZ@", 400), ("9-ZZZZ@UUU", 400)],
)
def test_short_addresses_of_nothing(
    kim: HttpClient, served: Served, still: Past, tail: str, status: int
) -> None:
    served.service.registry.create(client=kim.id).close()
    assert kim.get(f"/id/{still.at.rsplit('/', 1)[1]}/{tail}").status == status
    assert kim.get("/id/").status == 404
    assert kim.get("/id/nowhere/1").status == 404
    assert kim.get(f"/id/{still.rid}").status == 404  # there are several catalogs
    assert kim.post(f"/id/1/{still.rid}").status == 405


def test_browsers_are_sent_to_the_page_of_a_row(kim: HttpClient, served: Served, zoo: str) -> None:
    from dataclasses import replace

    catalog = zoo.rsplit("/", 1)[1]
    rid = kim.post(f"{zoo}/entity/zoo:Species", [{"name": "owl"}]).json[0]["RID"]
    usual = served.service.settings
    served.service.settings = replace(
        usual, record_page="/chaise/record/#{catalog}/{schema}:{table}/RID={rid}"
    )
    try:
        sent = kim.get(f"/id/{catalog}/{rid}", accept=BROWSER)
    finally:
        served.service.settings = usual
    assert sent.status == 303
    assert sent.headers["location"] == f"/chaise/record/#{catalog}/zoo:Species/RID={rid}"
