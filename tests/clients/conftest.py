"""Foreign clients, and one service for each storage that all their tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from foreign import Foreign, Place, foreign, serving_foreign


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Place]]:
    """Services by storage, each started when it is first asked for."""
    started: dict[tuple[str, bool], Place] = {}
    with ExitStack() as stack:

        def of(backend: str, *, tls: bool = False) -> Place:
            if (backend, tls) not in started:
                home = tmp_path_factory.mktemp("served")
                started[backend, tls] = stack.enter_context(serving_foreign(home, backend, tls=tls))
            return started[backend, tls]

        yield of


@pytest.fixture(scope="session")
def deriva(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    return foreign("deriva", tmp_path_factory.mktemp("home") / "kim")


@pytest.fixture(scope="session")
def deriva_ml(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    return foreign("deriva-ml", tmp_path_factory.mktemp("home") / "kim")


@pytest.fixture(scope="session")
def seen(deriva: Foreign, places: Callable[..., Place]) -> Callable[..., dict[str, Any]]:
    """What a script saw at a storage; each is run once."""
    known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(script: str, backend: str, **more: Any) -> dict[str, Any]:
        if (script, backend) not in known:
            known[script, backend] = deriva.run(script, places(backend), **more)
        return known[script, backend]

    return of
