"""Plans: a request compiled to flat steps over integer slots.

A plan knows which values to put into which slots at the start, which callable takes which slots,
and after which step a slot is no longer needed. It knows nothing about adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from hamilton.node import Node, NodeType

if TYPE_CHECKING:
    from hamilton._straight import StraightLine

__all__ = ["Plan", "Step", "as_items", "compile_plan"]

Call = tuple["Step", Callable[..., Any], tuple[int, ...], bool]

# How the bare loop calls a step; see `_loop.run_bare`.
NO_ARGUMENT, ONE, TWO, MANY, BY_KEYWORD = range(5)


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a plan: its parameter names, the slots they come from, and the slot it fills.

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

    Attributes:
        steps: Steps in the order in which they run.
        feeds: ``(slot, name)`` of every value that is there at the start.
        outputs: ``(name, slot)`` of every requested value.
        calls: Each step with its callable, the slots it takes, and whether it takes names.
        bare: Steps as tuples ``(kind, callable, a, b, out, drops)`` for the loop without adapters.
        constants: ``(slot, value)`` of parameters that stay at their default.
        runs: How often the plan has run without adapters.
        straight: The plan as one function, made when it has run often.
    """

    __slots__ = (
        "_empty",
        "bare",
        "calls",
        "constants",
        "feeds",
        "outputs",
        "runs",
        "steps",
        "straight",
    )

    def __init__(
        self,
        steps: Sequence[Step],
        size: int,
        feeds: Sequence[tuple[int, str]],
        outputs: Sequence[tuple[str, int]],
    ) -> None:
        self.steps = tuple(steps)
        self.feeds = tuple(feeds)
        self.outputs = tuple(outputs)
        self._empty: list[Any] = [None] * size
        self.constants: list[tuple[int, Any]] = []
        self.calls = [self._call(step) for step in self.steps]
        self.bare = [_bare_step(*call) for call in self.calls]
        self.runs = 0
        self.straight: StraightLine | None = None

    @property
    def nodes(self) -> list[Node]:
        """The nodes that are computed, in order."""
        return [step.node for step in self.steps]

    def start(self, values: Mapping[str, Any]) -> list[Any]:
        """Returns fresh slots holding the values that are there at the start."""
        slots = self._empty.copy()
        for slot, name in self.feeds:
            slots[slot] = values[name]
        return slots

    def results(self, slots: Sequence[Any]) -> dict[str, Any]:
        """Returns the requested values by name, in the order of the request."""
        return {name: slots[slot] for name, slot in self.outputs}

    def _call(self, step: Step) -> Call:
        function = step.node.callable
        if step.node._role is NodeType.EXPAND:
            function = _listing(function)
        if step.node.positional:
            return step, function, self._positional_slots(step), False
        return step, function, step.slots, bool(step.slots)

    def _positional_slots(self, step: Step) -> tuple[int, ...]:
        """Returns one slot per parameter; parameters left at their default get a constant."""
        if len(step.slots) == len(step.node.input_types):
            return step.slots
        given = dict(zip(step.names, step.slots, strict=True))
        slots = []
        for name in step.node.input_types:
            slot = given.get(name)
            if slot is None:
                slot = len(self._empty)
                value = step.node.default_parameter_values[name]
                self._empty.append(value)
                self.constants.append((slot, value))
            slots.append(slot)
        return tuple(slots)

    def __getstate__(self) -> dict[str, Any]:
        # Written-out code and wrapped callables are made again where the plan arrives.
        return {
            "steps": self.steps,
            "feeds": self.feeds,
            "outputs": self.outputs,
            "size": len(self._empty) - len(self.constants),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Plan.__init__(self, state["steps"], state["size"], state["feeds"], state["outputs"])


def _bare_step(
    step: Step, function: Callable[..., Any], slots: tuple[int, ...], by_name: bool
) -> tuple[Any, ...]:
    if by_name:
        return BY_KEYWORD, function, step.names, slots, step.out, step.drops
    if not slots:
        return NO_ARGUMENT, function, None, None, step.out, step.drops
    if len(slots) == 1:
        return ONE, function, slots[0], None, step.out, step.drops
    if len(slots) == 2:
        return TWO, function, slots[0], slots[1], step.out, step.drops
    return MANY, function, itemgetter(*slots), None, step.out, step.drops


def as_items(value: Any) -> list[Any]:
    """Returns what an expanding function yields or returns as a list."""
    return value if type(value) is list else list(value)


def _listing(function: Callable[..., Any]) -> Callable[..., Any]:
    def listed(*args: Any, **kwargs: Any) -> list[Any]:
        return as_items(function(*args, **kwargs))

    return listed


def compile_plan(nodes: Sequence[Node], available: Collection[str], outputs: Sequence[str]) -> Plan:
    """Returns the plan that computes `nodes` in order from the `available` values.

    Args:
        nodes: What to compute, dependencies first.
        available: Names of the values that are there at the start; parameters that are neither
            computed nor available stay at their default.
        outputs: Names to keep to the end.
    """
    slot_of: dict[str, int] = {}
    raw: list[tuple[Node, tuple[str, ...], tuple[int, ...], int]] = []
    feeds: list[tuple[int, str]] = []
    computed = {node.name for node in nodes}
    for node in nodes:
        names = []
        slots = []
        for name in node.input_types:
            slot = slot_of.get(name)
            if slot is None:
                if name in computed or name not in available:
                    continue
                slot = slot_of[name] = len(slot_of)
                feeds.append((slot, name))
            names.append(name)
            slots.append(slot)
        out = slot_of[node.name] = len(slot_of)
        raw.append((node, tuple(names), tuple(slots), out))
    for name in outputs:
        if name not in slot_of:
            slot_of[name] = len(slot_of)
            feeds.append((slot_of[name], name))
    kept = {slot_of[name] for name in outputs}
    steps = _with_drops(raw, kept)
    return Plan(steps, len(slot_of), feeds, [(name, slot_of[name]) for name in outputs])


def _with_drops(
    raw: Sequence[tuple[Node, tuple[str, ...], tuple[int, ...], int]], kept: set[int]
) -> list[Step]:
    """Returns the steps with each slot dropped after its last use, from the last step back."""
    seen = set(kept)
    steps: list[Step] = []
    for node, names, slots, out in reversed(raw):
        drops = []
        for slot in slots if out in seen else (*slots, out):
            if slot not in seen:
                seen.add(slot)
                drops.append(slot)
        steps.append(Step(node, names, slots, out, tuple(drops)))
    steps.reverse()
    return steps
