import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bizops.errors import ServiceError
from bizops.local.processes import Process, find_in_folder, is_running, spawn, stop, tail


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = spawn(["sleep", "60"], folder=tmp_path, log=tmp_path / "sleep.log")
    yield process
    stop([process], patience_s=5)


def test_a_spawned_process_outlives_its_starter_in_its_own_session(sleeper: Process) -> None:
    found = psutil.Process(sleeper.pid)
    assert found.ppid() != os.getpid()
    assert os.getsid(sleeper.pid) != os.getsid(0)
    assert not {name for name in found.environ() if name.startswith("BIZOPS")}


def test_a_reused_pid_is_not_ours(sleeper: Process) -> None:
    another = Process(sleeper.pid, sleeper.created_s - 3600)
    assert not is_running(another)
    assert not stop([another], patience_s=0.1)
    assert is_running(sleeper)


def test_a_zombie_does_not_run() -> None:
    with subprocess.Popen(["true"]) as child:
        process = Process(child.pid, psutil.Process(child.pid).create_time())
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert not is_running(process)


def test_what_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn.sh"
    stubborn.write_text("trap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n")
    log = tmp_path / "stubborn.log"
    process = spawn(["/bin/sh", stubborn], folder=tmp_path, log=log)
    while "ready" not in log.read_text():
        time.sleep(0.01)
    assert stop([process], polite=signal.SIGTERM, patience_s=0.2)
    assert not is_running(process)


def test_a_process_is_found_by_its_folder(sleeper: Process, tmp_path: Path) -> None:
    assert [one.pid for one in find_in_folder(tmp_path, "sleep")] == [sleeper.pid]
    assert find_in_folder(tmp_path, "java") == []
    assert find_in_folder(tmp_path.parent, "sleep") == []


def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="can't be started"):
        spawn(["true"], folder=tmp_path / "nowhere", log=tmp_path / "true.log")


def test_one_that_ends_at_once_is_not_running(tmp_path: Path) -> None:
    log = tmp_path / "true.log"
    for _ in range(20):  # some end before they can be looked at
        process = spawn(["/bin/true"], folder=tmp_path, log=log)
        while is_running(process):
            time.sleep(0.001)


def test_tail_gives_the_last_lines_and_their_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert tail(log) == f"({log} does not exist)"
    log.write_text("one\ntwo\nthree\n")
    assert tail(log, lines=2) == f"  two\n  three\n  (from {log})"
