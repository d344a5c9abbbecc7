"""A service with its own objects, whose user opened the namespace ``/hatrac/ns`` to clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.catalog.opening import default_client

OPEN = ("create", "subtree-create", "subtree-update", "subtree-read")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for the tests of a module, which use names of their own."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        root = running.client(default_client())
        made = root.put("/hatrac/ns", content_type="application/x-hatrac-namespace")
        assert made.status == 201
        for access in OPEN:
            assert root.put(f"/hatrac/ns;acl/{access}", ["kim", "lee"]).status == 204
        yield running


@pytest.fixture(scope="module")
def root(served: Served) -> HttpClient:
    """The user whose service it is."""
    return served.client(default_client())


@pytest.fixture(scope="module")
def kim(served: Served) -> HttpClient:
    """A client that may write below ``/hatrac/ns``."""
    return served.client("kim")


@pytest.fixture(scope="module")
def lee(served: Served) -> HttpClient:
    """Another such client."""
    return served.client("lee")


@pytest.fixture(scope="module")
def max_(served: Served) -> HttpClient:
    """A client that has no right in particular."""
    return served.client("max")


@pytest.fixture(scope="module")
def nobody(served: Served) -> HttpClient:
    """An anonymous client."""
    return served.client()


@pytest.fixture
def name(tmp_path: Path) -> str:
    """The name of an object that nobody has used."""
    return f"/hatrac/ns/{tmp_path.name}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for a service of a test's own."""
    return tmp_path / "home"
