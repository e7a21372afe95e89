"""Logs for people or as lines of JSON, without what events hold, and without floods."""

import logging
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

import orjson

from streams.records import DeadLetter

__all__ = ["DeadLetterLog", "JsonFormatter", "TextFormatter", "set_up_logging"]

FIELDS = ("topic", "partition", "offset", "event_id", "reason", "count")
"""What a message may carry besides its text, as ``extra``."""

log = logging.getLogger("bizops.stream")


class TextFormatter(logging.Formatter):
    """One line a message: the time in UTC, the level, the process, and what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; an error's stack goes below it."""
        told = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = (
            f"{_moment(record)} {record.levelname} {record.name}[{record.process}] "
            f"{record.getMessage()}{told}"
        )
        error = _error(record)
        return f"{line}\n{error}" if error else line


class JsonFormatter(logging.Formatter):
    """One object a line, with the same names whoever logs."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        content: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **_fields(record),
        }
        if error := _error(record):
            content["error"] = error
        return orjson.dumps(content, default=str).decode()


def set_up_logging(form: str, stream: TextIO | None = None) -> None:
    """Send every warning of this process, Faust's and aiokafka's too, through one formatter.

    Parameters
    ----------
    form
        ``text`` or ``json``.
    stream
        Where to; standard error unless given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


@dataclass
class DeadLetterLog:
    """Tells of each dead letter where it is, and only how many where there are too many.

    Attributes
    ----------
    at_most, within_s
        So many of one reason are told in so many seconds; the rest are counted, and the count is
        told when the time is over.
    clock
        Seconds that only go up.
    """

    at_most: int = 10
    within_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _began: float | None = None
    _told: Counter[str] = field(default_factory=Counter)
    _more: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, letters: Iterable[DeadLetter] = ()) -> None:
        """Log dead letters; without any, only the count of earlier ones, where it is due."""
        with self._lock:
            now = self.clock()
            if self._began is None or now - self._began >= self.within_s:
                self._tell_rest()
                self._began = now
                self._told.clear()
            for letter in letters:
                if self._told[letter.reason] >= self.at_most:
                    self._more[letter.reason] += 1
                    continue
                self._told[letter.reason] += 1
                record = letter.record
                log.warning(
                    "dead letter",
                    extra={
                        "topic": record.topic,
                        "partition": record.partition,
                        "offset": record.offset,
                        "event_id": letter.event_id,
                        "reason": letter.reason,
                    },
                )

    def end(self) -> None:
        """Log the count of those that were not told yet."""
        with self._lock:
            self._tell_rest()

    def _tell_rest(self) -> None:
        for reason, count in self._more.items():
            extra = {"reason": reason, "count": count}
            log.warning("more dead letters that were not told one by one", extra=extra)
        self._more.clear()


def _fields(record: logging.LogRecord) -> dict[str, object]:
    values = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in values.items() if value is not None}


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(record: logging.LogRecord) -> str:
    """An error's stack and its causes', without the lines in which PostgreSQL quotes rows."""
    parts: list[str] = []
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        stack = "".join(traceback.format_tb(error.__traceback__))
        sentence = str(error).strip().partition("\n")[0]
        parts.append(f"{stack}{type(error).__qualname__}: {sentence}")
        error = error.__cause__ or error.__context__
    return "\n".join(parts)
