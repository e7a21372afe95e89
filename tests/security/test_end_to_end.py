"""From a file to a timeline, with nothing in the clear: TLS to Kafka and to PostgreSQL."""

import json
from pathlib import Path

import psycopg2
import pytest
import trustme

from .conftest import Run
from .secured import SecuredKafka, SecuredPostgres

EVENTS = [
    {"type": "touch", "event_id": f"t{number}", "source": "test", "channel": "email",
     "occurred_at": "2026-03-01T10:00:00Z", "account_id": "acme"}
    for number in range(20)
]  # fmt: skip


@pytest.mark.slow
def test_events_reach_their_timeline_over_tls_on_both_sides(
    kafka: SecuredKafka, postgres: SecuredPostgres, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(event) for event in EVENTS))
    environment = kafka.environment(
        BIZOPS_DATABASE_URL=postgres.url(), BIZOPS_TOPIC_PREFIX="end-to-end-"
    )
    for arguments in (
        ("status",),
        ("migrate",),
        ("produce", "jsonl", str(tmp_path / "events.jsonl")),
        ("stream", "--until-caught-up", "--workers", "2"),
        ("transform",),
    ):
        done = run(*arguments, **environment)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    done = run("timeline", "acme", "--format", "json", **environment)
    assert len(json.loads(done.stdout)) == len(EVENTS)


def test_each_way_past_postgres_is_refused_in_a_sentence(
    postgres: SecuredPostgres, run: Run, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for changed, sentence in (
        ({"sslrootcert": str(other)}, "certificate verify failed"),
        ({"password": "Geheim-wrong"}, 'password authentication failed for user "bizops"'),
        ({"sslmode": "disable"}, "no encryption"),
    ):
        done = run("migrate", BIZOPS_DATABASE_URL=postgres.url(**changed))
        assert done.returncode == 1
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "Geheim" not in done.stderr


def test_the_connection_is_encrypted_and_the_server_is_who_it_says(
    postgres: SecuredPostgres,
) -> None:
    connection = psycopg2.connect(postgres.url())
    with connection, connection.cursor() as cursor:
        cursor.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert cursor.fetchone() == (True,)
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        psycopg2.connect(postgres.url().replace("127.0.0.1", "0.0.0.0"))
