"""``deriva-ml-install-kernel``: let Jupyter offer the active virtual environment as a kernel."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from deriva_ml import __version__

__all__ = ["main"]

_PROGRAM = "deriva-ml-install-kernel"

_EXAMPLES = """\
examples:
  deriva-ml-install-kernel                   for all of your Jupyter programs
  deriva-ml-install-kernel --install-local   only for the Jupyter of this environment
  deriva-ml-install-kernel --name lab        under a name of your own

exit status: 0 when the kernel is installed; 1 when it cannot be written; 2 outside a virtual
environment, or when the command line was not understood.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Let Jupyter offer the active virtual environment as a kernel, named after it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--install-local",
        action="store_true",
        help="into the environment itself, not for the user",
    )
    parser.add_argument("--name", help="name of the kernel (default: the environment's prompt)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(argv)
    environment = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        return _failed(
            f"{sys.executable} is in no virtual environment, so there is nothing to name the "
            "kernel after. Make one with 'python -m venv .venv', install into it, and start the "
            "command with it: '.venv/bin/deriva-ml-install-kernel'.",
            2,
        )
    prompt = options.name or _prompt(environment)
    name = _cleaned(prompt)
    if not name:
        return _failed(
            f"{prompt!r} holds no letter or digit that a kernel's name can have; give one with "
            "--name.",
            2,
        )
    try:
        from ipykernel.kernelspec import install
    except ModuleNotFoundError:
        return _failed("ipykernel is missing: pip install 'derivaml[notebook]'.", 1)
    try:
        where = install(
            user=not options.install_local,
            prefix=str(environment) if options.install_local else None,
            kernel_name=name,
            display_name=f"Python ({name})",
        )
    except OSError as error:
        return _failed(f"The kernel {name!r} cannot be written: {error}.", 1)
    print(f"Installed the kernel {name!r} in {where}. Jupyter shows it as 'Python ({name})'.")
    return 0


def _failed(text: str, status: int) -> int:
    print(f"{_PROGRAM}: {text}", file=sys.stderr)
    return status


def _prompt(environment: Path) -> str:
    """What the shell shows while the environment is active."""
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    settings = {key.strip(): value.strip() for key, _, value in (x.partition("=") for x in lines)}
    prompt = settings.get("prompt", "").strip("'\"")
    if prompt:
        return prompt
    # Most are called .venv; their project's name tells more.
    named = environment.parent if environment.name in (".venv", "venv", "env") else environment
    return named.name


def _cleaned(name: str) -> str:
    """The name in letters that Jupyter allows."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")


if __name__ == "__main__":
    sys.exit(main())
