"""Reading any kind of config into a `schema.Group`."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from flexlock.config.attributes import (
    attrs_default,
    class_values,
    dataclass_default,
    first_line,
    hints_of,
    instance_values,
    metadata_doc,
    pydantic_allows_extra,
    pydantic_default,
    without_annotated,
)
from flexlock.config.docs import attribute_docs, section_docs
from flexlock.config.kinds import (
    ATOMS,
    class_of,
    is_attrs,
    is_config_class,
    is_namespace,
    is_omegaconf,
    kind_of,
    pydantic_fields,
)
from flexlock.config.schema import Absence, Field, Group, Leaf, fields_of
from flexlock.errors import ConfigError

__all__ = ["describe", "read", "read_signature"]


def describe(source: object) -> list[Field]:
    """Return the parameters of a config: dotted name, type in words, default, documentation.

    Raises:
        ConfigError: The object is not a config.

    Example:
        >>> class Config:
        ...     param = 1
        >>> describe(Config)
        [Field(name='param', type='int', default=1, doc='')]
    """
    return list(fields_of(read(source, docs=True)))


def read(source: object, *, docs: bool = False) -> Group:
    """Return the schema of a config, with its default values.

    Args:
        source: A config of any kind; None is an empty one.
        docs: Whether to look for documentation, which may read source files.

    Raises:
        ConfigError: The object is not a config.
    """
    return _Reader(docs).group(source)


def read_signature(function: Any, *, docs: bool = False) -> Group:
    """Return the parameters of a function as a schema, without its import path.

    Raises:
        ConfigError: A default is not a value that a config can hold.
    """
    return _Reader(docs).signature(function)


class _Reader:
    """Reads configs; `stack` stops classes that contain themselves."""

    def __init__(self, docs: bool) -> None:
        self._docs = docs
        self._stack: list[type] = []

    def group(self, source: object) -> Group:
        kind = kind_of(source)
        if kind == "empty":
            return Group()
        read: Callable[[Any], Group] = getattr(self, f"_read_{kind}")
        cls = class_of(source)
        self._stack.append(cls)
        try:
            return read(source)
        finally:
            self._stack.pop()

    # Each of these reads one kind.

    def _read_omegaconf(self, source: Any) -> Group:
        from omegaconf import DictConfig, OmegaConf

        if not isinstance(source, DictConfig):
            raise ConfigError("A list cannot be a config.", hint="Give it a name in a dictionary.")
        cls = OmegaConf.get_type(source)
        is_typed = isinstance(cls, type) and (dataclasses.is_dataclass(cls) or is_attrs(cls))
        declared = self.group(cls).fields if is_typed else {}
        if source._is_none() or source._is_missing():
            return Group(declared, not is_typed, source=source)
        fields: dict[str, Leaf | Group] = {}
        for key in source:
            node = source._get_node(key)
            old = declared.get(str(key))
            if isinstance(node, DictConfig) and not node._is_interpolation():
                fields[str(key)] = self._read_omegaconf(node)
            else:
                default = Absence.REQUIRED if OmegaConf.is_missing(source, key) else node
                annotation, doc = (old.annotation, old.doc) if isinstance(old, Leaf) else (Any, "")
                fields[str(key)] = self._child(annotation, _raw(default), doc)
        is_open = not is_typed and not OmegaConf.is_struct(source)
        return Group(fields, is_open, source=source)

    def _read_typed_dict(self, source: Any) -> Group:
        required = source.__required_keys__
        docs = self._attribute_docs(source)
        fields = {
            name: self._child(
                annotation,
                Absence.REQUIRED if name in required else Absence.OPTIONAL,
                docs.get(name, ""),
            )
            for name, annotation in hints_of(source).items()
        }
        return Group(fields, False, source=source, doc=first_line(source))

    def _read_mapping(self, source: Mapping[Any, Any]) -> Group:
        fields = {key: self._child(Any, value) for key, value in source.items()}
        return Group(fields, True, source=source)

    def _read_pydantic(self, source: Any) -> Group:
        cls: Any = class_of(source)
        hints, docs = hints_of(cls), self._attribute_docs(cls)
        fields = {}
        for name, info in pydantic_fields(cls).items():
            default = pydantic_default(info) if source is cls else getattr(source, name)
            described = getattr(getattr(info, "field_info", info), "description", None)
            annotation = hints.get(name, Any)
            fields[name] = self._child(annotation, default, described or docs.get(name, ""))
        return Group(fields, pydantic_allows_extra(cls), source=source, doc=first_line(cls))

    def _read_attrs(self, source: Any) -> Group:
        cls: Any = class_of(source)
        hints, docs = hints_of(cls), self._attribute_docs(cls)
        fields = {}
        for attribute in cls.__attrs_attrs__:
            name = attribute.name
            default = attrs_default(attribute) if source is cls else getattr(source, name)
            doc = metadata_doc(attribute.metadata) or docs.get(name, "")
            annotation = hints.get(name, Any if attribute.type is None else attribute.type)
            fields[name] = self._child(annotation, default, doc)
        return Group(fields, False, source=source, doc=first_line(cls))

    def _read_dataclass(self, source: Any) -> Group:
        cls = class_of(source)
        hints, docs = hints_of(cls), self._attribute_docs(cls)
        fields: dict[str, Leaf | Group] = {}
        for item in dataclasses.fields(cls):
            default = dataclass_default(item)
            if source is not cls:
                default = getattr(source, item.name, default)
            if default is Absence.REQUIRED and not item.init:
                default = Absence.OPTIONAL
            doc = metadata_doc(item.metadata) or docs.get(item.name, "")
            fields[item.name] = self._child(hints.get(item.name, Any), default, doc, cls)
        for name, value in class_values(cls):
            if name not in fields and name not in hints:
                value = value if source is cls else getattr(source, name, value)
                fields[name] = self._child(Any, value, docs.get(name, ""), cls)
        return Group(fields, False, source=source, doc=first_line(cls))

    def _read_named_tuple(self, source: Any) -> Group:
        cls: Any = class_of(source)
        hints, docs = hints_of(cls), self._attribute_docs(cls)
        fields = {}
        for name in cls._fields:
            default = cls._field_defaults.get(name, Absence.REQUIRED)
            value = default if source is cls else getattr(source, name)
            fields[name] = self._child(hints.get(name, Any), value, docs.get(name, ""))
        return Group(fields, False, source=source, doc=first_line(cls))

    def _read_namespace(self, source: Any) -> Group:
        fields = {name: self._child(Any, value) for name, value in vars(source).items()}
        return Group(fields, True, source=source)

    def _read_function(self, source: Any) -> Group:
        from flexlock.config.signature import target_name

        group = self.signature(source)
        fields: dict[str, Leaf | Group] = {"_target_": Leaf(str, target_name(source))}
        return dataclasses.replace(group, fields=fields | dict(group.fields))

    def signature(self, function: Any) -> Group:
        """Read the parameters of a function."""
        inner = getattr(function, "func", function)
        hints = hints_of(inspect.unwrap(inner))
        docs = section_docs(inspect.getdoc(inner) or "") if self._docs else {}
        fields: dict[str, Leaf | Group] = {}
        is_open = False
        for name, parameter in list(inspect.signature(function).parameters.items()):
            if parameter.kind is parameter.VAR_KEYWORD:
                is_open = True
            elif parameter.kind is not parameter.VAR_POSITIONAL:
                has_none = parameter.default is parameter.empty
                default = Absence.REQUIRED if has_none else parameter.default
                fields[name] = self._child(hints.get(name, Any), default, docs.get(name, ""))
        return Group(fields, is_open, source=function, doc=first_line(inner))

    def _read_plain(self, source: Any) -> Group:
        cls = class_of(source)
        hints, docs = hints_of(cls), self._attribute_docs(cls)
        values = dict(class_values(cls))
        if source is not cls:
            values |= dict(instance_values(source))
        names = dict.fromkeys([n for n in hints if not n.startswith("_")]) | dict.fromkeys(values)
        fields = {}
        for name in names:
            annotation = hints.get(name, Any)
            if typing.get_origin(annotation) is typing.ClassVar and name not in values:
                continue
            annotation = Any if typing.get_origin(annotation) is typing.ClassVar else annotation
            default = values.get(name, Absence.REQUIRED)
            fields[name] = self._child(annotation, default, docs.get(name, ""), cls)
        return Group(fields, False, source=source, doc=first_line(cls))

    def _attribute_docs(self, cls: type) -> dict[str, str]:
        return attribute_docs(cls) if self._docs else {}

    def _child(
        self, annotation: Any, default: Any, doc: str = "", owner: type | None = None
    ) -> Leaf | Group:
        """Return the schema of one value: a group when it is itself a config."""
        bare, extra = without_annotated(annotation)
        doc = doc or extra
        if self._is_nested(default, owner):
            group = self.group(default)
            is_plain_dict = isinstance(default, Mapping) and not is_omegaconf(default)
            if is_plain_dict:
                group = self._typed_mapping(bare, group)
            return dataclasses.replace(group, doc=doc or group.doc)
        is_needed = default is Absence.REQUIRED and is_config_class(bare)
        if is_needed and bare not in self._stack:
            return dataclasses.replace(self.group(bare), doc=doc)
        is_hint = bare is Any and not isinstance(default, Absence)
        if is_hint and _is_text_blind(default):
            return Leaf(type(default), default, doc, is_hint=True)
        return Leaf(bare, default, doc)

    def _is_nested(self, value: object, owner: type | None) -> bool:
        if isinstance(value, (*ATOMS, Absence)):
            return False
        if isinstance(value, type):
            is_inner = owner is not None and value.__qualname__.startswith(f"{owner.__qualname__}.")
            is_named = is_config_class(value) and not typing.is_typeddict(value)
            return value not in self._stack and (is_inner or is_named)
        if is_omegaconf(value):
            return type(value).__name__ == "DictConfig"
        if isinstance(value, Mapping) or is_namespace(value) or is_config_class(type(value)):
            return True
        return _is_record(value)

    def _typed_mapping(self, annotation: Any, group: Group) -> Group:
        """Give the values of a dictionary the types that its annotation declares."""
        if typing.is_typeddict(annotation):
            declared = self.group(annotation)
            known = {
                name: Leaf(child.annotation, _default_of(group.fields.get(name)), child.doc)
                if isinstance(child, Leaf) and not isinstance(group.fields.get(name), Group)
                else group.fields.get(name, child)
                for name, child in declared.fields.items()
            }
            return dataclasses.replace(declared, fields=known)
        arguments = typing.get_args(annotation)
        if len(arguments) != 2 or arguments[1] is Any:
            return group
        fields = {
            name: Leaf(arguments[1], child.default) if isinstance(child, Leaf) else child
            for name, child in group.fields.items()
        }
        return dataclasses.replace(group, fields=fields, element=arguments[1])


def _default_of(child: Leaf | Group | None) -> Any:
    return child.default if isinstance(child, Leaf) else Absence.OPTIONAL


def _is_text_blind(default: object) -> bool:
    """Whether text alone would never give this kind of value back."""
    import enum
    from pathlib import PurePath

    return isinstance(default, (bool, PurePath, enum.Enum)) or hasattr(default, "get_secret_value")


def _is_record(value: object) -> bool:
    """Whether an instance of a user's class holds values and nothing else."""
    cls = type(value)
    if cls.__module__ == "builtins" or cls.__module__.split(".")[0] in sys.stdlib_module_names:
        return False
    if isinstance(value, (list, tuple, set, frozenset, *ATOMS)) or callable(value):
        return False
    members = [v for base in cls.__mro__[:-1] for v in vars(base).items()]
    return cls.__mro__[-1] is object and not any(
        not name.startswith("__") and (inspect.isroutine(v) or isinstance(v, property))
        for name, v in members
        if not inspect.ismemberdescriptor(v) and not inspect.isgetsetdescriptor(v)
    )


def _raw(node: Any) -> Any:
    """Return the unresolved value of an OmegaConf node."""
    if isinstance(node, Absence):
        return node
    value = node._value()
    return node if isinstance(value, list) else value
