import csv
import io
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deriva_catalog.engine import serialize
from deriva_catalog.errors import BadRequest, QueryTimeout

from .conftest import make_table


def test_json_is_written_as_the_protocol_says(reader):
    url = "attribute/Image/RID,size,valid,tags,info,raw@sort(RID)?limit=3"
    whole = "3.0" if reader.is_sqlite else "3"
    assert reader.text(url, "application/json") == (
        '[{"RID":"1B0","size":0.30000000000000004,"valid":true,"tags":["a","b c",null],'
        '"info":{"k":1},"raw":{"b":1,"a":2}},\n'
        f' {{"RID":"1B2","size":{whole},"valid":false,"tags":["b"],"info":null,"raw":null}},\n'
        ' {"RID":"1B4","size":"NaN","valid":null,"tags":[],"info":null,"raw":null}]\n'
    )
    lines = reader.text(url, "application/x-json-stream")
    assert lines == reader.text(url, "application/json")[1:-2].replace(",\n ", "\n") + "\n"


def test_empty_results_have_their_own_forms(reader):
    url = "attribute/Image/n=77/RID,n"
    assert reader.text(url, "application/json") == "[]\n"
    assert reader.text(url, "application/x-json-stream") == ""
    assert reader.text(url, "text/csv") == "RID,n\n"


def test_csv_is_written_as_the_protocol_says(reader):
    url = "attribute/Image/name,n,size,valid,tags,info,day,taken@sort(RID)".replace(
        "/name,", "/RID,name,"
    )
    assert reader.text(url, "text/csv") == (
        "RID,name,n,size,valid,tags,info,day,taken\n"
        '1B0,Head 1,5,0.30000000000000004,t,"{a,""b c"",NULL}","{""k"":1}",2026-01-02,'
        "2026-01-02 03:04:05.5+00\n"
        '1B2,"head, two",10,3,f,{b},null,,2026-01-02 03:04:05+00\n'
        '1B4,"",-3,NaN,,{},,,\n'
        "1B6,,,-Infinity,,,,,\n"
    )
    assert reader.text("attribute/Image/RID=1B0/tags", "text/csv", arrays_json=True) == (
        'tags\n"[""a"",""b c"",null]"\n'
    )


def test_other_media_types_are_refused(reader):
    with pytest.raises(BadRequest, match="text/html"):
        reader.text("entity/Image", "text/html")


@pytest.fixture
def table(reader_of):
    return reader_of(make_table("1-V", "S", "V", {"f": "float8", "t": "text", "i": "int8"}))


def _check_round_trip(table, rows):
    table.clear("S:V")
    table.insert("S:V", *({"RID": f"1V{i:03}", **row} for i, row in enumerate(rows)))
    found = table.rows("attribute/V/f,t,i@sort(RID)".replace("/f,", "/RID,f,"))
    for row, expected in zip(found, rows, strict=True):
        assert row["f"] == expected["f"]
        assert (row["t"], row["i"]) == (expected["t"], expected["i"])
    text = table.text("attribute/V/RID,f,t,i@sort(RID)", "text/csv")
    for cells, expected in zip(list(csv.reader(io.StringIO(text, "")))[1:], rows, strict=True):
        assert cells[1] == "" if expected["f"] is None else float(cells[1]) == expected["f"]
        assert cells[2] == (expected["t"] or "")


_FLOATS = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**9), 10**9).map(lambda n: n / 1000),
    st.integers(-(10**13), 10**13).map(lambda n: n / 10**6),
    st.integers(-(10**18), 10**18).map(float),
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "f": _FLOATS,
            "t": st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    max_size=10,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=_ROWS)
def test_numbers_and_texts_come_back_exactly(table, rows):
    _check_round_trip(table, rows)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(floats=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_floats_are_printed_without_needless_digits(table, floats):
    table.clear("S:V")
    table.insert("S:V", *({"RID": f"1V{i:03}", "f": f} for i, f in enumerate(floats)))
    text = table.text("attribute/V/RID,f@sort(RID)", "application/json")
    printed = json.loads(text, parse_float=str, parse_int=str)
    for row, number in zip(printed, floats, strict=True):
        assert float(row["f"]) == number
        assert len(row["f"].rstrip("0").rstrip(".")) <= len(repr(number)) + 4
        assert math.copysign(1, float(row["f"])) == math.copysign(1, number) or number == 0


def test_large_results_come_in_pieces(table):
    table.insert("S:V", *({"RID": f"1V{i:05}", "t": "x" * 1000} for i in range(2000)))
    compiled = table.compile("entity/V@sort(RID)")
    pieces = list(serialize.stream(table.connection, compiled, "application/json"))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 1 << 20
    assert len(json.loads(b"".join(pieces))) == 2000


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_pattern_that_explodes_is_stopped(table, monkeypatch):
    from deriva_catalog.engine.sqlite import functions

    monkeypatch.setattr(functions, "SEARCH_SECONDS", 0.05)
    table.insert("S:V", {"RID": "1V0", "t": "a" * 60 + "!"})
    with pytest.raises(QueryTimeout, match=r"Query run time limit exceeded\."):
        table.rows("entity/V/t::regexp::%5E%28%28a%7Ca%29%2B%29%2B%28b%7Cc%29%5C1%24")
