"""Which objects a request is about, and with which rights.

``/hatrac`` is the service's own store. Reading there also finds the objects of the catalogs that
are served: identifiers of versions are unique, and a name without a version is looked up in the
service's own store first. A catalog's own store is below its address; its root has the lists of
the catalog.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from ...access import Client
from ...errors import CatalogError, Conflict, NotFound, ReadOnly
from ...objects import Asker, ObjectStore
from ...objects.assembling import Assemblies
from ...objects.jobs import IDLE
from ...objects.listing import has
from ...objects.names import ObjectName
from ...objects.of_catalog import asker_of
from ..messages import Request

if TYPE_CHECKING:
    from ..service import Service

__all__ = ["View", "catalog_view", "read_through", "service_view"]

T = TypeVar("T")
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class View:
    """Objects as a client sees them. `base` comes before ``/hatrac`` in their URLs."""

    store: ObjectStore
    asker: Asker
    base: str = ""
    of_catalog: bool = False
    readonly: bool = False
    idle: timedelta = IDLE
    """How long uploads may rest."""
    signed_seconds: float = 0.0
    """How long a URL is good that readers are sent to; 0 if they are not sent anywhere."""
    assemblies: Assemblies | None = None
    """What uploads in chunks are put together by while they come."""

    def require_writable(self) -> None:
        """Refuse to write at a snapshot. Raises `ReadOnly`."""
        if self.readonly:
            raise ReadOnly(
                "Objects cannot be changed through a snapshot.", hint="Use the live catalog."
            )


def service_view(service: Service, request: Request) -> View:
    """The service's own objects."""
    return View(
        service.objects,
        Asker(request.client),
        idle=_idle(service),
        signed_seconds=service.settings.signed_url_seconds,
        assemblies=service.assemblies,
    )


def catalog_view(service: Service, request: Request, raw_id: str) -> View:
    """The objects of the catalog that a segment of a URL addresses.

    Raises:
        NotFound: There is none.
        NotAuthenticated, Forbidden: The client may not know of it.
    """
    opened = service.catalog(request, raw_id)
    catalog = opened.catalog
    catalog.decisions.require_catalog("enumerate")
    asker = asker_of(catalog.store, request.client)
    base = f"/ermrest/catalog/{raw_id}"
    readonly = catalog.snaptime is not None
    return View(
        catalog.object_store,
        asker,
        base,
        of_catalog=True,
        readonly=readonly,
        idle=_idle(service),
        signed_seconds=service.settings.signed_url_seconds,
        assemblies=service.assemblies,
    )


def _idle(service: Service) -> timedelta:
    return timedelta(days=service.settings.upload_days)


class _Remembered:
    """In which catalog a client found a version, the latest ones.

    Each client has its own memory: others may read other catalogs, and identifiers of versions may
    be chosen, so that another catalog can have the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str | None, str], str] = OrderedDict()

    def get(self, client: Client, name: ObjectName) -> str | None:
        with self._lock:
            return self._known.get((client.id, name.url))

    def put(self, client: Client, name: ObjectName, catalog: str) -> None:
        if name.version is None:
            return
        with self._lock:
            self._known[client.id, name.url] = catalog
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


_found_in = _Remembered()


def read_through(
    service: Service, request: Request, view: View, name: ObjectName, read: Callable[[View], T]
) -> T:
    """What `read` finds in the service's own store, else in one of the catalogs served.

    Raises:
        NotFound: Nobody has the object.
        NotAuthenticated, Forbidden: It was found only where the client may not read it.
    """
    try:
        return read(view)
    except NotFound as error:
        if view.of_catalog or not name.parts:
            raise
        missing = error
    denied: CatalogError | None = None
    for identifier in _holders(service, request.client, name):
        try:
            # Its URLs are those of the service, where clients keep them from.
            there = replace(catalog_view(service, request, identifier), base="")
        except (NotFound, Conflict, PermissionError):
            continue  # deleted meanwhile, or nothing that this client may know of
        try:
            found = read(there)
        except NotFound:
            continue
        except PermissionError as error:
            denied = denied or error  # type: ignore[assignment]
            continue
        _found_in.put(request.client, name, identifier)
        return found
    raise denied or missing


def _holders(service: Service, client: Client, name: ObjectName) -> Iterator[str]:
    """The catalogs that have a version or an object; the others are not even opened.

    They come in the order in which they were registered, after the one where this client found
    the version before: the others are looked for only when that does not answer.
    """
    every = [entry.id for entry in service.registry.catalogs()]
    known = _found_in.get(client, name)
    if known in every:
        yield known
        every.remove(known)
    yield from service.registry.places.which(every, has(name))


def owner_of(client: Client) -> list[str]:
    """The client as a list of roles."""
    return [] if client.id is None else [client.id]
