"""ACLs and bindings as resources. Source: ERMrest, "Access control" (resources)."""

from __future__ import annotations

import pytest

from catalog_server import HttpClient

SPECIES = "schema/zoo/table/Species"
FKEY = "schema/zoo/table/Animal/foreignkey/species/reference/zoo:Species/name"
SUBJECTS = ["", "schema/zoo/", f"{SPECIES}/", f"{SPECIES}/column/legs/", f"{FKEY}/"]
BOUND = [f"{SPECIES}/", f"{SPECIES}/column/legs/"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_acls_are_set_and_unset(kim: HttpClient, park: str, subject: str) -> None:
    target = f"{park}/{subject}acl"
    before = kim.get(target).json
    assert kim.put(f"{target}/enumerate", ["*", "role"]).json == ["*", "role"]
    assert kim.get(f"{target}/enumerate").json == ["*", "role"]
    assert kim.get(target).json == before | {"enumerate": ["*", "role"]}
    assert kim.get(f"{target}/nonsense").status == 404
    assert kim.delete(f"{target}/nonsense").status == 404
    assert kim.put(f"{target}/nonsense", []).status == 409
    assert kim.put(f"{target}/enumerate", "text").status == 400
    assert kim.put(f"{target}/enumerate", [1]).status == 400
    assert kim.put(target, {"enumerate": None}).status == 400
    assert kim.put(target, {"write": ["*"]}).status == 400
    assert kim.put(target, []).status == 400
    assert kim.delete(f"{target}/enumerate").status == 204
    assert kim.delete(f"{target}/enumerate").status == 204


def test_a_catalog_has_all_eight_always(kim: HttpClient, cat: str) -> None:
    assert kim.put(f"{cat}/acl", {"owner": [kim.id], "select": ["*"]}).json == {
        "owner": [kim.id],
        "create": [],
        "enumerate": [],
        "write": [],
        "insert": [],
        "update": [],
        "delete": [],
        "select": ["*"],
    }
    assert kim.delete(f"{cat}/acl/select").status == 204
    assert kim.get(f"{cat}/acl/select").json == []


def test_elsewhere_what_is_not_set_is_inherited(kim: HttpClient, zoo: str) -> None:
    target = f"{zoo}/{SPECIES}/acl"
    assert kim.get(target).json == {}
    assert kim.get(f"{target}/select").status == 404
    assert kim.put(target, {"select": ["a"], "insert": []}).json == {"select": ["a"], "insert": []}
    assert kim.put(f"{target}/select", "null").json is None
    assert kim.put(f"{target}/look", "null").status == 409
    assert kim.get(target).json == {"insert": []}
    assert kim.delete(target).status == 204
    assert kim.get(target).json == {}
    assert kim.put(f"{target}/owner", []).status == 200


def test_a_foreign_key_is_open_at_first(kim: HttpClient, zoo: str) -> None:
    assert kim.get(f"{zoo}/{FKEY}/acl").json == {"insert": ["*"], "update": ["*"]}
    assert kim.get(f"{zoo}/{FKEY}").json[0]["acls"] == {"insert": ["*"], "update": ["*"]}


def test_nobody_locks_themselves_out(kim: HttpClient, cat: str) -> None:
    assert kim.put(f"{cat}/acl/owner", ["https://lab.example/ann"]).status == 403
    assert kim.put(f"{cat}/acl", {}).status == 403
    assert kim.delete(f"{cat}/acl").status == 403
    assert kim.get(f"{cat}/acl/owner").json == [kim.id]


def test_an_owner_of_a_table_may_give_it_away(kim: HttpClient, ann: HttpClient, zoo: str) -> None:
    assert kim.put(f"{zoo}/acl/enumerate", ["*"]).status == 200
    assert kim.put(f"{zoo}/{SPECIES}/acl/owner", [ann.id]).status == 200
    assert ann.put(f"{zoo}/{SPECIES}/acl", {"owner": []}).json == {"owner": []}
    assert ann.get(f"{zoo}/{SPECIES}/acl").status == 403
    assert "acls" not in ann.get(f"{zoo}/{SPECIES}").json


@pytest.mark.parametrize("subject", BOUND)
def test_bindings(kim: HttpClient, park: str, subject: str) -> None:
    target = f"{park}/{subject}acl_binding"
    assert kim.get(target).json == {}
    assert kim.get(f"{target}/mine").status == 404
    made = kim.put(f"{target}/mine", {"types": ["select"], "projection": "RCB"})
    assert made.status == 200
    assert made.json["projection"] == "RCB"
    assert made.json["projection_type"] == "acl"
    assert made.json["scope_acl"] == ["*"]
    assert kim.get(f"{target}/mine").json == made.json
    assert kim.get(target).json == {"mine": made.json}
    assert kim.put(f"{target}/b", {"types": ["insert"], "projection": "RCB"}).status == 400
    assert kim.put(f"{target}/b", {"types": ["select"], "projection": "nothing"}).status == 409
    assert kim.put(f"{target}/b", "null").status == 400
    assert kim.put(target, [1]).status == 400
    assert kim.delete(f"{target}/mine").status == 204
    assert kim.delete(f"{target}/mine").status == 204
    both = {"a": made.json, "b": made.json}
    assert kim.put(target, both).json == both
    assert kim.delete(target).status == 204
    assert kim.get(target).json == {}


def test_a_foreign_keys_binding(kim: HttpClient, zoo: str) -> None:
    made = kim.put(f"{zoo}/{FKEY}/acl_binding/b", {"types": ["insert"], "projection": "RCB"})
    assert made.status == 200
    assert kim.get(f"{zoo}/{FKEY}").json[0]["acl_bindings"] == {"b": made.json}


@pytest.mark.parametrize("tail", ["acl", "acl/select", f"{SPECIES}/acl", f"{SPECIES}/acl_binding"])
def test_they_are_for_owners_only(
    kim: HttpClient, ann: HttpClient, nobody: HttpClient, park: str, tail: str
) -> None:
    assert kim.put(f"{park}/acl/enumerate", ["*"]).status == 200
    for method in ("GET", "PUT", "DELETE"):
        assert ann.request(method, f"{park}/{tail}", "{").status == 403
        assert nobody.request(method, f"{park}/{tail}", "{").status == 401
    assert kim.post(f"{park}/{tail}", {}).status == 405


def test_where_there_are_none(kim: HttpClient, park: str) -> None:
    assert kim.get(f"{park}/{SPECIES}/key/name/acl").status == 404
    assert kim.get(f"{park}/schema/zoo/acl_binding").status == 404
    assert kim.get(f"{park}/acl_binding").status == 404
    assert kim.get(f"{park}/schema/X/acl").status == 409
    assert kim.get(f"{park}/{SPECIES}/column/X/acl").status == 404
    assert kim.get(f"{park}/schema/zoo/table/X/acl_binding").status == 409


def test_a_guarded_change_of_an_acl(kim: HttpClient, zoo: str) -> None:
    tag = kim.get(f"{zoo}/{SPECIES}/acl").headers["etag"]
    assert kim.put(f"{zoo}/{SPECIES}/acl/select", ["a"], if_match=tag).status == 200
    assert kim.put(f"{zoo}/{SPECIES}/acl/select", ["b"], if_match=tag).status == 412
    assert kim.get(f"{zoo}/{SPECIES}/acl/select").json == ["a"]


def test_at_a_snapshot_they_can_be_read(kim: HttpClient, zoo: str) -> None:
    then = kim.get(zoo).json["snaptime"]
    kim.put(f"{zoo}/{SPECIES}/acl/select", ["a"])
    assert kim.get(f"{zoo}@{then}/{SPECIES}/acl").json == {}
    assert kim.put(f"{zoo}@{then}/{SPECIES}/acl/select", ["a"]).status == 403
