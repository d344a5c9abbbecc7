"""Layouts: names as numbers, and each node's call prepared once.

A slot is the number of a name. A layout gives every name of a graph (or of a part of it) a slot
and every node an operation: how to call its function on values that lie in slots. Plans are made
of these operations, so a request of a graph that has been built compiles to a list of references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any

from hamilton.node import Node, NodeType

__all__ = ["Layout", "Operation", "as_items"]

# Kinds of operations: how the bare loop calls a function, or that it drops values.
ONE, TWO, MANY, DROP, BY_KEYWORD, NO_ARGUMENT = range(6)

# ``(kind, function, a, b, out)``. ONE and TWO have slots in `a` and `b`; MANY has a getter and
# the slots; BY_KEYWORD has names and slots; DROP has the slots in `b` and nothing else.
Operation = tuple[int, Any, Any, Any, int]


class Layout:
    """The slots and operations of some names.

    Attributes:
        slot_of: The slot of each name.
        nodes: The node in each slot; None for a value that has none.
        parameters: For each slot, the slots its node takes values from, in parameter order.
        operations: For each slot, the operation that fills it; None for what has no function.
        leaves: The slots without operations.
        blocks: The slots of nodes that open or close parallel blocks.
        constants: ``(slot, value)`` of parameters that stay at their default.
        size: How many slots there are, those of constants included.
    """

    __slots__ = (
        "blocks",
        "constants",
        "leaves",
        "nodes",
        "operations",
        "parameters",
        "size",
        "slot_of",
    )

    def __init__(self, names: Iterable[str], nodes: Mapping[str, Node]) -> None:
        self.slot_of = {name: slot for slot, name in enumerate(names)}
        self.nodes = [nodes.get(name) for name in self.slot_of]
        self.size = len(self.nodes)
        self.constants: list[tuple[int, Any]] = []
        self.parameters: list[tuple[int, ...]] = []
        self.operations: list[Operation | None] = []
        self.leaves: set[int] = set()
        self.blocks: set[int] = set()
        for slot, node in enumerate(self.nodes):
            self._add(slot, node)

    def _add(self, slot: int, node: Node | None) -> None:
        if node is None or node._callable is None:
            self.parameters.append(())
            self.operations.append(None)
            self.leaves.add(slot)
            return
        try:
            slots = tuple(map(self.slot_of.__getitem__, node.input_types))
        except KeyError:
            slots = tuple(self.slot_of[n] for n in node.input_types if n in self.slot_of)
        self.parameters.append(slots)
        function = node._callable
        role = node._role
        if role is not NodeType.STANDARD:
            self.blocks.add(slot)
            if role is NodeType.EXPAND:
                function = _listing(function)
        if node.positional:
            if len(slots) != len(node.input_types):
                slots = self._with_defaults(node)
            self.operations.append(_positional(function, slots, slot))
        elif slots:
            names = self.names_of(node)
            self.operations.append((BY_KEYWORD, function, names, slots, slot))
        else:
            self.operations.append((NO_ARGUMENT, function, None, None, slot))

    def names_of(self, node: Node) -> tuple[str, ...]:
        """Returns the parameters of a node that get a value from a slot."""
        return tuple(n for n in node.input_types if n in self.slot_of)

    def _with_defaults(self, node: Node) -> tuple[int, ...]:
        """Returns one slot per parameter; parameters left at their default get a constant."""
        slots = []
        for name in node.input_types:
            slot = self.slot_of.get(name)
            if slot is None:
                slot = self.size
                self.size += 1
                self.constants.append((slot, node.default_parameter_values[name]))
            slots.append(slot)
        return tuple(slots)

    def upstream(self, finals: Iterable[int], stop_at: Collection[int] = ()) -> list[int]:
        """Returns the slots upstream of (and including) `finals`, dependencies first.

        Depth first from each slot in order, dependencies in parameter order, without recursion.
        Slots in `stop_at` are included but not looked behind. A loop is followed once.
        """
        parameters = self.parameters
        if stop_at:
            parameters = parameters.copy()
            for slot in stop_at:
                parameters[slot] = ()
        entered: set[int] = set()
        enter, has_all = entered.add, entered.issuperset
        order: list[int] = []
        emit = order.append
        for final in finals:
            if final in entered:
                continue
            if has_all(parameters[final]):
                enter(final)
                emit(final)
                continue
            waiting = [final]
            push, pop = waiting.append, waiting.pop
            while waiting:
                slot = pop()
                if slot < 0:  # everything behind it has been emitted
                    emit(~slot)
                elif slot not in entered:
                    enter(slot)
                    slots = parameters[slot]
                    if has_all(slots):
                        emit(slot)
                    else:
                        push(~slot)
                        waiting += slots[::-1]
        return order

    def has_loop(self) -> bool:
        """Returns whether some slots need each other."""
        parameters = self.parameters
        state = bytearray(len(parameters))  # 0 new, 1 being looked behind, 2 done
        for root in range(len(parameters)):
            if state[root]:
                continue
            waiting = [root]
            while waiting:
                slot = waiting[-1]
                if state[slot]:
                    state[slot] = 2
                    waiting.pop()
                    continue
                state[slot] = 1
                for other in parameters[slot]:
                    if not state[other]:
                        waiting.append(other)
                    elif state[other] == 1:
                        return True
        return False


def _positional(function: Callable[..., Any], slots: tuple[int, ...], out: int) -> Operation:
    if len(slots) == 1:
        return ONE, function, slots[0], None, out
    if len(slots) == 2:
        return TWO, function, slots[0], slots[1], out
    if slots:
        return MANY, function, itemgetter(*slots), slots, out
    return NO_ARGUMENT, function, None, None, out


def as_items(value: Any) -> list[Any]:
    """Returns what an expanding function yields or returns as a list."""
    return value if type(value) is list else list(value)


def _listing(function: Callable[..., Any]) -> Callable[..., Any]:
    def listed(*args: Any, **kwargs: Any) -> list[Any]:
        return as_items(function(*args, **kwargs))

    return listed
