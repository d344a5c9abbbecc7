"""deriva-py: catalogs, aliases, clones, the model.

Source: ERMrest, "What the real clients call".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

KIM, LEE = "https://idp.example.org/kim", "https://idp.example.org/lee"
BACKENDS = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
Seen = Callable[..., dict[str, Any]]


@BACKENDS
def test_catalogs_are_made_found_and_deleted(seen: Seen, backend: str) -> None:
    told = seen("catalogs.py", backend)
    assert (told["exists"], told["absent"], told["deleted"]) == (True, False, False)
    assert told["named"].startswith("named-")
    assert told["owners"] == [KIM, LEE]
    assert (told["name"], told["persistent"]) == ("First", False)
    refused = ("anonymous", "taken", "taken_by_another", "locked_out", "not_again", "not_mine")
    assert [told[name] for name in refused] == [401, 409, 403, 409, 409, 403]


@BACKENDS
def test_aliases_are_bound_retargeted_and_deleted(seen: Seen, backend: str) -> None:
    told = seen("catalogs.py", backend)
    assert told["alias"]["owner"] == [KIM]
    assert told["alias"]["name"] == "Alias"
    assert told["through"] == [told["alias"]["id"], True]
    assert told["retargeted"]
    assert told["alias_owner"] == [KIM, LEE]
    assert (told["unbound"], told["alias_gone"]) == (409, 404)


@BACKENDS
def test_a_clone_equals_its_origin(seen: Seen, backend: str) -> None:
    told = seen("catalogs.py", backend)
    assert told["clone_source"]
    assert told["clone_rows"]
    assert told["clone_images"] == 30
    assert told["clone_comment"] == "A lab"
    assert told["clone_schema_annotation"] == 1
    assert told["clone_annotation"] == {"c": [1, None]}
    assert told["clone_acls"] == {"select": ["*"]}
    assert told["clone_bindings"] == ["whose"]
    assert told["clone_fkey"] == ["CASCADE"]
    assert told["clone_past"] == 409  # its history begins when all of it was there


@BACKENDS
def test_snapshots_of_a_catalog(seen: Seen, backend: str) -> None:
    told = seen("catalogs.py", backend)
    assert (told["snapshot"], told["joined_id"]) == (True, True)
    assert (told["rows_before"], told["rows_now"]) == (0, 30)


@BACKENDS
def test_tables_of_all_kinds_are_defined(seen: Seen, backend: str) -> None:
    told = seen("model.py", backend)
    assert told["schemas"] == ["public"]
    assert told["public"] == ["ERMrest_Client", "ERMrest_Group", "ERMrest_RID_Lease"]
    assert told["tables"] == ["Every", "Page", "Scan", "Site", "Subject", "Subject_Scan", "Visit"]
    assert len(told["types"]) == told["known_types"] == 16
    assert told["vocabulary"]["ID"] == [False, "LAB:{RID}"]
    assert told["vocabulary"]["Synonyms"] == [True, None]
    assert told["term"] == [True, True, []]
    assert told["keys"] == ["Subject_RID_key", "Subject_code_is_unique"]
    assert told["references"][2] == ["Subject_site_fkey", "Site", "CASCADE", "CASCADE"]
    assert told["asset"].startswith("/hatrac/{{$catalog.id}}/lab/Scan/")
    assert told["association"] == ["Subject_Scan", 2]
    assert told["found"] == ["Subject_Scan", "Visit"]
    assert told["impure"] == 2
    assert told["referencing"] == ["Scan", "Subject_Scan", "Visit"]
    assert told["comment"] == ["Who is studied", "Its code"]
    assert told["same_document"]


@BACKENDS
def test_the_model_is_changed(seen: Seen, backend: str) -> None:
    told = seen("model.py", backend)
    assert told["created"] == ["height", 3, ["reader"]]
    assert told["altered"] == ["float8", False, 2.5, "now with a blank"]
    assert told["renamed"] == ["renamed", "moved", ["archive", "clinic", "public"]]
    assert told["moved"] == ["Page"]
    assert told["action"] == [["CASCADE", "goes along"]]
    columns = ["born", "code", "site", "weight"]
    assert told["then"] == ["RCB", "RCT", "RID", "RMB", "RMT", *columns]


@BACKENDS
def test_annotations_and_rights_are_applied(seen: Seen, backend: str) -> None:
    told = seen("model.py", backend)
    assert told["annotation"] == ["a", {"b": 1}]
    assert told["column_annotation"] == {"name": "Code"}
    assert told["remapped"] == {"*": ["id number", ["clinic", "Subject_number"]]}
    assert told["acls"] == [{"select": [LEE]}, {"insert": [LEE]}, ["*"]]
    assert told["binding"]["projection"] == ["RCB"]
    assert told["others_see"] == [{}, 403]
    assert told["nothing_applied"]
    assert told["cleared"] == {}


@BACKENDS
def test_the_model_is_taken_down(seen: Seen, backend: str) -> None:
    told = seen("model.py", backend)
    assert told["left"] == ["public"]
    assert told["www"] == ["File", "Page"]
    assert told["title"] == "A lab"
