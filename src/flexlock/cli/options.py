"""The options of a decorated script, and how its command line is read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from flexlock.config.overrides import Override, take_overrides
from flexlock.errors import ConfigError
from flexlock.spelling import closest, list_names

if TYPE_CHECKING:
    from flexlock.tasks.model import TaskOptions

__all__ = ["OptionFormatter", "Options", "UsageParser", "make_parser", "parse"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a command line asks for.

    Attributes:
        config_files: ``--config``, in order.
        experiment: ``--experiment``.
        override_files: ``--overrides_path``, in order.
        overrides: ``-o``, in order.
        task_files: ``--tasks``, in order.
        task_key: ``--task_to``.
        task_options: How tasks run; None when there are none.
        print_config: Whether to print the finished config instead of running.
        dry_run: Whether to say what would run instead of running it.
        skip_if_done: Whether a finished run that is the same stands for this one.
        search_dirs: ``--search_dir``: where finished runs are looked for.
        debug: Whether to look into a failure, as `unsafe_debug` does.
        quiet: Whether to keep the lines about start and end to itself.
        help: Whether help was asked for.
    """

    config_files: tuple[str, ...] = ()
    experiment: str | None = None
    override_files: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    task_files: tuple[str, ...] = ()
    task_key: str | None = None
    task_options: TaskOptions | None = None
    print_config: bool = False
    dry_run: bool = False
    skip_if_done: bool = False
    search_dirs: tuple[str, ...] = ()
    debug: bool = False
    quiet: bool = False
    help: bool = False


class UsageParser(argparse.ArgumentParser):
    """A parser whose complaints are `ConfigError`, so that every door shows them alike."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        raise ConfigError(f"{message[:1].upper()}{message[1:].rstrip('.')}.", hint=_help_hint())


class OptionFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows each option once, although it has two spellings."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_terminal_width())

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = _shown_names(action.option_strings)
        if not names:
            return super()._format_action_invocation(action)
        default = self._get_default_metavar_for_optional(action)
        value = "" if action.nargs == 0 else f" {self._format_args(action, default)}"
        return f"{', '.join(names)}{value}"


def _shown_names(options: Sequence[str]) -> list[str]:
    """Return the names of an option without those that only write another one with dashes."""
    written = {text for text in options if "-" not in text[2:]}
    return [text for text in options if text in written or _underscored(text) not in written]


def _underscored(option: str) -> str:
    return option[:2] + option[2:].replace("-", "_")


def _terminal_width() -> int:
    import shutil

    return max(60, min(shutil.get_terminal_size().columns, 100) - 2)


def make_parser(prog: str, description: str = "", epilog: str = "") -> UsageParser:
    """Return the parser of all options but ``-o``, which has a grammar of its own."""
    parser = UsageParser(
        prog=prog,
        usage=f"{prog} [options] [-o NAME VALUE ...]",
        description=description or None,
        epilog=epilog or None,
        formatter_class=OptionFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    config = parser.add_argument_group("configuration, later ones win")
    config.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="values from a file (YAML, JSON, TOML, Python, a run.lock); may set only some",
    )
    config.add_argument(
        "--experiment", metavar="KEY", help="take the part of the config file at this dotted key"
    )
    config.add_argument(
        "--overrides_path",
        "--overrides-path",
        metavar="FILE",
        action="append",
        default=[],
        help="a second file, applied after --experiment",
    )
    config.add_argument(
        "-o",
        "--override",
        metavar="NAME VALUE",
        nargs="*",
        dest="shown_only",
        help="set parameters: `a 1`, `a=1`, `a.b=[1,2]`, `+new=1`, `~gone`; repeatable",
    )
    _add_tasks(parser)
    general = parser.add_argument_group("general")
    general.add_argument(
        "--print_config",
        "--print-config",
        action="store_true",
        help="print the finished config, secrets masked, and stop",
    )
    general.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="say what would run, and stop"
    )
    general.add_argument(
        "--skip_if_done",
        "--skip-if-done",
        action="store_true",
        help="do not run if a finished run has the same config, code and data",
    )
    general.add_argument(
        "--search_dir",
        "--search-dir",
        metavar="DIR",
        action="append",
        default=[],
        help="where --skip_if_done looks (default: the folder that save_dir is in)",
    )
    general.add_argument(
        "--debug",
        action="store_true",
        help="after an error, start pdb (terminal) or show the variables (IPython)",
    )
    general.add_argument("-q", "--quiet", action="store_true", help="no lines about start and end")
    general.add_argument("-h", "--help", action="store_true", help="show this text and stop")
    return parser


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    from flexlock.tasks.options import add_task_arguments

    add_task_arguments(parser)


def parse(argv: Sequence[str], parameters: Callable[[], Iterable[str]] = tuple) -> Options:
    """Read a command line.

    Args:
        argv: Its words, without the program.
        parameters: Returns the names of the parameters; asked only for suggestions.

    Raises:
        ConfigError: An option or an override cannot be understood.
    """
    if any(word in ("-h", "--help") for word in argv):
        return Options(help=True)
    overrides, rest = take_overrides(argv)
    parser = make_parser("")
    namespace, unknown = parser.parse_known_args(rest)
    if unknown:
        raise _unknown(unknown, parser, list(parameters()))
    _refuse_contradictions(namespace)
    from flexlock.tasks.options import task_options

    return Options(
        config_files=tuple(namespace.config),
        experiment=namespace.experiment,
        override_files=tuple(namespace.overrides_path),
        overrides=tuple(overrides),
        task_files=tuple(namespace.tasks or ()),
        task_key=namespace.task_to,
        task_options=task_options(namespace),
        print_config=namespace.print_config,
        dry_run=namespace.dry_run,
        skip_if_done=namespace.skip_if_done,
        search_dirs=tuple(namespace.search_dir),
        debug=namespace.debug,
        quiet=namespace.quiet,
    )


def _refuse_contradictions(namespace: argparse.Namespace) -> None:
    if namespace.search_dir and not namespace.skip_if_done:
        message = "--search_dir says where --skip_if_done looks, which is not given."
        raise ConfigError(message, hint="Add --skip_if_done.")
    if namespace.skip_if_done and namespace.tasks:
        message = "--skip_if_done is for single runs."
        raise ConfigError(
            message, hint="With --tasks, done tasks are skipped anyway: leave it out."
        )


def _unknown(
    words: Sequence[str], parser: argparse.ArgumentParser, parameters: Sequence[str]
) -> ConfigError:
    known = [text for a in parser._actions for text in a.option_strings if text.startswith("--")]
    option = next((word for word in words if word.startswith("-")), None)
    if option is None:
        return ConfigError(
            f"Nothing takes the words {list_names(words)}.",
            hint="Set parameters with -o NAME VALUE; quote values with spaces.",
        )
    name, _, value = option.partition("=")
    bare = name.lstrip("-").replace("-", "_")
    meant = closest(bare, [text.removeprefix("--") for text in known])
    parameter = closest(bare, parameters)
    if meant is not None and bare not in parameters:
        return ConfigError(
            f"There is no option {name!r}. Did you mean '--{meant}'?", hint=_help_hint()
        )
    following = list(words[words.index(option) + 1 :])
    value = value or next((word for word in following if not word.startswith("-")), "VALUE")
    return ConfigError(
        f"There is no option {name!r}.",
        hint=f"Parameters are set with -o, as in `-o {parameter or bare} {value}`.",
    )


def _help_hint() -> str:
    return "Try --help."
