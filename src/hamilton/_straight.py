"""Plans that run often, compiled to straight-line Python: one assignment per node.

A loop over steps pays several times the price of a plain call for each node. A plan that has run
a few times is therefore written out as a function in which every slot is a local variable. The
text holds only numbers and quoted parameter names made here, never anything of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any

from hamilton._layout import BY_KEYWORD, DROP, MANY, ONE, TWO, Operation

if TYPE_CHECKING:
    from hamilton._plan import Plan, Step

__all__ = ["StraightLine"]

_FILE = "<dataflow plan>"


class StraightLine:
    """A plan as one function.

    Attributes:
        run: Takes the values by name, returns the outputs by name.
    """

    __slots__ = ("_code", "_step_of_line", "run")

    def __init__(self, plan: Plan) -> None:
        lines = ["def run(V):"]
        scope: dict[str, Any] = {}
        for slot, name in plan.feeds:
            lines.append(f" v{slot} = V[{name!r}]")
        for slot, value in plan.layout.constants:
            lines.append(f" v{slot} = c{slot}")
            scope[f"c{slot}"] = value
        self._step_of_line: dict[int, Step] = {}
        steps = iter(plan.steps)
        for operation in plan.operations:
            kind, function, _, slots, out = operation
            if kind == DROP:
                lines.append(" " + " = ".join(f"v{slot}" for slot in slots) + " = None")
                continue
            scope[f"f{out}"] = function
            lines.append(f" v{out} = f{out}({_arguments(operation)})")
            self._step_of_line[len(lines)] = next(steps)
        pairs = zip(plan.outputs, plan.output_slots, strict=True)
        outputs = ", ".join(f"{name!r}: v{slot}" for name, slot in pairs)
        lines.append(f" return {{{outputs}}}")
        exec(compile("\n".join(lines), _FILE, "exec", dont_inherit=True), scope)
        self.run: Callable[[Mapping[str, Any]], dict[str, Any]] = scope["run"]
        self._code: CodeType = scope["run"].__code__

    def failed_step(self, traceback: TracebackType | None) -> tuple[Step, dict[str, Any]] | None:
        """Returns the step in which an exception arose, and its arguments."""
        while traceback is not None:
            if traceback.tb_frame.f_code is self._code:
                step = self._step_of_line.get(traceback.tb_lineno)
                if step is None:
                    return None
                found = traceback.tb_frame.f_locals
                pairs = zip(step.names, step.slots, strict=True)
                return step, {name: found.get(f"v{slot}") for name, slot in pairs}
            traceback = traceback.tb_next
        return None


def _arguments(operation: Operation) -> str:
    """Returns the text between the brackets of a call."""
    kind, _, a, b, _ = operation
    if kind == ONE:
        return f"v{a}"
    if kind == TWO:
        return f"v{a}, v{b}"
    if kind == MANY:
        return ", ".join(f"v{slot}" for slot in b)
    if kind == BY_KEYWORD:
        pairs = ", ".join(f"{name!r}: v{slot}" for name, slot in zip(a, b, strict=True))
        return f"**{{{pairs}}}"
    return ""
