"""Which episodes of a store are meant."""

from dataclasses import dataclass

_COLUMNS = {"split": "c.split", "source": "c.source", "judged_by": "c.judged_by"}


@dataclass(frozen=True)
class Filters:
    """None takes all. object_name: an object, or all of a class. model_hash: its beginning is enough.
    since_ns, until_ns: the image's stamp [ns], both included.
    """

    success: bool | None = None
    split: str | None = None
    source: str | None = None
    judged_by: str | None = None
    object_name: str | None = None
    model_hash: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    @property
    def by_stamp(self) -> bool:
        """Whether stamps have to be looked at."""
        return self.since_ns is not None or self.until_ns is not None

    def condition(self) -> tuple[str, list]:
        """In SQL, over episodes e, contexts c and, by_stamp, observations o; and its values."""
        parts: dict[str, list] = {"1": []}
        if self.success is not None:
            parts["e.success = ?"] = [int(self.success)]
        for name, column in _COLUMNS.items():
            if getattr(self, name) is not None:
                parts[f"{column} = ?"] = [getattr(self, name)]
        if self.object_name is not None:
            parts["(c.object_name = ? OR c.class_name = ?)"] = [self.object_name] * 2
        if self.model_hash is not None:
            parts["substr(c.model_hash, 1, length(?)) = ?"] = [self.model_hash] * 2
        if self.since_ns is not None:
            parts["o.stamp_ns >= ?"] = [self.since_ns]
        if self.until_ns is not None:
            parts["o.stamp_ns <= ?"] = [self.until_ns]
        return " AND ".join(parts), [value for values in parts.values() for value in values]
