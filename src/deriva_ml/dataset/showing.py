"""How datasets show themselves: as Markdown, and as HTML in a notebook.

The functions are methods of `Dataset` and of `DatasetBag`, which have the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.core.html_tables import rows_html, table_html

if TYPE_CHECKING:
    from .collection import Datasets
    from .history import DatasetHistory
    from .versions import DatasetVersion

__all__ = ["dataset_html", "display_markdown", "history_html", "to_markdown"]


class Shown(Protocol):
    """A dataset, as far as showing it needs one."""

    @property
    def dataset_rid(self) -> str:
        """RID of the dataset."""
        ...

    @property
    def description(self) -> str:
        """What it is."""
        ...

    @property
    def dataset_types(self) -> list[str]:
        """Its types."""
        ...

    @property
    def current_version(self) -> DatasetVersion:
        """Its version."""
        ...

    def list_dataset_children(self, recurse: bool = False) -> Sequence[Any]:
        """The datasets inside it."""
        ...

    @property
    def datasets(self) -> Datasets:
        """The datasets of its catalog."""
        ...


def to_markdown(self: Shown, show_children: bool = False, indent: int = 0) -> str:
    """The dataset as an item of a Markdown list, perhaps with those inside it.

    Args:
        self: The dataset.
        show_children: Also the datasets inside it, to any depth.
        indent: How many levels the item is indented.
    """
    types = ", ".join(self.dataset_types)
    head = f"{'  ' * indent}- **{self.dataset_rid}** v{self.current_version}"
    text = f": {self.description}" if self.description else ""
    lines = [head + (f" [{types}]" if types else "") + text]
    if show_children:
        nested = self.list_dataset_children()
        lines += [to_markdown(child, True, indent + 1) for child in nested]
    return "\n".join(lines)


def display_markdown(self: Shown, show_children: bool = False, indent: int = 0) -> None:
    """Show what `to_markdown` gives in the notebook.

    Raises:
        DerivaMLConfigurationError: IPython is not installed.
    """
    try:
        import IPython.display
    except ImportError as error:
        raise DerivaMLConfigurationError(
            "Showing Markdown needs IPython: pip install 'derivaml[notebook]'. to_markdown() "
            "gives the same as a text."
        ) from error
    notebook: Any = IPython.display  # untyped
    notebook.display(notebook.Markdown(to_markdown(self, show_children, indent)))


def dataset_html(self: Shown) -> str:
    """The dataset as a small HTML table: version, types, how many members of which table."""
    members = self.datasets.count_members(self.dataset_rid)
    return table_html(
        {
            "Dataset": self.dataset_rid,
            "Version": str(self.current_version),
            "Description": self.description,
            "Types": ", ".join(self.dataset_types),
            "Members": ", ".join(f"{count} {name}" for name, count in members.items() if count),
        }
    )


def history_html(history: Sequence[DatasetHistory]) -> str:
    """Versions as an HTML table, in the order given."""
    head = ("Version", "Description", "Execution", "Snapshot")
    return rows_html(
        head,
        (
            (e.dataset_version, e.description, e.execution_rid or "", _snapshot_text(e))
            for e in history
        ),
    )


def _snapshot_text(entry: DatasetHistory) -> str:
    """The snapshot of a version, or why it has none here."""
    if entry.dataset_version.is_devrelease:
        return "in development"
    return entry.snapshot or "in the original catalog"
