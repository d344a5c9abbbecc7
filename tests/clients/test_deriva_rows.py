"""deriva-py: data paths, snapshots, files. Source: ERMrest, "What the real clients call"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

BACKENDS = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
SYSTEM = ["RCB", "RCT", "RID", "RMB", "RMT"]
Seen = Callable[..., dict[str, Any]]


def subjects(*numbers: int) -> list[str]:
    return [f"s{number:02}" for number in numbers]


@BACKENDS
def test_rows_are_inserted(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert told["made"] == subjects(*range(10))
    assert told["system"] == SYSTEM
    assert told["defaulted"] == 7
    assert told["skipped"] == ["new"]
    assert told["chosen"] == "9-ZZZC"
    assert told["nothing"] == []
    assert [told[name] for name in ("duplicate", "twice", "no_such_kind")] == [409, 400, 409]


@BACKENDS
def test_entities_are_filtered_sorted_and_limited(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert told["entities"] == subjects(*range(10))
    assert told["length"] == 10
    assert told["limit"] == subjects(9, 8)
    assert told["sorted"] == subjects(9, 8, 7)
    assert told["eq"] == subjects(3)
    assert told["null"] == told["date"] == subjects(9)
    assert told["range"] == subjects(3, 4)
    counts = {"ne": 6, "or": 7, "not": 6, "ciregexp": 2, "any": 2, "all": 1, "quoted": 1}
    assert {name: told[name] for name in counts} == counts
    assert told["regexp"] == []
    assert told["big"] == 2**53 + 3
    assert told["iterated"] == 2501


@BACKENDS
def test_tables_are_linked(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert told["attributes"] == {"code": "s01", "kg": 1.5}
    assert told["linked"] == subjects(0, 1, 2, 3, 4)
    assert told["context"] == ["Scan", "s"]
    assert (told["by_key"], told["explicit"], told["self_twice"]) == (2500, 5, 2000)
    assert told["composed"] == 2000
    assert told["describe"]


@BACKENDS
def test_outer_joins_keep_what_has_no_partner(seen: Seen, backend: str) -> None:
    joined = seen("paths.py", backend)["joined"]
    kinds = {0: "mouse", 1: "fish", 2: "None"}
    everyone = [[f"s{n:02}", kinds[n % 3], 1] for n in range(10)]
    partners = [row for row in everyone if row[1] != "None"]
    alone = ["None", "newt", 0]
    assert joined[""] == partners
    assert joined["left"] == everyone
    assert joined["right"] == [alone, *partners]
    assert joined["full"] == [alone, *everyone]


@BACKENDS
def test_aggregates_and_groups(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert told["total"] == {
        "least": 0,
        "last": "s09",
        "sum": 9,
        "mean": 6,
        "weighed": 9,
        "all": 10,
        "kinds": 2,
        "codes": subjects(*range(10)),
        "counts": [0, 1, 2],
    }
    assert told["groups"] == [
        ["fish", 3, subjects(1, 4, 7)],
        ["mouse", 4, subjects(0, 3, 6, 9)],
        [None, 3, subjects(2, 5, 8)],
    ]
    assert told["by_count"] == [[0, 4], [1, 3], [2, 3]]
    assert told["bins"] == [
        [1, 0, 4, 3],
        [2, 4, 8, 3],
        [3, 8, 12, 2],
        [4, 12, None, 1],
        [None, None, None, 1],
    ]
    assert told["automatic"] == 10
    assert told["whole"] == 11


@BACKENDS
def test_denormalized_rows(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert told["denormalized"] == [10, ["F", "RID", "code", "weight"]]
    assert told["simple"] == [1001, [*SYSTEM, "size", "subject", "two words"]]
    entity = ["born", "code", "count", "kind", "tags", "weight"]
    assert told["with_entities"] == [*SYSTEM, *entity]


@BACKENDS
def test_rows_are_updated_and_deleted(seen: Seen, backend: str) -> None:
    told = seen("paths.py", backend)
    assert (told["changed"], told["stored"]) == (77.5, ["n", None])
    assert told["by_key_updated"] == [{"code": "s01", "weight": 1}]
    assert told["many"] == 1500
    assert [told[name] for name in ("system_target", "in_use", "none")] == [403, 409, 404]
    assert told["after_delete"] == 1001


@BACKENDS
def test_the_past_is_read(seen: Seen, backend: str) -> None:
    told = seen("reading.py", backend)
    assert (told["past"], told["now"]) == ([2500, "plain"], [10, "new"])
    assert told["past_columns"]
    assert told["immutable"]
    assert told["nonsense_snapshot"] == 409
    assert told["grouped"] == {"n": 2500}


@BACKENDS
def test_row_identifiers_are_resolved(seen: Seen, backend: str) -> None:
    told = seen("reading.py", backend)
    assert told["resolved"] == ["T", True, 0]
    assert told["lower_case"]
    assert told["then"] == 1234
    assert told["deleted"]
    assert told["missing"]


@BACKENDS
def test_files_are_fetched_whole_and_in_pages(seen: Seen, backend: str) -> None:
    told = seen("reading.py", backend)
    texts = ["plain", 'with "quotes", commas', "", None, "é\tü", "=1+1"]
    assert told["csv"]
    assert told["csv_paged"]
    assert told["stream_paged"]
    assert told["csv_texts"] == [text or "" for text in texts]
    assert told["stream_texts"] == texts
    assert (told["json"], told["exact"], told["limited"]) == (2500, 2500, 10)
    assert told["empty"] == []


@BACKENDS
def test_answers_are_revalidated_and_changes_guarded(seen: Seen, backend: str) -> None:
    told = seen("reading.py", backend)
    assert told["cached"]
    assert told["unmodified"]
    assert told["model_cached"]
    assert told["seen_again"]
    assert (told["head"][0], told["head"][2]) == (200, True)
    assert told["guarded"] == [True, True]
    assert told["value"] == "a"
    assert {"accept", "cookie"} <= set(told["vary"])
    assert told["columns"] == [*SYSTEM, "nr", "words"]
