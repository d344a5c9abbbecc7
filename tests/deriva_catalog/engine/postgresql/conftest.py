"""A database for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import postgres


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Database]:
    with postgres.database() as made:
        yield made
