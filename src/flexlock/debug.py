"""Looking into a function that failed: `unsafe_debug`.

Unsafe, because variables of the failed function are put among those of the prompt.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from flexlock.settings import flag
from flexlock.shell import interactive_shell, is_terminal, prompt_namespace

__all__ = ["FrameNavigator", "describe_failure", "looking_into", "unsafe_debug"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_REPR = 200
_MOST_LOCALS = 50
# In, Out and the history of IPython: _, __, _1, _i, _ii, _i1, _ih, _oh, _dh, _sh ...
_SHELL_NAME = re.compile(r"_+|_+i*\d*|_[iods]h|In|Out|get_ipython|exit|quit|open|display|__\w+__")
_open_navigator: FrameNavigator | None = None


def unsafe_debug(function: Callable[P, R]) -> Callable[P, R]:
    """Let a person look into the function after it has failed, when ``FLEXLOCK_DEBUG=1`` is set.

    Put it above `clicfg`. The variable is read when an error happens, so it can be set at any time;
    without it nothing changes. The error is always raised.

    In IPython, Jupyter and at the plain prompt the variables of the failed function become
    variables of the prompt, and ``_debug_up()``, ``_debug_down()`` and ``_debug_show()`` move
    between the frames. In a script on a terminal ``pdb`` starts. Without a terminal (batch jobs,
    pipes, workers) nothing waits for anyone.

    The frame is the deepest one in the function's own module, else the deepest one of your code.
    Names of IPython (``In``, ``Out``, ``_`` ...) are never replaced.

    ``FLEXLOCK_DEBUG_STRATEGY`` is ``auto`` (as above), ``inject`` or ``pdb``;
    ``FLEXLOCK_NODEBUG=1`` switches everything off.
    """

    @functools.wraps(function)
    def debugged(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True  # IPython leaves such frames out
        with looking_into(function):
            return function(*args, **kwargs)

    return debugged


@contextmanager
def looking_into(function: Callable[..., Any], *, always: bool = False) -> Iterator[None]:
    """Do in a block what `unsafe_debug` does around a function.

    Args:
        function: The function whose module is preferred.
        always: Whether to do so without ``FLEXLOCK_DEBUG``.
    """
    _release()
    try:
        yield
    except Exception as error:
        if always or _is_enabled():
            _look_into(error, function)
        raise


def describe_failure(
    error: BaseException, function: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Return the local variables of the failed frame as text, for ``run.error``.

    Empty unless ``FLEXLOCK_DEBUG=1`` is set. Long texts are cut and secrets are masked.

    Args:
        error: The exception.
        function: The function whose module is preferred.
    """
    if not _is_enabled() or not isinstance(error, Exception):
        return {}
    frames = _frames(error.__traceback__)
    if not frames:
        return {}
    frame, line = frames[_chosen(frames, function)]
    return {"frame": _place(frame, line), "locals": _shown_locals(_locals(frame))}


