import hashlib
from pathlib import Path

import pytest

from bizops.errors import ServiceError
from bizops.local.jars import LOCK_FILE, PinnedJar, fetch_jars, read_lock

SMALL = next(jar for jar in read_lock(LOCK_FILE.read_text()) if jar.artifact == "jspecify")


def test_every_jar_is_pinned_and_no_registry_is_named() -> None:
    text = LOCK_FILE.read_text()
    jars = read_lock(text)
    assert "://" not in text
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    versions = {jar.version for jar in jars if jar.group == "org.apache.kafka"}
    assert versions == {"4.3.1"}


def test_a_changed_jar_is_refused(tmp_path: Path) -> None:
    jar = PinnedJar("org.example", "thing", "1.0", hashlib.sha256(b"good").hexdigest())
    (tmp_path / "thing-1.0.jar").write_bytes(b"good")
    assert fetch_jars(tmp_path, [jar]) == [tmp_path / "thing-1.0.jar"]
    (tmp_path / "thing-1.0.jar").write_bytes(b"evil")
    with pytest.raises(ServiceError, match=r"thing-1.0.jar has the sha256 checksum b5c1.* pins"):
        fetch_jars(tmp_path, [jar])


def test_a_download_that_is_not_what_was_pinned_never_enters_the_cache(tmp_path: Path) -> None:
    wrong = PinnedJar(SMALL.group, SMALL.artifact, SMALL.version, "0" * 64)
    with pytest.raises(ServiceError, match="what Maven Central sent can't be trusted"):
        fetch_jars(tmp_path, [wrong])
    assert list(tmp_path.iterdir()) == []


def test_a_jar_is_fetched_once_and_whole(tmp_path: Path) -> None:
    (path,) = fetch_jars(tmp_path, [SMALL])
    written = path.stat().st_mtime_ns
    assert fetch_jars(tmp_path, [SMALL]) == [path]
    assert path.stat().st_mtime_ns == written


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="can't be kept in"):
        fetch_jars(tmp_path / "file" / "cache", [SMALL])
