"""Tables of which only a part may be read, as the compiler meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from ...errors import CatalogError
from ...model.elements import Table
from ..dialect import Test, Value

Columns = Mapping[str, Value]

ROW = "\0RID"
"""The key of what tells the rows of a guarded table apart when its RID may not be read."""

GRANTED = "\0granted"
"""The key of whether a row of a guarded table may be read.

Databases may look for a text in a row before they know. That would tell something where the
search takes long or fails, so texts are searched in only where this is true (`searched_text`).
"""


@dataclass(frozen=True, slots=True)
class Guarded:
    """The part of a table's rows and cells that may be read.

    `names` leads from the columns that may be read at all (and perhaps `ROW` and `GRANTED`) to
    the columns of `rows`; `refuse` makes the error for touching another one. `searched` gives the
    same with `GRANTED`, for queries that search in texts.
    """

    rows: sa.FromClause
    names: Mapping[str, str]
    refuse: Callable[[str], CatalogError]
    searched: Callable[[], Guarded] | None = None


Source = Callable[[Table], "sa.FromClause | Guarded"]


class Readable(dict[str, Value]):
    """The columns of a guarded instance; to ask for one that may not be read raises."""

    def __init__(self, columns: Mapping[str, Value], refuse: Callable[[str], CatalogError]) -> None:
        super().__init__(columns)
        self.refuse = refuse

    def __missing__(self, name: str) -> Value:
        raise self.refuse(name)


def searched_text(columns: Columns, text: Value) -> Value:
    """A text of a row as a search may look at it."""
    if GRANTED not in columns:
        return text
    granted: Test = columns[GRANTED] == sa.literal_column("1")
    return sa.case((granted, text))
