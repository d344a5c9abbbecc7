"""Inserting, updating and deleting over HTTP. Source: ERMrest, "Writing"."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog.catalog import LocalCatalog

Local = Callable[[str], LocalCatalog]
SYSTEM = ["RID", "RCT", "RMT", "RCB", "RMB"]
STREAM = "application/x-json-stream"


def typed(kim: HttpClient, method: str, target: str, body: str, media_type: str) -> Any:
    return kim.request(method, target, body, {"Content-Type": media_type})


# --- POST entity ---------------------------------------------------------------------------


def test_inserted_rows_come_back_in_order_with_all_columns(kim: HttpClient, lab: str) -> None:
    reply = kim.post(f"{lab}/entity/lab:A", [{"id": 2, "v": "x"}, {"id": 1}])
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert [(row["id"], row["v"]) for row in reply.json] == [(2, "x"), (1, None)]
    assert list(reply.json[0]) == [*SYSTEM, "id", "v"]
    assert reply.body.startswith(b'[{"RID":"')
    assert b'},\n {"RID":"' in reply.body
    assert reply.body.endswith(b"}]\n")
    assert reply.body.count(b'"RCT"') == 2
    assert kim.get(f"{lab}/entity/lab:A@sort(id::desc::)").json == reply.json
    assert kim.get(f"{lab}/entity/lab:A").headers["etag"] == reply.headers["etag"]


def test_no_rows_are_no_change(kim: HttpClient, lab: str, local: Local) -> None:
    before = local(lab).latest_snapshot()
    reply = kim.post(f"{lab}/entity/lab:A", [])
    assert (reply.status, reply.body) == (200, b"[]\n")
    assert typed(kim, "POST", f"{lab}/entity/lab:A", "", STREAM).body == b""
    assert typed(kim, "POST", f"{lab}/entity/lab:A", "id,v\n", "text/csv").text.startswith("RID,")
    assert local(lab).latest_snapshot() == before


def test_missing_members_are_null_and_unknown_ones_ignored(kim: HttpClient, lab: str) -> None:
    row = kim.post(f"{lab}/entity/lab:Sample", [{"label": "a", "nothing": 1}]).json[0]
    assert (row["number"], row["tags"], row["sizes"], row["facts"]) == (None, [], [], None)
    target = f"{lab}/entity/lab:Sample?defaults=number,weight"
    row = kim.post(target, [{"label": "b", "number": 1, "weight": 2.5}]).json[0]
    assert (row["number"], row["weight"]) == (7, None)
    assert kim.post(f"{lab}/entity/lab:Sample?defaults=nothing", []).status == 409


def test_every_kind_of_value_goes_in_as_json_stream_and_csv(
    kim: HttpClient, lab: str, full: dict[str, Any]
) -> None:
    target = f"{lab}/entity/lab:Sample"
    lines = "\n".join(json.dumps({**full, "label": name}) for name in "ab") + "\n\n"
    streamed = typed(kim, "POST", target, lines, STREAM)
    assert streamed.headers["content-type"] == STREAM
    assert [json.loads(line)["label"] for line in streamed.body.splitlines()] == ["a", "b"]
    text = kim.get(f"{lab}/attribute/lab:Sample/label=a/{','.join(full)}?accept=csv").text
    again = typed(kim, "POST", target, text.replace("\na,", "\nc,"), "text/csv; charset=UTF-8")
    assert again.headers["content-type"] == "text/csv"
    header, line, end = again.text.split("\n")
    assert (header, end) == (",".join([*SYSTEM, *full]), "")
    assert line.split(",", 5)[5] == text.split("\n")[1].replace("a,", "c,", 1)
    rows = kim.get(f"{target}@sort(label)").json
    for row, label in zip(rows, "abc", strict=True):
        assert {name: row[name] for name in full} == {**full, "label": label}


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        (None, "", "text/csv"),
        ("*/*", "", "text/csv"),
        ("application/json", "", "application/json"),
        (None, "?accept=json", "application/json"),
    ],
)
def test_the_answer_is_of_the_type_of_the_input(
    kim: HttpClient, lab: str, accept: str | None, query: str, media_type: str
) -> None:
    headers = {"Content-Type": "text/csv"} | ({"Accept": accept} if accept else {})
    reply = kim.request("POST", f"{lab}/entity/lab:A{query}", "id,v\n1,x\n", headers)
    assert (reply.status, reply.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('id,v\n1,\n2,""\n', [(1, None), (2, "")]),
        ("v,id\r\nx,1\r\n,2\r\n", [(1, "x"), (2, None)]),
        ("\ufeffid,v\n1,x", [(1, "x")]),
        ('id,v\n1,"a ""b"", c"\n2,"two\nlines"\n', [(1, 'a "b", c'), (2, "two\nlines")]),
        ('id,v\n1,"a,b"\n2,"two\r\nlines"\n', [(1, "a,b"), (2, "two\r\nlines")]),
        ('"id","v"\n"1","x"\n', [(1, "x")]),
        ("id,v,RID,RCT\n1,x,ABC,\n", [(1, "x")]),
        ('id,v\n1,a\u2028b\x0bc\n2,"\u2028"\n', [(1, "a\u2028b\x0bc"), (2, "\u2028")]),
        ("id,v\n+1,1e5\n-2,\n", [(-2, None), (1, "1e5")]),
    ],
)
def test_csv_is_read_exactly(
    kim: HttpClient, lab: str, text: str, rows: list[tuple[int, str | None]]
) -> None:
    reply = typed(kim, "POST", f"{lab}/entity/lab:A?accept=json", text, "text/csv")
    assert sorted(((row["id"], row["v"]) for row in reply.json), key=lambda r: r[0]) == rows


def test_a_single_column_may_have_empty_lines(kim: HttpClient, lab: str) -> None:
    target = f"{lab}/entity/lab:A?accept=json&defaults=id"
    reply = typed(
        kim, "POST", f"{lab}/entity/lab:B?accept=json&defaults=a,n", "o\nx\n\n", "text/csv"
    )
    assert [row["o"] for row in reply.json] == ["x", None]
    reply = typed(
        kim, "POST", f"{lab}/entity/lab:B?accept=json&defaults=a,n", 'o\n"x"\n\n', "text/csv"
    )
    assert [row["o"] for row in reply.json] == ["x", None]
    assert typed(kim, "POST", target, "v\nx\n", "text/csv").status == 409  # id has no default


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header"),
        ("\n\n", "no header"),
        ("id\n1\n", "no column 'v'"),
        ("id,v,v\n1,x,y\n", "twice"),
        ("id,,v\n1,x,y\n", "no name"),
        ("id,v\n1,x\n2\n", "line 3 of the CSV has 1 field, and its header 2"),
        ("id,v\n1,x,y\n2\n", "line 2"),
        ("id,v\n1,x\n\n", "line 3"),
        ('id,v\n1,"x"y\n', "line 2"),
        ('id,v\n1,x"y\n', "line 2"),
        ('id,v\n1,"a"\n2,x"y"\n', "line 3"),
        ('id,v\n1,"a""b"\n2,"open\n', "line 3"),
        ('id,v\n1,"a"\n2,"open\n', "line 3"),
        ("id,v\n1,x\ry\n", "line 2"),
        ('id,v\n1,"q"\n2,x\ry\n', "line 3"),
        ("id,v\none,x\n", "Invalid int4"),
        ("id,v\n1_0,x\n", "Invalid int4"),
        ("id,v\n99999999999,x\n", "Invalid int4"),
        ('id,v\n"",x\n', "Invalid int4"),
    ],
)
def test_broken_csv_is_refused_with_its_place(
    kim: HttpClient, shelf: str, text: str, said: str, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    reply = typed(kim, "POST", f"{shelf}/entity/lab:A", text, "text/csv")
    assert (reply.status, said in reply.text) == (400, True), reply.text
    assert local(shelf).latest_snapshot() == before


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("", 400, "no JSON"),
        ("{}", 400, "not an array"),
        ('"x"', 400, "not an array"),
        ("[1]", 400, "Row 1"),
        ('[{"id":1},[]]', 400, "Row 2"),
        ('[{"id":1}', 400, "no JSON"),
        ('[{"id":1}] x', 400, "no JSON"),
        ('[{"id":1,"id":2}]', 400, "'id' occurs twice"),
        ('[{"id":1,"v":{"a":1,"a":2}}]', 400, "'a' occurs twice"),
        ('[{"id":NaN}]', 400, "NaN is no JSON"),
        ('[{"id":-Infinity}]', 400, "-Infinity is no JSON"),
        ("[" * 100_000, 400, "no JSON"),
        (b'[{"id":1,"v":"\xff"}]', 400, "not UTF-8"),
        ('[{"id":"x"}]', 400, "Invalid int4"),
        ('[{"id":1.5}]', 400, "Invalid int4"),
        ('[{"id":' + "9" * 5000 + "}]", 400, "no JSON"),
        ('[{"id":1,"v":"\\u0000"}]', 409, "Invalid text"),
        ('[{"id":1,"v":"\\ud800"}]', 409, "Invalid text"),
        ('[{"id":null}]', 409, "not-null"),
        ('[{"id":81},{"id":81}]', 400, "id"),
    ],
)
def test_broken_json_is_refused(
    kim: HttpClient, shelf: str, body: str | bytes, status: int, said: str, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    headers = {"Content-Type": "application/json"}
    reply = kim.request("POST", f"{shelf}/entity/lab:A", body, headers)
    assert (reply.status, said in reply.text) == (status, True), reply.text
    assert local(shelf).latest_snapshot() == before


def test_rows_with_deep_values_are_refused_at_any_depth(
    kim: HttpClient, shelf: str, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    headers = {"Content-Type": "application/json"}
    for levels in (300, 900, 960, 980, 990, 1100, 5000):  # around what Python can walk
        value = "[" * levels + "]" * levels
        body = f'[{{"label":"deep","facts":{value}}}]'.encode()
        reply = kim.request("POST", f"{shelf}/entity/lab:Sample", body, headers)
        assert reply.status in (400, 409), (levels, reply.text[:200])
    assert local(shelf).latest_snapshot() == before


@pytest.mark.parametrize(
    "text",
    ['{"id":1}\n{"id":2', '{"id":1},{"id":2}\n', "[]\n", '{"id":1,\n"v":"x"}\n', "1\n", "x\n"],
)
def test_broken_json_streams_are_refused(
    kim: HttpClient, shelf: str, text: str, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    reply = typed(kim, "POST", f"{shelf}/entity/lab:A", text, STREAM)
    assert (reply.status, "of the JSON stream" in reply.text) == (400, True)
    assert local(shelf).latest_snapshot() == before


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/xml", "text/csv; charset=latin-1", "multipart/form-data"],
)
def test_other_types_are_no_rows(
    kim: HttpClient, shelf: str, media_type: str, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    reply = typed(kim, "POST", f"{shelf}/entity/lab:A", "id,v\n1,x\n", media_type)
    assert reply.status == 415
    assert reply.text.startswith("The request input type is not supported.")
    assert local(shelf).latest_snapshot() == before


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("entity/lab:A/id=1", 400),
        ("entity/lab:A/lab:B", 400),
        ("entity/lab:A@sort(id)", 400),
        ("entity/lab:A?limit=1", 400),
        ("entity/lab:Nothing", 409),
        ("entity/lab:A?onconflict=update", 400),
        ("entity/lab:A?nondefaults=RMT", 403),
        ("entity/lab:A?nondefaults=nothing", 409),
    ],
)
def test_wrong_insertions_have_their_status(
    kim: HttpClient, shelf: str, target: str, status: int, local: Local
) -> None:
    before = local(shelf).latest_snapshot()
    assert kim.post(f"{shelf}/{target}", [{"id": 1}]).status == status
    assert local(shelf).latest_snapshot() == before


def test_integrity_is_told_in_known_words(kim: HttpClient, lab: str) -> None:
    assert kim.post(f"{lab}/entity/lab:A", [{"id": 1}]).status == 200
    twice = kim.post(f"{lab}/entity/lab:A", [{"id": 2}, {"id": 1}])
    assert twice.status == 409
    assert twice.text == (
        "Request conflicts with state of server. Detail: Input data violates model. ERROR:  "
        'duplicate key value violates unique constraint "A_id_key"\n'
        "DETAIL:  Key (id)=(1) already exists.\n"
    )
    lost = kim.post(f"{lab}/entity/lab:B", [{"a": 99}])
    assert lost.status == 409
    assert 'insert or update on table "B" violates foreign key constraint "B_a_fkey"' in lost.text
    assert 'DETAIL:  Key (a)=(99) is not present in table "A".' in lost.text
    assert kim.post(f"{lab}/entity/lab:B", [{"a": 1}]).status == 200
    held = kim.delete(f"{lab}/entity/lab:A")
    assert held.status == 409
    assert (
        'update or delete on table "A" violates foreign key constraint "B_a_fkey" on table "B"\n'
        'DETAIL:  Key (id)=(1) is still referenced from table "B".'
    ) in held.text
    assert len(kim.get(f"{lab}/entity/lab:A").json) == 1


def test_collisions_may_be_skipped(kim: HttpClient, lab: str) -> None:
    assert kim.post(f"{lab}/entity/lab:A", [{"id": 1, "v": "old"}]).status == 200
    rows = [{"id": 1, "v": "new"}, {"id": 2, "v": "new"}]
    reply = kim.post(f"{lab}/entity/lab:A?onconflict=skip", rows)
    assert [row["id"] for row in reply.json] == [2]
    assert kim.post(f"{lab}/entity/lab:A?onconflict=skip", [{"id": 3}, {"id": 3}]).status == 400
    values = kim.get(f"{lab}/attribute/lab:A/v@sort(v)").json
    assert values == [{"v": "new"}, {"v": "old"}]


def test_owners_may_give_system_columns(kim: HttpClient, lab: str) -> None:
    row = {"id": 1, "RID": "2-000A", "RCT": "2020-01-01T00:00:00Z", "RCB": kim.id}
    reply = kim.post(f"{lab}/entity/lab:A?nondefaults=RID,RCT,RCB", [row])
    made = reply.json[0]
    assert (made["RID"], made["RCT"], made["RCB"]) == (
        "2-000A",
        "2020-01-01T00:00:00+00:00",
        kim.id,
    )
    text = "RID,id,v\n2-000C,2,x\n"
    reply = typed(kim, "POST", f"{lab}/entity/lab:A?nondefaults=RID&accept=json", text, "text/csv")
    assert reply.json[0]["RID"] == "2-000C"
    missing = typed(kim, "POST", f"{lab}/entity/lab:A?nondefaults=RID", "id,v\n3,x\n", "text/csv")
    assert missing.status == 400


def test_leased_rids_are_used_over_http(kim: HttpClient, lab: str) -> None:
    leases = kim.post(f"{lab}/entity/public:ERMrest_RID_Lease", [{"ID": "t1"}, {"ID": "t2"}]).json
    rids = {row["ID"]: row["RID"] for row in leases}
    reply = kim.post(f"{lab}/entity/lab:A?nondefaults=RID", [{"RID": rids["t2"], "id": 1}])
    assert reply.json[0]["RID"] == rids["t2"]


def test_an_insertion_whose_answer_was_lost_may_be_sent_again(kim: HttpClient, lab: str) -> None:
    leases = kim.post(f"{lab}/entity/public:ERMrest_RID_Lease", [{"ID": "a"}, {"ID": "b"}]).json
    rows = [{"RID": lease["RID"], "n": n} for n, lease in enumerate(leases)]
    target = f"{lab}/entity/lab:B?nondefaults=RID&onconflict=skip"
    assert [row["n"] for row in kim.post(target, rows).json] == [0, 1]
    again = kim.post(target, rows)
    assert (again.status, again.json) == (200, [])
    assert kim.get(f"{lab}/aggregate/lab:B/n:=cnt(*)").json == [{"n": 2}]


def test_all_or_nothing(kim: HttpClient, lab: str, local: Local) -> None:
    assert kim.post(f"{lab}/entity/lab:A", [{"id": 1}]).status == 200
    before = local(lab).latest_snapshot()
    rows = [{"id": n} for n in range(500, 0, -1)]
    assert kim.post(f"{lab}/entity/lab:A", rows).status == 409
    assert len(kim.get(f"{lab}/entity/lab:A").json) == 1
    assert local(lab).latest_snapshot() == before


# --- PUT entity ------------------------------------------------------------------------------


def test_rows_with_the_same_keys_are_replaced(kim: HttpClient, lab: str) -> None:
    old = kim.post(f"{lab}/entity/lab:A", [{"id": 1, "v": "a"}]).json[0]
    reply = kim.put(f"{lab}/entity/lab:A", [{"id": 2, "v": "b"}, {"id": 1}])
    assert reply.status == 200
    assert list(reply.json[0]) == [*SYSTEM, "id", "v"]
    assert reply.json[1] == {"id": 1, "v": None}
    assert kim.get(f"{lab}/entity/lab:A/id=1").json[0]["RID"] == old["RID"]
    csv = typed(kim, "PUT", f"{lab}/entity/lab:A", "id,v\n1,z\n", "text/csv")
    assert csv.text == "id,v\n1,z\n"
    assert typed(kim, "PUT", f"{lab}/entity/lab:A", "id\n1\n", "text/csv").status == 400
    assert kim.put(f"{lab}/entity/lab:A", [{"id": 1}, {"id": 1}]).status == 400
    assert kim.put(f"{lab}/entity/lab:B", [{"n": 1}]).status == 400  # it has no key of its own


# --- PUT attributegroup ------------------------------------------------------------------------


def test_columns_are_set_under_the_names_of_the_input(kim: HttpClient, lab: str) -> None:
    rids = [
        r["RID"] for r in kim.post(f"{lab}/entity/lab:A", [{"id": 1, "v": "x"}, {"id": 2}]).json
    ]
    target = f"{lab}/attributegroup/lab:A/RID_o:=RID;v_n:=v"
    rows = [{"RID_o": rids[1], "v_n": "new", "more": 1}, {"RID_o": "9-ZZZZ", "v_n": "none"}]
    reply = kim.put(target, rows)
    assert (reply.status, reply.json) == (200, [{"RID_o": rids[1], "v_n": "new"}])
    assert kim.get(f"{lab}/entity/lab:A").headers["etag"] == reply.headers["etag"]
    both = kim.put(f"{lab}/attributegroup/lab:A/o:=id;n:=id,v", [{"o": 1, "n": 7, "v": "w"}])
    assert both.json == [{"o": 1, "n": 7, "v": "w"}]
    values = kim.get(f"{lab}/attribute/lab:A/id,v@sort(id)").json
    assert values == [{"id": 2, "v": "new"}, {"id": 7, "v": "w"}]
    csv = typed(kim, "PUT", f"{lab}/attributegroup/lab:A/o:=id;n:=v", 'n,o\n"",2\n', "text/csv")
    assert csv.text == 'o,n\n2,""\n'
    assert kim.put(f"{lab}/attributegroup/lab:A/id;v", [{"id": 99, "v": ""}]).json == []
    assert kim.put(f"{lab}/attributegroup/lab:A/id;v", []).body == b"[]\n"


def test_keys_need_not_be_a_key_and_null_matches_null(kim: HttpClient, lab: str) -> None:
    rows = [{"n": 1, "o": "a"}, {"n": 1, "o": "b"}, {"n": None, "o": "c"}]
    assert kim.post(f"{lab}/entity/lab:B", rows).status == 200
    reply = kim.put(f"{lab}/attributegroup/lab:B/n;o", [{"n": 1, "o": "x"}, {"o": "y"}])
    assert reply.json == [{"n": 1, "o": "x"}, {"n": None, "o": "y"}]
    assert [r["o"] for r in kim.get(f"{lab}/attribute/lab:B/RID,o@sort(o)").json] == ["x", "x", "y"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("lab:A/RID;RMT", 403),
        ("lab:A/RID;RID2:=RID", 403),
        ("lab:A/RID", 400),
        ("lab:A/lab:B/RID;n", 400),
        ("lab:A/id=1/RID;v", 400),
        ("lab:A/RID;n:=cnt(v)", 400),
        ("lab:A/RID;*", 400),
        ("lab:A/RID;v@sort(RID)", 400),
        ("lab:A/RID;v,w:=v", 400),
        ("lab:A/RID;x:=nothing", 409),
        ("lab:A/X:v;v", 400),
        ("lab:Nothing/RID;v", 409),
    ],
)
def test_wrong_updates_have_their_status(
    kim: HttpClient, lab: str, target: str, status: int
) -> None:
    rid = kim.post(f"{lab}/entity/lab:A", [{"id": 1}]).json[0]["RID"]
    reply = kim.put(f"{lab}/attributegroup/{target}", [{"RID": rid, "v": "x"}])
    assert reply.status == status, reply.text
    assert kim.get(f"{lab}/entity/lab:A").json[0]["v"] is None


def test_equal_keys_in_an_update_are_refused(kim: HttpClient, lab: str) -> None:
    rows = [{"id": 1, "v": "x"}, {"id": 1, "v": "y"}]
    assert kim.put(f"{lab}/attributegroup/lab:A/id;v", rows).status == 400
    csv = typed(kim, "PUT", f"{lab}/attributegroup/lab:A/id;v", "id\n1\n", "text/csv")
    assert csv.status == 400


# --- DELETE ------------------------------------------------------------------------------------


def test_rows_are_deleted_by_any_path(kim: HttpClient, filled: str) -> None:
    reply = kim.delete(f"{filled}/entity/M:=lab:A/F:=lab:B/n=2/$F")
    assert (reply.status, reply.body) == (204, b"")
    assert "content-type" not in reply.headers
    assert kim.get(f"{filled}/aggregate/lab:B/n:=cnt(*)").json == [{"n": 3}]
    assert kim.get(f"{filled}/entity/lab:B").headers["etag"] == reply.headers["etag"]
    missing = kim.delete(f"{filled}/entity/lab:B/n=2")
    assert (missing.status, missing.headers["content-type"]) == (404, "text/plain")
    for tail in (
        "entity/lab:B?limit=1",
        "entity/lab:B@sort(RID)",
        "entity/lab:B@sort(RID)@after(1)",
    ):
        assert kim.delete(f"{filled}/{tail}").status == 400
    assert kim.delete(f"{filled}/entity/lab:Nothing").status == 409
    assert kim.get(f"{filled}/aggregate/lab:B/n:=cnt(*)").json == [{"n": 3}]


def test_columns_are_cleared(kim: HttpClient, filled: str) -> None:
    assert kim.delete(f"{filled}/attribute/lab:B/n=1/a,o").status == 204
    assert [r["a"] for r in kim.get(f"{filled}/entity/lab:B@sort(RID)").json] == [
        None,
        None,
        2,
        None,
    ]
    assert kim.delete(f"{filled}/attribute/lab:B/n=99/a").status == 404
    assert kim.delete(f"{filled}/attribute/lab:A/id").status == 409
    assert kim.delete(f"{filled}/attribute/lab:Sample/label").status == 409
    assert kim.delete(f"{filled}/attribute/lab:A/RCB").status == 403
    assert kim.delete(f"{filled}/attribute/lab:A/x:=v").status == 400
    assert kim.delete(f"{filled}/attribute/lab:A/*").status == 400
    assert kim.delete(f"{filled}/attribute/lab:A/v?limit=1").status == 400
    assert kim.delete(f"{filled}/attribute/M:=lab:A/lab:B/M:v").status == 400


# --- preconditions -----------------------------------------------------------------------------


def test_a_change_takes_place_only_in_the_expected_state(kim: HttpClient, filled: str) -> None:
    seen = kim.get(f"{filled}/entity/lab:A").headers["etag"]
    assert kim.post(f"{filled}/entity/lab:A", [{"id": 50}], if_match=seen).status == 200
    for method, tail, body in (
        ("POST", "entity/lab:A", [{"id": 51}]),
        ("PUT", "entity/lab:A", [{"id": 52}]),
        ("PUT", "attributegroup/lab:A/id;v", [{"id": 50, "v": "x"}]),
        ("DELETE", "entity/lab:A/id=50", None),
        ("DELETE", "attribute/lab:A/id=50/v", None),
    ):
        reply = kim.request(method, f"{filled}/{tail}", body, {"If-Match": seen})
        assert reply.status == 412
        assert reply.headers["etag"] == kim.get(f"{filled}/entity/lab:A").headers["etag"]
    now = kim.get(f"{filled}/entity/lab:A").headers["etag"]
    assert kim.delete(f"{filled}/entity/lab:A/id=50", if_none_match=now).status == 412
    assert kim.delete(f"{filled}/entity/lab:A/id=50", if_match=f'"x", {now}').status == 204
    assert kim.delete(f"{filled}/entity/lab:A/id=99", if_match="*").status == 404


def test_of_many_who_saw_the_same_one_may_change_it(
    kim: HttpClient, served: Served, lab: str
) -> None:
    kim.post(f"{lab}/entity/lab:A", [{"id": 1, "v": "old"}])
    seen = kim.get(f"{lab}/entity/lab:A").headers["etag"]
    target = f"{lab}/attributegroup/lab:A/id;v"
    clients = [HttpClient(served.port, kim.token) for _ in range(6)]
    begun = threading.Barrier(len(clients))

    def change(number: int) -> int:
        begun.wait()
        body = [{"id": 1, "v": f"new {number}"}]
        return clients[number].put(target, body, if_match=seen).status

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = sorted(pool.map(change, range(len(clients))))
    for client in clients:
        client.close()
    assert statuses == [200, *[412] * 5]


def test_the_order_of_refusals(kim: HttpClient, filled: str) -> None:
    stale = {"If-Match": '"stale"', "Content-Type": "application/json"}
    for target, body, status in (
        (f"{filled}/entity/lab:A/", "{", 400),  # the path, before the catalog and the body
        (f"{filled}999/entity/lab:A", "{", 404),
        (f"{filled}/entity/lab:Nothing", "{", 409),  # names before preconditions
        (f"{filled}/entity/lab:A", "{", 412),  # preconditions before the body
    ):
        assert kim.request("POST", target, body, stale).status == status


# --- what our own client asks for besides --------------------------------------------------------


def test_rows_are_not_sent_back_to_those_who_do_without(kim: HttpClient, lab: str) -> None:
    headers = {"Prefer": "respond-async, return=minimal"}
    for body, query in (([{"id": 1}], ""), ([{"id": 1}, {"id": 2}], "?onconflict=skip")):
        reply = kim.request("POST", f"{lab}/entity/lab:A{query}", body, headers)
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers["preference-applied"] == "return=minimal"
        assert reply.headers["etag"] == kim.get(f"{lab}/entity/lab:A").headers["etag"]
    assert kim.get(f"{lab}/aggregate/lab:A/n:=cnt(*)").json == [{"n": 2}]


def test_a_removal_tells_how_many_rows_it_was(kim: HttpClient, filled: str) -> None:
    assert kim.delete(f"{filled}/attribute/lab:B/n=1/o").headers["deriva-rows"] == "2"
    assert kim.delete(f"{filled}/entity/lab:B").headers["deriva-rows"] == "4"


# --- large bodies ------------------------------------------------------------------------------


def test_a_large_upload_is_one_change(kim: HttpClient, lab: str, local: Local) -> None:
    text = "id,v\n" + "".join(f"{n},value {n}\n" for n in range(20_000))
    reply = typed(kim, "POST", f"{lab}/entity/lab:A", text, "text/csv")
    assert reply.body.count(b"\n") == 20_001
    assert kim.get(f"{lab}/aggregate/lab:A/n:=cnt(*),m:=max(id)").json == [
        {"n": 20_000, "m": 19_999}
    ]
    assert local(lab).check() == []
