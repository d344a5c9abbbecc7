"""Who may read and write rows over HTTP. Source: ERMrest, "Access control"."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.interface import Address

Local = Callable[[str], LocalCatalog]
TABLE = Address("lab", "A")
CATALOG = Address()


@pytest.fixture(scope="module")
def ann(served: Served) -> HttpClient:
    return served.client("https://lab.example/ann")


@pytest.fixture
def shared(filled: str, local: Local, ann: HttpClient) -> tuple[str, LocalCatalog]:
    """A catalog that everybody may know of and ann may read."""
    catalog = local(filled)
    catalog.set_acl(CATALOG, "enumerate", ["*"])
    catalog.set_acl(CATALOG, "select", [str(ann.id)])
    return filled, catalog


WRITES = (
    ("POST", "entity/lab:A", "{"),
    ("PUT", "entity/lab:A", "{"),
    ("PUT", "attributegroup/lab:A/id;v", "{"),
    ("DELETE", "entity/lab:A", None),
    ("DELETE", "attribute/lab:A/v", None),
)


@pytest.mark.parametrize(("method", "tail", "body"), WRITES)
def test_rights_are_checked_before_the_body_is_looked_at(
    nobody: HttpClient,
    ann: HttpClient,
    shared: tuple[str, LocalCatalog],
    method: str,
    tail: str,
    body: str | None,
) -> None:
    address, catalog = shared
    before = catalog.latest_snapshot()
    headers = {"Content-Type": "application/json"}
    for client, status, words in (
        (nobody, 401, "Access requires authentication."),
        (ann, 403, "Access forbidden."),
    ):
        reply = client.request(method, f"{address}/{tail}", body, headers)
        assert (reply.status, reply.text.startswith(words)) == (status, True), reply.text
    assert catalog.latest_snapshot() == before


def test_reading_needs_select(
    nobody: HttpClient, ann: HttpClient, shared: tuple[str, LocalCatalog]
) -> None:
    address, catalog = shared
    assert len(ann.get(f"{address}/entity/lab:A").json) == 4
    assert nobody.get(f"{address}/entity/lab:A").status == 401
    catalog.set_acl(TABLE, "select", [])
    assert ann.get(f"{address}/entity/lab:A").status == 403
    assert "access on :lab:A" in ann.get(f"{address}/aggregate/lab:A/n:=cnt(*)").text
    catalog.set_acl(TABLE, "enumerate", [])
    assert ann.get(f"{address}/entity/lab:A").status == 409


def test_what_is_hidden_does_not_exist_by_its_rid(
    kim: HttpClient, ann: HttpClient, shared: tuple[str, LocalCatalog]
) -> None:
    address, catalog = shared
    rid = kim.get(f"{address}/entity/lab:A?limit=1").json[0]["RID"]
    assert ann.get(f"{address}/entity_rid/{rid}").status == 200
    catalog.set_acls(TABLE, {"enumerate": [], "select": []})
    assert ann.get(f"{address}/entity_rid/{rid}").status == 404
    assert ann.get(f"/id/{catalog.id}/{rid}").status == 404


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", "history/,"),
        ("DELETE", "history/,{0}"),
        ("GET", "history/{0},{1}/attribute/{2}"),
        ("DELETE", "history/{0},{1}/attribute/{2}"),
        ("PUT", "history/{0},{1}/acl"),
        ("GET", "history/{0},{1}/acl"),
        ("PUT", "history/{0},{1}/annotation/{2}"),
    ],
)
def test_history_is_the_owners(
    nobody: HttpClient,
    ann: HttpClient,
    shared: tuple[str, LocalCatalog],
    method: str,
    tail: str,
) -> None:
    address, catalog = shared
    column = catalog.model.schemas["lab"].tables["A"].by_name["v"].rid
    target = f"{address}/{tail.format(*catalog.history_range(), column)}"
    for client, status in ((nobody, 401), (ann, 403)):
        assert client.request(method, target, "{").status == status
    assert catalog.history.extent().amended is None


def test_the_policy_of_a_snapshot_is_that_of_its_time(
    ann: HttpClient, nobody: HttpClient, shared: tuple[str, LocalCatalog]
) -> None:
    address, catalog = shared
    private = catalog.latest_snapshot()
    catalog.set_acl(CATALOG, "select", ["*"])
    public = catalog.latest_snapshot()
    assert nobody.get(f"{address}/entity/lab:A").status == 200
    assert nobody.get(f"{address}@{public}/entity/lab:A").status == 200
    assert nobody.get(f"{address}@{private}/entity/lab:A").status == 401
    acls = {"enumerate": ["*"], "select": ["*"], "owner": list(catalog.model.acls["owner"])}
    catalog.history.amend_acls(private, public, acls)
    assert nobody.get(f"{address}@{private}/entity/lab:A").status == 200


def test_only_owners_give_other_rids_than_leased_ones(
    ann: HttpClient, shared: tuple[str, LocalCatalog]
) -> None:
    address, catalog = shared
    catalog.set_acl(CATALOG, "insert", [str(ann.id)])
    row = {"id": 70, "RID": "2-0AAA"}
    assert ann.post(f"{address}/entity/lab:A?nondefaults=RID", [row]).status == 403
    lease = ann.post(f"{address}/entity/public:ERMrest_RID_Lease", [{"ID": "mine"}])
    given = {"id": 71, "RID": lease.json[0]["RID"]}
    assert ann.post(f"{address}/entity/lab:A?nondefaults=RID", [given]).status == 200


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", "entity/lab:A"),
        ("GET", "entity/lab:Nothing"),
        ("GET", "textfacet/x"),
        ("GET", "entity_rid/1"),
        ("GET", "history/,"),
        ("POST", "entity/lab:A"),
        ("DELETE", "entity/lab:A"),
        ("PUT", "attributegroup/lab:Nothing/RID;v"),
    ],
)
def test_a_catalog_that_is_not_theirs_tells_them_nothing(
    nobody: HttpClient, ann: HttpClient, shelf: str, method: str, tail: str
) -> None:
    for client, status in ((nobody, 401), (ann, 403)):
        assert client.request(method, f"{shelf}/{tail}", "[]").status == status
