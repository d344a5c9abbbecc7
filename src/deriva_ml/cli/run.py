"""``deriva-ml-run``: run a project's model with the configuration that it and the caller chose.

Nothing heavy is imported before the command line is understood, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deriva_ml import __version__

from .overrides import check_words, expand_multirun, quoted, says

__all__ = ["main"]

_FULL_ERROR = "HYDRA_FULL_ERROR"
_PROGRAM = "deriva-ml-run"

_DESCRIPTION = """\
Run a model as an execution that the catalog records: its code, its configuration, its inputs
with their versions, and everything it makes.

The configuration is Python: modules in a package (src/configs) put options into groups
(deriva_ml, datasets, assets, workflow, model_config), and one main configuration names the
default of each. The words after the options change that for one run.
"""

_EXAMPLES = """\
words:
  group=option          choose another option         datasets=small
  key=value             change one value              model_config.epochs=25
  +experiment=name      use a preset of options       +experiment=quick
  +multirun=name        run a sweep that the project named
  +key=value, ~key      add a value, remove a value

examples:
  deriva-ml-run --list-configs                         what there is to choose from
  deriva-ml-run dry_run=True                           check everything, record nothing
  deriva-ml-run model_config=quick                     one run
  deriva-ml-run -m model_config.learning_rate=0.1,0.01 a run for each value
  deriva-ml-run --host data.example.org --catalog 7    the same on another catalog
  deriva-ml-run --cfg job                              show the configuration, run nothing

exit status: 0 when all went well; 1 when the configuration or the model failed; 2 when the
command line was not understood.
"""

_HYDRA_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_LIST = "list"


class _Failure(Exception):
    """The command cannot go on; the text tells the user why."""


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the options; overrides are the words that it leaves."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} [options] [group=option | key=value ...]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", metavar="H", help="host of the catalog, in place of the configured one")
    add("--catalog", metavar="C", help="number or name of the catalog")
    add(
        "--config-dir",
        "-c",
        metavar="DIR",
        type=Path,
        default=Path("src/configs"),
        help="package with the configuration (default: src/configs)",
    )
    add(
        "--config-name",
        metavar="NAME",
        default="deriva_model",
        help="main configuration (default: deriva_model)",
    )
    add(
        "--list-configs",
        action="store_true",
        help="show groups, options and named sweeps, and stop",
    )
    add(
        "--info",
        nargs="?",
        const=_LIST,
        metavar="WHAT",
        help=f"alone: as --list-configs; with {', '.join(_HYDRA_INFO)}: Hydra's own report",
    )
    add("--multirun", "-m", action="store_true", help="run once for each combination of a,b values")
    add(
        "--resume",
        action="store_true",
        help="take up runs begun here: skip the completed, continue the interrupted",
    )
    add(
        "--allow-dirty",
        action="store_true",
        help="do not warn of uncommitted changes, nor refuse them (they are recorded)",
    )
    add(
        "--strict-git",
        action="store_true",
        help="refuse to run with uncommitted changes",
    )
    add("--cfg", choices=("job", "hydra", "all"), help="show the composed configuration, and stop")
    add("--resolve", action="store_true", help="with --cfg: show values in place of references")
    add("--package", "-p", metavar="PACKAGE", help="with --cfg: show only this part")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    options, words = parser.parse_known_args(argv)
    if options.info is not None and options.info not in (_LIST, *_HYDRA_INFO):
        words.insert(0, options.info)  # ``--info key=value``: the word belongs to the run
        options.info = _LIST
    try:
        return _run(parser, options, words)
    except _Failure as failure:
        print(f"{_PROGRAM}: {failure}", file=sys.stderr)
        return 1


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, words: list[str]) -> int:
    """Load the project's configuration, then list it or run it."""
    listing = options.list_configs or options.info == _LIST
    if listing:
        from .project import load_for_listing

        load_for_listing(lambda: _load_project(options.config_dir), options.config_dir)
    else:
        _load_project(options.config_dir)
    wrong = check_words(words, _known_words(parser)) if words else []
    if wrong:
        print(f"{_PROGRAM}: {' '.join(wrong)}", file=sys.stderr)
        return 2
    if listing:
        from .listing import options_text

        print(options_text(options.config_name))
        return 0
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        overrides, swept = expand_multirun(words)
    except DerivaMLException as error:
        raise _Failure(str(error)) from error
    if options.host is not None:
        overrides.append(f"deriva_ml.hostname={quoted(options.host)}")
    if options.catalog is not None:
        overrides.append(f"deriva_ml.catalog_id={quoted(options.catalog)}")
    if options.resume:
        overrides.append("resume=True")
    _set_rules(options, overrides)
    return _start(options, overrides, options.multirun or swept)


