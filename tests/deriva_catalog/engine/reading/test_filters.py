import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deriva_catalog.path.ast import (
    AllOf,
    And,
    AnyOf,
    ColumnName,
    Comparison,
    EntityQuery,
    IsNull,
    Not,
    Operator,
    Or,
    Path,
    Restrict,
    Root,
    TableName,
)

B0, B2, B4, B6 = "1B0", "1B2", "1B4", "1B6"


@pytest.mark.parametrize(
    ("filter", "rids"),
    [
        ("name=", {B4}),
        ("name=Head%201", {B0}),
        ("!name=Head%201", {B2, B4}),
        ("name::null::", {B6}),
        ("!name::null::", {B0, B2, B4}),
        ("n::lt::5", {B4}),
        ("n::leq::5", {B0, B4}),
        ("n::gt::5", {B2}),
        ("n::geq::5", {B0, B2}),
        ("n::GEQ::5", {B0, B2}),
        ("size::lt::1", {B0, B6}),
        ("size::gt::1", {B2, B4}),
        ("size=NaN", {B4}),
        ("size=3", {B2}),
        ("valid=true", {B0}),
        ("!valid=t", {B2}),
        ("n=any(5,10)", {B0, B2}),
        ("n=any()", set()),
        ("n=all()", set()),
        ("!n=any()", {B0, B2, B4, B6}),
        ("n=all(5,10)", set()),
        ("n=all(5,05)", {B0}),
        ("n::gt::any(5,100)", {B2}),
        ("n::gt::all(-5,4)", {B0, B2}),
        ("n::lt::all(-5,4)", set()),
        ("n::lt::any(-5,4)", {B4}),
        ("n=5;n=10", {B0, B2}),
        ("n=5;n=10&name=x", {B0}),
        ("(n=5;n=10)&name=Head%201", {B0}),
        ("!(n=5;n=10)", {B4}),
        ("!(n=5&name=zzz)", {B0, B2, B4}),
        ("tags=b", {B2}),
        ("tags=any(a,b)", {B0, B2}),
        ("tags=all(a,b%20c)", {B0}),
        ("tags=all(a,b)", set()),
        ("tags=all(a,a,a,a,a,b%20c,a,a)", {B0}),
        ("!tags=b", {B0, B4}),
        ("tags::regexp::%5Eb", {B0, B2}),
        ("counts::gt::10", {B0}),
        ("counts=3", {B2}),
        ("info=null", {B2}),
        ("info::null::", {B4, B6}),
        ("!(info::null::;info=null)", {B0}),
        ("info=%7B%22k%22%3A1.0%7D", {B0}),
        ("raw=%7B%22a%22%3A2,%22b%22%3A1%7D".replace(",", "%2C"), {B0}),
        ("name::regexp::Head", {B0}),
        ("name::ciregexp::HEAD", {B0, B2}),
        ("name::regexp::%5Ehead.%2Bo%24", {B2}),
        ("name::ciregexp::any(one,TWO)", {B2}),
        ("name::ciregexp::all(head,1)", {B0}),
        ("name::ts::two%20head", {B2}),
        ("name::ts::tw", set()),
        ("n::regexp::%5E%28.*%5B%5E0-9.%5D%29%3F0*5%28%5B%5E0-9%5D.*%7C%24%29", {B0}),
        ("size::regexp::%5E3%24", {B2}),
        ("taken::regexp::05Z%24", {B0, B2}),
        ("day::regexp::2026-01", {B0}),
        ("took::lt::1%20day%2012:00:00".replace("12:00:00", "12%3A00%3A00"), {B2}),
        ("took=48%3A00%3A00", {B0}),
        ("*::ciregexp::HEAD", {B0, B2}),
        ("!*::ciregexp::HEAD", {B4, B6}),
        ("*::ciregexp::all(head,10)", {B2}),
        ("*::ciregexp::any(zzz,10)", {B2}),
        ("*::ts::head", {B0, B2}),
        ("taken=2026-01-02T04%3A04%3A05%2B01%3A00", {B2}),
        ("taken::gt::2026-01-02T03%3A04%3A05Z", {B0}),
    ],
)
def test_filters_select_the_rows_that_the_protocol_says(reader, filter, rids):
    assert reader.rids(f"entity/Image/{filter}") == rids


def test_lists_of_any_length_are_compared(reader):
    query = EntityQuery(
        Path(
            Root(TableName("Image")),
            (
                Restrict(
                    Comparison(ColumnName("n"), Operator.EQ, AnyOf(tuple(map(str, range(100_000)))))
                ),
            ),
        )
    )
    assert reader.rids(query) == {B0, B2}


