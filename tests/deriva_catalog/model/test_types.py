import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.errors import BadRequest, Conflict
from deriva_catalog.model.types import (
    are_comparable,
    array_of,
    encoder,
    function_allowed,
    named_type,
    parse_type,
    read_type,
    text_encoder,
    type_document,
)

NAMES = [
    "boolean",
    "int2",
    "int4",
    "int8",
    "serial2",
    "serial4",
    "serial8",
    "float4",
    "float8",
    "text",
    "date",
    "timestamptz",
    "timestamp",
    "time",
    "timetz",
    "interval",
    "json",
    "jsonb",
    "uuid",
    "longtext",
    "markdown",
    "gene_sequence",
    "color_rgb_hex",
    "ermrest_uri",
    "ermrest_curie",
    "ermrest_rid",
    "ermrest_rcb",
    "ermrest_rmb",
    "url",
    "uri",
    "curie",
    "ermrest_rct",
    "ermrest_rmt",
]


def enc(typename, value, column=None):
    return encoder(parse_type(typename), column)(value)


def lit(typename, text):
    return text_encoder(parse_type(typename))(text)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_round_trips_through_its_document(name):
    column_type = parse_type({"typename": name})
    assert read_type(type_document(column_type)) == column_type
    assert parse_type(type_document(column_type)) == column_type
    assert encoder(column_type)(None) is None


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("serial")])
def test_every_array_round_trips_through_its_document(name):
    column_type = parse_type(f"{name}[]")
    document = type_document(column_type)
    assert document["is_array"] is True
    assert parse_type(document) == read_type(document) == column_type
    assert encoder(column_type)([]) == "[]"
    assert encoder(column_type)([None]) == "[null]"


def test_domains_show_their_base():
    assert type_document(named_type("markdown")) == {
        "typename": "markdown",
        "is_domain": True,
        "base_type": {"typename": "text"},
    }


@pytest.mark.parametrize(
    ("alias", "name"),
    [("bool", "boolean"), ("int", "int4"), ("bigserial", "serial8"), ("real", "float4")],
)
def test_aliases_become_canonical(alias, name):
    assert parse_type(alias).typename == name


def test_unsupported_types_are_a_conflict_with_near_misses():
    with pytest.raises(Conflict, match='Unsupported type "numeric"'):
        parse_type({"typename": "numeric"})
    with pytest.raises(Conflict, match="Did you mean 'int"):
        parse_type("int3")
    with pytest.raises(Conflict, match="Use text, int4"):
        parse_type("varchar")
    with pytest.raises(Conflict, match="one dimension"):
        parse_type("text[][]")


@pytest.mark.parametrize("document", [{}, {"typename": 3}, 7, {"typename": "x", "is_array": True}])
def test_documents_that_are_no_types_are_bad(document):
    with pytest.raises(BadRequest):
        parse_type(document)


def test_foreign_types_can_be_read():
    assert read_type({"typename": "numeric"}).storage == "numeric"


