"""Logging of the library: one logger tree, no handlers until an application asks for them."""

from __future__ import annotations

import logging
import os
import sys

__all__ = [
    "DEBUG",
    "DEFAULT_FORMAT",
    "configure_logging",
    "get_logger",
    "is_debugging",
    "is_hydra_initialized",
]

DEBUG = "DERIVA_ML_DEBUG"
"""The variable by which ``--debug`` reaches every process of a run."""

DEFAULT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_ROOT = "deriva_ml"
_BELOW = ("deriva_catalog", "deriva", "bagit", "bdbag")


def get_logger(name: str | None = None) -> logging.Logger:
    """Return the library's logger, or its child `name` (a full module name is kept as it is)."""
    if not name or name == _ROOT:
        return logging.getLogger(_ROOT)
    return logging.getLogger(name if name.startswith(f"{_ROOT}.") else f"{_ROOT}.{name}")


def is_debugging() -> bool:
    """Whether everything is to be logged, and every error to be shown with its traceback."""
    return os.environ.get(DEBUG, "").lower() in ("1", "true", "yes")


def is_hydra_initialized() -> bool:
    """Whether a Hydra run is under way in this process (Hydra is not imported to find out)."""
    if "hydra.core.hydra_config" not in sys.modules:
        return False
    from hydra.core.hydra_config import HydraConfig

    return HydraConfig.initialized()


def configure_logging(
    level: int = logging.WARNING,
    deriva_level: int | None = None,
    format_string: str = DEFAULT_FORMAT,
    handler: logging.Handler | None = None,
) -> logging.Logger:
    """Set levels and, outside Hydra, give the library's logger one handler; return the logger.

    Calling it again replaces the level and the handler, so that no line is written twice. While
    Hydra runs, it owns the handlers and only levels are set.

    Where `is_debugging`, everything is logged, whatever the levels are.

    Args:
        level: Level of our logger.
        deriva_level: Level of the catalog and bag libraries; None means `level`.
        format_string: Format of a line.
        handler: Where lines go; None means standard error.
    """
    below = level if deriva_level is None else deriva_level
    if is_debugging():
        level = below = logging.DEBUG
    for name in _BELOW:
        logging.getLogger(name).setLevel(below)
    logger = get_logger()
    logger.setLevel(level)
    if is_hydra_initialized():
        return logger
    ours = handler or logging.StreamHandler()
    ours.setFormatter(logging.Formatter(format_string))
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(ours)
    logger.propagate = False
    return logger
