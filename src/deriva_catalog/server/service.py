"""The service: it turns requests into answers, and keeps the catalogs open meanwhile.

Nothing here knows about HTTP connections: `Service.handle` is an ordinary function that may be
called from any thread, and never raises.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..access import Client
from ..catalog.local import LocalCatalog
from ..catalog.own_objects import open_own_objects
from ..catalog.registry import Registered, Registry
from ..errors import BadRequest, CatalogError, Forbidden, NotFound
from ..objects import ObjectStore
from ..objects.assembling import Assemblies
from .authn.door import admit
from .authn.sessions import own_sessions
from .authn.settings import AuthnSettings
from .documents import DocumentCache
from .errors import INTERNAL_ERROR, error_answer, failure_answer
from .messages import Answer, Request
from .naming import Names
from .requests import decoded
from .settings import Settings

__all__ = ["Handler", "Opened", "Service", "Sessions"]

log = logging.getLogger("deriva_catalog.server")

Handler = Callable[["Service", Request, Sequence[str]], Answer]
"""Answers requests below a prefix; the segments are those after it, raw as they were sent."""

_VIEWS_KEPT = 1024
_AGAIN = "Repeat the request later; the log of the service has more."


class Sessions(Protocol):
    """Who sends a request, by its headers."""

    def client_of(self, headers: Mapping[str, str]) -> Client:
        """The client whose cookie or token is in the headers; an unknown one is anonymous."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A catalog that a request addresses.

    `catalog` is what the client may see and do there, at the snapshot if one was asked for;
    `id` is as addressed; `alias_target` is set when that is an alias.
    """

    catalog: LocalCatalog
    entry: Registered
    id: str
    alias_target: str | None = None


class Service:
    """The catalogs of a registry, as clients use them."""

    def __init__(
        self,
        registry: Registry,
        sessions: Sessions,
        routes: Mapping[str, Handler],
        settings: Settings | None = None,
    ) -> None:
        self.registry = registry
        self.sessions = sessions
        self.settings = settings or Settings()
        self.documents = DocumentCache()
        self.assemblies = Assemblies()
        own = own_sessions(sessions)
        self._authn = AuthnSettings() if own is None else own.settings
        self.names = Names(
            registry, self.settings.registry_seconds, shared=self.settings.workers > 1
        )
        self._routes = routes
        self._recorder = ThreadPoolExecutor(1, "identities")
        self._lock = threading.Lock()
        self._open: OrderedDict[str, LocalCatalog] = OrderedDict()
        self._held: Counter[str] = Counter()
        self._objects: ObjectStore | None = None
        self._views: OrderedDict[tuple[str, Client], LocalCatalog] = OrderedDict()

    # --- requests --------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """Answer one request; an error is an answer too."""
        try:
            self.admit(request)
            if request.method == "HEAD":
                return _without_body(self._dispatch(replace(request, method="GET", is_head=True)))
            return self._dispatch(request)
        except CatalogError as error:
            return self.told(error, request)
        except Exception:  # the outermost place: whatever it is, the client is told
            log.exception("%s %s failed", request.method, request.path)
            return failure_answer(500, INTERNAL_ERROR, "", request.headers)

    def told(self, error: CatalogError, request: Request) -> Answer:
        """The answer for an error.

        What is wrong with the service itself is logged, and the client is told what to do: the
        message may name directories and databases, which are none of its business.
        """
        if error.status < 500:
            return error_answer(error, request.headers)
        log.error("%s %s: %s", request.method, request.path, error, exc_info=True)
        hint = error.hint or _AGAIN
        return failure_answer(error.status, error.description, hint, request.headers)

    def _dispatch(self, request: Request) -> Answer:
        if not request.target.startswith("/"):
            raise BadRequest(f"The request target {request.target!r} does not begin with '/'.")
        first, *rest = request.path[1:].split("/")
        # The root of objects has parts as well: "/hatrac;acl".
        handler = self._routes.get(first) or self._routes.get(first.partition(";")[0])
        if handler is None:
            known = ", ".join(f"/{name}" for name in sorted(self._routes) if name)
            raise NotFound(f"There is nothing at {request.path!r}.", hint=f"There are {known}.")
        return handler(self, request, rest)

    @property
    def objects(self) -> ObjectStore:
        """The objects that belong to no catalog, at ``/hatrac``."""
        with self._lock:
            if self._objects is None:
                creators = self.settings.creators
                self._objects = open_own_objects(self.registry, creators=creators)
            return self._objects

    @property
    def spool(self) -> Path | None:
        """Where large bodies wait: beside the objects, if those are files of this machine."""
        home = self.registry.home
        return home if home.is_dir() else None

    # --- catalogs --------------------------------------------------------------------

    def catalog(self, request: Request, raw_id: str) -> Opened:
        """The catalog that a segment of a URL addresses: an id or alias, perhaps ``@SNAPTIME``.

        Raises:
            NotFound: there is none of that name.
            Conflict: the alias is bound to none; the snapshot is not kept.
            NotAuthenticated, Forbidden: the client may not know of it.
        """
        raw_name, mark, raw_moment = raw_id.partition("@")
        name = decoded(request, raw_name)
        entry = self.names.find(name)
        scope = request.client.scope
        if scope is not None and not scope.admits_catalog(entry.id):
            raise Forbidden(f"Your access token does not open catalog {name!r}.")
        catalog = self._view(entry, request.client)
        if mark:
            catalog = catalog.at(decoded(request, raw_moment))
        return Opened(catalog, entry, name, entry.id if name != entry.id else None)

    def admit(self, request: Request, *, websocket: bool = False) -> None:
        """Let a request in that is not out of its token's scope, nor another site's doing.

        Args:
            request: Whose client is known.
            websocket: Whether it opens a WebSocket, which browsers let every page do.

        Raises:
            Forbidden: it is one of these.
        """
        admit(request, self._authn, self._catalog_id, websocket=websocket)

    def _catalog_id(self, name: str) -> str | None:
        """The identifier of the catalog that a name stands for; None if there is none."""
        try:
            return self.names.find(name).id
        except CatalogError:
            return None

    def _view(self, entry: Registered, client: Client) -> LocalCatalog:
        """The catalog for a client; kept, because much is cached in it."""
        known = (entry.id, client)
        with self._lock:
            view = self._views.get(known)
            if view is not None:
                self._views.move_to_end(known)
                self._open.move_to_end(entry.id)
                return view
            live = self._open.get(entry.id)
            if live is None:
                live = self.registry.open(entry.id)
                live.store.read_budget_s = self.settings.query_seconds
                self._open[entry.id] = live
            view = self._views[known] = live.for_client(client)
            if not client.is_anonymous:
                self._recorder.submit(_record, view)
            while len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
            idle = self._idle(entry.id)
        for left in idle:  # requests that still use one go on: it connects anew for them
            left.close()
        return view

    def _idle(self, needed: str) -> list[LocalCatalog]:
        """The catalogs that were not used for longest, if too many are open; they are let go."""
        surplus = len(self._open) - self.settings.catalogs
        if surplus <= 0:
            return []
        free = [c for c in self._open if c != needed and not self._held[c]][:surplus]
        for view in [v for v in self._views if v[0] in free]:
            del self._views[view]
        return [self._open.pop(c) for c in free]

    @contextmanager
    def holding(self, opened: Opened) -> Iterator[None]:
        """Keep a catalog open: a transaction of a thread belongs to the object it was begun on."""
        catalog_id = opened.entry.id
        with self._lock:
            self._held[catalog_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[catalog_id] -= 1

    def forget(self, catalog_id: str) -> None:
        """Close a catalog that was deleted; returns when no process knows it any more."""
        self.names.changed()
        with self._lock:
            for known in [k for k in self._views if k[0] == catalog_id]:
                del self._views[known]
            live = self._open.pop(catalog_id, None)
        if live is not None:
            live.close()

    def close(self) -> None:
        """Close all catalogs."""
        self._recorder.shutdown(wait=True, cancel_futures=True)
        self.assemblies.close()
        with self._lock:
            opened, self._open = list(self._open.values()), OrderedDict()
            objects, self._objects = self._objects, None
            self._views.clear()
        for catalog in opened:
            catalog.close()
        if objects is not None:
            objects.close()


def _record(view: LocalCatalog) -> None:
    """Make sure that there is a row for a client who uses a catalog, also if it only reads.

    This is done beside the request, which must not wait for others that write. A client who
    writes is recorded in its own transaction anyway.

    Source: ERMrest, "Identity records".
    """
    try:
        if view.decisions.catalog("enumerate"):
            with view.transaction():
                pass  # each transaction begins with this record
    except CatalogError as error:
        log.warning("%s could not be recorded in catalog %s: %s", view.client, view.id, error)


def _without_body(answer: Answer) -> Answer:
    """What HEAD is answered: the headers of GET, with the length where it is known."""
    headers = dict(answer.headers)
    if isinstance(answer.body, bytes):
        headers.setdefault("Content-Length", str(len(answer.body)))
    else:
        close(answer.body)
    return replace(answer, body=b"", headers=headers)


def close(body: Iterator[bytes]) -> None:
    """End an iterator early, if it can be; a transaction may hang on it."""
    end = getattr(body, "close", None)
    if end is not None:
        end()
