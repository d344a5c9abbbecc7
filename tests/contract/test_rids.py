"""RIDs: issued once, leased, resolved."""

from __future__ import annotations

import pytest

from backends import AnyCatalog, Backend
from deriva_catalog import rid as codec
from deriva_catalog.errors import NotFound
from deriva_catalog.interface import Address
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

SPECIES = TableName("Species", "zoo")
LEASES = TableName("ERMrest_RID_Lease", "public")


def test_a_chosen_rid_pushes_the_sequence(zoo: AnyCatalog) -> None:
    far = codec.encode(1_000_000)
    zoo.insert(SPECIES, [{"RID": far, "name": "owl"}], nondefaults=["RID"])
    row = zoo.insert(SPECIES, [{"name": "cat"}])[0]
    assert codec.decode(row["RID"]) == 1_000_001


def test_a_rid_is_not_used_again_after_its_row_is_gone(zoo: AnyCatalog) -> None:
    first = zoo.insert(SPECIES, [{"name": "owl"}])[0]["RID"]
    zoo.delete(parse_path("zoo:Species"))
    assert zoo.insert(SPECIES, [{"name": "owl"}])[0]["RID"] != first


def test_rows_are_found_by_rid_in_any_spelling(zoo: AnyCatalog) -> None:
    rid = zoo.insert(SPECIES, [{"name": "owl"}])[0]["RID"]
    found = zoo.resolve_rid(rid.lower())
    assert (found.rid, found.schema, found.table, found.deleted_at) == (rid, "zoo", "Species", None)


def test_a_deleted_row_is_found_with_the_time_of_its_end(zoo: AnyCatalog) -> None:
    rid = zoo.insert(SPECIES, [{"name": "owl"}])[0]["RID"]
    alive = zoo.latest_snapshot()
    with zoo.transaction() as transaction:
        zoo.delete(parse_path("zoo:Species"))
    gone = zoo.resolve_rid(rid)
    assert gone.deleted_at is not None
    assert zoo.at(gone.deleted_at).snaptime == transaction.snaptime
    assert zoo.at(alive).resolve_rid(rid).deleted_at is None


def test_a_row_of_the_future_is_unknown_to_a_snapshot(zoo: AnyCatalog) -> None:
    before = zoo.at(zoo.latest_snapshot())
    rid = zoo.insert(SPECIES, [{"name": "owl"}])[0]["RID"]
    with pytest.raises(NotFound):
        before.resolve_rid(rid)


@pytest.mark.parametrize("rid", ["Z-ZZZZ", "", "!!", "1'--"])
def test_unknown_rids_are_not_found(zoo: AnyCatalog, rid: str) -> None:
    with pytest.raises(NotFound):
        zoo.resolve_rid(rid)


def test_many_rids_resolve_at_once_without_the_unknown(zoo: AnyCatalog) -> None:
    rows = zoo.insert(SPECIES, [{"name": str(n)} for n in range(300)])
    wanted = [row["RID"] for row in rows]
    found = zoo.resolve_rids([*wanted, "Z-ZZZZ"])
    assert set(found) == set(wanted)


def test_a_token_keeps_its_rid(zoo: AnyCatalog) -> None:
    first = zoo.lease_rids(["a", "b"])
    again = zoo.lease_rids(["b", "c", "b"])
    assert again["b"] == first["b"]
    assert len({*first.values(), *again.values()}) == 3


def test_leasing_nothing_new_makes_no_snapshot(zoo: AnyCatalog) -> None:
    zoo.lease_rids(["a"])
    before = zoo.latest_snapshot()
    zoo.lease_rids(["a"])
    assert zoo.latest_snapshot() == before


def test_a_lease_is_consumed_and_its_token_still_knows_the_rid(zoo: AnyCatalog) -> None:
    rid = zoo.lease_rids(["a"])["a"]
    assert zoo.insert(SPECIES, [{"RID": rid, "name": "owl"}], nondefaults=["RID"])[0]["RID"] == rid
    assert zoo.count(LEASES) == 0
    assert zoo.lease_rids(["a"]) == {"a": rid}
    assert zoo.resolve_rid(rid).table == "Species"


def leased_and_used(zoo: AnyCatalog, token: str = "a") -> str:
    """Take a lease and make a row of it in one transaction."""
    with zoo.transaction():
        rid = zoo.lease_rids([token])[token]
        zoo.insert(SPECIES, [{"RID": rid, "name": token}], nondefaults=["RID"])
    return rid


def test_a_token_used_in_its_own_transaction_still_knows_the_rid(
    backend: Backend, zoo: AnyCatalog
) -> None:
    rid = leased_and_used(zoo)
    assert zoo.leased_rids(["a", "b"]) == {"a": rid}
    assert zoo.lease_rids(["a"]) == {"a": rid}
    assert zoo.count(LEASES) == 0
    assert zoo.at(zoo.latest_snapshot()).count(LEASES) == 0
    assert backend.findings(zoo) == []


def test_a_token_knows_its_rid_when_the_row_and_its_history_are_gone(
    backend: Backend, zoo: AnyCatalog
) -> None:
    rid = leased_and_used(zoo)
    zoo.delete(parse_path("zoo:Species"))
    with zoo.transaction():
        brief = zoo.lease_rids(["brief"])["brief"]
        zoo.insert(SPECIES, [{"RID": brief, "name": "brief"}], nondefaults=["RID"])
        zoo.delete(parse_path("zoo:Species"))
    zoo.truncate_history(zoo.latest_snapshot())
    assert zoo.leased_rids(["a", "brief"]) == {"a": rid, "brief": brief}
    assert backend.findings(zoo) == []


def test_what_was_undone_left_no_token(zoo: AnyCatalog) -> None:
    def fail() -> None:
        with zoo.transaction():
            leased_and_used(zoo)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert zoo.leased_rids(["a"]) == {}


def test_looking_a_token_up_takes_no_lease(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    assert zoo.leased_rids(["a", "b"]) == {}
    assert zoo.leased_rids([]) == {}
    assert zoo.latest_snapshot() == before


def test_a_token_of_another_client_is_found_but_not_shared(
    backend: Backend, zoo: AnyCatalog
) -> None:
    rid = leased_and_used(zoo)
    zoo.set_acl(Address(), "owner", ["kim", "lou"])
    other = backend.another(zoo, "lou")
    try:
        assert other.leased_rids(["a"]) == {"a": rid}
        assert other.lease_rids(["a"]) != {"a": rid}
        assert other.leased_rids(["a"]) == other.lease_rids(["a"])
        assert zoo.leased_rids(["a"]) == {"a": rid}
    finally:
        other.close()
