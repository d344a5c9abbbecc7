"""``flexlock run -s A B``: several parts of a config file, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flexlock.cli.calls import Outcome
from flexlock.errors import ConfigError
from flexlock.reporting import say

__all__ = ["run_stages", "take_stages"]

_OPTIONS = ("-s", "--stages")


def take_stages(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the stages that a command line names, and the words that are left.

    Raises:
        ConfigError: The option stands without a name.
    """
    stages: list[str] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word not in _OPTIONS:
            rest.append(word)
            continue
        first = position
        while position < len(words) and not words[position].startswith("-"):
            position += 1
        if position == first:
            message = f"{word} names no stage."
            raise ConfigError(message, hint="Write -s NAME NAME ..., keys of the config file.")
        stages += words[first:position]
    return stages, rest


def run_stages(
    target: str | None,
    stages: Sequence[str],
    words: Sequence[str],
    *,
    load: Callable[[str], Callable[..., Any]],
) -> list[Outcome]:
    """Run each stage when the one before has succeeded; return what came of them.

    A stage is a dotted key of the config file. Its function is the one named on the command line,
    else the node's ``_target_``. With tasks, a stage begins when all tasks of the one before are
    done; on a cluster without waiting, its workers start after that one's jobs.

    Args:
        target: The function on the command line, if any.
        stages: Dotted keys, in their order.
        words: The other words of the command line.
        load: Returns the function at an address.

    Raises:
        ConfigError: A stage has no function, or is not in the config file. Nothing has run.
        SystemExit: A stage failed.
    """
    functions = [load(target or _target_of(stage, words)) for stage in stages]
    outcomes: list[Outcome] = []
    after: list[str] = []
    for number, (stage, function) in enumerate(zip(stages, functions, strict=True)):
        try:
            outcome = _run(function, stage, [*words, *after], target)
        except BaseException:
            if left := stages[number + 1 :]:
                say(f"stage {stage} did not succeed, so {', '.join(left)} did not run")
            raise
        if outcome is not None:
            outcomes.append(outcome)
            after = [word for job in _jobs(outcome) for word in ("--after", job)]
    return outcomes


def _run(
    function: Callable[..., Any], stage: str, words: list[str], target: str | None
) -> Outcome | None:
    from flexlock.cli.dispatch import execute
    from flexlock.entry import Entry

    entry = getattr(function, "entry", None)
    if not isinstance(entry, Entry):
        entry = Entry(function)
    program = ("flexlock", "run", *([target] if target else []), "-s", stage)
    return execute(entry, function, (), {}, [*words, "--experiment", stage], program=program)


def _jobs(outcome: Outcome) -> Sequence[str]:
    return getattr(outcome.result, "jobs", ())


def _target_of(stage: str, words: Sequence[str]) -> str:
    """Return the function that a node of the config file names."""
    from flexlock.cli.options import parse
    from flexlock.config.loading import load_file

    for file in reversed(parse(words).config_files):
        node: Any = load_file(file)
        for part in stage.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and "_target_" in node:
            module, dot, name = str(node["_target_"]).rpartition(".")
            is_address = ":" in str(node["_target_"]) or str(node["_target_"]).endswith(".py")
            return str(node["_target_"]) if is_address or not dot else f"{module}:{name}"
    message = f"Nothing says which function the stage {stage!r} is."
    hint = "Name it before the options, or write _target_: module.function into the stage."
    raise ConfigError(message, hint=hint, stage=stage)
