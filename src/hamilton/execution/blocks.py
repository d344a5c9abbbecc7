"""Parallel blocks: which nodes are repeated for which items, and programs that run them.

A node returning ``Parallelizable`` opens a block: everything that depends on it, up to a
``Collect`` parameter, is computed once per item. Blocks may be nested, collected several times,
and needed again after a collection. Inside a block a name stands for the value of one item;
outside it stands for the list over the items.

A `Program` runs some nodes of one nesting level: plans for the level's own nodes, and one
repetition for each block on it. Nesting is the only recursion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamilton._layout import as_items
from hamilton._loop import run_plan
from hamilton._plan import Plan, compile_plan
from hamilton.errors import BlockError, short_repr, where
from hamilton.htypes import is_collect_type
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import Node, NodeType

__all__ = ["Program", "Repeat", "Stack", "block_stacks", "compile_program", "item_count"]

Stack = tuple[str, ...]


def block_stacks(nodes: Iterable[Node]) -> dict[str, Stack]:
    """Returns for each node the expanding nodes whose blocks it is in, outermost first.

    Args:
        nodes: Dependencies first.

    Raises:
        BlockError: A node takes items of two unrelated blocks, or collects outside any block.
    """
    stacks: dict[str, Stack] = {}
    roles: dict[str, NodeType] = {}
    for node in nodes:
        deepest: Stack = ()
        for name, (type_, _) in node.input_types.items():
            if name not in stacks:
                continue
            stack = stacks[name]
            if roles[name] is NodeType.EXPAND:
                stack = (*stack, name)
            if not isinstance(type_, type) and is_collect_type(type_):
                if not stack:
                    raise BlockError(
                        f"{where(node.function)} collects {name!r}, which is not inside a "
                        "Parallelizable block. Annotate the parameter without Collect.",
                        node=node.name,
                        function=node.function,
                    )
                stack = stack[:-1]
            if stack[: len(deepest)] != deepest[: len(stack)]:
                raise BlockError(
                    f"{where(node.function)} takes items of two blocks, of {deepest[-1]!r} and of "
                    f"{stack[-1]!r}. Collect one of them first.",
                    node=node.name,
                    function=node.function,
                )
            deepest = max(deepest, stack, key=len)
        _refuse_own_block(node, deepest, stacks)
        stacks[node.name] = deepest
        roles[node.name] = node.node_role
    return stacks


def _refuse_own_block(node: Node, stack: Stack, stacks: Mapping[str, Stack]) -> None:
    """Refuses a node that takes one item of a block and collects all of the same block."""
    for name, (type_, _) in node.input_types.items():
        inner = stacks.get(name, ())
        if inner and inner == stack and not isinstance(type_, type) and is_collect_type(type_):
            raise BlockError(
                f"{where(node.function)} takes an item of the block of {stack[-1]!r} and also "
                f"collects {name!r} from it. Collect in a function of its own.",
                node=node.name,
                function=node.function,
            )


@dataclass(frozen=True)
class Repeat:
    """One pass over the items of a block.

    Attributes:
        expander: The node that lists the items; its name stands for one item in the body.
        body: What runs for each item.
        shared: Names of outer values that every item sees.
        per_item: Names of outer lists of which each item sees its own element.
        exports: Names whose values are gathered into lists.
    """

    expander: str
    body: Program
    shared: tuple[str, ...]
    per_item: tuple[str, ...]
    exports: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    """A part of a program: a plan or a repetition, and the names nothing needs after it."""

    work: Plan | Repeat
    drops: tuple[str, ...]


class Program:
    """Runs the nodes of one nesting level and the blocks on it."""

    def __init__(self, segments: Sequence[Segment], outputs: Sequence[str]) -> None:
        self.segments = tuple(segments)
        self.outputs = tuple(outputs)

    @property
    def nodes(self) -> list[Node]:
        """All nodes, those of the blocks included."""
        found: list[Node] = []
        for segment in self.segments:
            work = segment.work
            found.extend(work.nodes if isinstance(work, Plan) else work.body.nodes)
        return found

    def run(
        self,
        values: Mapping[str, Any],
        adapters: LifecycleAdapterSet | None,
        run_id: str,
        task_id: str | None,
    ) -> dict[str, Any]:
        """Returns the outputs by name."""
        if len(self.segments) == 1 and isinstance(self.segments[0].work, Plan):
            return run_plan(self.segments[0].work, values, adapters, run_id, task_id)
        env = dict(values)
        for segment in self.segments:
            work = segment.work
            if isinstance(work, Plan):
                env.update(run_plan(work, env, adapters, run_id, task_id))
            else:
                env.update(_repeat(work, env, adapters, run_id, task_id))
            for name in segment.drops:
                env.pop(name, None)
        return {name: env[name] for name in self.outputs}


def item_count(repeat: Repeat, env: Mapping[str, Any]) -> int:
    """Returns the number of items of a block.

    Raises:
        BlockError: Lists that should have one element per item differ in length, or are no lists.
    """
    lists = [n for n in (repeat.expander, *repeat.per_item) if n in env]
    for name in lists:
        if not isinstance(env[name], (list, tuple)):
            raise BlockError(
                f"{name!r} is inside the block of {repeat.expander!r}, so a value given for it "
                f"must be a list with one element per item; found {short_repr(env[name])}.",
                node=name,
            )
    lengths = {name: len(env[name]) for name in lists}
    if len(set(lengths.values())) > 1:
        raise BlockError(
            f"The block of {repeat.expander!r} needs one element per item, but the lengths "
            f"differ: {lengths}.",
            node=repeat.expander,
        )
    return next(iter(lengths.values()), 0)


def item_values(repeat: Repeat, env: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Returns what the body of a block starts from for one item."""
    values = {name: env[name] for name in repeat.shared}
    for name in repeat.per_item:
        values[name] = env[name][index]
    if repeat.expander in env:
        values[repeat.expander] = env[repeat.expander][index]
    return values


