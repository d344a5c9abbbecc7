"""Changing the model of a catalog on behalf of a client, or without restrictions.

Each change is one transaction and one snapshot; one that changes nothing leaves none. What a
client does not see does not exist for it: a restricted change is first worked out in the model
that the client sees, where everything that it names must be found, and then in the whole one.

Source: ERMrest, "The model: operations"; "Access control".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from ..access.creating import (
    allow_creation,
    allow_move,
    allow_references,
    moved_by,
    owned_by,
)
from ..access.decisions import Decisions, decisions_for
from ..access.identity import Client
from ..access.ownership import owned_element
from ..access.rights import client_document
from ..engine.ddl import apply_change
from ..engine.rids import rids_one_by_one
from ..engine.transaction import Writing
from ..errors import CatalogError, Conflict, NotFound, UnknownName
from ..model import alteration, creation, removal
from ..model.address import Address
from ..model.changes import ModelChange, NextRid
from ..model.elements import Model
from ..model.lookup import Element, find_element

__all__ = ["Modelling"]

Document = dict[str, Any]
_Make = Callable[[Model, NextRid, int], ModelChange]


@dataclass(frozen=True, slots=True)
class _Changed:
    """A change that was made, the model afterwards, and the change as the client sees it.

    `foreseen` is None when the client sees the whole model.
    """

    change: ModelChange
    model: Model
    foreseen: ModelChange | None


@dataclass(frozen=True, slots=True)
class Modelling:
    """The changes that one client makes in the model of a catalog.

    Attributes:
        opening: Opens the transaction that a change is made in, or joins the one that is open.
        looking: Gives the model as it is now.
        client: Who changes; None is the embedded owner, whom nothing restricts.
        features: What documents of the whole model say the catalog can do.
    """

    opening: Callable[[], AbstractContextManager[Writing]]
    looking: Callable[[], Model]
    client: Client | None
    features: Mapping[str, Any]

    # --- elements --------------------------------------------------------------------

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Create schemas, tables and foreign keys; returns the documents of the first two.

        Raises:
            NotAuthenticated, Forbidden: the client may not create one of them.
            BadRequest, Conflict: see `creation.create`.
        """

        def plan(decisions: Decisions) -> _Make:
            allow_creation(decisions, documents)
            owned = documents
            if self.client is not None:
                owned = owned_by(decisions, documents, self.client)
            return lambda model, next_rid, version: creation.create(
                model, owned, next_rid=next_rid, version=version
            )

        return self._described(self._change(plan))

    def create_part(
        self, create: Callable[..., ModelChange], home: Address, document: Mapping[str, Any]
    ) -> Document:
        """Create a column, key or foreign key with that function of `creation`.

        Raises:
            NotAuthenticated, Forbidden: the client does not own the table, or may not read
                what a foreign key refers to.
            BadRequest, Conflict: see the function.
        """

        def plan(decisions: Decisions) -> _Make:
            owned_element(decisions, home, inside=True)
            return lambda model, next_rid, version: create(
                model, home.schema, home.table, document, next_rid=next_rid, version=version
            )

        return self._described(self._change(plan))[0]

    def alter(self, address: Address, document: Mapping[str, Any]) -> Document:
        """Change the members of an element that a document gives; see `alteration.alter`."""

        def plan(decisions: Decisions) -> _Make:
            owned_element(decisions, address)
            given = document
            if self.client is not None and isinstance(document, Mapping):
                allow_move(decisions, address, document)
                given = moved_by(decisions, address, document, self.client)
            return lambda model, _, version: alteration.alter(
                model, address, given, version=version
            )

        return self._described(self._change(plan))[0]

    def drop(self, address: Address) -> None:
        """Remove an element; see `removal.drop`."""

        def plan(decisions: Decisions) -> _Make:
            owned_element(decisions, address)
            return lambda model, _, version: removal.drop(model, address, version=version)

        self._change(plan)

    def attach(self, attach: Callable[..., ModelChange], address: Address, *given: Any) -> Element:
        """Change what is attached to an element, with a function of `policy`.

        Returns:
            The element afterwards.

        Raises:
            NotFound, UnknownName: there is no such element that the client may know of.
            NotAuthenticated, Forbidden: the client does not own it, or would not own the
                catalog any more.
            BadRequest, Conflict: see the function.
        """

        def plan(decisions: Decisions) -> _Make:
            owned_element(decisions, address, inside=True)
            return lambda model, _, version: attach(model, address, *given, version=version)

        return find_element(self._change(plan).model, address)

    # --- how -------------------------------------------------------------------------

    def _change(self, plan: Callable[[Decisions], _Make]) -> _Changed:
        if self.client is not None:  # refuse before waiting for the turn to write
            plan(self._decided(self.looking()))
        with self.opening() as writing:
            decisions = self._decided(writing.model)
            make = plan(decisions)
            foreseen = None
            if decisions.visible() is not writing.model:
                foreseen = make(decisions.visible(), map("?{}".format, count()).__next__, 0)
                allow_references(decisions, foreseen)
            change = self._made(writing, make, foreseen is not None)
            if self.client is not None and decisions.owns_catalog():
                _refuse_lockout(decisions, change.model, self.client)
            unchanged = replace(change.model, version=writing.model.version) == writing.model
            if not unchanged:
                apply_change(writing, change)
            return _Changed(change, writing.model, foreseen)

    def _decided(self, model: Model) -> Decisions:
        decisions = decisions_for(model, self.client)
        decisions.require_catalog("enumerate")
        return decisions

    def _made(self, writing: Writing, make: _Make, restricted: bool) -> ModelChange:
        try:
            with rids_one_by_one(writing.connection) as next_rid:
                return make(writing.model, next_rid, writing.time)
        except CatalogError as error:
            if not restricted:
                raise
            # In the model that the client sees there was nothing against it.
            raise Conflict(
                "The change contradicts a part of the catalog that this client does not see.",
                hint="Choose another name, or ask an owner of the catalog.",
            ) from error

    def _described(self, changed: _Changed) -> list[Document]:
        decisions = decisions_for(changed.model, self.client)
        return [self._document(decisions, changed, where) for where in changed.change.elements]

    def _document(self, decisions: Decisions, changed: _Changed, address: Address) -> Document:
        try:
            return client_document(decisions, address, features=self.features)
        except (NotFound, UnknownName):
            if changed.foreseen is None:
                raise
            # The client has just hidden it from itself.
            seen = changed.foreseen.model
            return client_document(decisions, address, features=self.features, seen=seen)


def _refuse_lockout(decisions: Decisions, model: Model, client: Client) -> None:
    if client.roles.isdisjoint(model.acls.get("owner", ())):
        raise decisions.denied(
            "The client would not own this catalog any more.",
            hint="Leave one of its own roles in the ACL 'owner'.",
        )
