from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from hamilton import ad_hoc_utils, driver


@pytest.fixture
def source_module() -> Callable[..., ModuleType]:
    """Makes a module of source text."""
    return ad_hoc_utils.module_from_source


@pytest.fixture
def build() -> Callable[..., driver.Driver]:
    """Builds a dictionary-returning driver of functions, or of source text."""

    def make(*functions: Any, config: dict[str, Any] | None = None, adapters: Any = ()) -> Any:
        if functions and isinstance(functions[0], str):
            modules = [ad_hoc_utils.module_from_source(text) for text in functions]
        else:
            modules = [ad_hoc_utils.create_temporary_module(*functions)]
        builder = driver.Builder().with_modules(*modules).with_config(config or {})
        return builder.with_adapters(*adapters).build()

    return make


@pytest.fixture
def importable(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Writes a module to a folder on the path and imports it."""
    import importlib
    import sys

    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def write(name: str, text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)
