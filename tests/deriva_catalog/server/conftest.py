"""One service for the tests of a module, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog_server import HttpClient, Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running service."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def kim(served: Served) -> HttpClient:
    """Somebody who is logged in."""
    return served.client("https://lab.example/kim", groups=["https://lab.example/group/staff"])


@pytest.fixture(scope="module")
def nobody(served: Served) -> HttpClient:
    """Somebody who is not."""
    return served.client()
