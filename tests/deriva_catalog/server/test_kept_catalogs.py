"""How many catalogs a service keeps open."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog_server import Served, serving
from deriva_catalog.catalog.remote import RemoteCatalog, open_remote, parse_host
from deriva_catalog.path.ast import TableName
from deriva_catalog.server.settings import Settings

LEASES = TableName("ERMrest_RID_Lease", "public")


def opened(served: Served, token: str) -> RemoteCatalog:
    made = served.service.registry.create(client="kim")
    made.close()
    credential = {"bearer-token": token}
    return open_remote(parse_host(served.url), made.id, credential=credential)


def test_those_that_are_not_used_are_closed_and_opened_again(tmp_path: Path) -> None:
    with serving(tmp_path, settings=Settings(catalogs=2)) as served:
        token = served.tokens.add("kim")
        catalogs = [opened(served, token) for _ in range(5)]
        assert len(served.service._open) == 2
        for catalog in catalogs:
            catalog.lease_rids([catalog.id])
        for catalog in catalogs:
            assert catalog.count(LEASES) == 1
            catalog.close()
        assert len(served.service._open) == 2


def test_one_with_an_open_transaction_stays(tmp_path: Path) -> None:
    with serving(tmp_path, settings=Settings(catalogs=1)) as served:
        token = served.tokens.add("kim")
        first, *others = [opened(served, token) for _ in range(4)]
        with first.transaction():
            first.lease_rids(["a"])
            for other in others:
                other.lease_rids(["a"])
            assert first.count(LEASES) == 1
            first.lease_rids(["b"])
        assert first.count(LEASES) == 2
        for catalog in (first, *others):
            catalog.close()


@pytest.mark.parametrize("catalogs", [1, 3])
def test_a_limit_is_for_others_than_the_one_that_is_used(tmp_path: Path, catalogs: int) -> None:
    with serving(tmp_path, settings=Settings(catalogs=catalogs)) as served:
        catalog = opened(served, served.tokens.add("kim"))
        assert len(served.service._open) == 1
        catalog.close()
