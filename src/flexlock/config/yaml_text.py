"""YAML 1.2 core values read by PyYAML, through its C parser where it is built in.

PyYAML follows YAML 1.1, where ``no`` is false, ``1e-3`` is text and ``010`` is eight. The loader
here keeps its parser and replaces the meaning of plain scalars by `scalars.parse_plain`, so that
files and command lines agree. A key that is given twice is refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flexlock.config.scalars import PlainText, parse_plain, settle
from flexlock.errors import ConfigError

__all__ = ["load_yaml"]

_PLAIN = "tag:flexlock,2026:plain"


def load_yaml(text: str, *, where: str = "", keep_text: bool = False) -> Any:
    """Return the content of one YAML document.

    Args:
        text: The document.
        where: What it is, for error messages: a path, or nothing for a value.
        keep_text: Whether plain scalars stay `PlainText`, to be decided by a declared type.

    Raises:
        ConfigError: It is not well formed, repeats a key, or uses a tag that is not plain data.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader(keep_text))
    except yaml.YAMLError as error:
        raise _not_yaml(text, where, error) from error


def _not_yaml(text: str, where: str, error: Exception) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    line = f", line {mark.line + 1}" if mark is not None and where else ""
    thing = f"{where}{line}" if where else repr(text)
    hint = "Correct it there." if where else "Quote it to mean text."
    return ConfigError(f"Cannot read {thing} as YAML: {problem}.", hint=hint, where=where)


@cache
def _loader(keep_text: bool) -> Any:
    """Return a loader class; made on first use, because PyYAML is imported late."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """A safe loader with the scalars of YAML 1.2 core."""

        def flatten_mapping(self, node: Any) -> None:
            # Merging keys ("<<") rewrites the node, so its own keys are looked at before that.
            if not getattr(node, "keys_checked", False):
                node.keys_checked = True
                _refuse_repeated_keys(self, node)
            super().flatten_mapping(node)
            # Own keys win over merged ones here too, not only in the finished dictionary:
            # the node may itself be merged into another.
            latest = {self.construct_object(k, deep=True): (k, v) for k, v in node.value}
            node.value = list(latest.values())

    def plain(loader: Any, node: Any) -> Any:
        return parse_plain(loader.construct_scalar(node))

    def text(loader: Any, node: Any) -> PlainText:
        return PlainText(loader.construct_scalar(node))

    def mapping(loader: Any, node: Any) -> Any:
        loader.flatten_mapping(node)
        result: dict[Any, Any] = {}
        yield result
        for key_node, value_node in node.value:
            key = settle(loader.construct_object(key_node, deep=True))
            result[key] = loader.construct_object(value_node, deep=True)

    Loader.yaml_implicit_resolvers = {}
    # "<<" (merging of mappings) is older than 1.2 but wide-spread, so it stays.
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])
    Loader.add_implicit_resolver(_PLAIN, re.compile(""), None)
    Loader.add_constructor(_PLAIN, text if keep_text else plain)
    for name in ("null", "bool", "int", "float", "merge"):
        Loader.add_constructor(f"tag:yaml.org,2002:{name}", plain)
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    # Run sheets mark the text of values that YAML does not have.
    Loader.add_constructor("!repr", lambda loader, node: str(loader.construct_scalar(node)))
    return Loader


def _refuse_repeated_keys(loader: Any, node: Any) -> None:
    import yaml

    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        try:
            is_repeated = key in seen
        except TypeError:
            problem = f"{key!r} cannot be a key"
            raise yaml.constructor.ConstructorError(
                None, None, problem, key_node.start_mark
            ) from None
        if is_repeated:
            problem = f"the key {key!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen.add(key)
