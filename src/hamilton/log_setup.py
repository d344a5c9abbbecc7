"""Logging to the terminal for scripts."""

from __future__ import annotations

import logging
import sys

__all__ = ["LOG_LEVELS", "setup_logging"]

LOG_LEVELS: dict[str, int] = {
    "CRITICAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
}


def setup_logging(log_level: str | int = "INFO") -> None:
    """Sends log records of the given level and above to standard output.

    Raises:
        ValueError: The level is unknown.
    """
    level = LOG_LEVELS.get(log_level.upper()) if isinstance(log_level, str) else log_level
    if level is None:
        raise ValueError(f"Unknown log level {log_level!r}; one of {list(LOG_LEVELS)}.")
    root = logging.getLogger()
    root.setLevel(level)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        logging.Formatter("[%(levelname)s] %(asctime)s %(name)s(%(lineno)s): %(message)s")
    )
    root.addHandler(handler)
