"""What the text of a data request means, and what is refused with which status."""

import pytest

from deriva_catalog.errors import BadRequest, Conflict, UnknownName
from deriva_catalog.path.ast import (
    Aggregate,
    AggregateQuery,
    AllOf,
    And,
    AnyOf,
    AttributeGroupQuery,
    AttributeQuery,
    Bin,
    ColumnName,
    Comparison,
    EndpointLink,
    EntityQuery,
    ExplicitLink,
    Function,
    IsNull,
    Item,
    Not,
    Operator,
    Or,
    Outer,
    Path,
    Reset,
    Restrict,
    Rights,
    RightsFunction,
    Root,
    SortKey,
    Star,
    TableLink,
    TableName,
    Window,
)
from deriva_catalog.path.options import Options
from deriva_catalog.path.parser import parse_filter, parse_path, parse_query

A = Root(TableName("A", "S"))
a, b, c = (Comparison(ColumnName(n), Operator.EQ, v) for n, v in zip("abc", "123", strict=True))


def query(text):
    return parse_query(text).query


def window(text):
    return query(f"entity/A{text}").window


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("S:B", TableLink(TableName("B", "S"))),
        (":S:B", TableLink(TableName("B", "S"))),
        ("B", TableLink(TableName("B"))),
        ("T:=B", TableLink(TableName("B"), "T")),
        ("(id)", EndpointLink((ColumnName("id"),))),
        ("(S:B:a,S:B:b)", EndpointLink((ColumnName("a", "B", "S"), ColumnName("b", "B", "S")))),
        ("F:=left(a)", EndpointLink((ColumnName("a"),), Outer.LEFT, "F")),
        ("FULL(a)", EndpointLink((ColumnName("a"),), Outer.FULL)),
        ("(id)=(S:B:a)", ExplicitLink((ColumnName("id"),), (ColumnName("a", "B", "S"),))),
        (
            "x:=right(:M:a)=(B:a)",
            ExplicitLink((ColumnName("a", "M"),), (ColumnName("a", "B"),), Outer.RIGHT, "x"),
        ),
        ("(id=1)", Restrict(Comparison(ColumnName("id"), Operator.EQ, "1"))),
        ("(M:id::null::)", Restrict(IsNull(ColumnName("id", "M")))),
        ("$M", Reset("M")),
        ("left", TableLink(TableName("left"))),
        ("any:=left", TableLink(TableName("left"), "any")),
    ],
)
def test_each_kind_of_path_element_is_recognised(text, element):
    assert parse_path(f"M:=S:A/{text}") == Path(Root(TableName("A", "S"), "M"), (element,))


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ("a=1;b=2&c=3", Or((a, And((b, c))))),
        ("(a=1;b=2)&c=3", And((Or((a, b)), c))),
        ("a=1&(b=2&(c=3))", And((a, b, c))),
        ("!a=1&b=2", And((Not(a), b))),
        ("!(!a=1)", Not(Not(a))),
        ("c=", Comparison(ColumnName("c"), Operator.EQ, "")),
        ("c::lt::", Comparison(ColumnName("c"), Operator.LT, "")),
        ("c=*", Comparison(ColumnName("c"), Operator.EQ, "*")),
        ("c=any", Comparison(ColumnName("c"), Operator.EQ, "any")),
        ("c::GEQ::5", Comparison(ColumnName("c"), Operator.GEQ, "5")),
        ("c::leq::x", Comparison(ColumnName("c"), Operator.LEQ, "x")),
        ("c::gt::x", Comparison(ColumnName("c"), Operator.GT, "x")),
        ("c::regexp::%5Ea", Comparison(ColumnName("c"), Operator.REGEXP, "^a")),
        ("!c::Null::", Not(IsNull(ColumnName("c")))),
        ("c=any(1,2)", Comparison(ColumnName("c"), Operator.EQ, AnyOf(("1", "2")))),
        ("c=ALL()", Comparison(ColumnName("c"), Operator.EQ, AllOf(()))),
        ("!(x=any())", Not(Comparison(ColumnName("x"), Operator.EQ, AnyOf(())))),
        ("*::ciregexp::x", Comparison(Star(), Operator.CIREGEXP, "x")),
        ("M:*::ts::all(a,b)", Comparison(Star("M"), Operator.TS, AllOf(("a", "b")))),
        ("%2A=1", Comparison(ColumnName("*"), Operator.EQ, "1")),
        ("a%3Ab=%2f%2F%20%2B%c3%a9", Comparison(ColumnName("a:b"), Operator.EQ, "// +é")),
        ("null::null::", IsNull(ColumnName("null"))),
    ],
)
def test_filters_follow_the_precedence_and_operators_of_the_protocol(text, filter):
    assert parse_filter(text) == filter


def test_an_encoded_colon_is_data():
    assert parse_path("S%3AA").root.table == TableName("S:A")


def test_entity_has_a_path_and_a_window():
    expected = Window((SortKey("a"), SortKey("b", True)), ("1", None), ("", "x"), 5)
    text = "ENTITY/S:A@sort(a,b::desc::)@before(,x)@after(1,::null::)?limit=5"
    assert query(text) == EntityQuery(Path(A), expected)


