"""Printing and parsing are inverse, for trees with hostile names and for hostile text."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deriva_catalog.errors import BadRequest, Conflict
from deriva_catalog.path import ast
from deriva_catalog.path.check import check_query
from deriva_catalog.path.filters import normal
from deriva_catalog.path.parser import parse_filter, parse_path, parse_query
from deriva_catalog.path.printer import print_filter, print_path, print_query

KEYWORDS = "any all left right full sort after before cnt bin trs null lt desc limit none * . .."
HOSTILE = st.sampled_from(
    [*KEYWORDS.split(), "a/b", "a:b", ":=", "::null::", "50%", "%20", "a b", "a+b", "'", '"', "?"]
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = (
    HOSTILE
    | st.text(CHARACTERS, min_size=1, max_size=5)
    | st.text("/:,&;()%+ é", min_size=1, max_size=8)
    | st.just("n" * 70)
)
LITERALS = st.just("") | NAMES
ALIASES = ("M", "T 1", "any", "é:*")

LOCAL = st.builds(ast.ColumnName, NAMES, st.none() | st.sampled_from(ALIASES))
FULL = LOCAL | st.builds(ast.ColumnName, NAMES, NAMES, NAMES)
STARS = st.builds(ast.Star, st.none() | st.sampled_from(ALIASES))
LISTS = st.lists(NAMES, max_size=3).map(tuple)
OPERANDS = LITERALS | st.builds(ast.AnyOf, LISTS) | st.builds(ast.AllOf, LISTS)
SEARCHES = st.sampled_from([ast.Operator.REGEXP, ast.Operator.CIREGEXP, ast.Operator.TS])
LEAVES = (
    st.builds(ast.Comparison, LOCAL, st.sampled_from(ast.Operator), OPERANDS)
    | st.builds(ast.Comparison, STARS, SEARCHES, OPERANDS)
    | st.builds(ast.IsNull, LOCAL)
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(ast.Not, inner)
        | st.builds(ast.And, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(ast.Or, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
NORMAL_FILTERS = FILTERS.map(normal)
TABLES = st.builds(ast.TableName, NAMES, st.none() | NAMES)
OUTER = st.none() | st.sampled_from(ast.Outer)


@st.composite
def links(draw):
    kind = draw(st.sampled_from(["table", "endpoint", "explicit"]))
    if kind == "table":
        return ast.TableLink(draw(TABLES))
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    table = draw(TABLES)
    right = tuple(ast.ColumnName(n, table.name, table.schema) for n in names)
    if kind == "endpoint":
        return ast.EndpointLink(right, draw(OUTER))
    left = tuple(ast.ColumnName(draw(NAMES)) for _ in names)
    return ast.ExplicitLink(left, right, draw(OUTER))


STEPS = links() | st.builds(ast.Restrict, NORMAL_FILTERS)
RESETS = st.builds(ast.Reset, st.sampled_from(ALIASES))
JOINS = tuple(ast.TableLink(ast.TableName("B"), alias) for alias in ALIASES[1:])
PATHS = st.builds(
    lambda table, steps: ast.Path(ast.Root(table, ALIASES[0]), (*JOINS, *steps)),
    TABLES,
    st.lists(STEPS | RESETS, max_size=4),
)
BINS = st.builds(ast.Bin, FULL, st.just("4"), st.just("-1.5"), st.just("2e3"))
CALLS = st.builds(ast.Aggregate, st.sampled_from(ast.Function), FULL) | st.builds(
    ast.Aggregate, st.sampled_from([ast.Function.CNT, ast.Function.ARRAY_D]), STARS
)
RIGHTS = st.builds(
    lambda f, alias: ast.Rights(f, ast.ColumnName("RID", alias)),
    st.sampled_from(ast.RightsFunction),
    st.sampled_from(ALIASES),
)


@st.composite
def queries(draw):
    path = draw(PATHS)
    outputs = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    limit = draw(st.none() | st.integers(0, 2**63 - 1))
    kind = draw(st.sampled_from(["entity", "attribute", "group", "aggregate"]))
    if kind == "aggregate":
        return ast.AggregateQuery(path, tuple(ast.Item(draw(CALLS), o) for o in outputs), limit)
    sort = [ast.SortKey(name, draw(st.booleans())) for name in draw(st.permutations(outputs))]
    values = st.none() | st.lists(st.none() | LITERALS, min_size=len(sort), max_size=len(sort))
    after = draw(values)
    before = draw(values) if after is not None or limit is not None else None
    window = ast.Window(
        tuple(sort),
        None if after is None else tuple(after),
        None if before is None else tuple(before),
        limit,
    )
    if kind == "entity":
        return ast.EntityQuery(path, window)
    items = tuple(ast.Item(draw(FULL | BINS), o) for o in outputs)
    if kind == "attribute":
        stars = tuple(ast.Item(s) for s in draw(st.lists(STARS, max_size=1)))
        return ast.AttributeQuery(path, items + stars, window)
    more = tuple(ast.Item(draw(CALLS | RIGHTS | FULL | BINS), o) for o in outputs[1:])
    return ast.AttributeGroupQuery(path, items[:1], more, window)


@settings(max_examples=80, deadline=None)
@given(queries())
def test_a_printed_query_reads_back_as_itself(query):
    check_query(query)
    text = print_query(query)
    assert text.isascii()
    assert parse_query(text).query == query
    assert print_query(parse_query(text).query) == text


@settings(max_examples=80, deadline=None)
@given(FILTERS)
def test_a_printed_filter_reads_back_in_normal_form(filter):
    text = print_filter(filter)
    assert parse_filter(text) == normal(filter)
    assert print_filter(normal(filter)) == text


@settings(max_examples=60, deadline=None)
@given(PATHS)
def test_a_printed_path_reads_back_as_itself(path):
    assert parse_path(print_path(path)) == path


PIECES = st.sampled_from(
    [*"/():;,=@&!$?*%+", "::", ":=", "::null::", "any(", "left(", "@sort(", "a", "M", "%2F", "é"]
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["", "entity/A", "attribute/M:=A/", "attributegroup/A/", "aggregate/A/n:="]),
    st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=12),
)
@example("entity/A/", "\ud800")
@example("entity/A?limit=", "-0")
def test_hostile_text_is_either_read_or_refused(start, rest):
    try:
        query = parse_query(start + rest).query
    except (BadRequest, Conflict):
        return
    text = print_query(query)
    assert parse_query(text).query == query


def test_printing_uses_the_fewest_parentheses():
    assert print_filter(parse_filter("((a=1)&((b=2)));((c=3))")) == "a=1&b=2;c=3"
    assert print_filter(parse_filter("!((a=1))&(b=1;c=2)")) == "!a=1&(b=1;c=2)"


def test_half_a_surrogate_pair_cannot_be_printed():
    with pytest.raises(BadRequest, match="surrogate"):
        print_path(ast.Path(ast.Root(ast.TableName("\ud800"))))


@pytest.mark.parametrize(
    "path",
    [
        ast.Path(ast.Root(ast.TableName(""))),
        ast.Path(ast.Root(ast.TableName("A"), "")),
        ast.Path(ast.Root(ast.TableName("a\0b"))),
        ast.Path(ast.Root(ast.TableName("A")), (ast.EndpointLink(()),)),
        ast.Path(ast.Root(ast.TableName("A")), (ast.Restrict(ast.And(())),)),
        ast.Path(
            ast.Root(ast.TableName("A")),
            (ast.Restrict(ast.IsNull(ast.ColumnName("c", None, "S"))),),
        ),
        ast.Path(
            ast.Root(ast.TableName("A")),
            (ast.Restrict(ast.Comparison(ast.ColumnName("c"), ast.Operator.EQ, ast.AnyOf(("",)))),),
        ),
    ],
)
def test_trees_that_no_text_can_spell_are_refused(path):
    with pytest.raises(BadRequest):
        check_query(ast.EntityQuery(path))
