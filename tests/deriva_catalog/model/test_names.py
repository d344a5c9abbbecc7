import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.errors import BadRequest
from deriva_catalog.model import names


def test_default_names_follow_the_protocol():
    assert names.key_name("B", ["RID"]) == "B_RID_key"
    assert names.foreign_key_name("B", ["a", "b"]) == "B_a_b_fkey"


@given(st.text(min_size=1, max_size=100), st.text(min_size=1, max_size=100))
def test_shortened_names_fit_and_differ(one, other):
    one, other = one.encode("utf-8", "replace").decode(), other.encode("utf-8", "replace").decode()
    short = names.shorten(one * 2)
    assert len(short.encode()) <= names.MAX_NAME_BYTES
    assert names.shorten(one * 2) == short
    assert (names.shorten(other * 2) == short) == (one == other)


def test_a_long_name_keeps_its_beginning():
    assert names.shorten("x" * 64) == "x" * 54 + "_c1bb4f81"


@pytest.mark.parametrize("name", ["", None, 3, "x" * 64, "é" * 32, "a\0b", "\ud800"])
def test_names_that_no_store_can_keep_are_refused(name):
    with pytest.raises(BadRequest, match="name"):
        names.check_name(name, "table")


@pytest.mark.parametrize("name", ["x" * 63, "a/b:c", " ", "表", "'\"--"])
def test_hostile_names_are_names(name):
    assert names.check_name(name, "table") == name
