"""Why a worker ended by itself, in a file for whoever started it."""

from pathlib import Path

__all__ = ["leave_reason", "take_reason"]


def leave_reason(home: Path, pid: int, reason: str) -> None:
    """Say in a sentence why this process ends."""
    path = _path(home, pid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason)


def take_reason(home: Path, pid: int) -> str | None:
    """What a process that ended said of it, once; None if it said nothing."""
    path = _path(home, pid)
    try:
        reason = path.read_text()
    except FileNotFoundError:
        return None
    path.unlink()
    return reason


def _path(home: Path, pid: int) -> Path:
    return home / "faust" / f"worker-{pid}.ended"