def _repeat(
    repeat: Repeat,
    env: dict[str, Any],
    adapters: LifecycleAdapterSet | None,
    run_id: str,
    task_id: str | None,
) -> dict[str, list[Any]]:
    if repeat.expander in env:
        env[repeat.expander] = as_items(env[repeat.expander])
    gathered: dict[str, list[Any]] = {name: [] for name in repeat.exports}
    for index in range(item_count(repeat, env)):
        inner_id = task_id and f"{task_id}.{repeat.expander}.{index}"
        found = repeat.body.run(item_values(repeat, env, index), adapters, run_id, inner_id)
        for name, values in gathered.items():
            values.append(found[name])
    return gathered


@dataclass
class _Unit:
    """Own nodes of a level, or one pass over a block, while a program is compiled."""

    block: str | None
    nodes: list[Node]


def compile_program(
    nodes: Sequence[Node],
    stacks: Mapping[str, Stack],
    depth: int,
    available: Collection[str],
    outputs: Sequence[str],
) -> Program:
    """Returns the program that computes `nodes`, all at nesting level `depth` or below.

    Args:
        nodes: What to compute, dependencies first.
        stacks: The blocks of every node, and of every available name inside a block.
        depth: Nesting level of the program; 0 is outside all blocks.
        available: Names of the values that are there at the start.
        outputs: Names to return.
    """
    segments: list[Segment] = []
    units = _merged(_units(nodes, stacks, depth))
    needs = [_needs(unit.nodes, available, {n.name for n in nodes}) for unit in units]
    known = set(available)
    for position, unit in enumerate(units):
        later = set(outputs).union(*needs[position + 1 :])
        made = {node.name for node in unit.nodes}
        gives = [node.name for node in unit.nodes if node.name in later]
        if unit.block is None:
            work: Plan | Repeat = compile_plan(unit.nodes, known, gives)
        else:
            work = compile_repeat(unit.block, unit.nodes, stacks, depth, known, gives)
        known |= made
        drops = sorted((needs[position] | made) - later)
        segments.append(Segment(work, tuple(drops)))
    if not segments:
        segments.append(Segment(compile_plan([], available, outputs), ()))
    elif len(segments) == 1 and isinstance(segments[0].work, Plan):
        segments = [Segment(compile_plan(units[0].nodes, available, outputs), ())]
    return Program(segments, outputs)