def _load_project(directory: Path) -> None:
    """Import the modules of the configuration package."""
    from deriva_ml.core.exceptions import DerivaMLException

    from .project import load_package

    try:
        load_package(directory)
    except DerivaMLException as error:
        raise _Failure(str(error)) from error


def _known_words(parser: argparse.ArgumentParser) -> list[str]:
    """Return what a word could have meant: options, choices of groups, sweeps."""
    from deriva_ml.core.zen_store import stored_options
    from deriva_ml.execution.multirun import list_multirun_configs

    known = [flag for action in parser._actions for flag in action.option_strings]
    for option in stored_options():
        plus = "+" if option.group == "experiment" else ""
        if option.group:
            known += [f"{plus}{option.group}={option.name}", f"{plus}{option.group}="]
    return known + [f"+multirun={name}" for name in list_multirun_configs()]


def _set_rules(options: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Tell this process and those it starts how to treat uncommitted changes."""
    if options.allow_dirty:
        os.environ["DERIVA_ML_ALLOW_DIRTY"] = "true"
    if options.strict_git:
        os.environ["DERIVA_ML_STRICT_GIT"] = "true"
    if says(overrides, "dry_run", "true"):
        os.environ["DERIVA_ML_DRY_RUN"] = "true"


def _main_config(name: str) -> Any:
    """Return the stored main configuration of that name."""
    from hydra_zen import store

    known = sorted(entry["name"] for entry in store if entry["group"] is None)
    if name in known:
        return store[None, name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, known)) or "none"
    msg = (
        f"There is no main configuration {name!r}.{hint} Stored: {listed}. A project stores one "
        "with store(create_model_config(...), name='deriva_model')."
    )
    raise _Failure(msg)


def _start(options: argparse.Namespace, overrides: list[str], multirun: bool) -> int:
    """Hand over to Hydra, which composes the configuration and calls the main function."""
    if multirun and (options.cfg is not None or options.info is not None):
        msg = "--cfg and --info show one configuration: leave out the sweep, give single values."
        raise _Failure(msg)
    from hydra_zen import get_target, store, zen

    from deriva_ml.core.config import register_hydra_settings

    task = get_target(_main_config(options.config_name))
    register_hydra_settings()
    if any(word.startswith("hydra/sweeper=") for word in overrides):
        from deriva_ml.execution.sweep_optuna import register_optuna

        register_optuna()
    store.add_to_hydra_store(overwrite_ok=True)
    if not any(o.startswith("hydra.job.name=") for o in overrides):
        overrides = [*overrides, f"hydra.job.name={options.config_name}"]
    flags = ["--multirun"] if multirun else []
    for flag in ("cfg", "info", "package"):
        if getattr(options, flag) is not None:
            flags += [f"--{flag}", getattr(options, flag)]
    flags += ["--resolve"] if options.resolve else []
    before = sys.argv
    sys.argv = [_PROGRAM, *flags, *overrides]
    try:
        _hand_over(zen, task, options.config_name)
    finally:
        sys.argv = before
    return 0


def _hand_over(zen: Any, task: Callable[..., Any], config_name: str) -> None:
    """Have Hydra compose and run; turn what is wrong with the words or the inputs into one line.

    An error of the model itself keeps its traceback, and with ``HYDRA_FULL_ERROR=1`` every error.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from deriva_ml.core.exceptions import DerivaMLException

    begun: list[bool] = []

    @functools.wraps(task)
    def run(*arguments: Any, **settings: Any) -> Any:
        begun.append(True)
        return task(*arguments, **settings)

    given = os.environ.get(_FULL_ERROR)
    # Otherwise Hydra prints a shortened traceback of its own and ends the process.
    os.environ[_FULL_ERROR] = "1"
    try:
        zen(run).hydra_main(config_name=config_name, config_path=None, version_base="1.3")
    except DerivaMLException as error:
        if given:
            raise
        raise _Failure(str(error)) from error
    except (HydraException, OmegaConfBaseException, TypeError, ValueError) as error:
        if given or begun:
            raise
        raise _Failure(_composition_text(error)) from error
    finally:
        if given is None:
            os.environ.pop(_FULL_ERROR, None)


def _composition_text(error: Exception) -> str:
    """Say in one paragraph why Hydra cannot compose the configuration."""
    text = str(error).partition("Config search path")[0]
    if error.__cause__ is not None:
        text += f" {str(error.__cause__).splitlines()[0]}."
    words = " ".join(text.split())
    return f"The configuration cannot be composed: {words} '--info' lists what there is."


if __name__ == "__main__":
    sys.exit(main())
