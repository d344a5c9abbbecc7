"""Code versions: what a function does, as a text that changes when its code changes.

A version covers the source of the function, of the functions and classes of the same project that
it names, and the constants among its globals, transitively. Layout, comments and docstrings do
not count. Libraries installed beside the project do not count either.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hamilton._source import hash_source_code, is_current
from hamilton.node import Node

__all__ = ["function_version", "node_code_version"]


def function_version(function: Callable[..., Any], *, follow: bool = True) -> str:
    """Returns the version of a function's code.

    Args:
        function: A Python function.
        follow: Include the helpers and constants of the same project that the code names.
    """
    if not follow:
        return _own_source(function)
    going_on = _GOING_ON.get()
    if function in going_on:
        # A constant that the function names, or a default value of it, holds the function itself.
        return f"itself:{function.__qualname__}"
    mark = _GOING_ON.set(going_on | {function})
    try:
        return _Tracer().version(function)
    finally:
        _GOING_ON.reset(mark)


def node_code_version(node: Node, *, follow: bool = True) -> str:
    """Returns the version of the code behind a node, values bound to it by modifiers included."""
    if node.user_defined:
        return f"input__{node.name}"
    tracer = _Tracer() if follow else None
    parts = []
    for function in node.originating_functions or ():
        parts.append(tracer.version(function) if tracer else _own_source(function))
    if node.callable not in (node.originating_functions or ()):
        parts.extend((tracer or _Tracer(follow=False)).bound(node.callable))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


_GOING_ON: ContextVar[frozenset[Any]] = ContextVar("functions being versioned", default=frozenset())
_IMMUTABLE = (str, bytes, int, float, complex, tuple, frozenset, type(None), Path)

# By identity: functions of equal code may differ in decorators, defaults and annotations.
_KNOWN: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def _own_source(obj: Any) -> str:
    """Returns the hash of the source of one function or class.

    Of its byte code where there is no source, or where the source has been edited since it was
    imported: what is kept under the new text must have been computed by the new text.
    """
    found = _KNOWN.get(obj)
    if found is None:
        plain = inspect.unwrap(obj)
        try:
            found = hash_source_code(plain, strip=True) if _is_current(plain) else _own_code(plain)
            if getattr(plain, "__name__", "") == "<lambda>":
                # Several lambdas may share a line.
                found += _code_hash(plain.__code__)
        except (OSError, TypeError):
            found = _own_code(plain)
        _KNOWN[obj] = found
    return found


def _is_current(obj: Any) -> bool:
    if isinstance(obj, type):
        return all(is_current(method) for method in _methods(obj))
    return not isinstance(obj, types.FunctionType) or is_current(obj)


def _own_code(obj: Any) -> str:
    if isinstance(obj, type):
        return "".join([obj.__qualname__, *(_code_hash(m.__code__) for m in _methods(obj))])
    code = getattr(obj, "__code__", None)
    return _code_hash(code) if code is not None else repr(getattr(obj, "__qualname__", ""))


def _methods(cls: type) -> Iterator[types.FunctionType]:
    """Yields the functions written in a class."""
    for value in vars(cls).values():
        member = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(member, types.FunctionType):
            yield member


def _code_hash(code: types.CodeType) -> str:
    constants = [
        _code_hash(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts
    ]
    text = repr((code.co_code, code.co_names, code.co_varnames, constants))
    return hashlib.sha256(text.encode()).hexdigest()


class _Tracer:
    """Follows the names in code, each function once."""

    def __init__(self, follow: bool = True) -> None:
        self._seen: dict[int, Any] = {}
        self._follow = follow

    def version(self, function: Callable[..., Any]) -> str:
        """Returns the version of a function and of what it names."""
        lines = list(self._lines(function))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _lines(self, obj: Any) -> Iterator[str]:
        waiting = [obj]
        while waiting:
            current = inspect.unwrap(waiting.pop()) if callable(waiting[-1]) else waiting.pop()
            if id(current) in self._seen:
                continue
            self._seen[id(current)] = current
            name = getattr(current, "__qualname__", "")
            yield f"{name}={_own_source(current)}"
            for key, value in self._named(current):
                if _is_code(value):
                    if self._follow and _same_project(current, value):
                        waiting.append(value)
                elif _is_constant(key, value):
                    text = _constant(value)
                    if text is not None:
                        yield f"{key}={text}"

    def _named(self, obj: Any) -> Iterator[tuple[str, Any]]:
        """Yields what a function or the methods of a class name, and their default values."""
        if isinstance(obj, type):
            for method in _methods(obj):
                yield from self._named(method)
            return
        if not isinstance(obj, types.FunctionType):
            return
        if self._follow:
            yield from _globals_named(obj.__code__, obj.__globals__)
        yield from _cells(obj)
        defaults = dict(enumerate(obj.__defaults__ or ()))
        yield from _defaults({f"default {i}": value for i, value in defaults.items()})
        yield from _defaults(obj.__kwdefaults__ or {})

    def bound(self, callabl: Any) -> list[str]:
        """Returns texts for what modifiers bound into a callable: literals, steps, configuration.

        Only plain data and functions count; the machinery that holds them does not.
        """
        found: list[str] = []
        waiting, seen = [callabl], dict[int, Any]()
        while waiting:
            obj = waiting.pop()
            if id(obj) in seen:
                continue
            seen[id(obj)] = obj
            if isinstance(obj, functools.partial):
                waiting += [obj.func, *obj.args, *(v for _, v in sorted(obj.keywords.items()))]
            elif isinstance(obj, types.MethodType):
                waiting += [obj.__func__, obj.__self__]
            elif isinstance(obj, types.FunctionType):
                if _is_machinery(obj):
                    waiting += [value for _, value in sorted(_cells(obj), key=lambda kv: kv[0])]
                else:
                    found.append(self.version(obj))
            elif isinstance(obj, Node):
                waiting += [obj.name, *(obj.originating_functions or ())]
                if obj._callable is not None:
                    waiting.append(obj._callable)
            elif _is_machinery(type(obj)):
                waiting += [v for _, v in sorted(_attributes(obj).items())]
            elif isinstance(obj, dict):
                waiting += [part for pair in obj.items() for part in pair]
            elif isinstance(obj, (list, tuple)):
                waiting += obj
            elif not isinstance(obj, type):
                text = _constant(obj)
                if text is not None:
                    found.append(text)
        return found


def _attributes(obj: Any) -> dict[str, Any]:
    found = dict(getattr(obj, "__dict__", {}))
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("_graph", "__weakref__", "__dict__") and hasattr(obj, slot):
                found[slot] = getattr(obj, slot)
    return found


def _is_machinery(obj: Any) -> bool:
    module = getattr(obj, "__module__", None) or ""
    return module == "hamilton" or module.startswith("hamilton.")


def _is_code(value: Any) -> bool:
    return isinstance(value, (types.FunctionType, type))


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a name that the enclosing function has not set yet
            continue


def _defaults(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields default values that cannot be changed in place."""
    for name, value in values.items():
        if isinstance(value, _IMMUTABLE):
            yield name, value


