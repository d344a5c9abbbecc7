"""Writing rows: what a catalog calls, and how writing works.

Every operation is a handful of statements over a whole batch, inside one transaction
(`Writing`) whose time all touched rows carry:

1. values are encoded a column at a time and NOT NULL is checked there, so that the error can
   name the column;
2. rows that will change or disappear are copied to the history table (`history`);
3. the live table is changed by one statement. Uniqueness is the business of unique indexes,
   which hold at any size without a lock or a scan (`uniqueness` words their complaints);
4. foreign keys are checked by anti-joins over the touched rows only (`references`), and again
   before the commit where a partner was missing. The database's own foreign keys are not
   used: they could not be added or dropped without rewriting a table, would not version the
   rows that their actions change, and would not tell which constraint failed;
5. ON DELETE and ON UPDATE actions become further changes of sets of rows (`effects`).
"""

from __future__ import annotations

from .inserting import insert, lease_rids
from .options import Options
from .updating import as_pairs, clear, delete, targets_of, update, upsert

__all__ = [
    "Options",
    "as_pairs",
    "clear",
    "delete",
    "insert",
    "lease_rids",
    "targets_of",
    "update",
    "upsert",
]
