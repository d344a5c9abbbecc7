"""What the tests of notebooks share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what Hydra sets up for a notebook, whose logging is that of the whole process."""
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:] = before
