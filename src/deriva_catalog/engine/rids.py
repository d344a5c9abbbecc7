"""Numbers that are never given twice: RIDs, and the values of serial columns.

One sequence serves the rows of all tables and all elements of the model. Numbers are taken in
blocks inside the writing transaction; a transaction that fails gives its numbers back, since
nobody else can have seen them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from .. import rid
from ..errors import BadRequest
from .tables import SEQUENCE
from .texts import run_constant

_RIDS = "rid"
_HERE = SEQUENCE.c.name == sa.bindparam("sequence")
_LAST = sa.select(SEQUENCE.c.value).where(_HERE)
_ADVANCE = (
    sa.update(SEQUENCE)
    .where(_HERE)
    .values(value=SEQUENCE.c.value + sa.bindparam("count", None, sa.BigInteger))
    .returning(SEQUENCE.c.value)
)
"""Takes numbers of a sequence, and tells the last of them."""


def take_rids(connection: sa.Connection, count: int) -> list[str]:
    """Return `count` new RIDs in ascending order."""
    return rid.encode_range(take_numbers(connection, _RIDS, count), count)


@contextmanager
def rids_one_by_one(connection: sa.Connection) -> Iterator[Callable[[], str]]:
    """A function that gives a new RID at each call, for two statements in all.

    Nothing else may take RIDs inside the ``with`` block.
    """
    last = int(run_constant(connection, _LAST, {"sequence": _RIDS}).scalar_one())
    given = 0

    def next_rid() -> str:
        nonlocal given
        given += 1
        return rid.encode(last + given)

    yield next_rid
    if given:
        run_constant(connection, _ADVANCE, {"sequence": _RIDS, "count": given}).scalar_one()


def take_numbers(connection: sa.Connection, sequence: str, count: int) -> int:
    """Take `count` numbers of a sequence (which starts with 1) and return the first of them."""
    last = run_constant(connection, _ADVANCE, {"sequence": sequence, "count": count}).scalar()
    if last is None:
        connection.execute(sa.insert(SEQUENCE).values(name=sequence, value=count))
        return 1
    return int(last) - count + 1


def push_rids(connection: sa.Connection, given: Iterable[str]) -> None:
    """Move the sequence beyond RIDs that a caller chose.

    Raises:
        BadRequest: one of them is no RID.
    """
    largest = max(map(rid.decode, given), default=0)
    if largest < 0:
        raise BadRequest("A RID stands for a number that is not negative.")
    connection.execute(
        sa.update(SEQUENCE)
        .where(SEQUENCE.c.name == _RIDS, SEQUENCE.c.value < largest)
        .values(value=largest)
    )
