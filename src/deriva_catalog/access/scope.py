"""What an access token is good for: less than its owner may do, never more."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of its owner's rights that a token carries.

    Attributes:
        read_only: Nothing can be changed with it.
        catalogs: It opens only these catalogs, by identifier ...
        objects: ... and only objects at or below these names of the object store
            (``/hatrac/lab``). When both are empty it opens whatever its owner may open.
    """

    read_only: bool = False
    catalogs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def is_everywhere(self) -> bool:
        """Whether it is bound to no catalog and no objects."""
        return not (self.catalogs or self.objects)

    def admits_catalog(self, catalog_id: str) -> bool:
        """Whether it opens the catalog with that identifier (not an alias)."""
        return self.is_everywhere or catalog_id in self.catalogs

    def admits_object(self, *name: str) -> bool:
        """Whether it opens an object or namespace, by the decoded parts of its name."""
        if self.is_everywhere:
            return True
        allowed = (tuple(place.strip("/").split("/"))[1:] for place in self.objects)
        return any(name[: len(place)] == place for place in allowed)
