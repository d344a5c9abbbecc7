"""The largest resident memory of a task, measured without a thread."""

from __future__ import annotations

import sys
from contextlib import suppress

__all__ = ["PeakMemory"]

_RESET = "/proc/self/clear_refs"


class PeakMemory:
    """Measures from its creation on.

    Linux forgets the earlier peak of the process when asked; elsewhere the peak is that of the
    process since its start. Children count once they have ended, if they were larger than all
    before them.
    """

    def __init__(self) -> None:
        with suppress(OSError), open(_RESET, "w") as file:  # noqa: PTH123 - called for each task
            file.write("5")
        self._children = _peak(children=True)

    def bytes(self) -> int | None:
        """Return the peak so far; None where the system does not tell."""
        own, children = _peak(children=False), _peak(children=True)
        if own is None or children is None:
            return own
        return max(own, children) if children > (self._children or 0) else own


def _peak(*, children: bool) -> int | None:
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
