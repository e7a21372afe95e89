"""Commands of the product as a benchmark runs them: one after the other, each timed and weighed."""

import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["step"]

MIB = 1024


def step(
    name: str,
    *arguments: str,
    home: Path,
    shown: bool = False,
    accepted: tuple[int, ...] = (0,),
) -> float:
    """Run one command and print its wall time and the peak memory of its largest process.

    Returns the seconds; ends everything where the command ends with a code that is not accepted.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("bizops")), *arguments],
        env=os.environ | {"BIZOPS_HOME": str(home)},
        stdout=None if shown else subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    print(f"{name:<34}{seconds:>8.1f} s{usage.ru_maxrss // MIB:>8,} MiB", flush=True)
    if process.returncode not in accepted:
        sys.exit(f"bizops {' '.join(arguments)} failed")
    return seconds
