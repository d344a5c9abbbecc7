import pytest
import sqlalchemy as sa

from deriva_catalog.engine import serialize
from deriva_catalog.engine.compile import CompileCache, compile_query
from deriva_catalog.engine.dialect import RowRights
from deriva_catalog.errors import BadRequest
from deriva_catalog.path import parse_query

SUBJECT_COLUMNS = ["RID", "RCT", "RMT", "RCB", "RMB", "id", "name"]


def test_attribute_has_one_row_for_each_row_of_the_context(reader):
    rows = reader.rows("attribute/M:=Subject/T:=Image/$M/id,T:name")
    assert [row["id"] for row in rows] == [1, 2]
    assert rows[0]["name"] in {"Head 1", "head, two"}
    rows = reader.rows("attribute/M:=Subject/T:=Image/M:id,T:name@sort(name)")
    assert rows == [
        {"id": 2, "name": ""},
        {"id": 1, "name": "Head 1"},
        {"id": 1, "name": "head, two"},
    ]


def test_values_of_one_arbitrary_match_come_from_the_same_row(reader):
    rows = reader.rows("attribute/M:=Subject/T:=Image/$M/RID,x:=T:RID,T:n")
    of = {row["RID"]: row["n"] for row in reader.rows("entity/Image")}
    assert all(of[row["x"]] == row["n"] for row in rows)


def test_a_left_join_keeps_every_row_of_the_context(reader):
    rows = reader.rows("attribute/M:=Image/F:=left(subject)/$M/RID,i:=F:id@sort(RID)")
    assert [row["i"] for row in rows] == [1, 1, 2, None]


def test_stars_name_their_outputs(reader):
    assert list(reader.rows("attribute/Subject/*")[0]) == [
        "RID",
        "RCT",
        "RMT",
        "RCB",
        "RMB",
        "id",
        "name",
    ]
    row = reader.rows("attribute/A:=Subject/Image/A:*,n@sort(n)")[0]
    assert list(row)[-3:] == ["A:id", "A:name", "n"]


def test_table_names_qualify_columns(reader):
    assert reader.values("attribute/Subject/Image/x:=:S:Subject:name,n@sort(n)", "x") == [
        "bob",
        "ann",
        "ann",
    ]


def test_groups_count_the_joined_relation(reader):
    url = "attributegroup/M:=Subject/T:=Image/M:RID;n:=cnt(T:RID),s:=sum(T:n),v:=M:name@sort(RID)"
    assert reader.rows(url) == [
        {"RID": "1A0", "n": 2, "s": 15, "v": "ann"},
        {"RID": "1A2", "n": 1, "s": -3, "v": "bob"},
    ]


def test_groups_without_values_are_the_distinct_keys(reader):
    assert reader.values("attributegroup/Image/subject@sort(subject)", "subject") == [1, 2, None]


def test_a_key_that_holds_a_whole_key_needs_no_grouping(reader):
    url = (
        "attributegroup/M:=Image/F:=left(subject)=(S:Subject:id)/$M/RID;"
        "M:=array_d(M:*),F:=array_d(F:*),c:=cnt(F:id),all:=cnt(*),m:=max(n)@sort(RID)?limit=26"
    )
    assert "GROUP BY" not in reader.sql(url)
    rows = reader.rows(url)
    images = {r["RID"]: r for r in reader.rows("entity/Image")}
    assert [r["M"] for r in rows] == [[images[r["RID"]]] for r in rows]
    assert [r["F"][0] and r["F"][0]["id"] for r in rows] == [1, 1, 2, None]
    assert rows[-1]["F"] == [None]
    assert [(r["c"], r["all"], r["m"]) for r in rows] == [
        (1, 1, 5),
        (1, 1, 10),
        (1, 1, -3),
        (0, 1, None),
    ]


def test_existence_filters_do_not_repeat_the_rows_of_a_page(reader):
    url = (
        "attributegroup/M:=Subject/T:=(id)=(S:Image:subject)/n=any(5,10)/$M/RID;"
        "M:=array_d(M:*)@sort(RID)?limit=5"
    )
    assert "GROUP BY" not in reader.sql(url)
    assert [r["M"][0]["id"] for r in reader.rows(url)] == [1]


