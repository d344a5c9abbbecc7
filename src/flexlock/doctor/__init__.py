"""Looking after a project: what is missing on this machine, and which runs need a hand.

* ``checks`` looks at the programs, the caches and the runs, and says what to do.
* ``adopting`` completes a run whose process was killed after it had left its outputs.
"""

from flexlock.doctor.adopting import adopt
from flexlock.doctor.checks import Check, examine

__all__ = ["Check", "adopt", "examine"]
