"""Our own client on the service as it is installed: TLS, and several processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deriva_catalog.catalog import connect, create_catalog
from deriva_catalog.errors import Unavailable
from deriva_catalog.interface import Address
from deriva_catalog.path.ast import TableName
from foreign import Place

pytestmark = pytest.mark.slow
LEASES = TableName("ERMrest_RID_Lease", "public")


@pytest.fixture(scope="module")
def place(places: Callable[..., Place]) -> Place:
    """A service with TLS and two processes."""
    return places("sqlite", tls=True)


def trust(place: Place, patch: pytest.MonkeyPatch) -> dict[str, str]:
    """Trust the service's certificate; returns what proves who asks."""
    patch.setenv("SSL_CERT_FILE", str(place.certificate))
    return {"bearer-token": place.token}


def test_transactions_and_threads_share_the_processes_of_a_service(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, credential = place.url, trust(place, monkeypatch)
    catalog = create_catalog(url, alias="shared", credential=credential)
    assert catalog.acls(Address())["owner"] == [place.client]

    def work(part: int) -> None:
        own = connect(url, "shared", credential=credential)
        for n in range(3):
            with own.transaction():
                own.lease_rids([f"{part}-{n}-a"])
                own.lease_rids([f"{part}-{n}-b"])
                assert own.count(LEASES) % 2 == 0
        own.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert catalog.count(LEASES) == 18
    catalog.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(Unavailable, match="certificate that is not trusted"):
        connect(place.url, "shared", credential={"bearer-token": place.token})


def test_the_certificate_of_this_machines_own_service_is_trusted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("DERIVA_ML_HOME", str(Path(str(place.certificate)).parents[1]))
    catalog = create_catalog(place.url, credential={"bearer-token": place.token})
    with catalog.transaction():
        catalog.lease_rids(["a"])
    assert catalog.count(LEASES) == 1
    catalog.close()
