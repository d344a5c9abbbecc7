"""What guards cost: indexes still serve, and rights are worked out for the page only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.interface import Address
from deriva_catalog.path import parse_query
from policy_worlds import SCHEMA, model_documents, table_name

ANN = Client("ann")
OF_PROJECT = [{"outbound": [SCHEMA, "Item_project_fkey"]}, "members"]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Items that are read and changed by the members of their projects."""
    catalog = create_local(tmp_path_factory.mktemp("plans") / "catalog", client="kim")
    catalog.create_schema(model_documents())
    catalog.set_acls(Address(), {"owner": ["kim"], "enumerate": ["*"]})
    catalog.set_acl(Address(SCHEMA, "Project"), "select", ["*"])
    catalog.set_acl_binding(
        Address(SCHEMA, "Item"), "members", {"types": ["update"], "projection": OF_PROJECT}
    )
    link = Address(SCHEMA, "Item", foreign_key=("project",))
    catalog.set_acls(link, {"insert": [], "update": []})
    catalog.set_acl_binding(link, "members", {"types": ["update"], "projection": "members"})
    catalog.insert(table_name("Project"), [{"name": "p", "members": ["ann"]}])
    catalog.insert(
        table_name("Item"),
        [{"nr": n, "project": "p", "owner": str(n % 97)} for n in range(400)],
    )
    yield catalog
    catalog.close()


def plan(catalog: LocalCatalog, url: str) -> list[str]:
    """What SQLite says it does for a query of Ann's."""
    with catalog.store.reading() as moment:
        policy = catalog._shared.policies.reading(moment, ANN)
        assert policy is not None
        reader = catalog.for_client(ANN)._reader
        compiled = reader._compile(parse_query(url).query, moment, policy)
        made = compiled.select.compile(moment.connection)
        values = {**made.params, **policy.parameters}
        text = f"EXPLAIN QUERY PLAN {made}"
        parameters = tuple(values[name] for name in made.positiontup or ())
        return [row[3] for row in moment.connection.exec_driver_sql(text, parameters)]


def steps(catalog: LocalCatalog, url: str) -> int:
    """How many instructions of SQLite's machine a query of Ann's takes, in tens."""
    return steps_of(catalog, lambda: catalog.for_client(ANN).fetch(url))


def steps_of(catalog: LocalCatalog, work: Callable[[], object]) -> int:
    """The same for anything that is done twice."""
    count = 0
    work()  # what is compiled is kept

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    def begin(driver: Any, *_: Any) -> None:
        driver.set_progress_handler(tick, 10)

    def end(driver: Any, *_: Any) -> None:
        driver.set_progress_handler(None, 0)

    pool = catalog.store.storage.engine.pool
    sa.event.listen(pool, "checkout", begin)
    sa.event.listen(pool, "checkin", end)
    try:
        work()
    finally:
        sa.event.remove(pool, "checkout", begin)
        sa.event.remove(pool, "checkin", end)
    return count


@pytest.mark.parametrize(
    "url",
    [
        "entity/s:Item/nr=7",
        "attributegroup/M:=s:Item/P:=left(project)=(s:Project:name)/$M/RID;P:=array_d(P:*)"
        "@sort(RID)?limit=5",
        "entity/s:Project/name=p/s:Item/nr=7",
        "attribute/M:=s:Item/nr=7/P:=left(parent)=(s:Item:nr)/$M/nr,o:=P:owner",
    ],
)
def test_guarded_tables_are_read_by_their_indexes(items, url):
    found = plan(items, url)
    assert not [line for line in found if line.startswith("SCAN t") and "INDEX" not in line]
    assert not [line for line in found if line.startswith("MATERIALIZE")]
    assert [line for line in found if line.startswith("SEARCH") and "INDEX" in line]


@pytest.mark.parametrize(
    "query",
    [
        "attributegroup/M:=s:Item/RID,o:=owner;n:=nr",
        "attributegroup/M:=s:Item/P:=left(owner)=(s:Item:owner)/$M/RID,o:=owner;m:=cnt(P:RID)",
    ],
)
def test_rights_are_worked_out_for_the_rows_of_the_page(items, query):
    # Sorting by what has no index means looking at all rows, but not at the rights on them.
    page = "@sort(o,RID)?limit=5"
    without = steps(items, query + page)
    rights = steps(items, f"{query},t:=tcrs(M:RID){page}")
    all_rows = steps(items, f"{query},t:=tcrs(M:RID)@sort(o,RID)")
    assert rights - without < 0.1 * (all_rows - without)


def test_a_hidden_row_takes_as_long_to_miss_as_one_that_is_not_there(items):
    items.insert(table_name("Project"), [{"name": "q", "members": ["bob"]}])
    items.insert(table_name("Item"), [{"nr": 1000, "project": "q"}])
    hidden = steps(items, "entity/s:Item/nr=1000")
    missing = steps(items, "entity/s:Item/nr=1001")
    assert abs(hidden - missing) < 20


@pytest.mark.parametrize("keys", [["RID"], ["nr"]])
def test_a_change_of_one_row_does_not_look_at_all(items, keys):
    row = items.fetch("attribute/s:Item/nr=3/RID,nr")[0]
    given = [{keys[0]: row[keys[0]], "kind": "open", "project": "p"}]

    def update(client: str) -> int:
        catalog = items.for_client(Client(client))
        work = partial(
            catalog.update, table_name("Item"), given, keys=keys, targets=["kind", "project"]
        )
        return steps_of(items, work)

    assert update("ann") - update("kim") < 0.1 * steps(items, "aggregate/s:Item/n:=cnt(*)")
