"""Columns of texts are converted as each of their texts would be alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deriva_catalog.engine.textrows import TextRows, encoded_texts
from deriva_catalog.errors import CatalogError
from deriva_catalog.model.elements import Column
from deriva_catalog.model.types import named_type, text_encoder

KINDS = {
    "text": st.text(max_size=5),
    "boolean": st.sampled_from(["t", "f", "True", "FALSE", "yes", "0", "1", "T", "maybe", ""]),
    "int2": st.integers(-40000, 40000).map(str),
    "int8": st.one_of(
        st.integers(-(2**65), 2**65).map(str),
        st.sampled_from(["+1", " 1", "1_0", "-", "１", "1.0"]),
    ),
    "float8": st.one_of(
        st.floats().map(repr),
        st.sampled_from(["1e999", "1_0", ".5", "5.", "inf", "NaN", "e1", "-"]),
    ),
    "float4": st.floats(width=32).map(repr),
    "date": st.one_of(st.dates().map(str), st.sampled_from(["2026-02-30", "20260101", "x"])),
    "timestamptz": st.one_of(
        st.datetimes().map(lambda when: f"{when}+00"),
        st.datetimes().map(lambda when: f"{when.isoformat()}+00:00"),
        st.sampled_from(["2026-01-01", "2026-01-01 24:00:00+00", "2026-01-01 00:00:00+02", "x"]),
    ),
    "timestamp": st.one_of(
        st.datetimes().map(str),
        st.datetimes().map(lambda when: when.isoformat()),
        st.sampled_from(["2026-01-01", "2026-01-01 00:00:00+02", "2026-01-01 24:00:00"]),
    ),
    "jsonb": st.sampled_from(["null", "{}", '{"b":1,"a":[1.0]}', "{", "NaN", '"x"']),
    "color_rgb_hex": st.sampled_from(["#00AAFF", "#00aaff", "red"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_what_its_texts_are(kind: str) -> None:
    column_type = named_type(kind)
    column = Column("1A", "c", column_type)
    encode = text_encoder(column_type, "c")

    @given(st.lists(st.none() | KINDS[kind], max_size=6))
    @example([])
    @example([None])
    def check(texts: list[str | None]) -> None:
        try:
            expected = [None if text is None else encode(text) for text in texts]
        except CatalogError as error:
            with pytest.raises(type(error)):
                encoded_texts(column, texts)
        else:
            found = encoded_texts(column, texts)
            assert [repr(value) for value in found] == [repr(value) for value in expected]

    check()


def test_rows_of_texts_are_a_sequence_of_rows() -> None:
    rows = TextRows({"a": ["1", None, "3"], "b": ["x", "y", "z"]}, 3)
    assert list(rows) == [{"a": "1", "b": "x"}, {"a": None, "b": "y"}, {"a": "3", "b": "z"}]
    assert rows[-1] == {"a": "3", "b": "z"}
    assert list(rows[1:]) == list(rows)[1:]
    assert list(rows.chosen([2, 0])) == [rows[2], rows[0]]
    assert list(rows.column("nothing")) == [None] * 3
    with pytest.raises(IndexError):
        _ = rows[3]
