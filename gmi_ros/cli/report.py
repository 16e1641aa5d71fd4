"""What a command hands back to `main`."""

from dataclasses import dataclass, field
from typing import Any

from gmi_ros.core.errors import ErrorCode


@dataclass(frozen=True)
class Report:
    """data: printed as one JSON object with --json. text: for a person. ok: False gives exit status 1."""

    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    ok: bool = True

    @classmethod
    def failure(cls, code: ErrorCode, message: str) -> "Report":
        """A job that ended with an error."""
        return cls({"error_code": int(code), "error": code.name, "message": message}, "", False)
