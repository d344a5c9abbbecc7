"""What the tasks of a queue run: which function, with which base config, by which code.

A plan is kept in the queue under a hash of its content. Tasks and workers name the plan they belong
to, so a worker never runs a task of a command whose config or code differs from its own.

Secrets of the config are not kept. The command passes them to its workers in their environment.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.errors import TaskError
from flexlock.target import CALL_ATTRIBUTE, Target
from flexlock.tasks.encoding import decode, encode
from flexlock.tasks.identity import canonical_json
from flexlock.tasks.queue.interface import TaskQueue

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.lock.record import RunLock

__all__ = ["SECRETS", "Plan", "make_plan", "read_plan", "task_function", "write_plan"]

SECRETS = "FLEXLOCK_TASK_SECRETS"
"""Environment variable that carries the secrets of a config from a command to its workers."""

_HIDDEN = "!secret"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the tasks of one command run.

    Attributes:
        id: A hash of target, config, code and data.
        target: Where the function is found.
        pickled: The function itself, where it cannot be imported.
        config: A hash of the base config as it was written, with the target.
        code: The tree of each repository by its name.
        data: The hash of each input that all tasks share, by its name.
        base: The encoded base config, without its secrets.
        save_dir: The sweep's directory as it was given.
        workdir: The working directory.
        parent: The id of the sweep's run sheet.
        stop_on_error: Whether workers stop when a task has failed.
        max_attempts: How often a task is started whose worker dies.
    """

    id: str
    target: Target
    config: str
    base: str
    save_dir: str
    workdir: str
    pickled: str | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    stop_on_error: bool = False
    max_attempts: int = 2

    def load_function(self) -> Callable[[DictConfig], Any]:
        """Return the function, to be called with a resolved config.

        Raises:
            ConfigError: It cannot be imported.
        """
        if self.pickled is None:
            return task_function(self.target.load())
        import pickle

        function: Callable[[DictConfig], Any] = pickle.loads(base64.b64decode(self.pickled))
        return function

    def load_base(self, secret: str | None = None) -> DictConfig:
        """Return the base config.

        Args:
            secret: Its secrets, as `make_plan` gives them; None to take them from the environment.

        Raises:
            TaskError: A secret is not there.
        """
        from flexlock.config.building import to_config

        given = decode(secret or os.environ.get(SECRETS, "{}"))
        return to_config(_reveal(decode(self.base), "", given))


def make_plan(
    target: Target,
    function: Callable[..., Any] | None,
    base: DictConfig,
    *,
    written: DictConfig,
    lock: RunLock | None,
    save_dir: str,
    stop_on_error: bool = False,
    max_attempts: int = 2,
) -> tuple[Plan, str]:
    """Return the plan of a command, and the text for the variable `SECRETS`.

    Args:
        target: The address of the function.
        function: The function, in case it cannot be imported.
        base: The base config with everything evaluated that all tasks share.
        written: The base config before that, so that a time in it does not make it another one.
        lock: The sheet of the sweep, which tells code and data.
        save_dir: The sweep's directory as it was given.
        stop_on_error: Whether workers stop when a task has failed.
        max_attempts: How often a task is started whose worker dies.

    Raises:
        TaskError: The function can neither be imported nor pickled.
    """
    hidden, secrets = _hide(base)
    config = _digest([asdict(target), encode(_hide(written)[0])])
    code = {} if lock is None else {name: repo.tree or "" for name, repo in lock.repos.items()}
    data = {} if lock is None else {name: _data_hash(state) for name, state in lock.data.items()}
    plan = Plan(
        id=_digest([config, code, data]),
        target=target,
        pickled=None if target.is_importable else _pickled(target, function),
        config=config,
        code=code,
        data=data,
        base=encode(hidden),
        save_dir=save_dir,
        workdir=str(Path.cwd()),
        parent=None if lock is None else lock.id,
        stop_on_error=stop_on_error,
        max_attempts=max_attempts,
    )
    return plan, encode(secrets)


def task_function(function: Callable[..., Any]) -> Callable[[DictConfig], Any]:
    """Return a callable of one config, that of a decorated function or one made for a plain one.

    A plain function with one parameter that is a config gets the config, any other its values as
    keyword arguments.
    """
    from flexlock.entry import Entry

    if isinstance(getattr(function, "__self__", None), Entry):
        return function
    call: Callable[[DictConfig], Any] | None = getattr(function, CALL_ATTRIBUTE, None)
    return call if call is not None else Entry(function).call


def write_plan(queue: TaskQueue, plan: Plan) -> None:
    """Keep a plan in its queue."""
    queue.write_note(f"plan:{plan.id}", json.dumps(asdict(plan), ensure_ascii=False))


def read_plan(queue: TaskQueue, plan_id: str) -> Plan | None:
    """Return a plan by its id; None when the queue does not have it."""
    text = queue.read_note(f"plan:{plan_id}")
    if text is None:
        return None
    document = json.loads(text)
    return Plan(**{**document, "target": Target(**document["target"])})


def _hide(config: DictConfig) -> tuple[Any, dict[str, Any]]:
    """Return the content of a config without its secrets, and these by their dotted keys."""
    from omegaconf import OmegaConf

    from flexlock.config.plain import plain_value
    from flexlock.config.secrets import mask_secrets

    tree = OmegaConf.to_container(config, resolve=False)
    secrets: dict[str, Any] = {}
    return _hidden(tree, mask_secrets(plain_value(tree)), "", secrets), secrets


def _hidden(value: Any, masked: Any, key: str, secrets: dict[str, Any]) -> Any:
    """Replace what differs from the masked tree by a mark."""
    if isinstance(value, dict) and isinstance(masked, dict) and len(value) == len(masked):
        return {
            name: _hidden(item, other, f"{key}.{name}", secrets)
            for (name, item), other in zip(value.items(), masked.values(), strict=True)
        }
    if isinstance(value, (list, tuple)) and isinstance(masked, list) and len(value) == len(masked):
        pairs = enumerate(zip(value, masked, strict=True))
        return [_hidden(item, other, f"{key}.{i}", secrets) for i, (item, other) in pairs]
    if not (isinstance(masked, str) and "***" in masked) or "***" in str(value):
        return value
    secrets[key] = value
    return {_HIDDEN: key}


def _reveal(value: Any, key: str, secrets: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_reveal(item, key, secrets) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {_HIDDEN}:
        return {name: _reveal(item, f"{key}.{name}", secrets) for name, item in value.items()}
    name = value[_HIDDEN]
    if name in secrets:
        return secrets[name]
    message = f"The secret {name.lstrip('.')!r} of the config is not kept with the tasks."
    hint = "Repeat the command that made the tasks: it passes secrets on to its workers."
    raise TaskError(message, hint=hint, key=name)


def _pickled(target: Target, function: Callable[..., Any] | None) -> str:
    import pickle

    import cloudpickle

    if function is not None:
        try:
            payload = cloudpickle.dumps(task_function(function))
        except (pickle.PicklingError, TypeError) as cause:
            message = f"{target.address!r} can neither be imported nor pickled: {cause}."
            raise TaskError(message, hint="Define it at the top level of a module.") from cause
        return base64.b64encode(payload).decode()
    message = f"{target.address!r} cannot be imported by another process."
    raise TaskError(message, hint="Define it at the top level of a module.")


def _data_hash(state: Any) -> str:
    return f"{state.algorithm}:{state.hash}"


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:32]
