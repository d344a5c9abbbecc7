from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog import snaptime
from deriva_catalog.errors import BadRequest

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS)
def test_moments_round_trip_through_every_form(when):
    microseconds = snaptime.from_datetime(when)
    assert snaptime.to_datetime(microseconds) == when
    assert snaptime.parse(snaptime.encode(microseconds)) == microseconds
    assert snaptime.parse(snaptime.to_iso(microseconds)) == microseconds
    assert snaptime.parse(when) == microseconds


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-11-20T21:08:50.362572+00:00", "2026-11-20T21:08:50.362572+00:00"),
        ("2026-11-20T21:08:50.500000Z", "2026-11-20T21:08:50.5+00:00"),
        ("2026-11-20T21:08:50.000000Z", "2026-11-20T21:08:50+00:00"),
        ("2026-11-20 22:08:50.362570+01", "2026-11-20T21:08:50.36257+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
    ],
)
def test_iso_output_is_utc_without_trailing_zeros(text, canonical):
    assert snaptime.to_iso(snaptime.parse(text)) == canonical


def test_a_time_without_zone_is_utc():
    naive = datetime(2026, 11, 20, 21, 8, 50)
    assert snaptime.parse(naive) == snaptime.parse("2026-11-20T21:08:50Z")


def test_zones_are_converted():
    zone = timezone(timedelta(hours=-8))
    assert snaptime.to_iso(snaptime.from_datetime(datetime(2026, 1, 1, tzinfo=zone))) == (
        "2026-01-01T08:00:00+00:00"
    )


def test_published_example_decodes():
    assert snaptime.to_iso(snaptime.parse("3DD-EWED-7318")) == "2030-12-31T12:34:56.789012+00:00"


@pytest.mark.parametrize(
    "text", ["", "yesterday!", "2026-13-01", "2026-11-20T25:00", "1U2", 5, date(2026, 1, 1)]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(BadRequest, match="Invalid"):
        snaptime.parse(text)


def test_times_outside_the_calendar_have_no_iso_form():
    with pytest.raises(BadRequest, match="outside the years"):
        snaptime.to_iso((1 << 63) - 1)


def test_the_clock_is_in_microseconds():
    assert snaptime.to_datetime(snaptime.now()).year >= 2024
