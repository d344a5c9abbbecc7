"""scikit-learn: saving its displays, such as confusion matrices and ROC curves."""

from __future__ import annotations

import dataclasses

from hamilton.plugins.matplotlib_extensions import MatplotlibWriter
from hamilton.registry import register_adapter

__all__ = ["SklearnPlotSaver"]


@dataclasses.dataclass
class SklearnPlotSaver(MatplotlibWriter):
    """Like `MatplotlibWriter`, under the key that is used for displays."""

    @classmethod
    def name(cls) -> str:
        """Returns ``png``."""
        return "png"


register_adapter(SklearnPlotSaver)
