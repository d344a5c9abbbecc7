"""Objects of a catalog in process, as clients with rights use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_catalog.access import ANONYMOUS, Client
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.errors import Conflict, Forbidden, NotAuthenticated, NotFound, ReadOnly
from deriva_catalog.interface import Address
from deriva_catalog.objects import Content, Upload

WHOLE = Address()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog of kim, where lee inserts and reads, and max reads."""
    made = create_local(tmp_path / "catalog", client="kim")
    made.set_acl(WHOLE, "insert", ["lee"])
    made.set_acl(WHOLE, "select", ["lee", "max"])
    made.set_acl(WHOLE, "enumerate", ["lee", "max", "zoe"])
    yield made
    made.close()


def test_clients_read_and_write_as_they_may(catalog: LocalCatalog, tmp_path: Path) -> None:
    of = {name: catalog.for_client(Client(name)).objects for name in ("kim", "lee", "max", "zoe")}
    put = of["lee"].put("/hatrac/ns/a", b"of lee")
    for name in ("kim", "lee", "max"):
        objects = of[name]
        assert objects.stat(put.url) == put
        assert objects.read("/hatrac/ns/a") == b"of lee"
        assert objects.get(put.url, tmp_path / name).read_bytes() == b"of lee"
        assert objects.names("/hatrac/ns") == ["/hatrac/ns/a"]
        assert objects.versions("/hatrac/ns/a") == [put]
        assert objects.stat_many([put.url, "/hatrac/ns/b:NONE"]) == {put.url: put}
        assert objects.content.has(put.sha256)
    for act in (
        lambda: of["zoe"].stat(put.url),
        lambda: of["zoe"].read(put.url),
        lambda: of["zoe"].names("/hatrac/ns"),
        lambda: of["zoe"].versions("/hatrac/ns/a"),
        lambda: of["zoe"].content,
        lambda: of["max"].put("/hatrac/ns/b", b"1"),
        lambda: of["max"].put_many([Upload("/hatrac/ns/b", b"1")]),
        lambda: of["max"].register([Upload("/hatrac/ns/b", content=put.content)]),
        lambda: of["max"].create_namespace("/hatrac/x"),
        lambda: of["max"].delete(put.url),
    ):
        with pytest.raises(Forbidden):
            act()
    assert of["zoe"].stat_many([put.url]) == {}
    with pytest.raises(NotAuthenticated):
        catalog.for_client(ANONYMOUS).objects.stat(put.url)
    assert catalog.objects.names("/hatrac/ns") == ["/hatrac/ns/a"]


def test_what_a_client_makes_is_its_own(catalog: LocalCatalog) -> None:
    lee = catalog.for_client(Client("lee")).objects
    lee.create_namespace("/hatrac/mine")
    lee.create_namespace("/hatrac/mine")
    many = lee.put_many([Upload(f"/hatrac/mine/{n}", b"%d" % n) for n in range(3)])
    again = lee.register([Upload(v.name, content=v.content) for v in many], reuse=True)
    assert again == many
    with pytest.raises(Conflict, match="not in the store"):
        lee.register([Upload("/hatrac/mine/x", content=Content(1, "0" * 32, "0" * 64))])
    with pytest.raises(NotFound):
        lee.names("/hatrac/mine/0")
    lee.delete("/hatrac/mine")
    assert catalog.objects.names() == []


def test_rights_are_those_of_now(catalog: LocalCatalog) -> None:
    put = catalog.objects.put("/hatrac/a", b"1")
    objects = catalog.for_client(Client("zoe")).objects
    with pytest.raises(Forbidden):
        objects.read(put.url)
    catalog.set_acl(WHOLE, "select", ["zoe"])
    assert objects.read(put.url) == b"1"


def test_a_snapshot_changes_no_objects(catalog: LocalCatalog) -> None:
    put = catalog.objects.put("/hatrac/a", b"1")
    past = catalog.for_client(Client("lee")).at(catalog.latest_snapshot())
    assert past.objects.read(put.url) == b"1"
    for act in (
        lambda: past.objects.put("/hatrac/b", b"1"),
        lambda: past.objects.delete(put.url),
        lambda: past.objects.create_namespace("/hatrac/b"),
    ):
        with pytest.raises(ReadOnly):
            act()