def _globals_named(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields ``(name, value)`` for every global, or attribute of a module, that code loads."""
    for name, attributes in _loads(code):
        if name not in namespace:
            continue
        value = namespace[name]
        for attribute in attributes:
            if not isinstance(value, types.ModuleType) or not hasattr(value, attribute):
                break
            value = getattr(value, attribute)
            name = f"{name}.{attribute}"
        if not isinstance(value, types.ModuleType):
            yield name, value


@functools.lru_cache(maxsize=4096)
def _loads(code: types.CodeType) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Returns the globals that code loads, each with the attributes read from it at once."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    name, attributes = None, list[str]()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and name is not None:
            attributes.append(str(instruction.argval))
            continue
        if name is not None:
            found[name, tuple(attributes)] = None
            name, attributes = None, []
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = str(instruction.argval)
    if name is not None:
        found[name, tuple(attributes)] = None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.update(dict.fromkeys(_loads(constant)))
    return tuple(sorted(found))


def _is_constant(name: str, value: Any) -> bool:
    """Returns whether a global is meant never to change.

    What can be changed in place counts only when its name says that it is a constant: a list
    that collects, or a dictionary that remembers, is state and no part of the code.
    """
    return isinstance(value, _IMMUTABLE) or name.rpartition(".")[2].isupper()


def _constant(value: Any) -> str | None:
    """Returns the fingerprint of plain data; None for what is not plain or cannot be told."""
    from hamilton.caching.fingerprint import NotFingerprintable, fingerprint

    if isinstance(value, types.ModuleType) or callable(value):
        return None
    if type(value).__module__ == "logging":
        return None
    try:
        return fingerprint(value)
    except NotFingerprintable:
        return f"{type(value).__module__}.{type(value).__qualname__}"


@functools.lru_cache(maxsize=4096)
def _home(module_name: str) -> tuple[str, str | None, bool]:
    """Returns the top package of a module, its folder, and whether it is installed or standard."""
    module = sys.modules.get(module_name)
    top = module_name.partition(".")[0]
    file = getattr(module, "__file__", None)
    if file is None:
        return top, None, top in sys.stdlib_module_names
    path = Path(file).resolve()
    # By name too: libraries of the system or of the user may be visible in an environment.
    installed = not _LIBRARY_FOLDERS.isdisjoint(path.parts) or any(
        path.is_relative_to(root) for root in _library_roots()
    )
    return top, str(path.parent), installed


_LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})


@functools.cache
def _library_roots() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in names})


def _same_project(function: Any, helper: Any) -> bool:
    """Returns whether a helper belongs to the project of the function that names it."""
    own, other = getattr(function, "__module__", None), getattr(helper, "__module__", None)
    if not own or not other or other == "builtins" or _is_machinery(helper):
        return False
    if own.partition(".")[0] == other.partition(".")[0]:
        return True
    own_installed, other_installed = _home(own)[2], _home(other)[2]
    return not own_installed and not other_installed
