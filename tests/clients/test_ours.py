"""Our own client on the service as it is installed: TLS, and several processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from deriva_catalog.catalog import connect, create_catalog
from deriva_catalog.errors import Unavailable
from deriva_catalog.interface import Address
from deriva_catalog.path.ast import TableName

from .conftest import KIM, Foreign

pytestmark = pytest.mark.slow
LEASES = TableName("ERMrest_RID_Lease", "public")


def test_transactions_and_threads_share_the_processes_of_a_service(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(foreign.certificate))
    url, credential = f"https://{foreign.host}", {"bearer-token": foreign.token}
    catalog = create_catalog(url, alias="shared", credential=credential)
    assert catalog.acls(Address())["owner"] == [KIM]

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
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(Unavailable, match="certificate that is not trusted"):
        connect(f"https://{foreign.host}", "shared", credential={"bearer-token": foreign.token})


def test_the_certificate_of_this_machines_own_service_is_trusted(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("DERIVA_ML_HOME", str(foreign.certificate.parents[1]))
    credential = {"bearer-token": foreign.token}
    catalog = create_catalog(f"https://{foreign.host}", credential=credential)
    with catalog.transaction():
        catalog.lease_rids(["a"])
    assert catalog.count(LEASES) == 1
    catalog.close()
