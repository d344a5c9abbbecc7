"""What an installer is given to get the DerivaML that made a project."""

from __future__ import annotations

import json
from typing import Any

import pytest
from packaging.requirements import Requirement

from deriva_ml.template.origin import INDEXED, requirement


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"url": "file:///a%20b/c", "dir_info": {"editable": True}}, "/a b/c[notebook,server]"),
        ({"url": "file:///w/d-1.whl", "archive_info": {}}, "/w/d-1.whl[notebook,server]"),
        ({"url": "https://x.org/d.whl", "archive_info": {}}, f"{INDEXED} @ https://x.org/d.whl"),
        (
            {
                "url": "https://x.org/d.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "1f2e"},
                "subdirectory": "python",
            },
            f"{INDEXED} @ git+https://x.org/d.git@1f2e#subdirectory=python",
        ),
    ],
)
def test_where_it_was_installed_from(record: dict[str, Any], expected: str) -> None:
    assert requirement(json.dumps(record)) == expected
    if " @ " in expected:
        assert Requirement(expected).extras == {"notebook", "server"}


def test_from_an_index_its_name_is_enough() -> None:
    assert requirement(None) == INDEXED
