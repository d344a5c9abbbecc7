"""What a ``slurm.yaml`` or ``pbs.yaml`` asks for, in any of three spellings.

Flat keys (``partition``, ``time``, ``mem`` ...), the names that submitit uses (``timeout_min``,
``slurm_partition`` ...), and ``startup_lines`` with ``python_exe``. All of them become one
`Settings`; a key that none of them knows is an error with the nearest name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flexlock.config.yaml_text import load_yaml
from flexlock.errors import ConfigError
from flexlock.spelling import list_names, nearest
from flexlock.tasks.container import Container, read_container

__all__ = ["Dialect", "Settings", "read_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What workers of a batch system are asked for with.

    Attributes:
        directives: Lines for the head of the script, without ``#SBATCH`` or ``#PBS``.
        name: The job's name; None for that of the script.
        array: How many workers at most; None for the default.
        throttle: How many of them run at the same time; None for all.
        setup: Shell lines before the worker starts.
        python: The command that starts Python; None for the interpreter of the controller.
        container: The image that the worker runs in.
        after: Jobs that must have succeeded before.
        signal_delay_s: How long before the time limit workers are told to come to an end.
        max_attempts: How often a task is started whose worker is lost; None for the option's.
        own_array: Whether `directives` (from ``startup_lines``) ask for an array themselves.
        logging: Whether the script says where the worker's own output goes.
        naming: Whether the script gives the job a name.
        merge_stderr: Whether both streams of the worker go into one file.
    """

    directives: tuple[str, ...] = ()
    name: str | None = None
    array: int | None = None
    throttle: int | None = None
    setup: tuple[str, ...] = ()
    python: str | None = None
    container: Container | None = None
    after: tuple[str, ...] = ()
    signal_delay_s: int = 120
    max_attempts: int | None = None
    own_array: bool = False
    logging: bool = True
    naming: bool = True
    merge_stderr: bool = False


Write = Callable[[Any], list[str]]
"""Returns the directives for the value of a key."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The keys of one batch system.

    `options` maps a key to what writes its directives. `aliases` maps other spellings to keys.
    `array_option` finds an array request among directives.
    """

    name: str
    prefix: str
    options: Mapping[str, Write]
    aliases: Mapping[str, str]
    array_option: re.Pattern[str]
    extra: Callable[[str, Any], str]
    prefixes: tuple[str, ...] = field(default=())

    def key(self, name: str) -> str:
        """Return the one spelling of a key.

        Raises:
            ConfigError: There is no such key.
        """
        known = {*self.options, *_COMMON}
        for candidate in (name, *(name.removeprefix(p) for p in self.prefixes)):
            candidate = self.aliases.get(candidate, candidate)
            if candidate in known:
                return candidate
        names = sorted({*known, *self.aliases})
        message = f"{self.name} settings have no key {name!r}."
        hint = nearest(name, names).strip() or f"Known are {list_names(names)}; others go to extra."
        raise ConfigError(message, hint=hint, key=name)


_COMMON = (
    *("name", "array", "throttle", "setup", "python", "container", "extra", "after"),
    *("startup_lines", "configure_logging", "configure_name", "merge_stderr"),
    *("signal_delay_s", "max_num_timeout"),
)


def read_settings(source: str | Path | Mapping[str, Any], dialect: Dialect) -> Settings:
    """Return the settings in a YAML file, or in its content.

    Raises:
        ConfigError: The file cannot be read; a key is unknown, given twice in two spellings, or
            has a value that does not fit.
    """
    content = source if isinstance(source, Mapping) else _load(Path(source), dialect)
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, value in content.items():
        key = dialect.key(str(name))
        if key in values:
            message = f"{dialect.name} settings have both {spelled[key]!r} and {name!r}."
            raise ConfigError(message, hint="They mean the same: keep one.", key=key)
        values[key], spelled[key] = value, str(name)
    return _settings(values, dialect)


