"""Rows on their way to a server."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal

import numpy as np
import pytest

from deriva_catalog.catalog.remote.rowtext import rows_content
from deriva_catalog.errors import BadRequest


def sent(*rows: dict[str, object]) -> list[dict[str, object]]:
    content = rows_content(rows)
    whole: list[dict[str, object]] = json.loads(
        content if isinstance(content, bytes) else b"".join(content)
    )
    return whole


@pytest.mark.parametrize(
    ("value", "stands"),
    [
        ("ü🦉", "ü🦉"),
        (2**60, 2**60),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ([1.5, math.inf], [1.5, "inf"]),
        (Decimal("2"), 2),
        (Decimal("2.5"), 2.5),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (dt.timedelta(days=1, seconds=2), "1 day 00:00:02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
    ],
)
def test_values_of_python_and_numpy_are_sent_as_json(value: object, stands: object) -> None:
    assert sent({"c": value}) == [{"c": stands}]


@pytest.mark.parametrize("count", [0, 1, 2_000, 2_001, 4_321])
def test_any_number_of_rows_is_one_array(count: int) -> None:
    assert sent(*({"n": n} for n in range(count))) == [{"n": n} for n in range(count)]


def test_many_rows_are_made_on_the_way() -> None:
    assert not isinstance(rows_content([{"n": 1}] * 3_000), bytes)


@pytest.mark.parametrize("value", [object(), {"a": math.nan}, "\ud800"])
def test_what_json_has_not_is_refused_by_its_column(value: object) -> None:
    with pytest.raises(BadRequest, match="column 'c'"):
        sent({"c": value})


def test_a_row_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(BadRequest, match="mapping"):
        rows_content([math.nan])  # type: ignore[list-item]
