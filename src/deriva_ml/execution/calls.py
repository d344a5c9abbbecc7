"""The calls of a run that change the catalog at once, so that a run done over does not repeat them.

Creating a dataset, adding members to it and the like happen in the catalog when they are called,
before the run has come to its end. When the run is killed and done over, those calls come again.
Each of them is therefore in the journal, with a token, before it is carried out, and the catalog
knows the token when it was.

**Which call is the same.** The calls of a run are compared in order. A call is the one that the
interrupted run made in its place when it has the same name and the same arguments; members count
as a set. Then it returns what it returned, and changes nothing. A call that was not carried out,
because it failed or the process died, may be left out or come again. Anything else is a run that
does something else than it did: that is an error, not a mixture.

**Where comparing begins.** With the first call of the run: when an execution is taken up again
that had not come to its end, and when its ``with`` block is entered once more after an error.
Calls after the end of a run (with what its upload gave) are a sequence of their own.

**Where it ends.** With the upload. A run that was begun again must have made every call that took
place before, and have registered again every file, row and feature value that waits; a run that
is only uploaded, or goes on without being begun again, need not.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from deriva_ml.core.calls import Call, Once
from deriva_ml.core.exceptions import DerivaMLResumeError, some_of
from deriva_ml.core.session import Session

from .journal import Journal, JournalCall

__all__ = ["CallLog", "once_in", "refuse_left_out"]

_AT_ONCE = 64

_OPEN: WeakValueDictionary[tuple[str, str], CallLog] = WeakValueDictionary()
"""The logs of the runs that are under way, by catalog and execution.

A process that was forked off has them too, but must not use the parent's journals.
"""


def once_in(identity: str) -> Once:
    """What tells about the calls of executions of a catalog that run in this process.

    Args:
        identity: Tells the catalog from all others (`Session.identity`).
    """

    def once(execution_rid: str | None, name: str, arguments: Mapping[str, Any]) -> Call:
        log = None if execution_rid is None else _OPEN.get((identity, execution_rid))
        if log is None or log.pid != os.getpid():
            return Call()
        return log.call(name, arguments)

    return once


class CallLog:
    """The calls of one run, compared with those of an earlier attempt of it.

    Args:
        session: The catalog.
        rid: The execution.
        journal: Its journal.
        attempt: Gives the number of the present attempt of the run.
    """

    def __init__(
        self, session: Session, rid: str, journal: Journal, attempt: Callable[[], int]
    ) -> None:
        self._session = session
        self._rid = rid
        self._journal = journal
        self._attempt = attempt
        self._lock = threading.Lock()
        self.pid = os.getpid()
        self._first = True
        self._position: int = journal.fact("run_calls") or 0

    def open(self) -> None:
        """Let calls that name the execution come here, from now on."""
        _OPEN[self._session.identity, self._rid] = self

    def begin(self, *, again: bool) -> None:
        """The run begins, or begins once more (`again`), from its first call."""
        with self._lock:
            if again or (self._first and self._journal.fact("run_calls") is not None):
                self._position = 0
            self._first = False
        self.open()

    def rewind(self) -> None:
        """The next call is the first one of the run."""
        with self._lock:
            self._position = 0

    # --- calls ---------------------------------------------------------------------------

    def call(self, name: str, arguments: Mapping[str, Any]) -> Call:
        """The next call of the run.

        Raises:
            DerivaMLResumeError: An interrupted attempt of the run did something else here.
        """
        text = json.dumps(arguments, sort_keys=True, ensure_ascii=False)
        with self._lock:
            failed: list[JournalCall] = []
            for known, rid in self._ahead():
                if (known.name, known.arguments) == (name, text) and rid is not None:
                    return self._reached(known, rid)
                if rid is not None:
                    if again := _same(failed, name, text):
                        return self._reached(again, None)
                    raise self._different(known, name, text)
                failed.append(known)
            if again := _same(failed, name, text):
                return self._reached(again, None)
            self._journal.forget_calls(after=self._position)
            token = uuid.uuid4().hex
            made = self._journal.add_call(name, text, token, self._attempt())
            return self._at(made, None)

    def _reached(self, call: JournalCall, rid: str | None) -> Call:
        self._journal.made_again(call.number, self._attempt())
        return self._at(call, rid)

    def _at(self, call: JournalCall, rid: str | None) -> Call:
        self._position = call.number
        return Call(call.token, rid, call.result, self._journal.keep_result)

    def _ahead(self) -> Iterator[tuple[JournalCall, str | None]]:
        """The calls of an earlier attempt that may come next, with RIDs if they took place."""
        after = self._position
        while some := self._journal.calls(after=after, limit=_AT_ONCE):
            rids = self._session.catalog.leased_rids([c.token for c in some])
            yield from ((c, rids.get(c.token)) for c in some)
            after = some[-1].number

    # --- errors --------------------------------------------------------------------------

    def _different(self, before: JournalCall, name: str, text: str) -> DerivaMLResumeError:
        then, now = _shown(before.name, before.arguments), _shown(name, text)
        return DerivaMLResumeError(
            f"Execution {self._rid!r} is done over, but does something else than before it was "
            f"interrupted: where it called {then}, which took place, it now calls {now}. Nothing "
            f"was changed. {_ADVICE}",
            then,
            now,
        )


def _same(calls: Iterable[JournalCall], name: str, text: str) -> JournalCall | None:
    """The first of some calls with a name and arguments."""
    return next((c for c in calls if (c.name, c.arguments) == (name, text)), None)


def refuse_left_out(session: Session, rid: str, journal: Journal) -> None:
    """Check that a run that was begun again did all that it did before it was interrupted.

    Raises:
        DerivaMLResumeError: It did not.
    """
    attempt = journal.fact("ran_attempt") or 1
    earlier = journal.calls(before_attempt=attempt)
    took_place = session.catalog.leased_rids([c.token for c in earlier]) if earlier else {}
    missing = [_shown(c.name, c.arguments) for c in earlier if c.token in took_place]
    if missing:
        raise DerivaMLResumeError(
            f"Execution {rid!r} was done over and came to its end without calling {missing[0]}, "
            f"which took place before it was interrupted. {_ADVICE}",
            missing[0],
            None,
        )
    if left := journal.left_over(attempt):
        raise DerivaMLResumeError(
            f"Execution {rid!r} was done over and came to its end without {some_of(left)}, which "
            "it had registered before it was interrupted. Register it again to keep it; or call "
            "restart() before the run is done over, which forgets all that waits for the upload.",
            ", ".join(left),
            None,
        )


_ADVICE = (
    "Let the function make the calls that it made then, in the same order and with the same "
    "arguments; or abort() this execution, whose datasets stay, and create another."
)


def _shown(name: str, arguments: str) -> str:
    values: dict[str, Any] = json.loads(arguments)
    given = ", ".join(f"{k}={v!r}" for k, v in values.items() if v not in (None, "", [], {}))
    return f"{name}({given})"