def _load(path: Path, dialect: Dialect) -> Mapping[str, Any]:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError) as cause:
        message = f"The {dialect.name} settings {str(path)!r} cannot be read: {cause}."
        raise ConfigError(message, hint="Check the name of the file.", path=path) from cause
    if content is None or content == "":
        return {}
    if not isinstance(content, Mapping):
        message = f"The {dialect.name} settings {str(path)!r} are no mapping of keys."
        raise ConfigError(message, hint="Write lines such as 'partition: main'.", path=path)
    return content


def _settings(values: Mapping[str, Any], dialect: Dialect) -> Settings:
    head, body = _split_startup(values, dialect)
    directives = [
        line
        for key in values
        if key in dialect.options
        for line in _lines(dialect, key, values[key])
    ]
    extra = _mapping(values.get("extra"), "extra")
    directives += [dialect.extra(str(key), value) for key, value in extra.items()]
    array, throttle = _array(values.get("array"), values.get("throttle"))
    container = values.get("container")
    retries = _count(values.get("max_num_timeout"), "max_num_timeout", least=0)
    return Settings(
        directives=(*directives, *head),
        name=None if values.get("name") is None else str(values["name"]),
        array=array,
        throttle=throttle,
        setup=(*_strings(values.get("setup"), "setup"), *body),
        python=_python(values.get("python")),
        container=None if container is None else read_container(container),
        after=_after(values.get("after")),
        signal_delay_s=_whole(values.get("signal_delay_s", 120), "signal_delay_s", least=1),
        max_attempts=None if retries is None else retries + 1,
        own_array=any(dialect.array_option.match(line) for line in head),
        logging=_switch(values, "configure_logging", default=True),
        naming=_switch(values, "configure_name", default=True),
        merge_stderr=_switch(values, "merge_stderr", default=False),
    )


def _lines(dialect: Dialect, key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (Mapping, bytes)):
        message = f"The {dialect.name} setting {key!r} cannot be {value!r}."
        raise ConfigError(message, hint="Give it a text or a number.", key=key)
    return dialect.options[key](value)


def _split_startup(
    values: Mapping[str, Any], dialect: Dialect
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the directives and the shell lines of ``startup_lines``.

    Batch systems read directives only before the first command, so they are moved to the head.
    """
    head, body = [], []
    for line in _strings(values.get("startup_lines"), "startup_lines"):
        text = line.strip()
        if text.startswith(dialect.prefix):
            head.append(text.removeprefix(dialect.prefix).strip())
        elif not text.startswith("#!"):
            body.append(line)
    return tuple(head), tuple(body)


def _array(array: Any, throttle: Any) -> tuple[int | None, int | None]:
    if isinstance(array, str) and (match := re.fullmatch(r"(\d+)%(\d+)", array.strip())):
        if throttle is not None:
            message = f"The array {array!r} has a throttle, and throttle is {throttle!r} too."
            raise ConfigError(message, hint="Give the throttle once.", key="throttle")
        array, throttle = int(match[1]), int(match[2])
    return _count(array, "array"), _count(throttle, "throttle")


def _count(value: Any, key: str, *, least: int = 1) -> int | None:
    return None if value is None else _whole(value, key, least=least)


def _whole(value: Any, key: str, *, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    message = f"The setting {key!r} must be a whole number of at least {least}, not {value!r}."
    raise ConfigError(message, hint="Correct it in the settings.", key=key)


def _switch(values: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = values.get(key, default)
    if isinstance(value, bool):
        return value
    message = f"The setting {key!r} must be true or false, not {value!r}."
    raise ConfigError(message, hint="Correct it in the settings.", key=key)


def _strings(value: Any, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.splitlines())
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return tuple(value)
    message = f"The setting {key!r} must be a list of shell lines, not {value!r}."
    raise ConfigError(message, hint="Write it as a YAML list of texts.", key=key)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    message = f"The setting {key!r} must be a mapping, not {value!r}."
    raise ConfigError(message, hint="Write it as {option: value}.", key=key)


def _python(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return shlex.join(map(str, value))
    message = f"The setting 'python' must be a command, not {value!r}."
    raise ConfigError(message, hint="Write the command that starts Python.", key="python")


def _after(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(job for item in values for job in re.split(r"[:,]", str(item)) if job)
