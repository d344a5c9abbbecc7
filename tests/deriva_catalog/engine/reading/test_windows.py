import itertools

import pytest

from deriva_catalog.errors import BadRequest


@pytest.fixture(scope="module")
def things(database, tmp_path_factory):

    from .conftest import _readers, make_table

    with _readers(database, tmp_path_factory.mktemp("windows")) as make:
        made = make(make_table("1-W", "S", "W", {"a": "int4", "b": "text", "f": "float8"}))
        values = itertools.product([None, 1, 2], [None, "", "x"])
        rows = [
            {"RID": f"1W{i}", "a": a, "b": b, "f": [None, -1.5, "-Infinity", "NaN"][i % 4]}
            for i, (a, b) in enumerate(values)
        ]
        made.insert("S:W", *rows)
        yield made


def _literal(value):
    return "::null::" if value is None else str(value)


SORTS = list(itertools.product(["a", "a::desc::"], ["b", "b::desc::"], ["RID", "RID::desc::"]))


def _expected_order(rows, sort):
    ordered = list(rows)
    for key in reversed(sort):
        name, _, descending = key.partition("::")
        ordered.sort(
            key=lambda r, n=name: (r[n] is None, r[n] if r[n] is not None else 0),
            reverse=bool(descending),
        )
    return ordered


@pytest.mark.parametrize("sort", SORTS)
def test_pages_follow_each_other_without_gaps(things, sort):
    whole = _expected_order(things.rows("entity/W"), sort)
    keys = ",".join(sort)
    assert things.rows(f"entity/W@sort({keys})") == whole
    names = [key.partition("::")[0] for key in sort]
    for i, row in enumerate(whole):
        at = ",".join(_literal(row[name]) for name in names)
        after = f"entity/W@sort({keys})@after({at})"
        assert things.rows(after) == whole[i + 1 :]
        assert things.rows(f"{after}?limit=2") == whole[i + 1 : i + 3]
        assert things.rows(f"entity/W@sort({keys})@before({at})?limit=3") == whole[:i][-3:]
        first = ",".join(_literal(whole[0][name]) for name in names)
        both = f"entity/W@sort({keys})@after({first})@before({at})?limit=2"
        assert things.rows(both) == whole[1:i][:2]


def test_grouped_results_are_paged_too(things):
    url = "attributegroup/W/a;n:=cnt(*)@sort(n,a)@before(3,::null::)?limit=1"
    assert things.rows(url) == [{"a": 2, "n": 3}]
    url = "attributegroup/W/a;n:=cnt(*)@sort(a::desc::)@after(2)"
    assert things.rows(url) == [{"a": 1, "n": 3}]


def test_floats_sort_with_infinities_at_the_ends_and_nan_last(things):
    found = things.values("entity/W/!f::null::@sort(f)", "f")
    assert found == ["-Infinity"] * 2 + [-1.5] * 2 + ["NaN"] * 2
    assert set(things.values("entity/W/!f::null::@sort(f,RID)@after(-1.5,1W5)", "f")) == {"NaN"}


def test_a_limit_of_zero_gives_nothing(things):
    assert things.rows("entity/W?limit=0") == []
    assert things.rows("aggregate/W/c:=cnt(*)?limit=0") == []


@pytest.mark.parametrize(
    "url",
    [
        "entity/W@sort(a)@before(1)",
        "entity/W@sort(a,b)@after(1)",
        "attributegroup/W/x:=bin(a;2;0;4)@sort(x)@after(1)",
    ],
)
def test_bad_windows_are_bad_requests(things, url):
    with pytest.raises(BadRequest):
        things.compile(url)


def test_the_values_of_a_page_are_looked_up_after_the_page_is_found(reader):
    url = (
        "attributegroup/M:=Image/F:=left(subject)=(S:Subject:id)/$M/RID;"
        "F:=array_d(F:*)@sort(RID)?limit=2"
    )
    inner = reader.sql(url).split("IN (SELECT", 1)[1]
    assert "JOIN" not in inner
    assert "LIMIT" in inner
    assert reader.values(url) == ["1B0", "1B2"]
    back = url.replace("?limit=2", "@before(1B4)?limit=1")
    assert reader.values(back) == ["1B2"]
