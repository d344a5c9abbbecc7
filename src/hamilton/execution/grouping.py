"""How nodes are grouped into tasks."""

from __future__ import annotations

import abc
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from hamilton.execution.blocks import block_stacks
from hamilton.node import Node, NodeType

__all__ = [
    "GroupByRepeatableBlocks",
    "GroupNodesAllAsOne",
    "GroupNodesByLevel",
    "GroupNodesIndividually",
    "GroupingStrategy",
    "NodeGroup",
    "NodeGroupPurpose",
]


class NodeGroupPurpose(enum.Enum):
    """What a task is for."""

    EXPAND_UNORDERED = "expand_unordered"
    GATHER = "gather"
    EXECUTE_BLOCK = "execute_block"
    EXECUTE_SINGLE = "execute_single"


@dataclass(frozen=True)
class NodeGroup:
    """Nodes that run as one task.

    Attributes:
        base_id: Identifies the group; ids of the tasks made of it end in it.
        spawning_task_base_id: For repeated groups, the group that lists the items.
        nodes: The nodes, dependencies first.
        purpose: What the task is for.
    """

    base_id: str
    spawning_task_base_id: str | None
    nodes: list[Node]
    purpose: NodeGroupPurpose


class GroupingStrategy(abc.ABC):
    """Decides which nodes run together."""

    @abc.abstractmethod
    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Returns groups that hold each node exactly once."""


def _single(base_id: str, nodes: Sequence[Node]) -> NodeGroup:
    return NodeGroup(base_id, None, list(nodes), NodeGroupPurpose.EXECUTE_SINGLE)


class GroupNodesIndividually(GroupingStrategy):
    """One task for each node."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Returns a group per node, named as the node."""
        return [_single(node.name, [node]) for node in nodes]


class GroupNodesAllAsOne(GroupingStrategy):
    """One task, called ``root``, for everything."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Returns a single group."""
        return [_single("root", nodes)] if nodes else []


class GroupNodesByLevel(GroupingStrategy):
    """One task for all nodes of the same distance from the inputs."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Returns the groups ``level_0``, ``level_1``, ..."""
        level: dict[str, int] = {}
        for node in nodes:
            level[node.name] = 1 + max((level.get(n, -1) for n in node.input_types), default=-1)
        members: dict[int, list[Node]] = {}
        for node in nodes:
            members.setdefault(level[node.name], []).append(node)
        return [_single(f"level_{n}", members[n]) for n in sorted(members)]


class GroupByRepeatableBlocks(GroupingStrategy):
    """One task for each expansion, block and collection, and for each remaining node."""

    def group_nodes(self, nodes: list[Node]) -> list[NodeGroup]:
        """Returns ``expand-<node>``, ``block-<node>``, ``collect-<node>`` and plain groups."""
        stacks = block_stacks(nodes)
        blocks: dict[str, list[Node]] = {}
        groups: list[NodeGroup] = []
        for node in nodes:
            stack = stacks[node.name]
            if stack:
                if stack[0] not in blocks:
                    blocks[stack[0]] = []
                    groups.append(
                        NodeGroup(
                            f"block-{stack[0]}",
                            f"expand-{stack[0]}",
                            blocks[stack[0]],
                            NodeGroupPurpose.EXECUTE_BLOCK,
                        )
                    )
                blocks[stack[0]].append(node)
            else:
                groups.append(group_of_node(node))
        return groups


def group_of_node(node: Node) -> NodeGroup:
    """Returns the group of a node outside every block."""
    if node.node_role is NodeType.EXPAND:
        return NodeGroup(f"expand-{node.name}", None, [node], NodeGroupPurpose.EXPAND_UNORDERED)
    if node.node_role is NodeType.COLLECT:
        return NodeGroup(f"collect-{node.name}", None, [node], NodeGroupPurpose.GATHER)
    return _single(node.name, [node])
