"""Using a finished run again in place of a new one, when it is the same in everything that counts.

Nothing is reused unless it is asked for (``--skip_if_done``, ``reuse="exact"``). A match is a run
that is complete, has the same fingerprint, and whose recorded outputs are still what it left.

* ``identity`` says what counts: the function, its config, code, data, earlier runs, lock files.
* ``observing`` looks at what a finished run recorded beyond what is known before a new one starts.
* ``search`` finds a match among the runs below folders, or explains why there is none.
* ``again`` asks the same about a run that is there already.
* ``recording`` writes down that a run was reused.
"""

from flexlock.reuse.again import why_again, why_not
from flexlock.reuse.identity import Identity, fingerprint, identity
from flexlock.reuse.recording import record_reuse
from flexlock.reuse.search import Match, Miss, find_match, why

__all__ = [
    "Identity",
    "Match",
    "Miss",
    "find_match",
    "fingerprint",
    "identity",
    "record_reuse",
    "why",
    "why_again",
    "why_not",
]