def test_attribute_projects_columns_stars_and_bins():
    items = query("attribute/M:=S:A/M:*,*,x:=:M:v,S:A:id,h:=bin(v;4;0;10)").items
    assert items == (
        Item(Star("M")),
        Item(Star()),
        Item(ColumnName("v", "M"), "x"),
        Item(ColumnName("id", "A", "S")),
        Item(Bin(ColumnName("v"), "4", "0", "10"), "h"),
    )


def test_the_page_of_a_browser_is_understood():
    found = query(
        "attributegroup/M:=S:B/F1:=left(a)=(S:A:id)/$M/RID;"
        "M:=array_d(M:*),F1:=array_d(F1:*),trs:=TRS(M:RID)@sort(RID)?limit=26"
    )
    assert isinstance(found, AttributeGroupQuery)
    assert found.path.elements[-1] == Reset("M")
    assert found.values[0] == Item(Aggregate(Function.ARRAY_D, Star("M")), "M")
    assert found.values[2] == Item(Rights(RightsFunction.TRS, ColumnName("RID", "M")), "trs")
    assert found.window == Window((SortKey("RID"),), limit=26)


def test_attributegroup_without_values_has_keys_only():
    assert query("attributegroup/S:A/v").values == ()


def test_update_targets_are_the_values_of_a_group():
    found = query("attributegroup/S:A/o:=id;w:=id")
    assert found.keys == (Item(ColumnName("id"), "o"),)
    assert found.values == (Item(ColumnName("id"), "w"),)


@pytest.mark.parametrize("function", list(Function))
def test_aggregate_knows_every_function(function):
    found = query(f"aggregate/S:A/n:={function.value.upper()}(v)?limit=1")
    expected = (Item(Aggregate(function, ColumnName("v")), "n"),)
    assert found == AggregateQuery(Path(A), expected, 1)


def test_a_function_name_without_parenthesis_is_a_column():
    found = query("attribute/S:A/cnt,limit,n,o,left,sort,any")
    names = ("cnt", "limit", "n", "o", "left", "sort", "any")
    assert tuple(i.expression.name for i in found.items) == names
    assert isinstance(found, AttributeQuery)


