"""Descriptions of stored configurations: kept for every kind of entry, and read back.

hydra-zen keeps ``zen_meta={"description": ...}`` as a field of the configuration. It refuses
where the configuration has a field of that name already (a `Workflow` does) and where an instance
is stored. And a main function that declares ``datasets: list[...]`` gets a configuration that
refuses a described list, which is not yet a list while it is composed. `keep_descriptions` lets
a store accept all three; everything that worked before works as before. The store of hydra-zen
itself does so as soon as this module is imported.

A partial configuration has no fields for required parameters that it does not set, and hydra-zen
refuses a variant that sets them. In such a store a variant may set any parameter of the target.

An experiment inherits from a main configuration, so it would repeat the values that fields have
there, and hide what was chosen for them from groups. In a stored experiment, inherited fields are
`MISSING`: only what the experiment says itself counts.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast, get_origin

from hydra_zen import MISSING, ZenStore, builds, get_target, store
from hydra_zen.typing import StoreEntry
from hydra_zen.wrapper import default_to_config
from hydra_zen.wrapper._implementations import _Deferred

__all__ = [
    "StoredOption",
    "default_options",
    "description_of",
    "keep_descriptions",
    "settled_words",
    "stored_options",
]

_BESIDE = "__deriva_ml_description__"


def _to_config(target: Any, **keywords: Any) -> Any:
    """Return the configuration of `target`, as hydra-zen does, able to hold descriptions."""
    return _open_lists(_described(_widened(target, keywords), keywords))


def _widened(target: Any, keywords: Mapping[str, Any]) -> Any:
    """Return the configuration `target` with fields for what `keywords` set and it does not have.

    Only parameters of what it configures become fields; hydra-zen refuses other words.
    """
    if not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        return target
    here = {field.name for field in dataclasses.fields(target)}
    unset = keywords.keys() - here
    if "_target_" not in here or not unset:
        return target
    configured: Any = get_target(cast(Any, target))
    named = [p.name for p in _parameters(configured) if p.name in unset]
    if not named:
        return target
    # hydra-zen knows best which types a configuration can have.
    typed = dataclasses.fields(builds(configured, **dict.fromkeys(named, MISSING)))
    more = [(f.name, f.type, MISSING) for f in typed if f.name in named]
    made = dataclasses.make_dataclass(target.__name__, more, bases=(target,))
    made.__module__ = target.__module__
    return made


def _parameters(configured: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of what is configured that may be given by name; none if it tells none."""
    try:
        listed = inspect.signature(configured).parameters.values()
    except ValueError:
        return []
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter for parameter in listed if parameter.kind in by_name]


def _experiment_to_config(target: Any, **keywords: Any) -> Any:
    """Return the configuration of an experiment, which says nothing that it inherits."""
    return _only_its_own(_to_config(target, **keywords))


class _DescribingStore(ZenStore):
    """A store that knows experiments by where they are stored, which `to_config` is not told."""

    __slots__ = ()

    def _set_entry(self, entry: StoreEntry, overwrite: bool) -> None:
        node = entry["node"]
        if _is_experiment(entry) and isinstance(node, _Deferred) and node.to_config is _to_config:
            node.to_config = _experiment_to_config
        super()._set_entry(entry, overwrite)


def _is_experiment(entry: StoreEntry) -> bool:
    return entry["package"] == "_global_" or entry["group"] == "experiment"


def _only_its_own(node: Any) -> Any:
    """Return a configuration in which fields that it inherits from a main one say nothing.

    Fields that hold lists or mappings are merged into what there is, and stay.
    """
    if not (isinstance(node, type) and dataclasses.is_dataclass(node)):
        return node
    if not any(_defaults_of(base) for base in node.__mro__[1:]):
        return node
    # A described configuration may be a bare subclass of what was stored.
    own = inspect.get_annotations(node) or inspect.get_annotations(node.__mro__[1])
    silent = [
        (field.name, Any, "???")
        for field in dataclasses.fields(node)
        if field.name not in own
        and not field.name.startswith("_")
        and field.name != "defaults"
        and field.default is not dataclasses.MISSING
    ]
    about = description_of(node)
    made = dataclasses.make_dataclass(node.__name__, silent, bases=(node,))
    made.__module__ = node.__module__
    setattr(made, _BESIDE, about)
    return made


