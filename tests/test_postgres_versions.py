"""The SQL runs on older PostgreSQL too: the same tests again, on Debian's servers."""

import os
import pwd
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from bizops.endpoints import Endpoints

ROOT = Path(__file__).parents[1]
SERVERS = [
    path
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if 15 <= int(path.parts[-3]) < 18
]


@pytest.fixture(params=SERVERS, ids=lambda path: f"postgresql-{path.parts[-3]}")
def older_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a database on a server of this test's own."""
    binaries = request.param.parent
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bizops-postgres-") as folder:
        home, password = Path(folder), secrets.token_hex(16)
        (home / "password").write_text(password)
        for path in (home, home / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "cwd": home}
        initdb = [binaries / "initdb", "-D", home / "data", "-U", "bizops", "-A", "scram-sha-256",
                  "--pwfile", home / "password", "-E", "UTF8"]  # fmt: skip
        subprocess.run(initdb, check=True, capture_output=True, **as_user)
        server = subprocess.Popen(
            [request.param, "-D", home / "data", "-p", str(port), "-h", "127.0.0.1", "-k", ""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user,
        )  # fmt: skip
        try:
            url = f"postgresql://bizops:{password}@127.0.0.1:{port}/postgres"
            _await(url)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _await(url: str) -> None:
    for _ in range(100):
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the older PostgreSQL did not start")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not SERVERS, reason="no PostgreSQL 15 to 17 is installed")
def test_the_same_tests_pass_on_older_servers(services: Endpoints, older_database: str) -> None:
    identity = [f"streams/test_identity{part}.py" for part in ("", "_decisions", "_order")]
    suites = ["streams/test_store.py", *identity, "attribution", "warehouse"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        + [str(ROOT / "tests" / suite) for suite in suites],
        cwd=ROOT,
        env=os.environ | {"BIZOPS_KAFKA": services.kafka, "BIZOPS_DATABASE_URL": older_database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
