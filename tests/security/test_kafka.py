"""Kafka behind TLS and SASL: let in by what is right, refused in one sentence by what is not."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import trustme

from .secured import USER, SecuredKafka

S = "BIZOPS_KAFKA_"

ATTEMPTS = """
import json, sys
from kafka import KafkaAdminClient
from bizops.errors import BizopsError
from bizops.kafka_clients import open_client
from bizops.settings import Settings

said = {}
for name, environment in json.load(sys.stdin).items():
    settings = Settings.from_environment(environment)
    try:
        open_client(KafkaAdminClient, settings.kafka, settings.kafka_security,
                    bootstrap_timeout_ms=1500).close()
        said[name] = "in"
    except BizopsError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def attempt(cases: dict[str, dict[str, str]]) -> tuple[dict[str, str], str]:
    """What becomes of clients with these settings, in a process of their own.

    kafka-python leaves a socket open where it is refused, and warnings are errors here.
    """
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPTS],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_whoever_is_known_is_let_in(kafka: SecuredKafka) -> None:
    certificate, key = (str(path) for path in kafka.certificates.client)
    mutual = {
        "BIZOPS_KAFKA": kafka.mutual_tls,
        f"{S}SECURITY": "SSL",
        f"{S}CA_FILE": str(kafka.certificates.ca),
        f"{S}CERT_FILE": certificate,
        f"{S}KEY_FILE": key,
    }
    in_clear = {"BIZOPS_KAFKA": kafka.sasl_plaintext, f"{S}SECURITY": "SASL_PLAINTEXT"}
    said, _ = attempt(
        {
            "SCRAM-SHA-512": kafka.environment(),
            "SCRAM-SHA-256": kafka.environment(**{f"{S}SASL_MECHANISM": "SCRAM-SHA-256"}),
            "PLAIN": kafka.environment(**{f"{S}SASL_MECHANISM": "PLAIN"}),
            "a certificate of ours": mutual,
            "no TLS": kafka.environment(**in_clear, **{f"{S}CA_FILE": ""}),
        }
    )
    assert set(said.values()) == {"in"}, said


def test_everyone_else_is_refused_in_a_sentence(kafka: SecuredKafka, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    password = f"{kafka.password}-wrong"
    tls = {
        "BIZOPS_KAFKA": kafka.mutual_tls,
        f"{S}SECURITY": "SSL",
        f"{S}CA_FILE": str(kafka.certificates.ca),
    }
    expected = {
        "wrong CA": f"certificate is of no authority in {other} (BIZOPS_KAFKA_CA_FILE)",
        "no CA": "is of no authority that this system knows (BIZOPS_KAFKA_CA_FILE)",
        "wrong password": f"refused user '{USER}' by SCRAM-SHA-512: the name, the password or",
        "wrong password in PLAIN": f"refused user '{USER}' by PLAIN",
        "plaintext": "closes the connection unanswered, as one does that wants TLS or a user",
        "no user": "closes the connection unanswered, as one does that wants TLS or a user",
        "another host": "its certificate is of another host",
        "no certificate": "wants a certificate of ours that it trusts (BIZOPS_KAFKA_CERT_FILE)",
        "no TLS there": "it speaks no TLS there, but BIZOPS_KAFKA_SECURITY is SASL_SSL",
    }
    cases = {
        "wrong CA": kafka.environment(**{f"{S}CA_FILE": str(other)}),
        "no CA": kafka.environment(**{f"{S}CA_FILE": ""}),
        "wrong password": kafka.environment(**{f"{S}PASSWORD": password}),
        "wrong password in PLAIN": kafka.environment(
            **{f"{S}PASSWORD": password, f"{S}SASL_MECHANISM": "PLAIN"}
        ),
        "plaintext": {"BIZOPS_KAFKA": kafka.sasl_ssl},
        "no user": tls | {"BIZOPS_KAFKA": kafka.sasl_ssl},
        "another host": tls | {"BIZOPS_KAFKA": kafka.misnamed},
        "no certificate": tls,
        "no TLS there": kafka.environment(BIZOPS_KAFKA=kafka.sasl_plaintext),
    }
    said, printed = attempt(cases)
    for name, sentence in expected.items():
        assert sentence in said[name], f"{name}: {said[name]}"
        assert "\n" not in said[name]
    assert kafka.password not in json.dumps(said) + printed


def test_every_client_is_opened_in_the_one_place() -> None:
    """A client made elsewhere would not know of TLS, and would fail where it is wanted."""
    root = Path(__file__).parents[2]
    kinds = {"KafkaProducer", "KafkaConsumer", "KafkaAdminClient", "AIOKafkaConsumer"}
    made = [
        f"{path.relative_to(root)}:{node.lineno}"
        for package in ("attribution", "bizops", "producers", "streams", "warehouse")
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in kinds
    ]
    assert made == []
