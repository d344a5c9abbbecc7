"""YAML as run sheets use it: block style, keys in order, the same bytes for the same content.

A text that YAML 1.1 or 1.2 would read as something else is quoted, so that other readers see a text
too. Times are texts. What YAML cannot say is kept as its text under the tag ``!repr``.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

__all__ = ["Unrepresented", "dump", "load", "to_data"]

_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?)\Z")
_SCALARS = (bool, int, float, bytes, type(None))
_WIDTH = 1 << 16


class Unrepresented(str):
    """The text of a value that YAML has no words for."""

    __slots__ = ()


def to_data(value: Any, tell: Callable[[str], object], where: str = "") -> Any:
    """Return a value in words that YAML has.

    Mappings become dictionaries, sequences lists, paths and times texts, numbers of numpy those of
    Python. Anything else becomes `Unrepresented`, as does a value that contains itself.

    Args:
        value: What is to be written.
        tell: Called with the dotted place of each value that became `Unrepresented`.
        where: The dotted place of `value`.
    """
    return _to_data(value, tell, where, ())


def _to_data(value: Any, tell: Callable[[str], object], where: str, above: tuple[int, ...]) -> Any:
    if type(value) in _SCALARS or isinstance(value, Unrepresented):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, datetime.date):  # also datetime.datetime
        return value.isoformat()
    if id(value) not in above:
        inner = (*above, id(value))
        if isinstance(value, Mapping):
            return {
                _key(key): _to_data(item, tell, f"{where}.{key}" if where else str(key), inner)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [_to_data(v, tell, f"{where}[{n}]", inner) for n, v in enumerate(value)]
    number = _number(value)
    if number is not None:
        return number
    tell(where)
    return Unrepresented(str(value))


def _key(key: Any) -> Any:
    return key if isinstance(key, bool | int | float | type(None)) else str(key)


def _number(value: Any) -> bool | int | float | None:
    """Return a number of another library as one of Python, or None when it is no number."""
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "shape", None) != ():
        return None
    number = item()
    return number if isinstance(number, bool | int | float) else None


def dump(data: Any) -> str:
    """Return data that `to_data` made as YAML."""
    import yaml

    text = yaml.dump(
        data,
        Dumper=_dumper(),
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=_WIDTH,
    )
    return str(text)


def load(text: str | bytes) -> Any:
    """Return the data of a YAML text.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    import yaml

    return yaml.load(text, Loader=_loader())


@cache
def _dumper() -> type[Any]:
    import yaml

    base = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc,valid-type]
        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style = "'" if _NUMBER.match(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def unrepresented(dumper: Any, value: Unrepresented) -> Any:
        return dumper.represent_scalar("!repr", str(value))

    def number(dumper: Any, value: float) -> Any:
        if math.isfinite(value):
            words = repr(value)
            mantissa, exponent, power = words.partition("e")
            # YAML 1.1 wants a dot before the exponent and a sign in it; both versions read this.
            if exponent and "." not in mantissa:
                words = f"{mantissa}.0e{power}"
            if exponent and power[0] not in "+-":
                words = words.replace("e", "e+")
            return dumper.represent_scalar("tag:yaml.org,2002:float", words)
        words = ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        return dumper.represent_scalar("tag:yaml.org,2002:float", words)

    Dumper.add_representer(str, text)
    Dumper.add_representer(Unrepresented, unrepresented)
    Dumper.add_representer(float, number)
    return Dumper


@cache
def _loader() -> type[Any]:
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc,valid-type]
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }

    def unrepresented(loader: Any, node: Any) -> Unrepresented:
        return Unrepresented(loader.construct_scalar(node))

    Loader.add_constructor("!repr", unrepresented)
    return Loader
