"""``flexlock run``: run any function of a file or module, recorded like a decorated script."""

from __future__ import annotations

from collections.abc import Sequence

from flexlock.cli.command import make_parser, print_json
from flexlock.target import load_function

_STATUSES = {
    0: "the run is complete, or nothing had to run",
    1: "the function or a task failed",
    2: "the command, the config or the target is wrong",
    3: "the run is done, but its end could not be written",
    130: "interrupted",
}
_EXAMPLES = {
    "flexlock run train.py -o lr 0.1": "`main` of a file, with another value",
    "flexlock run -c stages.yml -s prepare train": "stages in order; _target_ names functions",
    "flexlock run package.train:fit --help": "the parameters of one function",
}


def main(argv: Sequence[str]) -> int:
    """Run a function with the options that follow its address."""
    parser = make_parser(
        "run",
        "Run a function with a config, a command line and a run sheet, decorated or not.\n"
        "Its parameters are its config, or those of the config class that it takes.\n"
        "`flexlock run TARGET --help` lists the options and parameters of one function.",
        _STATUSES,
        examples=_EXAMPLES,
        usage="flexlock run [--json] file.py[:function] | module:function [options]\n"
        "       flexlock run [--json] [target] -c FILE -s KEY [KEY ...] [options]",
    )
    parser.add_argument("target", help="the function; `main` when a file is given alone")
    parser.add_argument(
        "-s", "--stages", nargs="+", metavar="KEY", default=[],
        help="run these parts of the config file in order; _target_ in each names its function",
    )  # fmt: skip
    from flexlock.cli.stages import run_stages, take_stages

    stages, words = take_stages(argv)
    if stages and not _wants_help(words):
        is_json = "--json" in words
        words = [word for word in words if word != "--json"]
        target = words.pop(0) if words and not words[0].startswith("-") else None
        outcomes = run_stages(target, stages, words, load=load_function)
        if is_json:
            print_json({"stages": [outcome.to_json() for outcome in outcomes]})
        return 0
    position = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    arguments = parser.parse_args([*words[:position], *words[position : position + 1]])
    rest = words[position + 1 :]
    is_json = arguments.json or "--json" in rest
    return _run(arguments.target, [word for word in rest if word != "--json"], is_json=is_json)


def _wants_help(words: Sequence[str]) -> bool:
    return any(word in ("-h", "--help") for word in words)


def _run(address: str, options: list[str], *, is_json: bool) -> int:
    from flexlock.cli.dispatch import execute
    from flexlock.entry import Entry

    function = load_function(address)
    entry = getattr(function, "entry", None)
    if not isinstance(entry, Entry):
        entry = Entry(function)
    outcome = execute(entry, function, (), {}, options, program=("flexlock", "run", address))
    if is_json and outcome is not None:
        print_json(outcome.to_json())
    return 0