@pytest.mark.parametrize(
    ("typename", "value", "stored"),
    [
        ("int4", 5, 5),
        ("int4", "12", 12),
        ("int4", 3.0, 3),
        ("int4", np.int64(7), 7),
        ("int8", Decimal(9), 9),
        ("serial2", -32768, -32768),
        ("float8", 1, 1.0),
        ("float8", float("nan"), "NaN"),
        ("float8", "-inf", "-Infinity"),
        ("float8", np.float32(0.5), 0.5),
        ("float4", 0.1, 0.1),
        ("float4", 0.123456789, 0.12345679),
        ("boolean", "t", True),
        ("boolean", 0, False),
        ("boolean", np.True_, True),
        ("text", "käse", "käse"),
        ("text", 5, "5"),
        ("text", True, "true"),
        ("date", "2026-11-20", "2026-11-20"),
        ("date", dt.date(2026, 11, 20), "2026-11-20"),
        ("date", "2026-11-20T10:00:00", "2026-11-20"),
        ("timestamptz", "2026-11-20 21:08:50.500+01", "2026-11-20T20:08:50.5+00:00"),
        ("timestamptz", "2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("timestamptz", "2026-11-20t21:08:50z", "2026-11-20T21:08:50+00:00"),
        ("timestamptz", np.datetime64("2026-11-20T01:02:03", "ns"), "2026-11-20T01:02:03+00:00"),
        ("timestamp", dt.datetime(2026, 1, 2, 3, 4, 5, 120), "2026-01-02T03:04:05.00012"),
        ("time", "12:30", "12:30:00"),
        ("timetz", "01:30:00+02:00", "23:30:00+00:00"),
        ("interval", dt.timedelta(days=1, seconds=5), "1 day 00:00:05"),
        ("interval", "P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
        ("interval", "3 hours 5 min ago", "-03:05:00"),
        ("json", {"b": 1, "a": [None, "ü"]}, '{"b":1,"a":[null,"ü"]}'),
        ("jsonb", {"bb": 1, "a": 2}, '{"a":2,"bb":1}'),
        ("json", {"when": dt.date(2026, 1, 2)}, '{"when":"2026-01-02"}'),
        ("uuid", "{5E8DD9B3-7FC9-4FF4-9B6A-0F6F0F0C3C55}", "5e8dd9b3-7fc9-4ff4-9b6a-0f6f0f0c3c55"),
        ("color_rgb_hex", "#00AAff", "#00AAff"),
        ("text[]", ["a", None, "é"], '["a",null,"é"]'),
        ("int4[]", np.array([1, 2]), "[1,2]"),
        ("jsonb[]", [{"b": 1}, None, [2]], '[{"b":1},null,[2]]'),
        ("float8[]", [float("inf"), 1], '["Infinity",1.0]'),
    ],
)
def test_values_become_canonical(typename, value, stored):
    result = enc(typename, value)
    assert result == stored
    assert type(result) is type(stored)


@pytest.mark.parametrize(
    ("typename", "value"),
    [
        ("int2", 32768),
        ("int4", True),
        ("int4", 1.5),
        ("int8", "1_000"),
        ("int8", 1 << 63),
        ("int4", float("nan")),
        ("float8", "abc"),
        ("float8", "1e999"),
        ("float8", False),
        ("float4", 1e39),
    ],
)
def test_bad_numbers_are_bad_requests(typename, value):
    with pytest.raises(BadRequest, match=f"Invalid {typename}: "):
        enc(typename, value)


@pytest.mark.parametrize(
    ("typename", "value"),
    [
        ("boolean", "maybe"),
        ("boolean", 2),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("text", ["a"]),
        ("text", float("nan")),
        ("date", "2026-02-30"),
        ("date", 20260101),
        ("timestamptz", "2026-11-20x21:08:50"),
        ("timestamptz", "0001-01-01T00:00:00+14:00"),
        ("timestamptz", "infinity"),
        ("timestamp", "99999-01-01"),
        ("time", "25:00"),
        ("interval", "3 parsecs"),
        ("interval", ""),
        ("interval", "9" * 400 + " days"),
        ("json", float("nan")),
        ("json", {"a": "\0"}),
        ("json", object()),
        ("jsonb", "\ud800"),
        ("uuid", "123"),
        ("color_rgb_hex", "#00aaf"),
        ("text[]", "a"),
        ("text[]", [["a"]]),
    ],
)
def test_other_bad_values_are_conflicts(typename, value):
    with pytest.raises(Conflict, match="Invalid ") as caught:
        enc(typename, value)
    assert str(caught.value).encode()  # it can be printed, whatever the value


def test_messages_follow_the_protocol_and_name_the_column():
    with pytest.raises(BadRequest) as caught:
        enc("serial4", "abc", "Count")
    assert caught.value.message == 'Invalid serial4: "abc"'
    assert "'Count' takes a whole number from -2147483648" in caught.value.hint
    assert caught.value.facts["column"] == "Count"


def test_a_backslash_before_u0000_is_not_a_nul():
    assert enc("json", "\\u0000") == '"\\\\u0000"'


def test_members_of_enumerations_are_their_values():
    class Colour(Enum):
        RED = "red"

    class Size(int, Enum):
        BIG = 3

    assert enc("text", Colour.RED) == "red"
    assert enc("int4", Size.BIG) == 3
    assert type(enc("int4", Size.BIG)) is int


@pytest.mark.parametrize(
    ("typename", "text", "stored"),
    [
        ("int4", "-7", -7),
        ("boolean", "yes", True),
        ("boolean", "f", False),
        ("float8", "NaN", "NaN"),
        ("timestamptz", "2026-11-20 21:08:50.362572+00", "2026-11-20T21:08:50.362572+00:00"),
        ("json", "null", "null"),
        ("jsonb", '{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ("text[]", '{a,"b c",NULL,"NULL","x\\"y"}', '["a","b c",null,"NULL","x\\"y"]'),
        ("text[]", "{}", "[]"),
        ("int4[]", "[1, null]", "[1,null]"),
        ("jsonb[]", '{1,"{\\"a\\": 2}",NULL}', '[1,{"a":2},null]'),
        ("text", "", ""),
    ],
)
def test_text_forms_become_canonical(typename, text, stored):
    assert lit(typename, text) == stored


@pytest.mark.parametrize(
    ("typename", "text"),
    [("json", "{"), ("text[]", "{a"), ("text[]", '{"a}'), ("text[]", "{a,}"), ("text[]", "{{a}}")],
)
def test_malformed_text_is_a_conflict(typename, text):
    with pytest.raises(Conflict, match="Invalid "):
        lit(typename, text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
VALUES = {
    "int8": st.integers(-(1 << 63), (1 << 63) - 1),
    "float8": st.floats(),
    "float4": st.floats(width=32),
    "boolean": st.booleans(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "date": st.dates(),
    "timestamptz": st.datetimes(timezones=st.just(dt.UTC)),
    "timestamp": st.datetimes(),
    "time": st.times(),
    "timetz": st.times(),
    "interval": st.timedeltas(),
    "uuid": st.uuids(),
}


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda n: st.tuples(st.just(n), VALUES[n])))
def test_encoders_leave_canonical_values_alone(case):
    typename, value = case
    stored = enc(typename, value)
    assert enc(typename, stored) == stored
    if typename != "text":
        assert lit(typename, str(stored)) == stored


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_is_kept(value):
    assert np.float32(enc("float4", value)) == np.float32(value)


@given(JSON)
def test_json_survives(value):
    for typename in ("json", "jsonb"):
        stored = enc(typename, value)
        if value is not None:
            assert json.loads(stored) == value
            assert enc(typename, json.loads(stored)) == stored


def test_json_nests_so_deep_and_no_deeper():
    def nested(levels, inner=1):
        for _ in range(levels):
            inner = [inner]
        return inner

    assert enc("jsonb", nested(256)) is not None
    assert enc("jsonb", {"text": "[" * 500, "list": [[]] * 500}) is not None  # wide, not deep
    for levels in (257, 980, 100_000):
        with pytest.raises(Conflict, match="at most 256 levels"):
            enc("jsonb", nested(levels))


@given(st.dictionaries(st.text("ab", max_size=3), st.integers(), max_size=4))
def test_equal_jsonb_objects_are_equal_texts(value):
    assert enc("jsonb", dict(reversed(value.items()))) == enc("jsonb", value)


def test_every_float_prints_as_itself():
    assert math.isclose(enc("float8", 0.1), 0.1, rel_tol=0)


def test_functions_follow_the_kinds_of_types():
    assert function_allowed("avg", named_type("int2"))
    assert not function_allowed("sum", named_type("text"))
    assert function_allowed("min", array_of(named_type("date")))
    assert not function_allowed("max", named_type("jsonb"))
    assert not function_allowed("max", named_type("boolean"))


def test_comparable_types_share_a_kind():
    assert are_comparable(named_type("int2"), named_type("serial8"))
    assert are_comparable(named_type("text"), named_type("ermrest_curie"))
    assert not are_comparable(named_type("text"), named_type("int4"))
    assert not are_comparable(named_type("date"), named_type("timestamptz"))


def test_uuid_objects_are_text_for_text_columns():
    value = uuid.UUID(int=1)
    assert enc("text", value) == enc("uuid", value) == str(value)
