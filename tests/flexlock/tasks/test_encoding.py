"""Values of a configuration reach another process unchanged."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexlock.tasks.encoding import decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Colour(enum.Enum):
    RED = "r"


@given(PLAIN)
def test_plain_values_come_back(value: object) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        Path("a/b"),
        PureWindowsPath("C:/a"),
        Decimal("1.5"),
        {1: "a", (1, 2): "b"},
        {"!path": 1},
        [b"x", {"a": Path("c")}],
    ],
)
def test_other_values_come_back_as_what_they_were(value: object) -> None:
    again = decode(encode(value))
    assert again == value
    assert type(again) is type(value)


def test_members_of_an_enumeration_are_the_same_object() -> None:
    assert decode(encode(Colour.RED)) is Colour.RED


def test_plain_values_are_plain_json() -> None:
    assert json.loads(encode({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
