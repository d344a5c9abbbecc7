"""The checks that ``@check_output`` knows by argument name.

Pandas is looked at only when it is already imported: a value cannot be a Series otherwise.
"""

from __future__ import annotations

import numbers
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from hamilton.data_quality.base import BaseDefaultValidator, ValidationResult

__all__ = ["AVAILABLE_DEFAULT_VALIDATORS", "resolve_default_validators"]

_MOST_SHOWN = 10


def _is_series_type(datatype: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(datatype, type) and issubclass(datatype, pandas.Series)


def _is_one_of(datatype: Any, *types: type) -> bool:
    return isinstance(datatype, type) and issubclass(datatype, types)


class DataInRangeValidatorPandasSeries(BaseDefaultValidator):
    """Every value of a series lies in a closed interval; NaN counts as outside."""

    def __init__(self, range: tuple[float, float], importance: str) -> None:
        super().__init__(importance)
        self.range = range

    @classmethod
    def arg(cls) -> str:
        """Returns ``range``."""
        return "range"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the data lies between {self.range[0]} and {self.range[1]}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        low, high = self.range
        inside = dataset.between(low, high, inclusive="both")
        out = int((~inside).sum())
        return ValidationResult(
            out == 0,
            f"Series contains {out} values not in the range [{low}, {high}]",
            {
                "range": self.range,
                "in_range": int(inside.sum()),
                "out_range": out,
                "data_size": len(dataset),
            },
        )


class DataInRangeValidatorPrimitives(BaseDefaultValidator):
    """A real number lies in a closed interval."""

    def __init__(self, range: tuple[float, float], importance: str) -> None:
        super().__init__(importance)
        self.range = range

    @classmethod
    def arg(cls) -> str:
        """Returns ``range``."""
        return "range"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a real number."""
        return _is_one_of(datatype, numbers.Real)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the value lies between {self.range[0]} and {self.range[1]}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a number."""
        low, high = self.range
        return ValidationResult(
            bool(low <= dataset <= high),
            f"Data point {dataset} is in the range [{low}, {high}]"
            if low <= dataset <= high
            else f"Data point {dataset} falls outside the range [{low}, {high}]",
            {"range": self.range, "value": dataset},
        )


class DataInValuesValidatorPandasSeries(BaseDefaultValidator):
    """Every value of a series that is not NA is one of the given ones."""

    def __init__(self, values_in: Iterable[Any], importance: str) -> None:
        super().__init__(importance)
        self.values = list(values_in)

    @classmethod
    def arg(cls) -> str:
        """Returns ``values_in``."""
        return "values_in"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that all values are among {self.values}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        wrong = dataset[~(dataset.isin(self.values) | dataset.isna())]
        return ValidationResult(
            len(wrong) == 0,
            f"Series contains {len(wrong)} values not in {self.values}",
            {"outside": list(wrong.unique()[:_MOST_SHOWN]), "data_size": len(dataset)},
        )


class DataInValuesValidatorPrimitives(BaseDefaultValidator):
    """A number or text is one of the given values."""

    def __init__(self, values_in: Iterable[Any], importance: str) -> None:
        super().__init__(importance)
        self.values = list(values_in)

    @classmethod
    def arg(cls) -> str:
        """Returns ``values_in``."""
        return "values_in"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a real number or text."""
        return _is_one_of(datatype, numbers.Real, str)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the value is among {self.values}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a value."""
        return ValidationResult(
            dataset in self.values,
            f"Data point {dataset!r} compared with {self.values}",
            {"values": self.values, "value": dataset},
        )


class DataTypeValidatorPandasSeries(BaseDefaultValidator):
    """The dtype of a series is a kind of the given one."""

    def __init__(self, data_type: Any, importance: str) -> None:
        super().__init__(importance)
        self.data_type = data_type

    @classmethod
    def arg(cls) -> str:
        """Returns ``data_type``."""
        return "data_type"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the dtype is a kind of {self.data_type}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        import numpy as np

        dtype = dataset.dtype
        if isinstance(dtype, np.dtype):
            passes = bool(np.issubdtype(dtype, self.data_type))
        else:  # a pandas extension dtype is compared by name and by the type of its values
            wanted = getattr(self.data_type, "__name__", str(self.data_type))
            passes = str(dtype) == str(self.data_type) or wanted == dtype.type.__name__
        return ValidationResult(
            passes,
            f"Requires data type {self.data_type}; got {dtype}",
            {"required_dtype": str(self.data_type), "actual_dtype": str(dtype)},
        )


class DataTypeValidatorPrimitives(BaseDefaultValidator):
    """A value is an instance of the given type."""

    def __init__(self, data_type: type, importance: str) -> None:
        super().__init__(importance)
        self.data_type = data_type

    @classmethod
    def arg(cls) -> str:
        """Returns ``data_type``."""
        return "data_type"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a real number, text or a truth value."""
        return _is_one_of(datatype, numbers.Real, str, bool)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the value is an instance of {self.data_type}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a value."""
        return ValidationResult(
            isinstance(dataset, self.data_type),
            f"Requires data type {self.data_type}; got {type(dataset)}",
            {"required_dtype": str(self.data_type), "actual_dtype": str(type(dataset))},
        )


class MaxFractionNansValidatorPandasSeries(BaseDefaultValidator):
    """The share of missing values in a series is at most the given one.

    Raises:
        ValueError: The share is not within [0, 1].
    """

    def __init__(self, max_fraction_nans: float, importance: str) -> None:
        super().__init__(importance)
        if not 0 <= max_fraction_nans <= 1:
            raise ValueError(
                f"max_fraction_nans must be between 0 and 1, found {max_fraction_nans!r}."
            )
        self.max_fraction_nans = max_fraction_nans

    @classmethod
    def arg(cls) -> str:
        """Returns ``max_fraction_nans``."""
        return "max_fraction_nans"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that at most a share of {self.max_fraction_nans} is missing"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        missing, total = int(dataset.isna().sum()), len(dataset)
        fraction = missing / total if total else 0.0
        return ValidationResult(
            fraction <= self.max_fraction_nans,
            f"Out of {total} values, {missing} are missing: a share of {fraction}; at most "
            f"{self.max_fraction_nans} is allowed",
            {
                "total_nan": missing,
                "total_length": total,
                "fraction_nan": fraction,
                "max_fraction_nan": self.max_fraction_nans,
            },
        )


class NansAllowedValidatorPandasSeries(MaxFractionNansValidatorPandasSeries):
    """A series has no missing values.

    Raises:
        ValueError: Missing values are said to be allowed, which needs no check.
    """

    def __init__(self, allow_nans: bool, importance: str) -> None:
        if allow_nans:
            raise ValueError("allow_nans=True checks nothing; leave it out, or pass False.")
        super().__init__(0.0, importance)

    @classmethod
    def arg(cls) -> str:
        """Returns ``allow_nans``."""
        return "allow_nans"


class StandardDevValidatorPandasSeries(BaseDefaultValidator):
    """The standard deviation of a series is at most the given one."""

    def __init__(self, max_standard_dev: float, importance: str) -> None:
        super().__init__(importance)
        self.max_standard_dev = max_standard_dev

    @classmethod
    def arg(cls) -> str:
        """Returns ``max_standard_dev``."""
        return "max_standard_dev"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the standard deviation is at most {self.max_standard_dev}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        found = dataset.std()
        return ValidationResult(
            bool(found <= self.max_standard_dev),
            f"Standard deviation is {found}; at most {self.max_standard_dev} is allowed",
            {"standard_dev": found, "max_standard_dev": self.max_standard_dev},
        )


class MeanInRangeValidatorPandasSeries(BaseDefaultValidator):
    """The mean of a series lies in a closed interval."""

    def __init__(self, mean_in_range: tuple[float, float], importance: str) -> None:
        super().__init__(importance)
        self.mean_in_range = mean_in_range

    @classmethod
    def arg(cls) -> str:
        """Returns ``mean_in_range``."""
        return "mean_in_range"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a pandas Series."""
        return _is_series_type(datatype)

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the mean lies in {self.mean_in_range}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a series."""
        low, high = self.mean_in_range
        found = dataset.mean()
        return ValidationResult(
            bool(low <= found <= high),
            f"Mean is {found}; it must lie in [{low}, {high}]",
            {"dataset_mean": found, "mean_in_range": self.mean_in_range},
        )


class AllowNoneValidator(BaseDefaultValidator):
    """A value is not None, unless None is allowed."""

    def __init__(self, allow_none: bool, importance: str) -> None:
        super().__init__(importance)
        self.allow_none = allow_none

    @classmethod
    def arg(cls) -> str:
        """Returns ``allow_none``."""
        return "allow_none"

    def applies_to(self, datatype: Any) -> bool:
        """Returns True: any value can be None."""
        return True

    def description(self) -> str:
        """Returns what is checked."""
        return "Validates that the value is not None" if not self.allow_none else "Allows None"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a value."""
        if self.allow_none:
            return ValidationResult(True, "None is allowed")
        return ValidationResult(dataset is not None, f"Value is None: {dataset is None}")


class _StringPartsValidator(BaseDefaultValidator):
    """Compares a text with pieces of text."""

    def __init__(self, parts: str | Sequence[str], importance: str) -> None:
        super().__init__(importance)
        self.parts = [parts] if isinstance(parts, str) else list(parts)

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is text."""
        return _is_one_of(datatype, str)


class StrContainsValidator(_StringPartsValidator):
    """Every given piece is part of a text."""

    def __init__(self, contains: str | Sequence[str], importance: str) -> None:
        super().__init__(contains, importance)

    @classmethod
    def arg(cls) -> str:
        """Returns ``contains``."""
        return "contains"

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the text contains {self.parts}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a text."""
        absent = [part for part in self.parts if part not in dataset]
        return ValidationResult(
            not absent,
            f"Text does not contain {absent}" if absent else f"Text contains {self.parts}",
            {"contains": self.parts, "absent": absent},
        )


class StrDoesNotContainValidator(_StringPartsValidator):
    """No given piece is part of a text."""

    def __init__(self, does_not_contain: str | Sequence[str], importance: str) -> None:
        super().__init__(does_not_contain, importance)

    @classmethod
    def arg(cls) -> str:
        """Returns ``does_not_contain``."""
        return "does_not_contain"

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the text does not contain {self.parts}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a text."""
        present = [part for part in self.parts if part in dataset]
        return ValidationResult(
            not present,
            f"Text contains {present}" if present else f"Text contains none of {self.parts}",
            {"does_not_contain": self.parts, "present": present},
        )


AVAILABLE_DEFAULT_VALIDATORS: list[type[BaseDefaultValidator]] = [
    DataInRangeValidatorPandasSeries,
    DataInRangeValidatorPrimitives,
    DataInValuesValidatorPandasSeries,
    DataInValuesValidatorPrimitives,
    DataTypeValidatorPandasSeries,
    DataTypeValidatorPrimitives,
    MaxFractionNansValidatorPandasSeries,
    NansAllowedValidatorPandasSeries,
    StandardDevValidatorPandasSeries,
    MeanInRangeValidatorPandasSeries,
    AllowNoneValidator,
    StrContainsValidator,
    StrDoesNotContainValidator,
]


def _library_validators(arguments: Iterable[str]) -> list[type[BaseDefaultValidator]]:
    """Returns the validators of the optional libraries that the arguments ask for."""
    found: list[type[BaseDefaultValidator]] = []
    if "schema" in arguments:
        from hamilton.data_quality.pandera_validators import PANDERA_VALIDATORS

        found.extend(PANDERA_VALIDATORS)
    if "model" in arguments:
        from hamilton.data_quality.pydantic_validators import PYDANTIC_VALIDATORS

        found.extend(PYDANTIC_VALIDATORS)
    return found


def resolve_default_validators(
    output_type: Any,
    importance: str,
    available_validators: Sequence[type[BaseDefaultValidator]] | None = None,
    **default_validator_kwargs: Any,
) -> list[BaseDefaultValidator]:
    """Returns one validator per argument: the first candidate that fits name and type.

    Raises:
        ValueError: No candidate fits an argument, or the importance is unknown.
    """
    candidates = list(available_validators or AVAILABLE_DEFAULT_VALIDATORS)
    candidates += _library_validators(default_validator_kwargs)
    found: list[BaseDefaultValidator] = []
    for argument, given in default_validator_kwargs.items():
        for cls in candidates:
            if cls.arg() == argument:
                made = cls(**{argument: given, "importance": importance})
                if made.applies_to(output_type):
                    found.append(made)
                    break
        else:
            known = sorted({cls.arg() for cls in candidates})
            raise ValueError(
                f"No registered validator for {argument}={given!r} on {output_type!r}. "
                f"Known arguments: {known}."
            )
    return found
