"""Plans: a request compiled to operations over slots, in the order in which they run.

A plan knows which values to put into which slots at the start, which operations follow one
another, and after which of them a slot is no longer needed. It knows nothing about adapters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hamilton._layout import DROP, Layout, Operation
from hamilton.node import Node

if TYPE_CHECKING:
    from hamilton._straight import StraightLine

__all__ = ["Plan", "Step", "compile_plan"]


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a plan as adapters and the event loop need it.

    Attributes:
        node: What is computed.
        names: Parameters that receive a value from a slot.
        slots: The slots of those parameters.
        out: The slot of the result.
        drops: Slots that nothing needs after this step.
    """

    node: Node
    names: tuple[str, ...]
    slots: tuple[int, ...]
    out: int
    drops: tuple[int, ...]


class Plan:
    """A compiled request.

    Args:
        layout: The slots that the numbers below stand for.
        order: The slots to fill, dependencies first; each is needed by a later one or an output.
        feeds: ``(slot, name)`` of every value that is there at the start.
        outputs: Names to return, in order.

    Attributes:
        operations: What the loop without adapters does.
        outputs: The requested names, in order.
        output_slots: Their slots.
        runs: How often the plan has run without adapters.
        straight: The plan as one function, made when it has run often.
    """

    __slots__ = (
        "_empty",
        "_order",
        "_steps",
        "feeds",
        "layout",
        "operations",
        "output_slots",
        "outputs",
        "runs",
        "straight",
    )

    def __init__(
        self,
        layout: Layout,
        order: Sequence[int],
        feeds: Sequence[tuple[int, str]],
        outputs: Sequence[str],
    ) -> None:
        self.layout = layout
        self.feeds = feeds
        self._order = order
        self.outputs = outputs
        self.output_slots = list(map(layout.slot_of.__getitem__, outputs))
        kept = {*self.output_slots, *(slot for slot, _ in feeds)}
        self.operations = _with_drops(layout, order, kept)
        self._empty: list[Any] = [None] * layout.size
        for slot, value in layout.constants:
            self._empty[slot] = value
        self._steps: list[Step] | None = None
        self.runs = 0
        self.straight: StraightLine | None = None

    @property
    def nodes(self) -> list[Node]:
        """The nodes that are computed, in order."""
        return [step.node for step in self.steps]

    @property
    def steps(self) -> list[Step]:
        """The plan as steps; made when first asked for, since the bare loop needs none."""
        if self._steps is None:
            self._steps = list(self._made_steps())
        return self._steps

    def _made_steps(self) -> Iterator[Step]:
        layout, operations = self.layout, self.operations
        for position, (kind, _, _, _, out) in enumerate(operations):
            if kind == DROP:
                continue
            following = operations[position + 1 : position + 2]
            drops = following[0][3] if following and following[0][0] == DROP else ()
            node = layout.nodes[out]
            assert node is not None
            yield Step(node, layout.names_of(node), layout.parameters[out], out, drops)

    def __len__(self) -> int:
        return len(self._order)

    def start(self, values: Mapping[str, Any]) -> list[Any]:
        """Returns fresh slots holding the values that are there at the start."""
        slots = self._empty.copy()
        for slot, name in self.feeds:
            slots[slot] = values[name]
        return slots

    def results(self, slots: Sequence[Any]) -> dict[str, Any]:
        """Returns the requested values by name, in the order of the request."""
        return dict(zip(self.outputs, map(slots.__getitem__, self.output_slots), strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        # Prepared calls and written-out code are made again where the plan arrives.
        names = [name for _, name in self.feeds]
        return compile_plan, (self.nodes, names, self.outputs)


def _with_drops(layout: Layout, order: Sequence[int], kept: set[int]) -> list[Operation]:
    """Returns the operations of `order`, each followed by a drop of what nothing needs after it.

    Args:
        layout: Where the operations are.
        order: The slots to fill.
        kept: Slots never to drop. Values that are there at the start are kept as well: whoever
            supplied them holds them anyway.
    """
    operations = layout.operations
    if kept.issuperset(order):
        return [operations[slot] for slot in order]  # type: ignore[misc]
    parameters = layout.parameters
    found: list[Any] = []
    add, all_kept = found.append, kept.issuperset
    for out in reversed(order):
        slots = parameters[out]
        if not all_kept(slots):
            if len(slots) > 1:
                slots = tuple([slot for slot in slots if slot not in kept])
            kept.update(slots)
            add((DROP, None, None, slots, -1))
        add(operations[out])
    found.reverse()
    return found


def compile_plan(nodes: Sequence[Node], available: Collection[str], outputs: Sequence[str]) -> Plan:
    """Returns the plan that computes `nodes` in order from the `available` values.

    The plan has a layout of its own, with as few slots as it needs.

    Args:
        nodes: What to compute, dependencies first.
        available: Names of the values that are there at the start; parameters that are neither
            computed nor available stay at their default.
        outputs: Names to keep to the end.
    """
    computed = {node.name: node for node in nodes}
    names = dict.fromkeys(computed)
    feeds: dict[str, None] = {}
    for node in nodes:
        for name in node.input_types:
            if name not in names and name in available:
                feeds[name] = None
    feeds.update(dict.fromkeys(name for name in outputs if name not in computed))
    names.update(feeds)
    layout = Layout(names, computed)
    order = range(len(computed))
    slot_of = layout.slot_of
    return Plan(layout, order, [(slot_of[name], name) for name in feeds], outputs)