def test_a_group_key_on_the_missing_side_of_an_outer_join_keeps_its_null_group(reader):
    url = "attributegroup/A:=Subject/B:=left(id)=(S:Image:subject)/B:RID;s:=A:id@sort(RID)"
    assert [(r["RID"], r["s"]) for r in reader.rows(url)] == [
        ("1B0", 1),
        ("1B2", 1),
        ("1B4", 2),
        (None, 3),
    ]


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("cnt(*)", 4),
        ("cnt(n)", 3),
        ("cnt_d(subject)", 2),
        ("min(n)", -3),
        ("max(n)", 10),
        ("sum(n)", 12),
        ("avg(n)", 4.0),
        ("min(name)", ""),
        ("max(taken)", "2026-01-02T03:04:05.5+00:00"),
        ("min(size)", "-Infinity"),
        ("max(size)", "NaN"),
        ("sum(size)", "NaN"),
        ("min(took)", "30:00:00"),
        ("max(took)", "2 days"),
        ("max(counts)", [3]),
        ("min(counts)", [1, 20]),
        ("min(tags)", []),
        ("array(valid)", [True, False, None, None]),
        ("array(size)", [0.1 + 0.2, 3.0, "NaN", "-Infinity"]),
        ("array(info)", [{"k": 1}, None, None, None]),
    ],
)
def test_aggregates_follow_the_type_of_their_column(reader, function, value):
    assert reader.rows(f"aggregate/Image/x:={function}") == [{"x": value}]


def test_array_d_drops_repetitions(reader):
    assert sorted(reader.rows("aggregate/Image/x:=array_d(subject)")[0]["x"], key=str) == [
        1,
        2,
        None,
    ]


def test_aggregates_of_nothing_are_null_except_counts(reader):
    url = "aggregate/Image/n=77/c:=cnt(*),d:=cnt_d(n),m:=min(n),a:=array(n),r:=array(*),s:=sum(n)"
    assert reader.rows(url) == [{"c": 0, "d": 0, "m": None, "a": None, "r": None, "s": None}]


def test_array_of_rows_holds_whole_rows(reader):
    images = reader.rows("entity/Image/subject=1")
    assert reader.rows("aggregate/Image/subject=1/x:=array(*)") == [{"x": images}]


def test_bins_have_equal_widths_and_their_upper_end_overflows(reader):
    rows = reader.rows("attributegroup/Image/b:=bin(n;5;0;10);c:=cnt(*)@sort(b)")
    assert rows == [
        {"b": [0, None, 0], "c": 1},
        {"b": [3, 4, 6], "c": 1},
        {"b": [6, 10, None], "c": 1},
        {"b": [None, None, None], "c": 1},
    ]
    assert (
        reader.values("attribute/Image/day::null::/b:=bin(day;2;2026-01-01;2026-02-01)", "b")
        == [[None, None, None]] * 3
    )
    assert reader.rows("attribute/Image/RID=1B0/b:=bin(day;2;2026-01-01;2026-02-01)") == [
        {"b": [1, "2026-01-01", "2026-01-17"]}
    ]
    url = "attribute/Image/RID=1B0/b:=bin(taken;2;2026-01-01;2026-01-03)"
    assert reader.rows(url) == [
        {"b": [2, "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]}
    ]
    with pytest.raises(BadRequest, match="lower end"):
        reader.compile("attribute/Image/b:=bin(day;2;2026-01-01;2025-02-01)")
    with pytest.raises(BadRequest, match="10000"):
        reader.compile("attribute/Image/b:=bin(n;10001;0;1)")


def test_an_owner_may_do_everything_but_set_system_columns(reader):
    row = reader.rows("attributegroup/Subject/RID;t:=trs(RID),c:=tcrs(RID)@sort(RID)?limit=1")[0]
    assert row["t"] == {"update": True, "delete": True}
    columns = {name: name in ("id", "name") for name in SUBJECT_COLUMNS}
    assert row["c"] == {**row["t"], "column_update": columns}


def test_rights_can_depend_on_the_row(reader):
    def rights(function, table, columns):
        mine = columns["name"] == "ann"
        return RowRights(update=mine, delete=sa.false(), column_update={})

    query = parse_query("attributegroup/Subject/RID;t:=trs(RID)@sort(RID)?limit=2").query
    compiled = compile_query(query, reader.model, reader.source, reader.expressions, rights)
    found = serialize.fetch(reader.connection, compiled)
    assert [row["t"]["update"] for row in found] == [True, False]


def test_the_cache_compiles_a_query_once_for_each_source(reader):
    cache = CompileCache(2)
    query = parse_query("entity/Image/n=5").query

    def compiled(key=None):
        return cache.compile(query, reader.model, reader.source, reader.expressions, source_key=key)

    first = compiled()
    assert compiled() is first
    assert compiled(1) is not first
    compiled(2)
    assert compiled() is not first


def test_as_of_sources_are_read_like_tables(reader):
    def closed(table):
        live = reader.source(table)
        rows = sa.select(*(live.c[c.name] for c in table.columns))
        return sa.union_all(rows.where(live.c["RID"] < "1B4"), rows.where(sa.false())).subquery()

    query = parse_query("entity/Subject/Image/n::gt::0@sort(RID)").query
    compiled = compile_query(query, reader.model, closed, reader.expressions)
    assert [r["RID"] for r in serialize.fetch(reader.connection, compiled)] == ["1B0", "1B2"]
