from __future__ import annotations

import pytest

from hamilton import ad_hoc_utils

SOURCE = """
import os
import threading

from hamilton.function_modifiers.metadata import ray_remote_options
from hamilton.htypes import Collect, Parallelizable


def one(x: int) -> int:
    return x + 1


def two(x: int) -> int:
    return x * 2


def both(one: int, two: int) -> int:
    return one + two


def broken(both: int) -> int:
    raise ValueError("cannot go on")


def place(x: int) -> tuple:
    return os.getpid(), threading.current_thread().name


def item(x: int) -> Parallelizable[int]:
    yield from range(x)


def square(item: int) -> int:
    return item**2


def total(square: Collect[int]) -> int:
    return sum(square)
"""


@pytest.fixture
def module():
    return ad_hoc_utils.module_from_source(SOURCE)
