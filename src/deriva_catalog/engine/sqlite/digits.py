"""Whether SQLite itself can write floats of all digits.

Seventeen digits tell any two floats apart (IEEE 754-2019, 5.12.2). SQLite writes as many as
``format()`` is asked for, but how many of them are right depends on how it was built: releases
before 3.43 calculate in the compiler's ``long double``, which on some systems is no wider than
a double.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from random import Random

__all__ = ["ORDINARY", "SEVENTEEN", "writes_seventeen_digits"]

SEVENTEEN = "%!.17g"
ORDINARY = (1e-15, 1e15)
"""Sizes for which a few roundings of extended precision cannot reach the 17th digit."""

_TRIALS = 500


@lru_cache(maxsize=1)
def writes_seventeen_digits() -> bool:
    """Whether this SQLite writes 17 right digits of floats of ordinary size; tried once."""
    chance = Random(17)
    powers = [10.0**n for n in range(-14, 15)]
    numbers = [chance.uniform(1, 10) * chance.choice(powers) for _ in range(_TRIALS)]
    connection = sqlite3.connect(":memory:")
    try:
        select = f"SELECT format('{SEVENTEEN}', ?)"
        shown = [connection.execute(select, (number,)).fetchone()[0] for number in numbers]
    finally:
        connection.close()
    return [float(text) for text in shown] == numbers