def _defaults_of(node: Any) -> list[Mapping[Any, Any]]:
    """The choices of groups in the defaults list of a configuration, as Hydra reads them."""
    listed = node.get("defaults") if isinstance(node, Mapping) else getattr(node, "defaults", None)
    if listed is None and isinstance(node, type) and dataclasses.is_dataclass(node):
        made = [f.default_factory for f in dataclasses.fields(node) if f.name == "defaults"]
        listed = made[0]() if made and made[0] is not dataclasses.MISSING else None
    entries = listed if isinstance(listed, list) else []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _open_lists(node: Any) -> Any:
    """Let the required lists of a main configuration be filled by described ones.

    Only classes that hydra-zen made are changed, and they are changed in place: configurations
    that inherit from a main one (experiments do) must stay its subclasses.
    """
    made_by_zen = isinstance(node, type) and node.__module__ == "types"
    fields = dataclasses.fields(node) if made_by_zen and dataclasses.is_dataclass(node) else ()
    if not any(f.name == "defaults" for f in fields):
        return node
    for field in fields:
        required = field.default in (dataclasses.MISSING, "???")
        required = required and field.default_factory is dataclasses.MISSING
        if required and get_origin(field.type) is list:
            field.type = Any
            for owner in inspect.getmro(node):
                if field.name in inspect.get_annotations(owner):
                    owner.__annotations__[field.name] = Any
    return node


def _described(target: Any, keywords: dict[str, Any]) -> Any:
    """Return the configuration of `target` with its description beside it, where need be."""
    meta = keywords.get("zen_meta")
    if not isinstance(meta, Mapping) or not dataclasses.is_dataclass(target):
        return default_to_config(target, **keywords)
    instance = not isinstance(target, type)
    kind: Any = type(target) if instance else target
    taken = {f.name for f in dataclasses.fields(target)}
    if "description" not in meta or not (instance or "description" in taken):
        return default_to_config(target, **keywords)
    rest = {name: value for name, value in meta.items() if name != "description"}
    keywords.pop("zen_meta")
    if rest:
        keywords["zen_meta"] = rest
    node = default_to_config(target, **keywords)
    if node is target:
        node = copy.copy(target) if instance else type(kind.__name__, (kind,), {})
    setattr(node, _BESIDE, str(meta["description"]))
    return node


def keep_descriptions(of: ZenStore = store) -> None:
    """Let `of`, and the stores derived from it, accept a description on every configuration.

    What such a store gets in the group ``experiment``, or with the package ``_global_``, is an
    experiment.
    """
    if of._defaults["to_config"] is default_to_config:
        of._defaults["to_config"] = _to_config
    if type(of) is ZenStore:
        of.__class__ = _DescribingStore


def description_of(node: Any) -> str:
    """Return the description of a stored configuration; empty when it has none."""
    beside = getattr(node, _BESIDE, None)
    if isinstance(beside, str):
        return beside
    text = node.get("description") if isinstance(node, Mapping) else None
    if text is None and not isinstance(node, Mapping):
        text = getattr(node, "description", None)
    return text if isinstance(text, str) and text != "???" else ""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredOption:
    """An option that a configuration can choose: its group (empty for main ones) and name."""

    group: str
    name: str
    description: str


def stored_options(of: ZenStore = store) -> list[StoredOption]:
    """Return what `of` holds, sorted by group and name, without the settings for Hydra itself."""
    found = [
        StoredOption(entry["group"] or "", entry["name"], description_of(entry["node"]))
        for entry in of
        if entry["group"] != "hydra"
    ]
    return sorted(found, key=lambda option: (option.group, option.name))


def default_options(config_name: str, of: ZenStore = store) -> dict[str, str]:
    """Return the option that a main configuration chooses from each group by itself.

    Empty where there is no such configuration; see `deriva_ml.execution.base_defaults`.
    """
    if (None, config_name) not in of:
        return {}
    return {
        str(group).split()[-1].partition("@")[0]: str(option)
        for entry in _defaults_of(of[None, config_name])
        for group, option in entry.items()
    }


def settled_words(words: Iterable[str], config_name: str, of: ZenStore = store) -> list[str]:
    """Return overrides with ``+group=option`` as ``group=option`` where the group has a default.

    Hydra wants the plus where a group is added, and refuses it where one is chosen already. Which
    of them it is depends on the main configuration, and lines are shared between several.
    """
    groups = default_options(config_name, of)
    return [
        word[1:] if word[:1] == "+" and word[1:].partition("=")[0] in groups else word
        for word in words
    ]


keep_descriptions()
