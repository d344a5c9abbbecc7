"""Results of a catalog on this machine: a workspace that keeps them, and wide tables as objects."""

from .denormalizer import Denormalizer
from .results import CachedResult, ResultCache
from .workspace import Workspace

__all__ = ["CachedResult", "Denormalizer", "ResultCache", "Workspace"]
