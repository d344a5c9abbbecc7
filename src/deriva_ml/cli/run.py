"""``deriva-ml-run``: run a project's model with the configuration that it and the caller chose.

Nothing heavy is imported before the command line is understood, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext

from deriva_catalog.loading import loading, own_process

from ..core.overrides import check_words, expand_multirun, quoted, says
from .connection_options import use_identity
from .endings import DONE, INTERRUPTED, CannotGoOn, Refused, reader_may_leave
from .run_options import LIST, PROGRAM, option_words, parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    known = parser()
    options, words = known.parse_known_args(given)
    option_words(options, words)
    if argv is None:
        own_process()
    try:
        return _run(known, options, words, given)
    except CannotGoOn as end:
        if options.debug and end.__cause__ is not None:
            traceback.print_exception(end.__cause__)
        print(f"{PROGRAM}: {end}", file=sys.stderr)
        return end.status
    except KeyboardInterrupt:
        print(f"{PROGRAM}: Interrupted. {_what_is_left(given)}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        _note_what_is_left(error, given)
        raise


def _run(
    known: argparse.ArgumentParser,
    options: argparse.Namespace,
    words: list[str],
    given: Sequence[str],
) -> int:
    """Load the project's configuration, then list it or run it."""
    from .project import check_experiments, known_words

    listing = options.list_configs or options.info == LIST
    status = _load(options, given, listing)
    if status is not None:
        return status
    flags = [flag for action in known._actions for flag in action.option_strings]
    wrong = check_words(words, [*flags, *known_words()]) if words else []
    if wrong:
        raise Refused(" ".join(wrong))
    check_experiments(words)
    if listing:
        from .listing import options_text

        with reader_may_leave():
            print(options_text(options.config_name))
        return DONE
    return _start(options, *_overrides(options, words))


def _load(options: argparse.Namespace, given: Sequence[str], listing: bool) -> int | None:
    """Load the configuration; the exit status if another process has listed it instead."""
    from deriva_ml.core.exceptions import DerivaMLConfigurationError

    from .light_loading import load_for_listing
    from .project import load_project, told_where

    def load() -> None:
        load_project(options.config_dir)

    try:
        with told_where():
            if listing:
                return load_for_listing(load, "deriva_ml.cli.run", given)
            with loading():
                load()
    except DerivaMLConfigurationError as error:
        raise Refused(str(error)) from error.__cause__
    return None


def _overrides(options: argparse.Namespace, words: list[str]) -> tuple[list[str], bool]:
    """Return the overrides that options and words mean, and whether they name a sweep."""
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        use_identity(options)
        overrides, swept = expand_multirun(words)
    except DerivaMLException as error:
        raise Refused(str(error)) from error
    if options.host is not None:
        overrides.append(f"deriva_ml.hostname={quoted(options.host)}")
    if options.catalog is not None:
        overrides.append(f"deriva_ml.catalog_id={quoted(options.catalog)}")
    if options.dry_run:
        overrides.append("dry_run=True")
    if options.resume:
        overrides.append("resume=True")
    _set_rules(options, overrides)
    return overrides, swept


def _set_rules(options: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Tell this process and those it starts what the options ask for."""
    asked = {
        "DERIVA_ML_ALLOW_DIRTY": options.allow_dirty,
        "DERIVA_ML_STRICT_GIT": options.strict_git,
        "DERIVA_ML_QUIET": options.quiet,
        "DERIVA_ML_DEBUG": options.debug,
        "DERIVA_ML_DRY_RUN": says(overrides, "dry_run", "true"),
    }
    os.environ.update({name: "true" for name, is_asked in asked.items() if is_asked})


def _start(options: argparse.Namespace, overrides: list[str], swept: bool) -> int:
    """Hand over to Hydra, which composes the configuration and calls the main function."""
    from deriva_ml.core.zen_store import settled_words

    from .handing_over import compose_and_run, composing, fill_hydra_store
    from .many_runs import many_runs
    from .project import main_config

    shows = [
        word
        for flag in ("cfg", "info", "package")
        if getattr(options, flag) is not None
        for word in (f"--{flag}", getattr(options, flag))
    ]
    main = main_config(options.config_name)
    overrides = settled_words(overrides, options.config_name)
    asked = many_runs(options, overrides)
    multirun = options.multirun or swept or asked.has_tasks
    if multirun and (options.cfg is not None or options.info is not None):
        msg = "--cfg and --info show one configuration: leave out the sweep, give single values."
        raise Refused(msg)
    if asked.is_used and not multirun:
        msg = "--n_jobs and --slurm_config are for many runs."
        raise Refused(f"{msg} Add --tasks FILE, or -m and values with commas.")
    fill_hydra_store(with_optuna=any(word.startswith("hydra/sweeper=") for word in overrides))
    flags = [*shows, *(["--resolve"] if options.resolve else [])]
    if multirun:
        flags = ["--multirun"]
        with composing():
            overrides += asked.overrides(options.config_name, overrides, resume=options.resume)
    is_shown = options.cfg is not None or options.info is not None
    with reader_may_leave() if is_shown else nullcontext():
        compose_and_run(main, options.config_name, flags, overrides, quiet=options.quiet)
    return DONE


def _note_what_is_left(error: Exception, given: Sequence[str]) -> None:
    """Have the way on stand below the traceback, if something was begun."""
    from deriva_ml.execution.begun import begun

    if begun():
        error.add_note(f"{PROGRAM}: {_what_is_left(given)}")


def _what_is_left(given: Sequence[str]) -> str:
    """Say what a run that broke off has left, and how to go on."""
    from deriva_ml.execution.begun import begun
    from deriva_ml.execution.secrets import masked_words

    again = list(given) if "--resume" in given else [*given, "--resume"]
    rids = begun()
    what = f"Execution {rids[-1]} is kept. " if rids else ""
    return f"{what}To go on: {shlex.join([PROGRAM, *masked_words(again)])}"


if __name__ == "__main__":
    sys.exit(main())