@pytest.mark.parametrize(
    "example",
    [
        "entity/S:A/S:B",
        "entity/A:=S:A/B:=(id)=(S:B:a)/v=x/$A",
        "attribute/M:=S:A/T:=S:B/$M/id,T:v",
        "attribute/M:=S:A/T:=S:B/M:id,T:v",
        "attribute/M:=S:B/F:=left(a)/$M/v,i:=F:id",
        "attributegroup/M:=S:A/T:=S:B/M:RID;n:=cnt(T:RID)",
        "attributegroup/M:=A/F10:=M:nm,RID;F1:=nm@sort(F10::desc::,RID)",
        "aggregate/S:A/c:=cnt(*)",
    ],
)
def test_examples_of_the_protocol_are_accepted(example):
    assert query(example)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "entity",
        "entity/",
        "entities/A",
        "entity/A/",
        "entity/A//B",
        "entity//A",
        "entity/a=1",
        "entity/(a)",
        "entity/$A",
        "entity/A/$",
        "entity/A/$M",
        "entity/S:A:c",
        "entity/A/x=a+b",
        "entity/A/x=a b",
        "entity/A/x='a'",
        'entity/A/x="a"',
        "entity/A/x=[a]",
        "entity/A/x=a#b",
        "entity/A/x=é",
        "entity/A/x=%",
        "entity/A/x=%2",
        "entity/A/x=%GG",
        "entity/A/x=%FF",
        "entity/A/x=%ED%A0%80",
        "entity/A/x=%00",
        "entity/A/x=a:b",
        "entity/A/x=a,b",
        "entity/A/x=a@b",
        "entity/A/x=(1,2)",
        "entity/A/x=any(1,)",
        "entity/A/x=any(1",
        "entity/A/x::like::1",
        "entity/A/x::lt",
        "entity/A/!!x=1",
        "entity/A/x=1&",
        "entity/A/;x=1",
        "entity/A/()",
        "entity/A/(a)=(B:a,B:b)",
        "entity/A/(a)=(b)",
        "entity/A/(*)",
        "entity/A/upper(a)",
        "entity/A/M:=x=1",
        "entity/M:=A/M:=B",
        "entity/A/*=1",
        "entity/A/*::null::",
        "entity/A@sort()",
        "entity/A@sort(a::asc::)",
        "entity/A@after(1)",
        "entity/A@after(1)@sort(a)",
        "entity/A@sort(a)@after(1,2)",
        "entity/A@sort(a)@after(::nil::)",
        "entity/A@sort(a)@after(1)@after(2)",
        "entity/A@sort(a)@before(1)",
        "entity/A@sort(a)@sort(a)",
        "entity/A@sort(a)x",
        "attribute/A",
        "attribute/A/",
        "attribute/A/a;b",
        "attribute/A/a,a",
        "attribute/A/a,M:a",
        "attribute/A/x:=*",
        "attribute/A/bin(v;4;0;10)",
        "attribute/A/n:=cnt(v)",
        "attribute/A/t:=trs(RID)",
        "attribute/A/n:=upper(v)",
        "attribute/A/a@sort(b)",
        "attributegroup/A/n:=cnt(v)",
        "attributegroup/A/a;cnt(v)",
        "attributegroup/A/a;",
        "attributegroup/A/a;a",
        "attributegroup/A/a;*",
        "attributegroup/A/a;t:=trs(v)",
        "attributegroup/A/a;n:=cnt(*)@sort(m)",
        "aggregate/A/cnt(v)",
        "aggregate/A/v",
        "aggregate/A/n:=v",
        "aggregate/A/n:=cnt(v),n:=cnt(w)",
        "aggregate/A/n:=cnt_d(*)",
        "aggregate/A/n:=min(*)",
        "aggregate/A/n:=cnt(v)@sort(n)",
        "aggregate/A/t:=trs(RID)",
        "attribute/A/h:=bin(v;0;0;10)",
        "attribute/A/h:=bin(v;-1;0;10)",
        "attribute/A/h:=bin(v;x;0;10)",
        "attribute/A/h:=bin(v;4;10;10)",
        "attribute/A/h:=bin(v;4;2026-02-01;2026-01-01)",
        "attribute/A/h:=bin(v;4;0)",
        "entity/A?limit=x",
        "entity/A?limit=",
        "entity/A?limit",
        "entity/A?limit=1.5",
        "entity/A?limit=99999999999999999999",
        "entity/A?limit=1&LIMIT=2",
        "entity/A?onconflict=replace",
        "entity/A?arrays=sql",
        "entity/A?accept=",
        "entity/A?download=a,b",
        "entity/A?defaults=a,,b",
        "entity/A?x=a+b",
        "entity/A?limit=1?limit=2",
    ],
)
def test_malformed_requests_are_bad_requests(text):
    with pytest.raises(BadRequest) as caught:
        parse_query(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("entity/A/S:A:c=1", Conflict),
        ("entity/A/X:c=1", UnknownName),
        ("entity/A/X:c=1/X:=B", UnknownName),
        ("entity/A/X:*::ts::w", UnknownName),
        ("attribute/A/X:*", UnknownName),
        ("aggregate/A/n:=cnt(X:*)", UnknownName),
        ("entity/A/(a,b)=(B:a,C:b)", Conflict),
        ("entity/A/(S:B:a,T:B:b)", Conflict),
        ("entity/A?limit=-1", Conflict),
    ],
)
def test_contradictions_are_conflicts(text, error):
    with pytest.raises(error) as caught:
        parse_query(text)
    assert caught.value.status == 409


def test_an_error_says_where_and_shows_the_place():
    with pytest.raises(BadRequest) as caught:
        parse_query("entity/A/x=a+b")
    assert caught.value.facts["position"] == 12
    line, caret = caught.value.message.splitlines()[1:3]
    assert line[caret.index("^")] == "+"
    assert "%2B" in str(caught.value)


def test_the_error_in_a_long_text_shows_only_its_surroundings():
    with pytest.raises(BadRequest) as caught:
        parse_query("entity/A/x=" + "a" * 16_000 + "+")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["(" * 16_384, "!(" * 8_192, "(a=1;" * 3_000])
def test_deep_nesting_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        parse_query(f"entity/A/{text}")


def test_sixteen_kibibytes_are_accepted():
    wide = "a=1;" * 4_096 + "b=2"
    assert len(parse_filter(wide).terms) == 4_097
    assert parse_query("entity/A/" + "/".join(["x=%2F"] * 3_000)).query


@pytest.mark.parametrize("separator", ["&", ";"])
def test_parameters_are_separated_by_either_mark(separator):
    text = separator.join(
        (
            "limit=7",
            "accept=application%2Fx-json-stream",
            "download=my%20rows",
            "arrays=json",
            "defaults=a,b%2C",
            "nondefaults=RID,RCT",
            "onconflict=skip",
            "uinit=1",
            "uinit=2",
            "cid=a:b",
        )
    )
    request = parse_query(f"entity/A?{text}")
    assert request.query.window.limit == 7
    assert request.options == Options(
        accept="application/x-json-stream",
        download="my rows",
        arrays="json",
        defaults=("a", "b,"),
        nondefaults=("RID", "RCT"),
        onconflict="skip",
    )


@pytest.mark.parametrize("text", ["", "?", "?limit=none", "?limit=NONE&"])
def test_no_limit_is_the_default(text):
    assert window(text).limit is None


def test_a_media_type_may_have_a_raw_slash():
    assert parse_query("entity/A?accept=text/csv").options.accept == "text/csv"


def test_before_with_after_or_with_a_limit_is_accepted():
    assert window("@sort(a)@before(1)?limit=3").before == ("1",)
    assert window("@sort(a)@after(1)@before(9)").after == ("1",)
