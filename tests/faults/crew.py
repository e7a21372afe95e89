"""The stream workers of a trial: who was ended on purpose, and whether one ended by itself."""

import signal
import subprocess
import threading
from contextlib import suppress
from random import Random

import psutil

from streams.pool import WorkerPool

__all__ = ["Crew"]

Worker = "subprocess.Popen[bytes]"


class Crew:
    """Workers of one group; calls come from several threads.

    Attributes
    ----------
    surprises
        Exit codes of workers that ended though nobody ended them.
    peak_rss
        The most memory that any worker held, in bytes.
    """

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.surprises: list[int] = []
        self.peak_rss = 0
        self._lock = threading.RLock()
        self._busy: set[int] = set()

    def start(self) -> None:
        """Start the first workers."""
        self.pool.start()

    def add(self) -> None:
        """Start one more."""
        with self._lock:
            self.pool.processes.append(self.pool.start_worker())

    def remove(self, chance: Random, sent: signal.Signals) -> None:
        """End one by a signal; with SIGKILL another one takes its place."""
        with self._lock:
            free = [p for p in self.pool.processes if p.pid not in self._busy]
            victim = chance.choice(free)
            self.pool.processes.remove(victim)
            victim.send_signal(sent)
            if sent is signal.SIGKILL:
                self.add()
        try:
            victim.wait(30)
        except subprocess.TimeoutExpired:  # one that cannot leave is made to
            victim.kill()
            victim.wait()

    def pause(self, chance: Random) -> int:
        """Stop one without ending it; returns its pid."""
        with self._lock:
            free = [p for p in self.pool.processes if p.pid not in self._busy]
            victim = chance.choice(free)
            self._busy.add(victim.pid)
            victim.send_signal(signal.SIGSTOP)
            return int(victim.pid)

    def resume(self, pid: int) -> None:
        """Let a stopped one go on."""
        with self._lock:
            self._busy.discard(pid)
            for process in self.pool.processes:
                if process.pid == pid:
                    process.send_signal(signal.SIGCONT)

    def end_all(self) -> int:
        """Kill all of them; returns how many there were."""
        with self._lock:
            processes, self.pool.processes[:] = list(self.pool.processes), []
            for process in processes:
                process.kill()
        for process in processes:
            process.wait()
        return len(processes)

    def look(self) -> None:
        """Measure the workers, and replace those that ended by themselves."""
        with self._lock:
            for process in list(self.pool.processes):
                code = process.poll()
                if code is None:
                    with suppress(psutil.NoSuchProcess):
                        rss = psutil.Process(process.pid).memory_info().rss
                        self.peak_rss = max(self.peak_rss, rss)
                    continue
                self.surprises.append(code)
                self.pool.processes.remove(process)
                self.add()
