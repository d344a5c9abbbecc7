"""What is called canonical as a batch is just what the encoders leave as it is."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.errors import CatalogError
from deriva_catalog.model.batches import all_canonical
from deriva_catalog.model.elements import ColumnType
from deriva_catalog.model.types import encoder, parse_type

TYPES = ("int2", "int8", "serial4", "float4", "float8", "boolean", "text", "color_rgb_hex")
TYPES += ("date", "timestamp", "timestamptz", "json", "text[]", "uuid")
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.dates().map(str),
    st.datetimes().map(lambda when: when.isoformat()),
    st.datetimes().map(lambda when: when.replace(microsecond=0).isoformat() + "+00:00"),
    st.datetimes().map(lambda when: when.isoformat(" ")),
    st.sampled_from(["NaN", "#00aaff", "2026-01-01", "20260101", "2026-01-01T10:00:00.500000"]),
    st.sampled_from(["\ud800", "a\0b", "2026-01-01T10:00:00Z", "24:00", ""]),
)


@given(st.sampled_from(TYPES), st.lists(CELLS, max_size=4))
def test_a_canonical_batch_is_left_unchanged_by_the_encoder(
    typename: str, values: list[Any]
) -> None:
    kind = parse_type(typename)
    if not all_canonical(kind, values):
        return
    encoded = [encoder(kind)(value) for value in values]
    assert [(type(v), v) for v in encoded] == [(type(v), v) for v in values]


@pytest.mark.parametrize(
    ("typename", "values"),
    [
        ("int4", [1, None, -(2**31)]),
        ("float8", [1.5, None, -0.0]),
        ("boolean", [True, None, False]),
        ("text", ["", None, "größer"]),
        ("date", ["2026-11-24", None]),
        ("timestamptz", ["2026-11-24T10:00:00+00:00", None]),
        ("timestamptz", ["2026-11-24T10:00:00.25+00:00", "2026-11-24T10:00:00.000001+00:00"]),
        ("timestamp", ["2026-11-24T10:00:00"]),
        ("text", []),
        ("int4", [None]),
    ],
)
def test_ordinary_batches_are_recognised(typename: str, values: list[Any]) -> None:
    assert all_canonical(parse_type(typename), values)


@pytest.mark.parametrize(
    ("typename", "value"),
    [
        ("int2", 32768),
        ("float8", float("nan")),
        ("float8", float("inf")),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("color_rgb_hex", "red"),
        ("date", "2026-13-01"),
        ("date", "2026-11-24\n2026-11-25"),
        ("timestamp", "2026-11-24T24:00:00"),
        ("timestamp", "2026-11-24T10:00:00.50"),
        ("timestamptz", "2026-11-24T10:00:00"),
        ("timestamptz", "2026-11-24T10:00:00+02:00"),
    ],
)
def test_what_an_encoder_refuses_or_changes_is_never_canonical(typename: str, value: Any) -> None:
    kind: ColumnType = parse_type(typename)
    assert not all_canonical(kind, [value])
    with contextlib.suppress(CatalogError):
        assert encoder(kind)(value) != value
