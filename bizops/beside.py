"""A process that runs beside another and is started again whenever it ends."""

import logging
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

__all__ = ["kept_running"]

log = logging.getLogger("bizops.beside")

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
STEADY_S = 60.0
STOP_WITHIN_S = 5.0


@contextmanager
def kept_running(
    name: str, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[None]:
    """Run a command for as long as the block lasts.

    It is started again after a second, or after longer, up to a minute, where it keeps ending. At
    the end of the block it is asked to stop, and killed where it does not within five seconds.

    Parameters
    ----------
    name
        What the log calls it.
    environment
        All of its variables; a password belongs there and not into the command.
    """
    kept = _Kept(name, command, environment)
    thread = threading.Thread(target=kept.keep, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        kept.stop()
        thread.join()


class _Kept:
    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name, self.command, self.environment = name, command, environment
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        wait = FIRST_WAIT_S
        while (process := self._start()) is not None:
            began = time.monotonic()
            code = process.wait()
            if self._stopped.is_set():
                return
            if time.monotonic() - began > STEADY_S:
                wait = FIRST_WAIT_S
            log.warning("%s ended with %d; it starts again in %.0f s", self.name, code, wait)
            self._stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _start(self) -> "subprocess.Popen[bytes] | None":
        with self._lock:  # so that none is started after the others were stopped
            if self._stopped.is_set():
                return None
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                start_new_session=True,  # it is we who are interrupted, and we stop it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            return self._process

    def stop(self) -> None:
        self._stopped.set()
        with self._lock:
            process = self._process
        if process is None:
            return
        process.terminate()  # nothing is done to one that was waited for
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
