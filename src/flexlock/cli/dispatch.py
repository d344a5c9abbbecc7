"""From a call to its run: read the options, merge the config, then run, or only say so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from flexlock.cli.calls import Call, Outcome
from flexlock.cli.options import Options, parse
from flexlock.entry import Entry
from flexlock.reporting import INTERRUPTED, exit_on_errors

if TYPE_CHECKING:
    from flexlock.config.layers import Layers

__all__ = ["execute", "run"]


def run(
    entry: Entry,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    argv: Sequence[str] | None,
) -> Any:
    """Run a decorated function and return what it returned, see `execute`."""
    __tracebackhide__ = True  # IPython leaves such frames out
    outcome = execute(entry, function, args, kwargs, argv)
    return None if outcome is None else outcome.result


def execute(
    entry: Entry,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    argv: Sequence[str] | None,
    *,
    program: Sequence[str] = (),
) -> Outcome | None:
    """Run a decorated function.

    Args:
        entry: What is known of it.
        function: The decorated function itself, by which workers find it.
        args: Positional arguments of the call: at most one config.
        kwargs: Values of single parameters.
        argv: The command line; None for a plain call.
        program: The words that start the program; those of the running script by default.

    Returns:
        What came of it; None when nothing ran.

    Raises:
        ConfigError: The config cannot be put together (with a command line: exit status 2).
        SystemExit: With a command line: after errors of ours, failed tasks, and Ctrl-C.
    """
    from flexlock.cli.single import run_once

    __tracebackhide__ = True
    is_program = argv is not None
    with exit_on_errors(is_program):
        options = parse(argv, _names(entry)) if argv is not None else Options()
        if options.help:
            _print_help(entry, " ".join(program))
            return None
        from flexlock.config.layers import assemble

        source, keywords = entry.bind(args, kwargs)
        command = None if argv is None else (*(program or sys.argv[:1]), *argv)
        draft = assemble(source, _layers(options, keywords))
        call = Call(entry, function, source, draft, options, command)
        if options.print_config:
            _print_config(call)
            return None
    with ExitStack() as stack:
        stack.enter_context(_interruptible(is_program))
        if options.debug:
            from flexlock.debug import looking_into

            stack.enter_context(looking_into(function, always=True))
        if options.task_files:
            from flexlock.cli.many import run_tasks_of

            return run_tasks_of(call)
        return run_once(call)


def _names(entry: Entry) -> Callable[[], list[str]]:
    return lambda: [field.name for field in entry.fields()]


def _layers(options: Options, keywords: Mapping[str, Any]) -> Layers:
    from flexlock.config.layers import Layers

    return Layers(
        config_files=options.config_files,
        experiment=options.experiment,
        override_files=options.override_files,
        keywords=keywords,
        overrides=options.overrides,
    )


def _print_help(entry: Entry, prog: str) -> None:
    from flexlock.cli.help_text import help_text
    from flexlock.cli.invocation import program_name

    print(help_text(prog or program_name(), entry.description(), entry.fields()), end="")


def _print_config(call: Call) -> None:
    from flexlock.config.plain import to_plain
    from flexlock.config.secrets import mask_secrets
    from flexlock.lock.yamlfile import dump, to_data

    tree = to_data(mask_secrets(to_plain(call.draft.config)), lambda place: None)
    print(dump(tree), end="")


@contextmanager
def _interruptible(is_program: bool) -> Iterator[None]:
    """Turn Ctrl-C into its exit status, as shells expect it."""
    try:
        yield
    except KeyboardInterrupt:
        if not is_program:
            raise
        sys.exit(INTERRUPTED)
