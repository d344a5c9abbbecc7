"""Every function modifier, and the helpers that bind parameters."""

from __future__ import annotations

from hamilton.function_modifiers.adapters import dataloader, datasaver, load_from, save_to
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    MissingConfigParametersException,
)
from hamilton.function_modifiers.configuration import config, hamilton_exclude
from hamilton.function_modifiers.delayed import ResolveAt, resolve, resolve_from_config
from hamilton.function_modifiers.dependencies import (
    LiteralDependency,
    UpstreamDependency,
    configuration,
    group,
    source,
    value,
)
from hamilton.function_modifiers.expanders import (
    ParameterizedExtract,
    inject,
    parameterize,
    parameterize_extract_columns,
    parameterize_sources,
    parameterize_values,
    parameterized_inputs,
    parametrized,
    parametrized_input,
)
from hamilton.function_modifiers.extractors import extract_columns, extract_fields, unpack_fields
from hamilton.function_modifiers.macros import does, dynamic_transform, model
from hamilton.function_modifiers.metadata import cache, schema, tag, tag_outputs
from hamilton.function_modifiers.pipes import apply_to, mutate, pipe, pipe_input, pipe_output, step
from hamilton.function_modifiers.recursive import parameterized_subdag, subdag
from hamilton.function_modifiers.validation import check_output, check_output_custom

__all__ = [
    "InvalidDecoratorException",
    "LiteralDependency",
    "MissingConfigParametersException",
    "ParameterizedExtract",
    "ResolveAt",
    "UpstreamDependency",
    "apply_to",
    "cache",
    "check_output",
    "check_output_custom",
    "config",
    "configuration",
    "dataloader",
    "datasaver",
    "does",
    "dynamic_transform",
    "extract_columns",
    "extract_fields",
    "group",
    "hamilton_exclude",
    "inject",
    "load_from",
    "model",
    "mutate",
    "parameterize",
    "parameterize_extract_columns",
    "parameterize_sources",
    "parameterize_values",
    "parameterized_inputs",
    "parameterized_subdag",
    "parametrized",
    "parametrized_input",
    "pipe",
    "pipe_input",
    "pipe_output",
    "resolve",
    "resolve_from_config",
    "save_to",
    "schema",
    "source",
    "step",
    "subdag",
    "tag",
    "tag_outputs",
    "unpack_fields",
    "value",
]
