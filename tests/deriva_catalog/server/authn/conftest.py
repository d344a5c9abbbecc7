"""One service with logins for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from authn_server import LoginServer, login_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginServer]:
    """A running service, where kim and ada have accounts."""
    with login_server(tmp_path_factory.mktemp("home")) as running:
        running.account("kim")
        running.account("ada")
        yield running