class FrameNavigator:
    """The frames of an error, one of which has its variables at the prompt."""

    def __init__(
        self, frames: list[tuple[FrameType, int]], index: int, namespaces: list[dict[str, Any]]
    ) -> None:
        self._frames = frames
        self._shown = [frame for frame, _ in frames]
        self._namespaces = namespaces
        self._before: list[dict[str, Any]] = []  # of each namespace, once a frame was entered
        self._injected: dict[str, Any] = {}
        self._index = index

    def enter(self, index: int) -> str:
        """Put the variables of a frame at the prompt, in place of the last one's; return a note."""
        if not self._frames:
            return "The frames of that error are released: the function was called again."
        self._leave()
        self._index = max(0, min(index, len(self._frames) - 1))
        frame, line = self._frames[self._index]
        values = _locals(frame)
        kept = sorted(name for name in values if _SHELL_NAME.fullmatch(name))
        self._injected = {n: v for n, v in values.items() if n not in kept}
        main = self._namespaces[0]
        shadowed = sorted(n for n, v in self._injected.items() if n in main and main[n] is not v)
        for namespace in self._namespaces:
            self._before.append({n: namespace[n] for n in self._injected if n in namespace})
        for number, namespace in enumerate(self._namespaces):
            # The script's own names are replaced only where they would hide the variables again.
            chosen = self._injected if number == 0 else self._before[number]
            namespace.update({n: self._injected[n] for n in chosen})
        return _note(frame, line, sorted(self._injected), shadowed, kept)

    def show(self) -> None:
        """Print the frames; an arrow marks the one whose variables are at the prompt."""
        for number, (frame, line) in enumerate(self._frames):
            arrow = ">" if number == self._index else " "
            _tell(f"{arrow} {number:3} {_place(frame, line)}")

    def up(self, count: int = 1) -> None:
        """Go towards the caller."""
        self.goto(self._index - count)

    def down(self, count: int = 1) -> None:
        """Go towards the place of the error."""
        self.goto(self._index + count)

    def goto(self, index: int) -> None:
        """Go to a frame by its number in `show`."""
        _tell(self.enter(index))

    def current(self) -> FrameType | None:
        """Return the frame whose variables are at the prompt."""
        return self._frames[self._index][0] if self._frames else None

    def info(self) -> str:
        """Return where that frame stands."""
        return _place(*self._frames[self._index]) if self._frames else "released"

    def commands(self) -> dict[str, Any]:
        """Return the names that are given to the prompt."""
        return {
            "_debug_frames": self._shown,
            "_debug_show": self.show,
            "_debug_up": self.up,
            "_debug_down": self.down,
            "_debug_goto": self.goto,
            "_debug_current": self.current,
            "_debug_frame_info": self.info,
        }

    def release(self) -> None:
        """Let go of the frames; the variables stay at the prompt."""
        self._frames.clear()
        self._shown.clear()
        self._before.clear()
        self._injected.clear()

    def _leave(self) -> None:
        """Give the prompt its own variables back, unless they were changed there since."""
        for namespace, before in zip(self._namespaces, self._before, strict=False):
            for name, value in self._injected.items():
                if namespace.get(name) is not value:
                    continue
                if name in before:
                    namespace[name] = before[name]
                else:
                    namespace.pop(name, None)
        self._before = []


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _release() -> None:
    global _open_navigator
    if _open_navigator is not None:
        _open_navigator.release()
        _open_navigator = None


def _is_enabled() -> bool:
    return flag("FLEXLOCK_DEBUG") and not flag("FLEXLOCK_NODEBUG")


def _look_into(error: Exception, function: Callable[..., Any]) -> None:
    frames = _frames(error.__traceback__)
    if not frames:
        return
    strategy = os.environ.get("FLEXLOCK_DEBUG_STRATEGY", "auto")
    index = _chosen(frames, function)
    namespace = prompt_namespace()
    if strategy == "inject" and namespace is None:
        namespace = vars(sys.modules["__main__"])
    if namespace is not None and strategy != "pdb":
        _inject(frames, index, namespace)
    elif is_terminal():
        _post_mortem(error.__traceback__, frames[index][0])


def _inject(frames: list[tuple[FrameType, int]], index: int, namespace: dict[str, Any]) -> None:
    global _open_navigator
    namespaces = [namespace]
    started = frames[index][0].f_globals
    if started.get("__name__") == "__main__" and started is not namespace:
        namespaces.append(started)  # %run copies the script's names to the prompt when it ends
    _open_navigator = FrameNavigator(frames, index, namespaces)
    _tell(_open_navigator.enter(index))
    commands = _open_navigator.commands()
    namespace.update(commands)
    shell = interactive_shell()
    if shell is not None:  # keep the commands out of %who
        shell.user_ns_hidden.update(commands)


def _post_mortem(traceback: TracebackType | None, target: FrameType) -> None:
    """Start the debugger of the standard library at a frame."""
    import pdb

    class Debugger(pdb.Pdb):
        """Starts at the chosen frame; ``up`` and ``down`` reach the others."""

        def get_stack(
            self, f: FrameType | None, t: TracebackType | None
        ) -> tuple[list[tuple[FrameType, int]], int]:
            stack, last = super().get_stack(f, t)
            return stack, next((n for n, (fr, _) in enumerate(stack) if fr is target), last)

    debugger = Debugger()
    debugger.reset()
    debugger.interaction(None, traceback)


