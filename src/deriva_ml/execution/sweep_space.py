"""The search space of a sweep, from Hydra's overrides to distributions of Optuna and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
)

from ..core.exceptions import DerivaMLConfigurationError

__all__ = ["Space", "read_space"]

_LOG = "log"


@dataclass(frozen=True, slots=True)
class Space:
    """The search space of a sweep.

    Attributes:
        searched: By key, as it stands before the ``=`` of an override: what is searched there.
        fixed: Overrides that every job has.
    """

    searched: Mapping[str, Override]
    fixed: tuple[str, ...]

    def distributions(self) -> dict[str, Any]:
        """The distributions of Optuna, by key."""
        return {key: _distribution(override) for key, override in self.searched.items()}

    def words(self, values: Mapping[str, Any], *, fixed: bool = True) -> tuple[str, ...]:
        """The overrides of a job, with those that every job has unless `fixed` is False."""
        chosen = [f"{key}={values[key]}" for key in self.searched if key in values]
        return (*self.fixed, *chosen) if fixed else tuple(chosen)

    def grid(self) -> dict[str, list[Any]]:
        """All values of each key.

        Raises:
            DerivaMLConfigurationError: Somewhere there are infinitely many.
        """
        from optuna.distributions import CategoricalDistribution

        found: dict[str, list[Any]] = {}
        for key, distribution in self.distributions().items():
            if isinstance(distribution, CategoricalDistribution):
                found[key] = list(distribution.choices)
                continue
            low, high, step = distribution.low, distribution.high, distribution.step
            if step is None or distribution.log:
                raise DerivaMLConfigurationError(
                    f"The sampler 'grid' needs single values for {key!r}: write choice(...) or "
                    "range(...)."
                )
            found[key] = [low + i * step for i in range(round((high - low) / step) + 1)]
        return found


def read_space(overrides: Sequence[Override]) -> Space:
    """The search space that overrides span.

    Raises:
        DerivaMLConfigurationError: Nothing is searched, or something cannot be.
    """
    searched: dict[str, Override] = {}
    fixed: dict[str, str] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            fixed.pop(key, None)
            searched[key] = override
            _distribution(override)
        else:
            searched.pop(key, None)
            fixed[key] = (
                f"{key}={override.get_value_element_as_str()}"
                if "=" in str(override.input_line)
                else key
            )
    if not searched:
        raise DerivaMLConfigurationError(
            "There is nothing to search. Write what may vary as key=interval(0,1), "
            "key=range(1,9) or key=choice(a,b)."
        )
    return Space(searched, tuple(fixed.values()))


def _distribution(override: Override) -> Any:
    """The distribution of Optuna that a sweep of Hydra stands for."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value: Any = override.value()
    if isinstance(value, ChoiceSweep):
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    log = _LOG in getattr(value, "tags", set())
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if low is None or high is None or not low <= high:
            raise _wrong(override, "the first bound is the lower one")
        if log and low <= 0:
            raise _wrong(override, "a logarithmic scale needs bounds above 0")
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)
    if isinstance(value, RangeSweep):
        return _of_range(override, value, log)
    raise _wrong(override, "write choice(...), range(...) or interval(...)")


def _of_range(override: Override, value: RangeSweep, log: bool) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    start, stop, step = value.start, value.stop, value.step
    if log:
        raise _wrong(override, "a range has no logarithmic scale; write interval(...)")
    if start is None or stop is None or step <= 0 or not start < stop:
        raise _wrong(override, "a range ascends")
    count = -((start - stop) // step)  # how many values there are: the stop is not one of them
    last = start + (count - 1) * step
    if all(isinstance(n, int) for n in (start, stop, step)):
        return IntDistribution(int(start), int(last), step=int(step))
    return FloatDistribution(float(start), float(last), step=float(step))


def _wrong(override: Override, why: str) -> DerivaMLConfigurationError:
    return DerivaMLConfigurationError(f"{override.input_line!r} cannot be searched: {why}.")
