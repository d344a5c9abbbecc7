"""What stands in for a catalog when there is no connection to it."""

from __future__ import annotations

from typing import Any, NoReturn

from deriva_catalog.model.elements import Model

from .exceptions import DerivaMLOfflineError, DerivaMLReadOnlyError

__all__ = ["CatalogStub", "NotConnected"]


class NotConnected(DerivaMLOfflineError, DerivaMLReadOnlyError):
    """Something was asked of a catalog that this session has no connection to."""


class CatalogStub:
    """Knows where a catalog is and what its schema was; whatever else is asked is refused.

    Args:
        id: The catalog's number.
        url: Its address.
        model: Its schema as it is kept on this machine.
    """

    def __init__(self, id: str, url: str, model: Model) -> None:
        self.id = id
        self.url = url
        self.model = model
        self.snaptime = None

    def close(self) -> None:
        """There is nothing to close."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # asked by Python itself, such as for copying
        raise NotConnected(
            f"This session is offline, and {name!r} needs the catalog {self.id!r} at "
            f"{self.url}. Connect with mode='online'."
        )

    def __repr__(self) -> str:
        return f"CatalogStub({self.id!r}, {self.url!r})"


def as_catalog(stub: CatalogStub) -> Any:
    """The stub where a catalog is expected: it has the attributes, and refuses to work."""
    return stub
