"""Leases of RIDs over HTTP.

Our own server remembers which RID a token got, also after a row with it was inserted. On another
one a lease is a row of the table of leases while it is not used, and no longer.

Source: ERMrest, "RID leases".
"""

from __future__ import annotations

from collections.abc import Sequence

from ...path.ast import (
    AnyOf,
    AttributeQuery,
    ColumnName,
    Comparison,
    Item,
    Operator,
    Path,
    Restrict,
    Root,
    TableName,
)
from .connection import Repeat
from .link import Link
from .reading import Questions
from .rowtext import document_text, rows_content

__all__ = ["LEASES_FEATURE", "RIDS_FEATURE", "lease", "look_up"]

LEASES_FEATURE = "lease_memory"
"""The feature of a server that takes ``POST CAT/leases`` and ``POST CAT/leases/find``."""
RIDS_FEATURE = "rid_batches"
"""The feature of a server that takes ``POST CAT/rids``: many RIDs are resolved at once."""
_TABLE = TableName("ERMrest_RID_Lease", "public")
_AT_ONCE = 500
_JSON_BODY = {"Content-Type": "application/json"}


def lease(link: Link, tokens: Sequence[str]) -> dict[str, str]:
    """A RID for each token. It is safe to repeat."""
    wanted = list(dict.fromkeys(tokens))
    if not wanted:
        return {}
    if link.has(LEASES_FEATURE):
        return _asked(link, "leases", wanted)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        rows = rows_content([{"ID": token} for token in part])
        target = f"entity/{_TABLE.schema}:{_TABLE.name}?onconflict=skip"
        received = link.send("POST", target, headers=_JSON_BODY, content=rows, repeat=Repeat.SAFE)
        given = {row["ID"]: row["RID"] for row in received.json()}
        old = [token for token in part if token not in given]
        found |= given | _rows(link, old)
    return found


def look_up(link: Link, tokens: Sequence[str]) -> dict[str, str]:
    """The RIDs that tokens have; nothing is written."""
    wanted = list(dict.fromkeys(tokens))
    if not wanted:
        return {}
    if link.has(LEASES_FEATURE):
        return _asked(link, "leases/find", wanted)
    return _rows(link, wanted)


def _asked(link: Link, target: str, tokens: Sequence[str]) -> dict[str, str]:
    content = document_text(tokens)
    received = link.send("POST", target, headers=_JSON_BODY, content=content, repeat=Repeat.SAFE)
    found: dict[str, str] = received.json()
    return found


def _rows(link: Link, tokens: Sequence[str]) -> dict[str, str]:
    if not tokens:
        return {}
    among = Comparison(ColumnName("ID"), Operator.EQ, AnyOf(tuple(tokens)))
    items = (Item(ColumnName("ID")), Item(ColumnName("RID")))
    query = AttributeQuery(Path(Root(_TABLE), (Restrict(among),)), items)
    return {row["ID"]: row["RID"] for row in Questions(link, None).fetch(query)}
