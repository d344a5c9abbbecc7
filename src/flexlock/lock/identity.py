"""Run ids: 26 characters that sort by time and never collide, also when the clock jumps."""

from __future__ import annotations

import secrets
import threading
import time

__all__ = ["new_run_id"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80

_lock = threading.Lock()
_last = 0


def new_run_id() -> str:
    """Return a new id: 48 bits of milliseconds and 80 random bits, in Crockford's base 32.

    Ids of one process always grow, whatever the clock does; ids of different processes differ by
    their random part.
    """
    global _last
    with _lock:
        value = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        if value <= _last:
            value = _last + 1 + secrets.randbits(32)
        _last = value
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
