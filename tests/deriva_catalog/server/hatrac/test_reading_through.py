"""Objects of catalogs, found at ``/hatrac``: only those that have something are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import postgres
from catalog_server import Served, serving
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.objects import Upload
from deriva_catalog.path.ast import TableName

CLIENTS = TableName("ERMrest_Client", "public")


@pytest.fixture(params=["directory", "postgresql"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    """Three catalogs that everybody reads, of which 'b' has an object."""
    with ExitStack() as stack:
        if request.param == "directory":
            registry = Registry(tmp_path / "home")
        else:
            url = stack.enter_context(postgres.database()).url
            registry = Registry.of_database(url, tmp_path / "files")
        for name in ("a", "b", "c"):
            made = registry.create(catalog_id=name)
            with made.store.writing() as writing:
                acls = {**writing.model.acls, "select": ("*",), "enumerate": ("*",)}
                writing.adopt(replace(writing.model, acls=acls))
            if name == "b":
                made.objects.put("/hatrac/ns/x", b"x")
            made.close()
        yield registry
        registry.close()


@pytest.fixture
def served(registry: Registry, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "service", registry=registry) as running:
        yield running


def known_in(registry: Registry, catalog_id: str, client: str) -> bool:
    """Whether a catalog has been used by a client, which it then writes down."""
    catalog = registry.open(catalog_id)
    try:
        return any(row["ID"] == client for row in catalog.fetch("entity/public:ERMrest_Client"))
    finally:
        catalog.close()


def test_a_catalog_is_used_for_what_it_has_and_the_others_are_not(
    served: Served, registry: Registry
) -> None:
    kim = served.client("kim")
    assert kim.get("/hatrac/none").status == 404
    assert kim.get("/hatrac/none:ABC").status == 404
    found = kim.get("/hatrac/ns/x")
    assert (found.status, found.body) == (200, b"x")
    assert kim.get(found.headers["content-location"]).body == b"x"
    assert kim.get("/hatrac/ns/x;versions").status == 200
    assert served.client().get("/hatrac/ns/x").body == b"x"
    served.service.close()  # what is to be written down has been
    assert [known_in(registry, each, "kim") for each in "abc"] == [False, True, False]


def test_each_client_reads_where_it_may_whoever_asked_before(
    served: Served, registry: Registry
) -> None:
    kept = registry.open("b")
    url, version = kept.objects.stat("/hatrac/ns/x").url, kept.objects.stat("/hatrac/ns/x").version
    with kept.store.writing() as writing:
        acls = {**writing.model.acls, "select": ("kim",), "enumerate": ("kim",)}
        writing.adopt(replace(writing.model, acls=acls))
    kept.close()
    other = registry.open("c")
    content = other.object_store.content.add(b"other")
    other.object_store.register([Upload("/hatrac/ns/x", content=content, version=version)])
    other.close()
    kim, lee = served.client("kim"), served.client("lee")
    for _ in range(2):
        assert lee.get(url).body == b"other"
        assert kim.get(url).body == b"x"


def test_a_catalog_that_is_deleted_has_nothing_any_more(served: Served, registry: Registry) -> None:
    kim = served.client("kim")
    url = kim.get("/hatrac/ns/x").headers["content-location"]
    assert kim.get(url).status == 200
    registry.delete("b")
    served.service.forget("b")
    assert kim.get(url).status == 404
    registry.purge("b")
    assert kim.get("/hatrac/ns/x").status == 404
