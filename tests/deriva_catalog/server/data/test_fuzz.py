"""Whatever is sent: an answer below 500, and no change by what was refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog_server import HttpClient
from deriva_catalog.catalog import LocalCatalog

Local = Callable[[str], LocalCatalog]
QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WORDS = st.sampled_from(
    [
        *("lab:A", "lab:B", "lab:Sample", "A", "B", "M:=lab:A", "lab", "public:ERMrest_Client"),
        *(
            "id",
            "a",
            "n",
            "o",
            "v",
            "RID",
            "RMT",
            "label",
            "facts",
            "tags",
            "weight",
            "M:id",
            "M:*",
        ),
        *("(id)", "(a)=(lab:A:id)", "left(a)=(lab:A:id)", "full(a)", "$M", "$", "*", "x:=v"),
        *("id=1", "v=x", "v=", "id=any(1,2)", "facts=%7B", "tags=all()", "id::gt::x", "v::null::"),
        *("*::ciregexp::a", "v::regexp::%28", "v::ts::x", "!(id=1;v=2)", "weight=NaN", "id=1e9"),
        *("cnt(*)", "n:=cnt(*)", "array_d(*)", "m:=max(facts)", "s:=sum(v)", "trs(RID)"),
        *("b:=bin(id;3;0;9)", "b:=bin(v;0;x;y)", "tcrs(M:RID)", "avg(id)"),
        *("@sort(id)", "@sort(v::desc::,id)", "@after(1)", "@before(::null::)", "@after()"),
        *("%00", "%FF", "%2F", "%", "%C3%A4", "999999999999999999999999", "-1", "::", ":=", "((("),
    ]
)
GLUE = st.sampled_from(["/", "/", "/", ",", ";", "&", ":", "=", "", "//", "@"])
QUERY = st.sampled_from(
    [
        *("", "", "?limit=1", "?limit=x", "?limit=-1", "?limit=99999999999999999999", "?limit=0"),
        *("?accept=csv", "?accept=x", "?defaults=id,v", "?nondefaults=RID,RCT", "?nondefaults=RMT"),
        *("?onconflict=skip", "?onconflict=x", "?arrays=json&accept=csv", "?download=%2F", "?%FF"),
        *("?a=b&c;d=e", "?", "?limit=1;limit=2", "?defaults=%00", "?accept=text/csv"),
    ]
)
API = st.sampled_from(["entity", "attribute", "attributegroup", "aggregate", "textfacet", "meta"])
METHOD = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"])
ADDRESS = st.builds(
    lambda api, parts, query: f"{api}/{''.join(map(''.join, parts)).rstrip('/')}{query}",
    API,
    st.lists(st.tuples(WORDS, GLUE), min_size=1, max_size=6),
    QUERY,
)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["2026-01-01", "2026-01-01T00:00:00+00:00", "NaN", "{a,b}", "[1]", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES = st.sampled_from(
    [
        *("id", "v", "a", "n", "o", "label", "flag", "small", "big", "weight", "taken", "scanned"),
        *("local", "clock", "facts", "tags", "sizes", "RID", "RCT", "RMB", "x", ""),
    ]
)
ROWS = st.lists(st.dictionaries(NAMES, VALUE, max_size=6), max_size=4)
TABLES = st.sampled_from(["lab:A", "lab:B", "lab:Sample"])
CELL = st.sampled_from(
    [
        *("", '""', "1", "x", '"a,b"', '"a""b"', '"', 'a"b', "{1,2}", "[1]", "t", "1.5", "NaN"),
        *("2026-01-01", "2026-01-01 00:00:00+00", '"two\nlines"', "null", "{}", "\x00", "\u2028"),
        *("\r", "é"),
    ]
)


def check(
    kim: HttpClient,
    catalog: LocalCatalog,
    method: str,
    target: str,
    body: bytes | None = None,
    media_type: str = "application/json",
) -> None:
    before = catalog.latest_snapshot()
    reply = kim.request(method, target, body, {"Content-Type": media_type})
    assert reply.status < 500, (reply.status, reply.text)
    if reply.status >= 400:
        assert catalog.latest_snapshot() == before
        if method != "HEAD":
            assert reply.headers["content-type"] == "text/plain"


@pytest.fixture(scope="module")
def opened(shelf: str, served: Any) -> Any:
    catalog = served.service.registry.open(shelf.rsplit("/", 1)[1])
    yield catalog
    catalog.close()


@QUICK
@given(method=METHOD, address=ADDRESS)
@example("DELETE", "entity/lab:A/id=1/@after()")
@example("PUT", "attributegroup/lab:A/id;*")
@example("PUT", "attributegroup/lab:A/left(a)=(lab:A:id);v")
@example("GET", "aggregate/lab:A/b:=bin(id;999999999999;0;9)")
def test_any_address(
    kim: HttpClient, shelf: str, opened: LocalCatalog, method: str, address: str
) -> None:
    check(kim, opened, method, f"{shelf}/{address}", b"[]" if method in ("POST", "PUT") else None)


@QUICK
@given(tail=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40), method=METHOD)
def test_any_text_as_address(
    kim: HttpClient, shelf: str, opened: LocalCatalog, tail: str, method: str
) -> None:
    check(kim, opened, method, f"{shelf}/entity/{tail}")


@QUICK
@given(table=TABLES, rows=ROWS, query=QUERY)
@example("lab:Sample", [{"label": "x", "facts": {"a": 2**70}}], "")
@example("lab:Sample", [{"label": "x", "facts": {"a": 2**70}}], "?accept=csv")
@example("lab:Sample", [{"label": "y", "facts": "\ud800"}], "")
@example("lab:Sample", [{"label": "z", "weight": 1e308, "big": 2**63}], "")
def test_any_rows(
    kim: HttpClient, shelf: str, opened: LocalCatalog, table: str, rows: Any, query: str
) -> None:
    body = json.dumps(rows).encode()
    check(kim, opened, "POST", f"{shelf}/entity/{table}{query}", body)
    check(kim, opened, "PUT", f"{shelf}/entity/{table}", body)
    check(kim, opened, "PUT", f"{shelf}/attributegroup/{table}/RID;x:=RCT", body)


@QUICK
@given(
    table=TABLES, columns=st.lists(NAMES, max_size=5), cells=st.lists(st.lists(CELL, max_size=5))
)
def test_any_csv(
    kim: HttpClient,
    shelf: str,
    opened: LocalCatalog,
    table: str,
    columns: list[str],
    cells: list[list[str]],
) -> None:
    text = "\n".join(",".join(line) for line in [columns, *cells])
    body = text.encode()
    others = ",".join(sorted({"id", "v", "a", "n", "o"} - set(columns)))
    query = f"?defaults={others}" if table != "lab:Sample" else ""
    check(kim, opened, "POST", f"{shelf}/entity/{table}{query}", body, "text/csv")
    check(kim, opened, "PUT", f"{shelf}/attributegroup/{table}/RID;n", body, "text/csv")


@QUICK
@given(
    body=st.binary(max_size=60),
    media_type=st.sampled_from(
        ["application/json", "application/x-json-stream", "text/csv", "x", ""]
    ),
)
@example(b"[" * 50_000, "application/json")
@example(b'{"a":' * 50_000, "application/x-json-stream")
@example(b'[{"id":1e999999}]', "application/json")
def test_any_bytes(
    kim: HttpClient, shelf: str, opened: LocalCatalog, body: bytes, media_type: str
) -> None:
    check(kim, opened, "POST", f"{shelf}/entity/lab:A", body, media_type)
