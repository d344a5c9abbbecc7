"""Units: a request cut into what becomes one task, or one task per item of a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hamilton._request import Request
from hamilton.errors import BlockError
from hamilton.execution.blocks import (
    Program,
    Repeat,
    Stack,
    block_stacks,
    compile_program,
    compile_repeat,
    passes,
)
from hamilton.execution.grouping import (
    GroupByRepeatableBlocks,
    GroupingStrategy,
    NodeGroup,
    NodeGroupPurpose,
    group_of_node,
)
from hamilton.node import Node

__all__ = ["Unit", "compile_units"]

# The expanding node of a pass over a block, and the number of the pass.
Pass = tuple[str, int]


@dataclass(eq=False)
class Unit:
    """What becomes one task, or one task per item.

    Attributes:
        base_id: Its id; repeated tasks add the spawning task and the item.
        purpose: What it is for.
        nodes: What it computes.
        work: A program, or a repetition over items.
        takes: Names it needs.
        gives: Names others need of it.
        spawned_by: For repeated tasks, the task that lists the items.
        waits_for: Positions of the units that must end before.
        wakes: Positions of the units that wait for it.
    """

    base_id: str
    purpose: NodeGroupPurpose
    nodes: list[Node]
    work: Program | Repeat
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    spawned_by: str | None = None
    waits_for: set[int] = field(default_factory=set)
    wakes: list[int] = field(default_factory=list)


def compile_units(request: Request, strategy: GroupingStrategy, *, inputs: bool) -> list[Unit]:
    """Returns the units of a request, each knowing which ones it waits for.

    Args:
        request: What to compute.
        strategy: Groups the nodes outside of blocks.
        inputs: Make a unit of each supplied value too, so that task hooks see them.

    Raises:
        BlockError: Blocks cannot be run as they are written, or the strategy's groups cannot.
    """
    graph = request.graph
    stacks = block_stacks([graph.nodes[n] for n in graph.upstream_order(request.outputs)])
    units = [*(_input_units(request) if inputs else ()), *_working_units(request, strategy, stacks)]
    position = {node.name: i for i, unit in enumerate(units) for node in unit.nodes}
    for i, unit in enumerate(units):
        unit.waits_for = {position[n] for n in unit.takes if n in position} - {i}
        for other in unit.waits_for:
            units[other].wakes.append(i)
    _refuse_deadlock(units, strategy)
    return units


def _input_units(request: Request) -> list[Unit]:
    nodes = request.graph.nodes
    return [
        Unit(
            name,
            NodeGroupPurpose.EXECUTE_SINGLE,
            [nodes[name]] if name in nodes else [],
            compile_program([], {}, 0, {name}, [name]),
            (name,),
            (name,),
        )
        for name in sorted(request.available)
    ]


def _working_units(
    request: Request, strategy: GroupingStrategy, stacks: Mapping[str, Stack]
) -> list[Unit]:
    """Returns a unit for each pass over a block, and for each group of the other nodes."""
    key_of = passes(request.order, stacks, 0)
    own = [node for node in request.order if key_of[node.name][0] is None]
    blocks: dict[Pass, list[Node]] = {}
    for node in request.order:
        expander, number = key_of[node.name]
        if expander is not None:
            blocks.setdefault((expander, number), []).append(node)
    groups = _groups(own, strategy)
    users = _users([*(group.nodes for group in groups), *blocks.values()], request.outputs)
    known = request.available | {node.name for node in request.order}
    units = []
    for group in groups:
        takes, gives = _takes(group.nodes, known), _gives(group.nodes, users)
        program = compile_program(group.nodes, stacks, 0, takes, gives)
        units.append(Unit(group.base_id, group.purpose, group.nodes, program, tuple(takes), gives))
    for key, nodes in blocks.items():
        units.append(_repeated_unit(key, nodes, stacks, known, _gives(nodes, users)))
    return units


def _groups(own: list[Node], strategy: GroupingStrategy) -> list[NodeGroup]:
    if type(strategy) is GroupByRepeatableBlocks:
        return [group_of_node(node) for node in own]
    groups = strategy.group_nodes(own)
    grouped = [node.name for group in groups for node in group.nodes]
    if sorted(grouped) != sorted(node.name for node in own):
        raise BlockError(
            f"{type(strategy).__name__}.group_nodes must put every node into exactly one group; "
            f"it was given {len(own)} nodes and returned {len(grouped)}."
        )
    return groups


def _users(groups: Sequence[list[Node]], outputs: Sequence[str]) -> set[str]:
    """Returns the names that leave the group they are computed in."""
    found = set(outputs)
    for nodes in groups:
        inside = {node.name for node in nodes}
        for node in nodes:
            found.update(name for name in node.input_types if name not in inside)
    return found


def _takes(nodes: Sequence[Node], known: set[str]) -> set[str]:
    inside = {node.name for node in nodes}
    return {d for n in nodes for d in n.input_types if d in known and d not in inside}


def _gives(nodes: Sequence[Node], users: set[str]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes if node.name in users)


def _repeated_unit(
    key: Pass,
    nodes: list[Node],
    stacks: Mapping[str, Stack],
    known: set[str],
    gives: tuple[str, ...],
) -> Unit:
    expander, number = key
    repeat = compile_repeat(expander, nodes, stacks, 0, known, gives)
    takes = _takes(nodes, known)
    if expander in known:
        takes.add(expander)
    base_id = f"block-{expander}" if number == 0 else f"block-{expander}-{number}"
    return Unit(
        base_id,
        NodeGroupPurpose.EXECUTE_BLOCK,
        nodes,
        repeat,
        tuple(takes),
        gives,
        spawned_by=f"expand-{expander}",
    )


def _refuse_deadlock(units: Sequence[Unit], strategy: GroupingStrategy) -> None:
    """Refuses groups that need each other's values, of which none could be started."""
    waiting = [len(unit.waits_for) for unit in units]
    ready = [i for i, count in enumerate(waiting) if not count]
    started = 0
    while ready:
        started += 1
        for other in units[ready.pop()].wakes:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    if started < len(units):
        stuck = [unit.base_id for unit, count in zip(units, waiting, strict=True) if count]
        raise BlockError(
            f"The groups {stuck[:10]} of {type(strategy).__name__} need each other's values, so "
            "none of them can begin. Put nodes into one group only with all that lies between."
        )
