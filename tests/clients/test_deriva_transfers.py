"""deriva-py: transfers that break off and go on; what pages in a browser ask of the object store.

Source: Hatrac, "What clients call".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

BACKENDS = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
Seen = Callable[..., dict[str, Any]]


@BACKENDS
def test_the_upload_tool_goes_on_where_it_died(seen: Seen, backend: str) -> None:
    told = seen("transfers.py", backend, name="transfers")
    assert told["died"] == [9, []]  # after the first chunk; nothing is in the catalog
    assert told["went_on"] == [2, 3]
    assert told["state"] == ["Complete"]
    assert told["row"] == [51 << 20, "large.bin"]
    assert told["back"]


@BACKENDS
def test_a_paused_upload_goes_on(seen: Seen, backend: str) -> None:
    told = seen("transfers.py", backend, name="transfers")
    assert told["paused"] == [1, 2, "paused"]
    assert told["received"] == [[0, 1]]
    assert told["equal"]
    assert told["finished_twice"] == 404


@BACKENDS
def test_pages_upload_and_rename_files(seen: Seen, backend: str) -> None:
    told = seen("transfers.py", backend, name="transfers")
    assert told["missing"] == 404
    assert told["begun"] == [201, True]
    assert told["resumes"]
    assert told["sent"] == [204] * 3
    assert told["finished"] == [201, True, True]
    assert told["head"] == [True, True, True, "filename*=UTF-8''p%C3%A9.txt"]
    assert told["renamed"] == [204, "filename*=UTF-8''other.txt"]
    assert told["metadata"]["content-type"] == "text/plain"
    assert told["part"] == [206, "0123456789", False]
    assert told["same"] == 304
    assert told["nobody"] == [401, 401]