def _frames(traceback: TracebackType | None) -> list[tuple[FrameType, int]]:
    """Return the frames below the decorators of this package, with their line numbers."""
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    first = next((n for n, (frame, _) in enumerate(frames) if not _is_ours(frame)), len(frames))
    return frames[first:]


def _chosen(frames: list[tuple[FrameType, int]], function: Callable[..., Any] | None) -> int:
    """Return the index of the deepest frame in the function's module, else in the user's code."""
    if function is not None:
        # Compared by name and file, not by identity: %autoreload replaces functions in place.
        code = getattr(inspect.unwrap(function), "__code__", None)
        file = getattr(code, "co_filename", None)
        home = [
            n
            for n, (frame, _) in enumerate(frames)
            if frame.f_code.co_filename == file
            or frame.f_globals.get("__name__") == function.__module__
        ]
        if home:
            return home[-1]
    own = [n for n, (frame, _) in enumerate(frames) if _is_user_code(frame)]
    return own[-1] if own else len(frames) - 1


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(str(Path(__file__).parent) + os.sep)


def _is_user_code(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file.startswith("<frozen ") or _is_ours(frame):
        return False
    return not any(file.startswith(folder) for folder in _library_folders())


@cache
def _library_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names}
    folders |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    return tuple(folder + os.sep for folder in folders if folder)


def _locals(frame: FrameType) -> dict[str, Any]:
    # From Python 3.13 on `f_locals` is a view that writes through; a copy is what we want.
    return {name: value for name, value in dict(frame.f_locals).items() if name.isidentifier()}


def _place(frame: FrameType, line: int) -> str:
    file = frame.f_code.co_filename
    if not file.startswith("<"):
        relative = os.path.relpath(file)
        file = file if relative.startswith("..") else relative
    return f"{frame.f_code.co_name} ({file}:{line})"


def _note(
    frame: FrameType, line: int, names: list[str], shadowed: list[str], kept: list[str]
) -> str:
    lines = [f"flexlock: the variables of {_place(frame, line)} are here: {', '.join(names)}"]
    if shadowed:
        lines.append(f"  they hide yours: {', '.join(shadowed)}")
    if kept:
        lines.append(f"  left alone, because the prompt needs them: {', '.join(kept)}")
    lines.append("  _debug_show() lists the frames, _debug_up() and _debug_down() move")
    return "\n".join(lines)


def _shown_locals(values: Mapping[str, Any]) -> dict[str, str]:
    from flexlock.config.secrets import mask_text, secret_values, shown

    trees = {name: _tree(value) for name, value in list(values.items())[:_MOST_LOCALS]}
    found = secret_values(trees)
    texts = {}
    for name in trees:
        text = mask_text(shown(name, _Safe(values[name])), found)
        texts[name] = text if len(text) <= _LONGEST_REPR else f"{text[: _LONGEST_REPR - 3]}..."
    return texts


def _tree(value: Any) -> Any:
    """Return the texts inside a value, so that secrets among them are found."""
    from flexlock.config.kinds import is_omegaconf

    if is_omegaconf(value):
        from omegaconf import OmegaConf

        return OmegaConf.to_container(value, resolve=False)
    if isinstance(value, (str, bytes, int, float, bool, type(None), type, Mapping, list, tuple)):
        return value
    if hasattr(value, "get_secret_value"):
        return value
    texts: dict[str, Any] = {}
    for cls in reversed(type(value).__mro__):
        texts |= {n: v for n, v in vars(cls).items() if isinstance(v, str)}
    own = getattr(value, "__dict__", {})
    return texts | {n: v for n, v in own.items() if isinstance(v, str)}


class _Safe:
    """Shows a value by its `repr`, also when that fails."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        try:
            return repr(self._value)
        except Exception as error:  # noqa: BLE001 - the code of the value is not ours
            return f"<{type(self._value).__name__}: its repr failed with {type(error).__name__}>"
