"""Ordering of listings; levels and handlers of the log."""

import logging
from collections.abc import Iterator

import pytest

from deriva_ml.core import configure_logging, get_logger, is_hydra_initialized, resolve_sort


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger("deriva_ml")
    before = logger.level, logger.handlers[:], logger.propagate
    below = {
        name: logging.getLogger(name).level
        for name in ("deriva_catalog", "deriva", "bagit", "bdbag")
    }
    yield logger
    logger.level, logger.handlers, logger.propagate = before
    for name, level in below.items():
        logging.getLogger(name).setLevel(level)


def test_sort_resolves_to_keys() -> None:
    assert resolve_sort(None, str.upper, "a") is None
    assert resolve_sort(False, str.upper, "a") is None
    assert resolve_sort(True, str.upper, "a") == ["A"]
    assert resolve_sort(lambda path: [path, 1], str.upper, "a") == ["a", 1]


def test_sort_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="'newest'"):
        resolve_sort("newest", str.upper, "a")  # type: ignore[arg-type]


def test_loggers_are_children_of_ours() -> None:
    assert get_logger().name == "deriva_ml"
    assert get_logger("deriva_ml.core.x").name == "deriva_ml.core.x"
    assert get_logger("x").name == "deriva_ml.x"


def test_configuring_twice_leaves_one_handler(root: logging.Logger) -> None:
    configure_logging(logging.INFO)
    configure_logging(logging.DEBUG)
    assert len(root.handlers) == 1
    assert root.level == logging.DEBUG


def test_debugging_logs_everything_whatever_the_levels_are(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_DEBUG", "true")
    configure_logging(logging.ERROR, logging.ERROR)
    assert root.level == logging.DEBUG
    assert logging.getLogger("deriva_catalog").level == logging.DEBUG


def test_no_hydra_run_is_under_way_here() -> None:
    assert not is_hydra_initialized()
