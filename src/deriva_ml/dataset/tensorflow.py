"""Samples of a bag as a dataset of TensorFlow. Importing this needs tensorflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.feature.record import FeatureRecord

from .adapters import Samples

__all__ = ["tensorflow_dataset"]


def tensorflow_dataset(samples: Samples, output_signature: Any = None) -> Any:
    """A ``tf.data.Dataset`` of ``(sample, RID)``, or ``(sample, target, RID)``, of known length.

    Records of features become dictionaries of their values. Without a signature the first item
    gives it, with its shapes.

    Raises:
        DerivaMLValidationError: There is no item to take the signature from, or it has something
            that is no tensor.
    """

    def items() -> Iterator[tuple[Any, ...]]:
        for place in range(len(samples)):
            yield plain(samples.item(place))

    signature = output_signature
    if signature is None:
        if not len(samples):
            raise DerivaMLValidationError(
                "Without any row nothing says what items look like; give output_signature=..."
            )
        signature = _signature(plain(samples.item(0)), "item")
    made = tf.data.Dataset.from_generator(items, output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(len(samples)))


def plain(value: Any) -> Any:
    """The value with records of features as dictionaries of their values."""
    if isinstance(value, FeatureRecord):
        return {c.name: plain(getattr(value, c.name)) for c in value.feature_columns()}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    return value


def _signature(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _signature(v, f"{name}[{k!r}]") for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_signature(v, f"{name}[{i}]") for i, v in enumerate(value))
    if tf.is_tensor(value):
        return tf.TensorSpec(value.shape, value.dtype)
    array = np.asarray(value)
    if array.dtype.kind not in "biufcSU":
        raise DerivaMLValidationError(
            f"{name} of the first sample is {value!r} ({type(value).__name__}), which is no "
            "tensor. Turn it into numbers or texts with transform and target_transform, or give "
            "output_signature=..."
        )
    kind = tf.string if array.dtype.kind in "SU" else tf.as_dtype(array.dtype)
    return tf.TensorSpec(array.shape, kind)
