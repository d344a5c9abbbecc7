"""The process of the second run: ``python -m flexlock.rerunning.worker REQUEST``.

It starts in the fresh work tree, loads the function from there and calls it with the configuration
of the sheet. `REQUEST` is a JSON file with the script, the function, the configuration and the save
directory.
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flexlock.target import Target, import_file

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the request in the given file; the exit status is that of the run."""
    from flexlock.config import to_config
    from flexlock.lock.composing import compose_lock
    from flexlock.lock.record import Caller
    from flexlock.run import open_run

    request: dict[str, Any] = json.loads(Path(arguments[0]).read_text())
    script, function = request["script"], request["function"]
    config = to_config(request["config"])
    sys.path.insert(0, str(Path(script).parent))
    import_file(Path(script))
    called = Target("__main__", script, function).load()
    caller = Caller("__main__", function, script, argv=(script,))
    save_dir = Path(request["save_dir"])
    lock = compose_lock(config, caller=caller, sheet=save_dir / "run.lock")
    with open_run(save_dir, lock=lock) as session:
        session.outputs |= {n: Path(path) for n, path in request["outputs"].items()}
        session.result = _call(called, config, script, function)
    return 0


def _call(function: Callable[..., Any], config: Any, script: str, name: str) -> Any:
    """Call a function as the first run did: with its config, with its values, or with nothing."""
    from flexlock.project.nodes import TARGET, call_node
    from flexlock.tasks.plan import task_function

    if TARGET in config:
        here = copy.deepcopy(config)
        here[TARGET] = f"{script}:{name}"  # the file of the fresh work tree, wherever else it is
        return call_node(here)
    if function is not task_function(function):
        parameters = inspect.signature(function).parameters.values()
        takes = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
        if not takes:
            return function()
        if len(takes) == 1 and takes[0].name not in config:
            return function(config)
    return task_function(function)(config)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
