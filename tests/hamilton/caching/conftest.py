from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hamilton import ad_hoc_utils, driver

CHAIN = """
RAN = []

def a(x: int) -> int:
    RAN.append("a")
    return x + 1

def b(a: int) -> int:
    RAN.append("b")
    return a * 2

def c(b: int) -> int:
    RAN.append("c")
    return b + 1
"""


class Chain:
    """A chain of three functions that note when they run."""

    def __init__(self, path: Path) -> None:
        source = CHAIN.replace("RAN = []", "import collections\nclass Log:\n    ran = []")
        self.module = ad_hoc_utils.module_from_source(
            source.replace("RAN.append", "Log.ran.append")
        )
        self.path = path

    def driver(self, **cache: Any) -> driver.Driver:
        return driver.Builder().with_modules(self.module).with_cache(self.path, **cache).build()

    def ran(self, dr: driver.Driver, x: int = 1, final: str = "c") -> str:
        log: list[str] = self.module.Log.ran
        log.clear()
        dr.execute([final], inputs={"x": x})
        return " ".join(log)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "cache")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., driver.Driver]:
    def make(*functions: Callable[..., Any], **cache: Any) -> driver.Driver:
        module = ad_hoc_utils.create_temporary_module(*functions)
        return driver.Builder().with_modules(module).with_cache(tmp_path / "c", **cache).build()

    return make
