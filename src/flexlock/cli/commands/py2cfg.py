"""``flexlock py2cfg``: print the config of a function's signature."""

from __future__ import annotations

from collections.abc import Sequence

from flexlock.cli.command import make_parser, print_json
from flexlock.target import load_function

_STATUSES = {0: "printed", 2: "there is no such function, or wrong use"}
_EXAMPLES = {
    "flexlock py2cfg train.py:main > conf.yml": "a config file to start from",
}


def main(argv: Sequence[str]) -> int:
    """Print the config that `flexlock.py2cfg` makes, ready to be saved in a file.

    A decorated function that takes a config has its own, as ``--print_config`` shows it.
    """
    parser = make_parser(
        "py2cfg",
        "Print a function's parameters with their defaults as a config file.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("target", help="file.py:function or module:function")
    arguments = parser.parse_args(argv)
    from flexlock.config import mask_secrets, py2cfg, to_config, to_plain
    from flexlock.entry import Entry
    from flexlock.lock.yamlfile import dump, to_data

    function = load_function(arguments.target)
    entry = getattr(function, "entry", None)
    if isinstance(entry, Entry) and entry.takes_config:
        config = to_config(entry.source())
    else:
        config = py2cfg(function)
    tree = mask_secrets(to_plain(config, resolve=False))
    if arguments.json:
        print_json({"config": tree})
    else:
        print(dump(to_data(tree, lambda place: None)), end="")
    return 0
