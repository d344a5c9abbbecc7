import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog import rid
from deriva_catalog.errors import BadRequest

SIGNED = st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-1, "Z-ZZZZ-ZZZZ-ZZZY"),
        (-2208988800000000, "Z-ZW2D-VXQ8-DG00"),
        (1924950896789012, "3DD-EWED-7318"),
    ],
)
def test_published_examples_encode_and_decode(number, text):
    assert rid.encode(number) == text
    assert rid.decode(text) == number


@given(SIGNED)
def test_every_64_bit_number_round_trips(number):
    text = rid.encode(number)
    assert rid.decode(text) == number
    assert rid.normalize(text) == text
    assert rid.is_canonical(text)


@given(SIGNED)
def test_case_and_dashes_do_not_matter(number):
    text = rid.encode(number)
    assert rid.normalize(text.lower().replace("-", "")) == text


@given(st.integers(0, 3000) | st.integers(0, 1 << 62), st.integers(0, 1500))
def test_a_range_is_its_numbers_one_by_one(first, count):
    assert rid.encode_range(first, count) == [rid.encode(n) for n in range(first, first + count)]


def test_the_last_range_ends_at_the_largest_number():
    assert rid.encode_range((1 << 63) - 3, 3)[-1] == rid.encode((1 << 63) - 1)
    with pytest.raises(BadRequest, match="outside"):
        rid.encode_range((1 << 63) - 3, 4)


def test_negative_ranges_are_refused():
    with pytest.raises(BadRequest, match="outside"):
        rid.encode_range(-1, 2)


@pytest.mark.parametrize(("text", "canonical"), [("1tj", "1TJ"), ("1T-J", "1TJ"), ("oI2", "12")])
def test_loose_spellings_become_canonical(text, canonical):
    assert rid.normalize(text) == canonical
    assert not rid.is_canonical(text)


@pytest.mark.parametrize("text", ["", "-", "1U0", "1 0", "é", "Z" * 14, "1000000000000000000"])
def test_other_text_is_no_identifier(text):
    with pytest.raises(BadRequest, match="Invalid identifier"):
        rid.decode(text)


def test_an_odd_last_symbol_is_a_typing_error_in_a_rid():
    with pytest.raises(BadRequest, match="typing error"):
        rid.normalize("1TK")
    assert rid.decode("1TK") == rid.decode("1TJ")


def test_numbers_beyond_64_bits_are_refused():
    with pytest.raises(BadRequest, match="64 bits"):
        rid.encode(1 << 63)


@given(st.text("0123456789ABCIOYZ-", max_size=16))
def test_what_is_spelled_well_is_what_encoding_gives(text):
    try:
        expected = rid.encode(rid.decode(text))
    except BadRequest:
        expected = None
    assert rid.is_canonical(text) == (expected == text)
