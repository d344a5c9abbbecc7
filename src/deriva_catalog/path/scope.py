"""A path under construction: its tree, and which table instance stands where in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import BadRequest, UnknownName
from ..model.elements import Table
from .ast import (
    Aggregate,
    Bin,
    ColumnName,
    Element,
    Expression,
    Item,
    Path,
    Reset,
    Restrict,
    Star,
)
from .columns import AnyColumn, BinCall, ColumnRef, FunctionCall, Instance

if TYPE_CHECKING:
    from .builder import TablePath

Output = ColumnRef | BinCall | FunctionCall


@dataclass(frozen=True, slots=True)
class Scope:
    """A path, its instances in the order in which they join, and the position of the context."""

    path: Path
    instances: tuple[Instance, ...]
    context: int

    @property
    def table(self) -> Table:
        """The table of the context."""
        return self.instances[self.context].table

    def alias_at(self, index: int) -> str | None:
        """What the instance at `index` is called in the path."""
        if index == 0:
            return self.path.root.alias
        element = self.path.elements[self._element(index)]
        assert not isinstance(element, Restrict | Reset), "only links bring instances"
        return element.alias

    def aliases(self) -> dict[str, int]:
        """The position of each instance that has an alias."""
        named = ((self.alias_at(i), i) for i in range(len(self.instances)))
        return {alias: index for alias, index in named if alias is not None}

    def find(self, instance: Instance) -> int:
        """The position of an instance: itself, or else the only one that can be meant.

        Raises:
            UnknownName: The path has no instance of its table, or several.
        """
        if instance in self.instances:
            return self.instances.index(instance)
        same = [i for i, known in enumerate(self.instances) if _same(known.table, instance.table)]
        if instance.alias is not None:
            same = [i for i in same if self.alias_at(i) == instance.alias]
        if len(same) == 1:
            return same[0]
        name = instance.table.qualified
        called = f"{name!r} called {instance.alias!r}" if instance.alias else f"{name!r}"
        if not same:
            joined = ", ".join(repr(i.table.qualified) for i in self.instances[:10])
            raise UnknownName(
                f"The path has no table {called}.", hint=f"It joins {joined}.", table=name
            )
        raise UnknownName(
            f"The path joins the table {called} {len(same)} times.",
            hint='Say which is meant: give the tables names with .alias("A") before joining them.',
            table=name,
        )

    def named(self, index: int, alias: str | None = None) -> tuple[Scope, str]:
        """The scope with an alias for the instance at `index`, kept if it has one already."""
        known = self.alias_at(index)
        if known is not None:
            return self, known
        taken = self.aliases()
        number = index
        while alias is None or alias in taken:
            alias, number = f"t{number}", number + 1
        if index == 0:
            path = replace(self.path, root=replace(self.path.root, alias=alias))
        else:
            elements = list(self.path.elements)
            place = self._element(index)
            element = elements[place]
            assert not isinstance(element, Restrict | Reset), "only links bring instances"
            elements[place] = replace(element, alias=alias)
            path = replace(self.path, elements=tuple(elements))
        return replace(self, path=path), alias

    def extended(self, *elements: Element) -> Scope:
        """The scope with more elements that do not join anything."""
        path = replace(self.path, elements=self.path.elements + elements)
        return replace(self, path=path)

    def joined(self, element: Element, instance: Instance) -> Scope:
        """The scope with a link to `instance`, which becomes the context."""
        if instance in self.instances:
            instance = Instance(instance.table, instance.alias)
        instances = (*self.instances, instance)
        return replace(self.extended(element), instances=instances, context=len(self.instances))

    def moved(self, index: int) -> Scope:
        """The scope with the instance at `index` as its context."""
        if index == self.context:
            return self
        scope, alias = self.named(index)
        return replace(scope.extended(Reset(alias)), context=index)

    def _element(self, index: int) -> int:
        links = (i for i, e in enumerate(self.path.elements) if not isinstance(e, Restrict | Reset))
        for _ in range(index - 1):
            next(links)
        return next(links)


class Namer:
    """Says how columns are called in a scope, and gives aliases to instances that need one."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def qualifier(self, instance: Instance) -> str | None:
        """The alias of an instance; None for the context."""
        index = self.scope.find(instance)
        if index == self.scope.context:
            return None
        self.scope, alias = self.scope.named(index)
        return alias

    def column(self, column: ColumnRef) -> ColumnName:
        """The name of a column."""
        return ColumnName(column.name, self.qualifier(column.instance))

    def tested(self, column: ColumnRef | AnyColumn) -> ColumnName | Star:
        """The name of what a condition tests."""
        if isinstance(column, AnyColumn):
            return Star(self.qualifier(column.instance))
        return self.column(column)

    def expression(self, output: Output | TablePath) -> Expression:
        """The tree of an output."""
        match output:
            case ColumnRef():
                return self.column(output)
            case BinCall(column, count, lower, upper):
                return Bin(self.column(column), str(count), lower, upper)
            case FunctionCall(function, argument):
                if argument is None:
                    return Aggregate(function, Star())
                tree = self.expression(argument)
                if not isinstance(tree, ColumnName | Star):
                    raise _no_output(argument)
                return Aggregate(function, tree)
        instance = getattr(output, "_instance", None)
        if not isinstance(instance, Instance):
            raise _no_output(output)
        return Star(self.qualifier(instance))

    def items(
        self, outputs: tuple[Output | TablePath, ...], named: Mapping[str, Output | TablePath]
    ) -> tuple[Item, ...]:
        """The outputs with the names they get, as the items of a projection."""
        plain = [Item(self.expression(o)) for o in outputs]
        return (*plain, *(Item(self.expression(o), name) for name, o in named.items()))


def _no_output(found: object) -> BadRequest:
    return BadRequest(
        f"{found!r} cannot be an output.",
        hint="Use a column such as table.Name, a table, or a function such as Cnt(table.Name).",
    )


def _same(left: Table, right: Table) -> bool:
    return (left.schema, left.name) == (right.schema, right.name)
