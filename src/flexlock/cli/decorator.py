"""`clicfg`: a function becomes a program with a config, a command line and a run sheet."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flexlock.target import CALL_ATTRIBUTE

__all__ = ["clicfg"]


def clicfg(
    config_class: Any = None, *, instantiate: bool = False, lock: bool = True
) -> Callable[..., Any]:
    """Turn a function into a program that takes its parameters from a config.

    ::

        class Config:
            param = 1
            save_dir = "results/process"

        @clicfg(config_class=Config)
        def main(cfg):
            ...

        if __name__ == "__main__":
            main()

    The script then understands ``--help``, ``--config``, ``--experiment``, ``-o``, ``--tasks`` and
    more. The command line is read when the function belongs to the script that was started; a call
    from a module, a test or a notebook is a plain call, ``main(Config())`` with other defaults,
    ``main(param=3)`` with other values.

    Before the call ``save_dir`` is created and the run sheet ``save_dir/run.lock`` is written:
    config, version of the code, and the data and earlier runs that the config names. Without a
    ``save_dir`` nothing is written.

    The decorated function has two more attributes: ``main.cli(argv)`` reads a command line wherever
    it is called, and ``main.__wrapped__`` is the function itself.

    Args:
        config_class: The defaults: a class, an instance, a dataclass, a dictionary, a pydantic
            model ... Without it they come from the signature: from the default or annotation of
            the one parameter, or else the parameters themselves are the config.
        instantiate: Whether the function gets an instance of the config class. It gets a
            `DictConfig` otherwise, whose values can be read as attributes and as items.
        lock: Whether the run sheet is written by itself.
    """
    is_bare = inspect.isfunction(config_class) and not instantiate and lock
    if is_bare:
        return _decorated(config_class, None, False, True)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _decorated(function, config_class, instantiate, lock)

    return decorate


def _decorated(
    function: Callable[..., Any], config_class: Any, instantiate: bool, lock: bool
) -> Callable[..., Any]:
    from flexlock.entry import Entry

    entry = Entry(function, config_class, instantiate, lock)

    @functools.wraps(function)
    def program(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython leaves such frames out
        from flexlock.cli.dispatch import run
        from flexlock.cli.invocation import owns_command_line

        argv = sys.argv[1:] if owns_command_line(function) else None
        return run(entry, program, args, kwargs, argv)

    def cli(argv: Sequence[str] | None = None) -> Any:
        """Run the function with a command line, that of the process unless another is given."""
        from flexlock.cli.dispatch import run

        return run(entry, program, (), {}, list(sys.argv[1:] if argv is None else argv))

    setattr(program, CALL_ATTRIBUTE, entry.call_task)
    program.cli = cli  # type: ignore[attr-defined]
    program.entry = entry  # type: ignore[attr-defined]
    return program
