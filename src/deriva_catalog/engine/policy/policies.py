"""The policy for one client at one moment, and the keeping of what several share."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...access import Client
from ...access.decisions import Decisions, decisions_for
from ...model.elements import Model, Table
from ...model.lookup import find_table
from ...path.ast import Path, TableName
from ..compile import Guarded, compile_rows
from ..dialect import Rights
from ..moments import Moment
from ..transaction import Writing
from .bindings import Grounds, roles_parameter
from .guard import Guard
from .rules import Rules

__all__ = ["Policies", "Policy"]

_MOST = 256


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for a client, with the values of the statements' parameters."""

    rules: Rules
    parameters: Mapping[str, Any]

    @property
    def model(self) -> Model:
        """The model that queries are compiled against."""
        return self.rules.model

    @property
    def decisions(self) -> Decisions:
        """What the client may do, as far as that follows from the lists."""
        return self.rules.decisions

    def source(self, table: Table) -> sa.FromClause | Guarded:
        """The rows and cells of a table of the model that may be read; see `Rules.source`."""
        return self.rules.source(table)

    def visible_tables(self) -> Iterator[Table]:
        """The tables that the client may know of, with all of their columns."""
        return map(self.rules.whole, self.decisions.visible().tables())

    def has_costly_rights(self, table: Table) -> bool:
        """Whether the client's rights on rows of a table depend on the row."""
        return self.rules.has_costly_rights(table)

    @property
    def rights(self) -> Rights:
        """The client's rights on rows; equal for clients with the same rules."""
        return self.rules.rights


class Policies:
    """The policies of one catalog. Usable from many threads.

    Rules are kept for the models, live or of snapshots, and the kinds of clients used lately.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, Hashable], Rules] = OrderedDict()

    def reading(self, moment: Moment, client: Client | None) -> Policy | None:
        """The policy for a client who reads; None when nothing is restricted.

        Owners are not restricted in the live catalog. At a snapshot they have a policy as well,
        because there `trs` and `tcrs` say that nothing can be changed.

        Raises:
            NotAuthenticated, Forbidden: the client may not know of the catalog.
        """
        if client is None:
            return None
        historic = moment.at is not None
        decisions = decisions_for(moment.model, client, historic=historic)
        decisions.require_catalog("enumerate")
        if decisions.is_owner_of_everything and not historic:
            return None
        grounds = Grounds(moment.model, moment.relation, moment.expressions)
        return Policy(self._rules(decisions, grounds, moment.source), roles_parameter(client))

    def writing(self, writing: Writing, client: Client | None) -> Guard | None:
        """What watches over a client who writes; None when nothing is restricted.

        Raises:
            NotAuthenticated, Forbidden: the client may not know of the catalog.
        """
        if client is None:
            return None
        decisions = decisions_for(writing.model, client)
        decisions.require_catalog("enumerate")
        if decisions.is_owner_of_everything:
            return None
        grounds = Grounds(writing.model, writing.tables.live, writing.storage.expressions)
        return Guard(writing, self._rules(decisions, grounds, None), client)

    def target(
        self, writing: Writing, client: Client | None, name: TableName
    ) -> tuple[Table, Guard | None]:
        """The whole table that a name means to a client, and what watches over its writing."""
        guard = self.writing(writing, client)
        if guard is None:
            return find_table(writing.model, name), None
        return guard.found(name), guard

    def chosen(
        self, writing: Writing, client: Client | None, path: Path
    ) -> tuple[Table, sa.Select[Any], Guard | None]:
        """A path's context as the whole table, and the RIDs of its rows that a client selects."""
        guard = self.writing(writing, client)
        expressions = writing.storage.expressions
        if guard is None:
            live = writing.tables.live
            return *compile_rows(path, writing.model, live, expressions), None
        rules = guard.rules
        table, rids = compile_rows(path, rules.model, rules.source, expressions)
        return rules.whole(table), rids, guard

    def _rules(self, decisions: Decisions, grounds: Grounds, source: Hashable) -> Rules:
        """The rules for decisions on the rows of a source, which tells it as `Reading` does."""
        key = (id(decisions), source)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        # The rules hold the decisions, so that their identity stays their own.
        made = Rules(decisions, grounds)
        with self._lock:
            found = self._kept.setdefault(key, made)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found
