"""How Kafka is reached is said in the environment: checked at the edge, handed on whole."""

import dataclasses
from pathlib import Path

import pytest

from bizops.calendar import Calendar
from bizops.endpoints import Endpoints
from bizops.errors import UsageError
from bizops.kafka_security import KafkaSecurity, Secret
from bizops.settings import Settings
from bizops.watching import Watching

K = "BIZOPS_KAFKA"
SASL = {
    K: "k:1",
    f"{K}_SECURITY": "SASL_SSL",
    f"{K}_USERNAME": "me",
    f"{K}_PASSWORD": "Geheim",
}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({f"{K}_SECURITY": "TLS"}, "is 'TLS'; expected one of PLAINTEXT, SSL, SASL_PLAINTEXT"),
        ({f"{K}_SASL_MECHANISM": "SCRAM"}, "is 'SCRAM'; expected one of SCRAM-SHA-512, SCRAM-SHA-"),
        ({f"{K}_USERNAME": ""}, "is SASL_SSL, which needs BIZOPS_KAFKA_USERNAME"),
        ({f"{K}_PASSWORD": ""}, "which needs BIZOPS_KAFKA_PASSWORD or BIZOPS_KAFKA_PASSWORD_FILE"),
        ({f"{K}_PASSWORD_FILE": "/nowhere"}, "PASSWORD and BIZOPS_KAFKA_PASSWORD_FILE are both"),
        ({f"{K}_PASSWORD": "", f"{K}_PASSWORD_FILE": "/nowhere"}, "is /nowhere; there is no such"),
        ({f"{K}_CA_FILE": "/nowhere/ca.pem"}, "_CA_FILE is /nowhere/ca.pem; there is no such file"),
        ({f"{K}_KEY_FILE": __file__}, "KEY_FILE is set without BIZOPS_KAFKA_CERT_FILE"),
        ({f"{K}_SECURITY": "SSL"}, "USERNAME is set, but BIZOPS_KAFKA_SECURITY is SSL, which has"),
        ({f"{K}_SECURITY": ""}, "USERNAME is set, but BIZOPS_KAFKA_SECURITY is PLAINTEXT"),
        ({f"{K}_SECURITY": "SASL_PLAINTEXT", f"{K}_CA_FILE": __file__}, "which has no TLS"),
        ({K: ""}, "is SASL_SSL, but BIZOPS_KAFKA names no cluster"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.from_environment(SASL | given)
    assert sentence in str(caught.value)
    assert "Geheim" not in str(caught.value)


def test_a_file_that_is_no_certificate_is_said_so() -> None:
    with pytest.raises(UsageError, match=r"CA_FILE: .* holds no certificate in PEM"):
        KafkaSecurity("SSL", ca_file=Path(__file__)).ssl_context()
    with pytest.raises(UsageError, match=r"CERT_FILE: .* are no certificate in PEM with its key"):
        KafkaSecurity("SSL", cert_file=Path(__file__)).ssl_context()


def test_brokers_have_to_prove_their_names() -> None:
    context = KafkaSecurity("SSL").ssl_context()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("Geheim \n")
    given = SASL | {f"{K}_PASSWORD": "", f"{K}_PASSWORD_FILE": str(tmp_path / "password")}
    assert Settings.from_environment(given).kafka_security.password == "Geheim "


def test_every_setting_is_handed_on_to_the_processes_we_start(tmp_path: Path) -> None:
    """A setting that `environment` forgot would be another one in the workers."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    security = KafkaSecurity(
        protocol="SASL_SSL",
        ca_file=tmp_path / "ca",
        cert_file=tmp_path / "cert",
        key_file=tmp_path / "key",
        mechanism="PLAIN",
        username="me",
        password=Secret("Geheim"),
    )
    unlike = {"int": 7, "float": 0.75, "str": "x" * 40, "bool": True, "Path": tmp_path}
    watching = Watching(7, "127.0.0.2", 8.5, 9.5, "json")
    given = {"kafka_security": security, "watching": watching, "session_timeout_s": 7.5,
             "calendar": Calendar(7, 12), "currency": "CHF"}  # fmt: skip
    for field in dataclasses.fields(Settings):
        if field.name not in given:
            kind = getattr(field.type, "__name__", str(field.type)).partition(" ")[0]
            given[field.name] = unlike["int" if kind == "Union" else kind]
    given |= {"kafka": "k:1", "database_url": "postgresql://x", "kafka_port": 5, "postgres_port": 6}
    settings = Settings(**given)  # type: ignore[arg-type]
    stale = dict.fromkeys(settings.environment(), "stale")
    assert Settings.from_environment(stale | settings.environment()) == settings
    plain = Settings(home=tmp_path, group="g")
    assert Settings.from_environment(stale | plain.environment()) == plain


def test_no_repr_shows_a_secret() -> None:
    settings = Settings.from_environment(SASL | {"BIZOPS_DATABASE_URL": "postgresql://u:Geheim@h"})
    shown = [
        repr(settings),
        str(settings),
        repr(settings.kafka_security),
        repr(settings.kafka_security.client_options()),
        repr(Endpoints("k:1", "postgresql://u:Geheim@h")),
    ]
    assert "Geheim" not in " ".join(shown)
    assert settings.kafka_security.password == "Geheim"
