"""Numbers in variables of the environment that say how tasks run."""

from __future__ import annotations

from flexlock.settings import count, seconds
from flexlock.tasks.model import Backend

__all__ = ["MAX_BATCH", "check_variables", "claim_batch", "lease_s", "line_every_s", "poll_s"]

MAX_BATCH = 64
"""How many small tasks a worker takes at once at most, unless it is told otherwise."""

_LEASE_S = 120.0
_LINE_EVERY_S = 15.0
_MIN_POLL_S = 0.1
_POLL_S = 10.0


def lease_s() -> float:
    """Return how long a worker may be silent, from ``FLEXLOCK_LEASE`` (seconds).

    Raises:
        ConfigError: The variable is no positive number.
    """
    return seconds("FLEXLOCK_LEASE", _LEASE_S)


def line_every_s() -> float:
    """Return the seconds between lines about the progress, from ``FLEXLOCK_LOG_FREQUENCY``.

    Raises:
        ConfigError: The variable is no such number.
    """
    return seconds("FLEXLOCK_LOG_FREQUENCY", _LINE_EVERY_S, zero=True)


def poll_s() -> float:
    """Return how often a batch system is asked, from ``FLEXLOCK_POLL_INTERVAL`` (seconds).

    Raises:
        ConfigError: The variable is no such number.
    """
    return max(_MIN_POLL_S, seconds("FLEXLOCK_POLL_INTERVAL", _POLL_S, zero=True))


def claim_batch(backend: Backend) -> int:
    """Return how many tasks a worker takes at once at most, from ``FLEXLOCK_CLAIM_BATCH``.

    Raises:
        ConfigError: The variable is no whole number above 0.
    """
    # On a cluster tasks are rarely short.
    return count("FLEXLOCK_CLAIM_BATCH", 1 if backend in ("slurm", "pbs") else MAX_BATCH)


def check_variables() -> None:
    """Refuse what the functions here would refuse later, before there is anything to write.

    Raises:
        ConfigError: One of the variables is malformed; the message names it.
    """
    lease_s()
    line_every_s()
    poll_s()
    claim_batch("local")
