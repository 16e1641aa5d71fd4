"""Stamps as people read them."""

from datetime import datetime, timezone


def stamp_text(stamp_ns: int) -> str:
    """A time [ns since 1970] in UTC; small ones, of a simulated clock, in seconds."""
    if stamp_ns == 0:
        return "no stamp"
    if not 10**17 < stamp_ns < 4 * 10**18:
        return f"{stamp_ns / 1e9:.3f} s"
    return datetime.fromtimestamp(stamp_ns // 10**9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
