"""Connections to one schema of a PostgreSQL database."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ...errors import Unavailable
from ..pools import close_late_returns
from .address import Address, psycopg

__all__ = ["OF_PARENTS", "make_engine", "quoted"]

OLDEST = 160_000
"""The oldest PostgreSQL that has everything that is used (``any_value``)."""

OF_PARENTS: list[sa.Pool] = []
"""Pools that a fork brought along, kept so that nothing closes their connections."""

_MOST_IDLE = 24
"""So many connections of this process may wait for their next use; a server has 100 in all."""

_KEPT = 4
_MORE = 28
_LONGEST_WAIT_S = 30.0
_SETTINGS = (
    "SET client_min_messages = warning; SET extra_float_digits = 1; SET datestyle = ISO; "
    "SET TimeZone = 'UTC'; SET standard_conforming_strings = on; SET bytea_output = hex; "
)


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def make_engine(owner: object, address: Address, schema: str) -> sa.Engine:
    """A pool of connections whose unqualified names are those of `schema`.

    The connections are in autocommit mode: transactions begin where `storage` says so. The pool
    is disposed of with `owner`.
    """
    driver = psycopg()
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=_creator(driver, address, schema),
        poolclass=sa.pool.QueuePool,
        pool_size=_KEPT,
        max_overflow=_MORE,
        pool_timeout=_LONGEST_WAIT_S,
        pool_use_lifo=True,
        use_native_hstore=False,
        # Otherwise nobody knows how many rows an INSERT ... SELECT has inserted.
        execution_options={"preserve_rowcount": True},
    )
    weakref.finalize(owner, _dispose, engine, os.getpid())
    sa.event.listen(engine, "checkout", lambda *_: _IDLE.used(engine))
    close_late_returns(engine)
    return engine


class _Idle:
    """The pools of this process in the order of their use; those unused for long make room.

    Each catalog has a pool of its own, since its connections know its schema and its statements.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: OrderedDict[int, weakref.ref[sa.Engine]] = OrderedDict()
        self._pid = os.getpid()

    def used(self, engine: sa.Engine) -> None:
        """Note that a connection of a pool is in use."""
        if self._pid != os.getpid():  # pools of the parent are not to be touched
            self._lock, self._pools, self._pid = threading.Lock(), OrderedDict(), os.getpid()
        with self._lock:
            self._pools[id(engine)] = weakref.ref(engine)
            self._pools.move_to_end(id(engine))

    def make_room(self) -> None:
        """Close idle connections of the pools that were used longest ago."""
        if self._pid != os.getpid():
            return
        with self._lock:
            known = [(key, found) for key, ref in self._pools.items() if (found := ref())]
            self._pools = OrderedDict((key, weakref.ref(found)) for key, found in known)
            idle = sum(_waiting(engine) for _, engine in known)
            for key, engine in known[:-1]:
                if idle < _MOST_IDLE:
                    break
                idle -= _waiting(engine)
                engine.dispose()
                del self._pools[key]


_IDLE = _Idle()


def _waiting(engine: sa.Engine) -> int:
    pool = engine.pool
    return pool.checkedin() if isinstance(pool, sa.pool.QueuePool) else 0


def _creator(driver: Any, address: Address, schema: str) -> Callable[[], Any]:
    settings = f"{_SETTINGS}SET search_path = {quoted(schema)}"

    def connect() -> Any:
        _IDLE.make_room()
        connection = driver.connect(
            address.url,
            autocommit=True,
            application_name="deriva-catalog",
            client_encoding="utf8",
            connect_timeout=10,
        )
        try:
            if connection.info.server_version < OLDEST:
                raise Unavailable(
                    f"The server of {address.shown!r} is PostgreSQL "
                    f"{connection.info.server_version // 10_000}; at least 16 is needed.",
                    hint="Use a newer server.",
                )
            connection.execute(settings)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _dispose(engine: sa.Engine, pid: int) -> None:
    if os.getpid() == pid:
        engine.dispose()
