"""Where catalogs of the contract suite live, and how another client opens them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from catalog_server import Served, serving
from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, Registry, connect, create_local
from deriva_catalog.catalog.remote import RemoteCatalog, open_remote, parse_host
from deriva_catalog.engine.checks import Finding

AnyCatalog = LocalCatalog | RemoteCatalog
OWNER = "kim"


class Backend(Protocol):
    """Makes catalogs of one kind. Those that it made are closed at its end."""

    def create(self) -> AnyCatalog:
        """An empty catalog, as its owner uses it."""
        ...

    def another(self, catalog: AnyCatalog, client: str = OWNER) -> AnyCatalog:
        """The same catalog through another object, perhaps as somebody else uses it."""
        ...

    def seen_by(self, catalog: AnyCatalog, client: Client) -> AnyCatalog:
        """The same catalog, or snapshot, within the rights of a client."""
        ...

    def findings(self, catalog: AnyCatalog) -> list[Finding]:
        """Everything that is wrong with the database of a catalog."""
        ...


@dataclass
class Embedded:
    """Catalogs in directories, in this process."""

    directory: Path
    made: list[LocalCatalog] = field(default_factory=list)

    def create(self) -> AnyCatalog:
        catalog = create_local(self.directory / f"catalog{len(self.made)}", client=OWNER)
        self.made.append(catalog)
        return catalog

    def another(self, catalog: AnyCatalog, client: str = OWNER) -> AnyCatalog:
        assert isinstance(catalog, LocalCatalog)
        other = connect(catalog.directory, client=client)
        self.made.append(other)
        return other

    def seen_by(self, catalog: AnyCatalog, client: Client) -> AnyCatalog:
        assert isinstance(catalog, LocalCatalog)
        return catalog.for_client(client)

    def findings(self, catalog: AnyCatalog) -> list[Finding]:
        assert isinstance(catalog, LocalCatalog)
        return catalog.check()


@dataclass
class InDatabase:
    """Catalogs in a PostgreSQL database, used from this process."""

    registry: Registry
    made: list[LocalCatalog] = field(default_factory=list)

    def create(self) -> AnyCatalog:
        return self._kept(self.registry.create(client=OWNER))

    def another(self, catalog: AnyCatalog, client: str = OWNER) -> AnyCatalog:
        return self._kept(self.registry.open(catalog.id, client=client))

    def seen_by(self, catalog: AnyCatalog, client: Client) -> AnyCatalog:
        assert isinstance(catalog, LocalCatalog)
        return catalog.for_client(client)

    def findings(self, catalog: AnyCatalog) -> list[Finding]:
        assert isinstance(catalog, LocalCatalog)
        return catalog.check()

    def _kept(self, catalog: LocalCatalog) -> LocalCatalog:
        self.made.append(catalog)
        return catalog


@dataclass
class OverHttp:
    """Catalogs of a real service on a loopback port."""

    served: Served
    made: list[RemoteCatalog] = field(default_factory=list)
    tokens: dict[Client, str] = field(default_factory=dict)

    def create(self) -> AnyCatalog:
        registered = self.served.service.registry.create(client=OWNER)
        registered.close()
        return self._open(registered.id, Client(OWNER))

    def another(self, catalog: AnyCatalog, client: str = OWNER) -> AnyCatalog:
        return self._open(catalog.id, Client(client))

    def seen_by(self, catalog: AnyCatalog, client: Client) -> AnyCatalog:
        return self._open(catalog.id, client).at(catalog.snaptime)

    def findings(self, catalog: AnyCatalog) -> list[Finding]:
        stored = self.served.service.registry.open(catalog.id)
        try:
            return stored.check()
        finally:
            stored.close()

    def _open(self, catalog_id: str, client: Client) -> AnyCatalog:
        host, credential = parse_host(self.served.url), self._credential(client)
        opened = open_remote(host, catalog_id, credential=credential)
        self.made.append(opened)
        return opened

    def _credential(self, client: Client) -> dict[str, str]:
        """What proves that somebody is this client; empty for nobody."""
        if client.id is None:
            return {}
        if client not in self.tokens:
            groups = [attribute.id for attribute in client.attributes]
            self.tokens[client] = self.served.tokens.add(client.id, groups)
        return {"bearer-token": self.tokens[client]}


@contextmanager
def embedded(directory: Path) -> Iterator[Embedded]:
    """Catalogs below a directory."""
    backend = Embedded(directory)
    yield backend
    for catalog in backend.made:
        catalog.close()


@contextmanager
def in_database(url: str, files: Path) -> Iterator[InDatabase]:
    """Catalogs of a database, which takes them along when it is dropped."""
    with closing(Registry.of_database(url, files=files)) as registry:
        backend = InDatabase(registry)
        yield backend
        forget(backend)


@contextmanager
def over_http(home: Path, database: str | None = None) -> Iterator[OverHttp]:
    """A service of the catalogs of a home directory, or of a database, and its catalogs."""
    registry = None if database is None else Registry.of_database(database, home / "files")
    with serving(home, registry=registry) as served:
        backend = OverHttp(served)
        try:
            yield backend
        finally:
            forget(backend)


def forget(backend: InDatabase | OverHttp) -> None:
    """Close the catalogs that were opened so far."""
    for catalog in backend.made:
        catalog.close()
    backend.made.clear()
