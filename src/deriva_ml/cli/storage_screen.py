"""The full-screen view of ``deriva-ml-storage``; needs `textual` (extra ``screen``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Header, Label, Static

from deriva_catalog.cli.output import shown_size
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.core.storage import Storage

from .storage import SORTS, Item, cells, delete, items

__all__ = ["StorageScreen"]

_MARK = "*"


class Asking(ModalScreen[bool]):
    """Asks whether to go on."""

    CSS = """
    Asking { align: center middle }
    Vertical { width: 70; height: auto; border: thick $error; padding: 1 2 }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical():
            yield Static(self._question, markup=False)
            yield Label("[b]y[/b] yes   [b]n[/b] no")

    def action_answer(self, answer: bool) -> None:
        """Close, with the answer."""
        self.dismiss(answer)


class StorageScreen(App[None]):
    """Everything that is kept, to select from and remove.

    Args:
        storages: The storage of every catalog, by its location.
    """

    TITLE = "deriva-ml-storage"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", "Select"),
        Binding("d,delete", "remove", "Remove"),
        Binding("s", "sort", "Sort"),
        Binding("r", "look", "Look again"),
        Binding("q,escape", "quit", "Quit"),
    ]

    def __init__(self, storages: dict[str, Storage]) -> None:
        super().__init__()
        self._storages = storages
        self._sort = "size"
        self._items: list[Item] = []
        self._selected: set[str] = set()

    def compose(self) -> ComposeResult:
        """A table between a header and the keys."""
        yield Header()
        yield DataTable[str](cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Fill the table."""
        self._table.add_columns(" ", "location", "RID", "type", "size", "items", "modified")
        self.action_look()

    @property
    def _table(self) -> DataTable[str]:
        return self.query_one(DataTable)

    def action_look(self) -> None:
        """Look at the directories again."""
        self._items = items(self._storages, self._sort)
        self._selected &= {str(item.kept.path) for item in self._items}
        self._show()

    def _show(self) -> None:
        row = self._table.cursor_row
        self._table.clear()
        for item in self._items:
            mark = _MARK if str(item.kept.path) in self._selected else ""
            self._table.add_row(mark, *cells(item))
        self._table.move_cursor(row=row)
        total = sum(s.total_bytes() for s in self._storages.values())
        chosen = sum(item.kept.size_bytes for item in self._chosen())
        self.sub_title = f"{shown_size(total)} kept, {shown_size(chosen)} selected, by {self._sort}"

    def _chosen(self) -> list[Item]:
        return [item for item in self._items if str(item.kept.path) in self._selected]

    def action_select(self) -> None:
        """Select the row under the cursor, or no longer."""
        if self._items:
            row = self._table.cursor_row
            self._selected ^= {str(self._items[row].kept.path)}
            self._show()
            self._table.move_cursor(row=min(row + 1, len(self._items) - 1))

    def action_sort(self) -> None:
        """Sort by the next column."""
        orders = list(SORTS)
        self._sort = orders[(orders.index(self._sort) + 1) % len(orders)]
        self.action_look()

    def action_remove(self) -> None:
        """Ask, then remove what is selected, or the row under the cursor."""
        chosen = self._chosen() or self._items[self._table.cursor_row :][:1]
        if chosen:
            names = ", ".join(item.name or item.kept.kind for item in chosen[:10])
            more = " and others" if len(chosen) > 10 else ""
            question = f"Remove {len(chosen)} items: {names}{more}?"
            self.push_screen(Asking(question), lambda yes: self._remove(chosen) if yes else None)

    def _remove(self, chosen: Iterable[Item]) -> None:
        freed = 0
        for item in chosen:
            try:
                freed += delete(item)
            except (DerivaMLException, OSError) as error:
                self.notify(str(error), severity="error", markup=False)
        self.notify(f"{shown_size(freed)} freed")
        self.action_look()
