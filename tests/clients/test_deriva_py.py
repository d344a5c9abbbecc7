"""The published deriva-py, as others use it, on our service."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import KIM, STAFF, Foreign

pytestmark = pytest.mark.slow
ODD = "a,b (c) 'd' é/%"


def test_it_makes_and_changes_models(foreign: Foreign, tmp_path: Path) -> None:
    seen = foreign.run("deriva", "deriva_model.py", tmp_path / "home", foreign.token)
    assert {"history_control", "rid_lease", "quantified_value_lists"} <= set(seen.pop("features"))
    system = ["RCB", "RCT", "RID", "RMB", "RMT"]
    assert seen == {
        "session": KIM,
        "exists": True,
        "vocabulary": ["Description", "ID", "Name", *system, "Synonyms", "URI"],
        "asset": ["Description", "Filename", "Length", "MD5", *system, "URL"],
        "association": ["Animal_Food", 2],
        "key": "Animal_weight_length_key",
        "fkey": ["CASCADE", ["name"]],
        "renamed": ["Animal", "Animal_Food", "Food", "Kind", "Photo"],
        "size": ["text", "as told"],
        "follows": ["Kind"],
        "annotations": {
            "catalog": {"a": [1, None]},
            "schema": {"name_style": {"title_case": True}},
            "table": {"*": ["RID", "species"]},
            "column": {"tag:example.org,2026:unit": "kg"},
            "comment": "single ones",
        },
        "acls": [
            {"insert": [STAFF]},
            {
                "own": {
                    "types": ["update"],
                    "projection": ["RCB"],
                    "projection_type": "acl",
                    "scope_acl": ["*"],
                }
            },
            ["*"],
        ],
        "past": ["public"],
        "left": ["public"],
        "deleted": True,
    }


def test_it_writes_and_reads_rows(foreign: Foreign, tmp_path: Path) -> None:
    token, files = foreign.token, tmp_path / "files"
    files.mkdir()
    seen = foreign.run("deriva", "deriva_rows.py", tmp_path / "home", token, files)
    assert seen == {
        "inserted": [[ODD, 4], ["cat", 4], ["owl", 4]],
        "many": 2500,
        "odd": [4],
        "heavy": 1050,
        "linked": ["cat", "owl"],
        "outer": [4],
        "regex": ["owl"],
        "aggregates": {"lo": 0.0, "hi": 624.75, "mean": 312.375, "all": 2500, "kinds": 2},
        "groups": [["cat", 1250, ["cat"]], ["owl", 1250, ["owl"]]],
        "bins": [[n, 500] for n in range(1, 6)],
        "page": [624.75, 624.5, 624.25],
        "contextualized": True,
        "updated": [[-1.0, None]],
        "changed": None,
        "deleted": 0,
        "duplicate": ["DataPathException", True],
        "skipped": 1,
        "referenced": ["DataPathException", True],
        "resolved": "Animal",
        "unresolved": "KeyError",
        "files": [2500, 2499, 2500],
        "then": 4,
        "now": 3,
        "guarded": "ConcurrentUpdate",
        "clone": 2499,
        "clone_model": ["Animal", "Species"],
        "alias": 4,
        "alias_target": True,
        "moved": True,
    }


def test_it_keeps_files_and_its_commands_work(foreign: Foreign, tmp_path: Path) -> None:
    token, files = foreign.token, tmp_path / "lab"
    files.mkdir()
    seen = foreign.run("deriva", "deriva_objects.py", tmp_path / "home", token, files)
    listed = seen.pop("renamed")
    assert "/hatrac/lab/renamed.bin" in listed
    assert seen == {
        "versioned": True,
        "again": True,
        "second": True,
        "large": True,
        "old": "a few words\n",
        "listed": ["/hatrac/lab/large.bin", "/hatrac/lab/run%201"],
        "is": [True, True],
        "acl": {"subtree-read": ["*"]},
        "tool_back": "other words\n",
        "tool_ls": ["/hatrac/lab-tools/s.txt"],
        "tool_exists": "True",
        "tool_rows": 2,
        "tool_acls": [[STAFF], {"select": [STAFF], "insert": [STAFF]}],
        "tool_annotations": {"name": "Remark"},
        "uploaded": [["cat.png", 300], ["owl.png", 300]],
        "bag": ["zoo.zip"],
        "tool_gone": True,
    }