def compile_repeat(
    expander: str,
    nodes: Sequence[Node],
    stacks: Mapping[str, Stack],
    depth: int,
    known: Collection[str],
    exports: Sequence[str],
) -> Repeat:
    """Returns the pass over the block of `expander` that computes `nodes` for each item."""
    made = {node.name for node in nodes}
    taken = _needs(nodes, known, made)
    inside = {n for n in taken if len(stacks.get(n, ())) > depth and stacks[n][depth] == expander}
    per_item = sorted(inside - {expander})
    shared = sorted(taken - set(per_item) - {expander})
    starts = {*shared, *per_item, expander}
    body = compile_program(nodes, stacks, depth + 1, starts, exports)
    return Repeat(expander, body, tuple(shared), tuple(per_item), tuple(exports))


def _needs(nodes: Sequence[Node], available: Collection[str], made: Collection[str]) -> set[str]:
    own = {node.name for node in nodes}
    return {
        name
        for node in nodes
        for name in node.input_types
        if name not in own and (name in available or name in made)
    }


def _units(nodes: Sequence[Node], stacks: Mapping[str, Stack], depth: int) -> list[_Unit]:
    """Returns one unit per own node and per pass over a block, dependencies first."""
    key_of = passes(nodes, stacks, depth)
    members: dict[tuple[str | None, Any], list[Node]] = {}
    for node in nodes:
        members.setdefault(key_of[node.name], []).append(node)
    waits = {
        key: {
            key_of[name]
            for node in group
            for name in node.input_types
            if name in key_of and key_of[name] != key
        }
        for key, group in members.items()
    }
    ordered: list[_Unit] = []
    done: set[tuple[str | None, Any]] = set()
    waiting = list(members)
    while waiting:
        for key in waiting:
            if waits[key] <= done:
                ordered.append(_Unit(key[0], members[key]))
                done.add(key)
        waiting = [key for key in waiting if key not in done]
    return ordered


def passes(
    nodes: Sequence[Node], stacks: Mapping[str, Stack], depth: int
) -> dict[str, tuple[str | None, Any]]:
    """Returns the unit of each node: ``(None, name)``, or ``(expander, number of the pass)``.

    A node of a block that needs something collected from the same block belongs to a later pass.
    """
    reached: dict[str, dict[str, int]] = {}
    found: dict[str, tuple[str | None, Any]] = {}
    for node in nodes:
        stack = stacks[node.name]
        block = stack[depth] if len(stack) > depth else None
        seen: dict[str, int] = {}
        for name in node.input_types:
            if name not in found:
                continue
            other, number = found[name]
            for passed, at in reached[name].items():
                seen[passed] = max(seen.get(passed, 0), at)
            if other is not None:
                after = number if other == block else number + 1
                seen[other] = max(seen.get(other, 0), after)
        reached[node.name] = seen
        found[node.name] = (None, node.name) if block is None else (block, seen.get(block, 0))
    return found


def _merged(units: Sequence[_Unit]) -> list[_Unit]:
    """Joins own nodes that follow one another into one unit, to be one plan."""
    found: list[_Unit] = []
    for unit in units:
        if found and unit.block is None and found[-1].block is None:
            found[-1].nodes.extend(unit.nodes)
        else:
            found.append(_Unit(unit.block, list(unit.nodes)))
    return found