def test_disjunctions_of_thousands_of_terms_are_compared(reader):
    terms = tuple(Comparison(ColumnName("n"), Operator.GT, str(i)) for i in range(9, 3000))
    query = EntityQuery(Path(Root(TableName("Image")), (Restrict(Or(terms)),)))
    assert reader.rids(query) == {B2}


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a$", "a\n", False),
        ("^[[:alpha:]]+$", "abc", True),
        (r"\mcat\M", "a cat sat", True),
        (r"[[:<:]]cat[[:>:]]", "concat", False),
        (r"\ycat\y", "a cat", True),
        ("a{e<=1}", "b", False),
        ("(?i)ABC", "abc", True),
        ("***=a.c", "abc", False),
        ("a.c", "a\nc", True),
        ("x{2,3}?y", "xxy", True),
        ("[]a]b", "]b", True),
        (r"1\.5\-2\/3", "1.5-2/3", True),
    ],
)
def test_patterns_have_the_meaning_of_postgresql(pattern, text, matches):
    from deriva_catalog.engine.regexps import compile_pattern

    assert bool(compile_pattern(pattern, False).search(text)) is matches


@pytest.mark.parametrize("pattern", ["(", "[a", "a**", "a*+", "(?P<x>a)", "\\", "\\q", "[[:foo:]]"])
def test_bad_patterns_are_conflicts(pattern):
    from deriva_catalog.engine.regexps import compile_pattern
    from deriva_catalog.errors import Conflict

    with pytest.raises(Conflict, match="regular expression"):
        compile_pattern(pattern, False)


# --- random filters against an evaluation in Python --------------------------------------

_NUMBERS = [None, -1, 0, 1, 2]
_TEXTS = [None, "", "a", "ab", "b"]
_LISTS = [None, [], ["a"], ["a", "b"], ["ab", None]]
_ROWS = [
    {"n": n, "name": _TEXTS[i % 5], "tags": _LISTS[(i + i // 5) % 5]}
    for i, n in enumerate(_NUMBERS * 5)
]
_LITERALS = {"n": ["-1", "0", "1", "3"], "name": ["a", "ab", "c"], "tags": ["a", "b", "zz"]}
_ORDER = [Operator.EQ, Operator.LT, Operator.LEQ, Operator.GT, Operator.GEQ]


@st.composite
def _terms(draw):
    name = draw(st.sampled_from(sorted(_LITERALS)))
    if draw(st.integers(0, 4)) == 0:
        return IsNull(ColumnName(name))
    literal = st.sampled_from(_LITERALS[name])
    values = st.lists(literal, max_size=3).map(tuple)
    operand = draw(st.one_of(literal, values.map(AnyOf), values.map(AllOf)))
    return Comparison(ColumnName(name), draw(st.sampled_from(_ORDER)), operand)


_FILTERS = st.recursive(
    _terms(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda t: And(tuple(t))),
        st.lists(inner, min_size=2, max_size=3).map(lambda t: Or(tuple(t))),
    ),
    max_leaves=6,
)


def _holds(operator, left, right):
    if left is None:
        return None
    match operator:
        case Operator.EQ:
            return left == right
        case Operator.LT:
            return left < right
        case Operator.LEQ:
            return left <= right
        case Operator.GT:
            return left > right
        case _:
            return left >= right


def _evaluate(term, row):
    """True, False or None for unknown."""
    match term:
        case IsNull(name):
            return row[name.name] is None
        case Not(inner):
            value = _evaluate(inner, row)
            return None if value is None else not value
        case And(terms):
            found = [_evaluate(t, row) for t in terms]
            return False if False in found else None if None in found else True
        case Or(terms):
            found = [_evaluate(t, row) for t in terms]
            return True if True in found else None if None in found else False
        case Comparison(name, operator, operand):
            literals = (operand,) if isinstance(operand, str) else operand.values
            if not literals:
                return False
            value = row[name.name]
            if value is None:
                return None
            convert = int if name.name == "n" else str
            elements = value if isinstance(value, list) else [value]
            each = [
                any(_holds(operator, e, convert(v)) for e in elements if e is not None)
                for v in literals
            ]
            return all(each) if isinstance(operand, AllOf) else any(each)
    raise AssertionError(term)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(filter=_FILTERS)
def test_random_filters_agree_with_an_evaluation_in_python(many_rows, filter):
    query = EntityQuery(Path(Root(TableName("Many")), (Restrict(filter),)))
    expected = {row["RID"] for row in many_rows.expected if _evaluate(filter, row) is True}
    compiled = many_rows.reader.compile(query)
    found = many_rows.reader.connection.execute(compiled.select).scalars().all()
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.fixture
def many_rows(reader_of):
    from types import SimpleNamespace

    from .conftest import make_table

    made = reader_of(
        make_table("1-M", "S", "Many", {"n": "int4", "name": "text", "tags": "text[]"})
    )
    rows = [{"RID": f"1M{i:02}", **row} for i, row in enumerate(_ROWS)]
    made.insert(
        "S:Many",
        *({**r, "tags": None if r["tags"] is None else json.dumps(r["tags"])} for r in rows),
    )
    return SimpleNamespace(reader=made, expected=rows)
