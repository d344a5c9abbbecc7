"""The order of merging: defaults, files, an experiment, keyword arguments, ``-o``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flexlock.config.building import build
from flexlock.config.kinds import is_omegaconf
from flexlock.config.loading import load_file
from flexlock.config.merging import Draft, apply_override, merge_values, set_value
from flexlock.config.overrides import Override
from flexlock.config.reading import read
from flexlock.config.schema import Group, Leaf
from flexlock.config.selecting import select_node

__all__ = ["Layers", "assemble"]


@dataclass(frozen=True, slots=True)
class Layers:
    """What is merged over the defaults, see `assemble`."""

    config_files: Sequence[str] = ()
    experiment: str | None = None
    override_files: Sequence[str] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Override] = ()


def assemble(source: object, layers: Layers = Layers()) -> Draft:
    """Merge all layers over the defaults, interpolations unresolved.

    In this order, later ones winning: defaults, ``--config`` files, the node of ``--experiment``,
    ``--overrides_path`` files, keyword arguments, ``-o``. The defaults lie *under* the node that an
    experiment selects, so that it may set only some parameters; when the defaults themselves have
    that node, its defaults are theirs.

    Args:
        source: The defaults: a config of any kind, or a schema that was read from one.
        layers: The rest.

    Raises:
        ConfigError: A file, a key or a value does not fit; nothing has been written.
    """
    schema = source if isinstance(source, Group) else read(source)
    if layers.experiment is None:
        draft = Draft(build(schema), schema)
        for path in layers.config_files:
            merge_values(draft, load_file(path), where=str(path))
    else:
        draft = _experiment(schema, layers)
    for path in layers.override_files:
        merge_values(draft, load_file(path), where=str(path))
    for name, value in layers.keywords.items():
        set_value(draft, name, value)
    for override in layers.overrides:
        apply_override(draft, override)
    return draft


def _experiment(schema: Group, layers: Layers) -> Draft:
    key = str(layers.experiment)
    tree: dict[str, Any] = {}
    for path in layers.config_files:
        tree = _united(tree, load_file(path))
    own = _group_at(schema, key)
    if own is not None:
        from omegaconf import OmegaConf

        whole = Draft(build(schema), schema)
        merge_values(whole, tree, where=", ".join(map(str, layers.config_files)))
        tree = OmegaConf.to_container(whole.config, resolve=False)  # type: ignore[assignment]
        schema = own
    names = frozenset(schema.fields)
    node = select_node(tree, key, names)
    draft = Draft(build(_detached(schema)), schema)
    merge_values(draft, node, where=f"experiment {key!r}")
    return draft


def _detached(schema: Group) -> Group:
    """Return the schema of a node without its OmegaConf source, whose parent would come along."""
    if is_omegaconf(schema.source) and schema.source._get_parent() is not None:
        return Group(source=None)
    return schema


def _group_at(schema: Group, key: str) -> Group | None:
    node: Group | Leaf | None = schema
    for part in key.split("."):
        node = node.child(part) if isinstance(node, Group) else None
    return node if isinstance(node, Group) else None


def _united(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = _united(before, value) if both else value  # type: ignore[arg-type]
    return result
