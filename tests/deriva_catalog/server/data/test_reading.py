"""Queries over HTTP. Source: ERMrest, "Reading", "Representations", "query parameters"."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document

Local = Callable[[str], LocalCatalog]
SYSTEM = ("RID", "RCT", "RMT", "RCB", "RMB")
STREAM = "application/x-json-stream"


# --- the four kinds, and what they say -----------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "rows"),
    [
        ("attribute/lab:A/id@sort(id)", [{"id": n} for n in range(4)]),
        ("ATTRIBUTE/lab:A/id@sort(id)?limit=1", [{"id": 0}]),
        ("attribute/lab:A/id@sort(id::desc::)?limit=2", [{"id": 3}, {"id": 2}]),
        ("attribute/lab:A/id@sort(id)@after(1)", [{"id": 2}, {"id": 3}]),
        ("attribute/lab:A/id@sort(id)@before(3)?limit=2", [{"id": 1}, {"id": 2}]),
        ("attribute/M:=lab:B/F:=left(a)/$M/n,i:=F:id@sort(n,i)&limit=none", None),
        ("attributegroup/lab:A/v;n:=cnt(id)@sort(v)", [{"v": "v0", "n": 2}, {"v": "v1", "n": 2}]),
        ("attributegroup/lab:A/v@sort(v)", [{"v": "v0"}, {"v": "v1"}]),
        ("aggregate/lab:B/n:=cnt(*),d:=cnt_d(a)", [{"n": 4, "d": 2}]),
        ("aggregate/lab:B/n=99/n:=cnt(*)", [{"n": 0}]),
        ("entity/lab:A/id=99", []),
    ],
)
def test_each_kind_of_query_is_answered(
    kim: HttpClient, shelf: str, tail: str, rows: list[Any] | None
) -> None:
    reply = kim.get(f"{shelf}/{tail}")
    assert reply.headers["content-type"] == (
        "application/json" if rows is not None else "text/plain"
    )
    assert (reply.status, reply.json if rows is not None else None) == (
        (200, rows) if rows is not None else (400, None)
    )


def test_a_page_as_browsers_ask_for_it(kim: HttpClient, shelf: str) -> None:
    tail = (
        "attributegroup/M:=lab:B/F1:=left(a)=(lab:A:id)/$M/RID;M:=array_d(M:*),F1:=array_d(F1:*),"
        "trs:=trs(M:RID)@sort(RID)?limit=26"
    )
    rows = kim.get(f"{shelf}/{tail}").json
    assert [row["M"][0]["RID"] for row in rows] == [row["RID"] for row in rows]
    assert [row["F1"][0] and row["F1"][0]["id"] for row in rows] == [1, 1, 2, None]
    assert rows[0]["trs"] == {"update": True, "delete": True}


# --- representations -----------------------------------------------------------------------


def test_json_is_laid_out_one_row_a_line(kim: HttpClient, shelf: str) -> None:
    reply = kim.get(f"{shelf}/attribute/lab:A/id,v@sort(id)?limit=2")
    assert reply.body == b'[{"id":0,"v":"v0"},\n {"id":1,"v":"v1"}]\n'
    assert reply.headers["content-type"] == "application/json"
    assert kim.get(f"{shelf}/entity/lab:A/id=9").body == b"[]\n"


def test_a_json_stream_is_one_object_a_line(kim: HttpClient, shelf: str) -> None:
    reply = kim.get(f"{shelf}/attribute/lab:A/id@sort(id)?limit=2", accept=STREAM)
    assert (reply.body, reply.headers["content-type"]) == (b'{"id":0}\n{"id":1}\n', STREAM)
    assert kim.get(f"{shelf}/entity/lab:A/id=9", accept=STREAM).body == b""


def test_csv_tells_null_from_empty(kim: HttpClient, shelf: str, full: dict[str, Any]) -> None:
    names = ",".join(full)
    reply = kim.get(f"{shelf}/attribute/lab:Sample/{names}@sort(label)?accept=csv")
    assert reply.headers["content-type"] == "text/csv"
    lines = reply.text.split("\n")
    assert lines[0] == names
    assert lines[1] == '""' + "," * 10 + ",{},{}"
    assert lines[2] == (
        '"a ""b"", c",t,1,2,9007199254740993,0.1,2026-11-20,2026-11-20 21:08:50.5+00,'
        '2026-11-20 21:08:50,12:30:00,"{""x"":[1,null,""é""]}",'
        '"{a,""b c"",NULL,""NULL""}","{1,2}"'
    )
    assert lines[3].startswith("z,f,,,,2,")
    assert lines[4:] == [""]
    reply = kim.get(f"{shelf}/attribute/lab:Sample/sizes@sort(label)?accept=csv&arrays=json")
    assert reply.status == 400  # the order is of outputs
    reply = kim.get(f"{shelf}/attribute/lab:Sample/big=::null::/sizes?accept=csv")
    assert reply.status == 400
    reply = kim.get(f"{shelf}/attribute/lab:Sample/small=1/sizes?accept=csv&arrays=json")
    assert reply.text == 'sizes\n"[1,2]"\n'
    assert kim.get(f"{shelf}/attribute/lab:A/id=9/id?accept=csv").text == "id\n"


def test_values_come_back_as_they_went_in(
    kim: HttpClient, shelf: str, full: dict[str, Any]
) -> None:
    row = kim.get(f"{shelf}/entity/lab:Sample/small=1").json[0]
    assert {name: row[name] for name in full} == full
    assert list(row) == [*SYSTEM, *full]
    assert row["RCB"] == row["RMB"] == kim.id
    assert row["RCT"].endswith("+00:00")


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("application/json, text/plain, */*", "", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "application/json"),
        ("text/csv;q=0.5, application/x-json-stream", "", STREAM),
        ("image/png", "", "application/json"),
        ("application/json", "?accept=csv", "text/csv"),
        ("application/json", "?accept=text%2Fcsv", "text/csv"),
        ("text/csv", "?accept=application/x-json-stream", STREAM),
        ("text/csv", "?accept=JSON", "application/json"),
    ],
)
def test_what_is_accepted_is_sent(
    kim: HttpClient, shelf: str, accept: str, query: str, expected: str
) -> None:
    reply = kim.get(f"{shelf}/entity/lab:A{query}", accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, expected)


def test_a_representation_that_does_not_exist_is_refused(kim: HttpClient, shelf: str) -> None:
    assert kim.get(f"{shelf}/entity/lab:A?accept=xml").status == 400
    assert kim.get(f"{shelf}/entity/lab:A?arrays=yaml").status == 400


def test_a_download_has_a_name(kim: HttpClient, shelf: str) -> None:
    target = f"{shelf}/entity/lab:A?limit=none&accept=csv&uinit=1&download=B%C3%A4r%20%2F1"
    disposition = kim.get(target).headers["content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''B%C3%A4r%20%2F1.csv"
    disposition = kim.get(f"{shelf}/entity/lab:A?download=x;limit=1").headers["content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''x.json"
    assert "content-disposition" not in kim.get(f"{shelf}/entity/lab:A").headers


def test_head_has_the_headers_of_get(kim: HttpClient, shelf: str) -> None:
    got, headed = (kim.request(m, f"{shelf}/entity/lab:A") for m in ("GET", "HEAD"))
    assert headed.body == b""
    for name in ("content-type", "etag", "content-length", "vary"):
        assert headed.headers[name] == got.headers[name]
    assert kim.head(f"{shelf}/entity/lab:Nothing").status == 409


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        ("entity/lab:Nothing", 409),
        ("entity/Nothing", 409),
        ("entity/lab:A/nothing=1", 409),
        ("entity/lab:A/id=x", 400),
        ("entity/lab:Sample/taken=x", 409),
        ("entity/lab:A/", 400),
        ("entity//lab:A", 400),
        ("entity/", 400),
        ("entity", 400),
        ("entity/lab:A/v=a+b", 400),
        ("entity/lab:A/v=%FF", 400),
        ("entity/lab:A@sort(nothing)", 409),
        ("attribute/lab:A/id@sort(nothing)", 400),
        ("attribute/lab:A/id;v", 400),
        ("attribute/lab:A/id,id", 400),
        ("attribute/lab:A/n:=cnt(id)", 400),
        ("attributegroup/lab:A/v;cnt(id)", 400),
        ("aggregate/lab:A/cnt(id)", 400),
        ("aggregate/lab:A/n:=cnt(id)@sort(n)", 400),
        ("entity/lab:A@before(1)", 400),
        ("entity/lab:A@sort(id)@before(1)", 400),
        ("entity/lab:A@sort(id)@after(1,2)", 400),
        ("entity/lab:A?limit=x", 400),
        ("entity/lab:A?limit=-1", 409),
        ("entity/lab:A?limit=1&limit=2", 400),
        ("entity/$X", 400),
        ("entity/lab:A/$X", 400),
        ("entity/lab:A/v::regexp::%28", 409),
        ("meta", 404),
        ("meta/key", 404),
    ],
)
def test_a_wrong_query_has_its_status(kim: HttpClient, shelf: str, tail: str, status: int) -> None:
    reply = kim.get(f"{shelf}/{tail}")
    assert reply.status == status
    assert reply.headers["content-type"] == "text/plain"


def test_an_escaped_character_is_data(kim: HttpClient, shelf: str) -> None:
    target = f"{shelf}/attribute/lab:Sample/label=a%20%22b%22%2C%20c/small"
    assert kim.get(target).json == [{"small": 1}]
    assert kim.get(f"{shelf}/entity/lab%3AA").status == 409  # a table called 'lab:A'


WORDS = ["table", "limit", "n", "o", "left", "any", "sort", "cnt", "entity", "null"]


@pytest.mark.parametrize("word", WORDS)
def test_words_of_the_language_are_names_as_well(kim: HttpClient, odd: str, word: str) -> None:
    assert kim.put(f"{odd}/attributegroup/{word}:{word}/RID;{word}", []).json == []
    made = kim.post(f"{odd}/entity/{word}:{word}", [{word: 1}, {word: 2}]).json
    for target in (
        f"entity/{word}:{word}/{word}=1",
        f"entity/{word}:={word}:{word}/{word}:{word}=any(1,3)/${word}@sort({word})@after(0)",
        f"entity/{word}/{word}::lt::2&!{word}::null::",
    ):
        assert kim.get(f"{odd}/{target}").json == made[:1], target
    assert kim.get(f"{odd}/attribute/{word}/{word}@sort({word}::desc::)?limit=1").json == [
        {word: 2}
    ]
    assert kim.get(f"{odd}/attributegroup/{word}/{word};c:=cnt(*)@sort({word})").json == [
        {word: 1, "c": 1},
        {word: 2, "c": 1},
    ]
    assert kim.get(f"{odd}/aggregate/{word}/{word}:=max({word})").json == [{word: 2}]


@pytest.fixture(scope="module")
def odd(kim: HttpClient) -> str:
    """A catalog whose schemas, tables and columns are called like words of the language."""
    cat = str(kim.post("/ermrest/catalog").headers["location"])
    for word in WORDS:
        table = table_document(word, [column_document(word, "int4")])
        made = kim.post(f"{cat}/schema", [{"schema_name": word, "tables": {word: table}}])
        assert made.status == 201, made.text
    return cat


def test_textfacet_finds_nothing(kim: HttpClient, shelf: str) -> None:
    assert kim.get(f"{shelf}/textfacet/x").json == []
    assert kim.post(f"{shelf}/textfacet/x").status == 405


@pytest.mark.parametrize(
    ("method", "tail", "allowed"),
    [
        ("POST", "attribute/lab:A/id", "GET, DELETE, HEAD, OPTIONS"),
        ("DELETE", "attributegroup/lab:A/id", "GET, PUT, HEAD, OPTIONS"),
        ("PUT", "aggregate/lab:A/n:=cnt(id)", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_refused(
    kim: HttpClient, shelf: str, method: str, tail: str, allowed: str
) -> None:
    reply = kim.request(method, f"{shelf}/{tail}")
    assert (reply.status, reply.headers["allow"]) == (405, allowed)


# --- tags ------------------------------------------------------------------------------------


def test_an_unchanged_result_is_not_sent_again(kim: HttpClient, filled: str) -> None:
    target = f"{filled}/entity/lab:A"
    first = kim.get(target)
    etag = first.headers["etag"]
    assert first.headers["vary"] == "cookie, authorization, accept"
    again = kim.get(target, if_none_match=f'"other", W/{etag[:-1]}-gzip"')
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert kim.get(target, if_match='"other"').status == 304
    assert kim.get(target, if_match=etag).status == 200
    assert kim.get(target, accept="text/csv").headers["etag"] != etag
    assert kim.post(f"{filled}/entity/lab:A", [{"id": 77}]).status == 200
    assert kim.get(target, if_none_match=etag).status == 200


def test_other_roles_have_other_tags(
    kim: HttpClient, served: Served, filled: str, local: Local
) -> None:
    other = served.client("https://lab.example/other")
    granted = {"enumerate": ["*"], "select": ["*"]}
    catalog = local(filled)
    kept = {name: list(roles) for name, roles in catalog.model.acls.items()}
    catalog.alter(Address(), {"acls": kept | granted})
    catalog.close()
    tags = {client.get(f"{filled}/entity/lab:A").headers["etag"] for client in (kim, other)}
    assert len(tags) == 2


# --- large results ---------------------------------------------------------------------------


def test_a_large_result_is_streamed_whole(kim: HttpClient, lab: str) -> None:
    rows = [{"id": n, "v": "x" * 200} for n in range(6000)]
    assert len(kim.post(f"{lab}/entity/lab:A", rows).json) == 6000
    for accept in ("application/json", STREAM, "text/csv"):
        reply = kim.get(f"{lab}/attribute/lab:A/id,v@sort(id)", accept=accept)
        assert reply.headers.get("transfer-encoding") == "chunked"
        assert len(reply.body) > 1_000_000
        if accept == "application/json":
            assert json.loads(reply.body) == rows
        elif accept == STREAM:
            assert [json.loads(line) for line in reply.body.splitlines()] == rows
        else:
            assert reply.body.count(b"\n") == 6001
    headed = kim.head(f"{lab}/entity/lab:A")
    assert (headed.status, headed.body) == (200, b"")
    assert "content-length" not in headed.headers  # nobody has counted the bytes


def test_a_stream_shows_one_moment(kim: HttpClient, lab: str, local: Local) -> None:
    rows = [{"id": n, "v": "x" * 200} for n in range(6000)]
    assert kim.post(f"{lab}/entity/lab:A", rows).status == 200
    pieces = local(lab).stream("entity/lab:A", "application/json")
    first = next(pieces)
    done = threading.Thread(target=lambda: kim.delete(f"{lab}/entity/lab:A"))
    done.start()
    done.join()
    assert len(json.loads(first + b"".join(pieces))) == 6000
    assert kim.get(f"{lab}/entity/lab:A").json == []


# --- snapshots -------------------------------------------------------------------------------


def test_every_kind_of_query_may_ask_the_past(kim: HttpClient, filled: str, local: Local) -> None:
    then = local(filled).latest_snapshot()
    assert kim.delete(f"{filled}/entity/lab:B").status == 204
    past = f"{filled}@{then}"
    assert kim.get(f"{past}/aggregate/lab:B/n:=cnt(*)").json == [{"n": 4}]
    assert kim.get(f"{past}/attribute/lab:B/n@sort(n)?accept=csv").text == "n\n1\n1\n2\n\n"
    assert kim.get(f"{filled}/aggregate/lab:B/n:=cnt(*)").json == [{"n": 0}]
    etag = kim.get(f"{past}/entity/lab:B").headers["etag"]
    assert kim.post(f"{filled}/entity/lab:B", [{"n": 1}]).status == 200
    assert kim.get(f"{past}/entity/lab:B", if_none_match=etag).status == 304
    for method, tail in (
        ("POST", "entity/lab:B"),
        ("PUT", "attributegroup/lab:B/RID;n"),
        ("DELETE", "entity/lab:B"),
        ("DELETE", "attribute/lab:B/n"),
    ):
        reply = kim.request(method, f"{past}/{tail}", [])
        assert reply.status == 403
        assert "modification to catalog at previous revision" in reply.text
