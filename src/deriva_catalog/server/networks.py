"""Sets of addresses, given as addresses and networks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from ..errors import BadRequest

__all__ = ["Networks"]


class Networks:
    """Some addresses and networks (``10.0.0.0/8``); ``in`` asks whether an address is of them.

    Raises:
        BadRequest: one of them is neither.
    """

    def __init__(self, given: Iterable[str]) -> None:
        try:
            self._networks = tuple(ip_network(each) for each in given)
        except ValueError as error:
            raise BadRequest(f"This is no address or network: {error}.") from error
        self._contains = lru_cache(maxsize=1024)(self._look)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self._contains(address)

    def _look(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:  # such as the name of a UNIX socket
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        found = mapped if mapped is not None else address
        return any(found in network for network in self._networks)
