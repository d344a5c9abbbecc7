"""Make a project, and be killed by the operating system at the n-th call that changes a file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from deriva_ml.template import make_project

CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "subprocess.Popen"}


def main() -> None:
    target, moment = Path(sys.argv[1]), int(sys.argv[2])
    seen = 0

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in CHANGES:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            return
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    make_project(target, git=sys.argv[3] == "git")
    print(seen)


main()
