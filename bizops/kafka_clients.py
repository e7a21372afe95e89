"""Every client of Kafka is opened here: connected as the settings say, or refused in a sentence."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import KafkaError

from bizops.errors import ServiceError
from bizops.kafka_security import KafkaSecurity

__all__ = ["keep_secrets_out_of_logs", "open_client"]

CONNECT_WITHIN_MS = 10_000
# these print each message's bytes when asked for all, a password of SASL PLAIN among them
WIRE_LOGGERS = ("kafka.protocol.parser", "kafka.net.connection", "aiokafka.conn")


def open_client[T](
    kind: Callable[..., T], kafka: str, security: KafkaSecurity, **options: Any
) -> T:
    """A connected producer, consumer or admin client of kafka-python.

    Parameters
    ----------
    kind
        ``KafkaProducer``, ``KafkaConsumer`` or ``KafkaAdminClient``.
    kafka
        Bootstrap servers, ``host:port`` separated by commas.
    options
        Anything else that the client takes.

    Raises
    ------
    ServiceError
        If Kafka cannot be reached or refuses us; the text says why and never holds the password.
    """
    options = {"bootstrap_timeout_ms": CONNECT_WITHIN_MS} | options | security.client_options()
    keep_secrets_out_of_logs(security)
    with _overheard() as reasons:
        try:
            return kind(bootstrap_servers=kafka.split(","), **options)
        except (KafkaError, OSError, ValueError) as error:
            said = [*reasons, str(error)]
    raise ServiceError(f"Kafka cannot be reached at {kafka}: {_explain(said, security)}")


def keep_secrets_out_of_logs(security: KafkaSecurity) -> None:
    """Where a password is sent, what is sent is not logged, whatever level was asked for."""
    if security.sasl:
        for name in WIRE_LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.level, logging.INFO))


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the client says about attempts that fail: its error has only that time is up."""
    reasons: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reasons.append(record.getMessage())

    logger, listener = logging.getLogger("kafka"), Listener(logging.WARNING)
    propagated = logger.propagate
    # where nobody set logging up, Python would print each attempt beside our sentence
    logger.propagate = propagated and logging.getLogger().hasHandlers()
    logger.addHandler(listener)
    try:
        yield reasons
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated


def _explain(said: list[str], security: KafkaSecurity) -> str:
    text = "\n".join(said)
    lost = [line for line in said if "Connection lost" in line]
    if "mismatch" in text and "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is of another host"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        known = f"in {security.ca_file}" if security.ca_file else "that this system knows"
        return f"its certificate is of no authority {known} (BIZOPS_KAFKA_CA_FILE)"
    if "alert" in text and "certificate" in text.lower():
        return "it wants a certificate of ours that it trusts (BIZOPS_KAFKA_CERT_FILE)"
    if "Handshake failed" in text:
        return f"it speaks no TLS there, but BIZOPS_KAFKA_SECURITY is {security.protocol}"
    if "UnsupportedSaslMechanism" in text:
        return f"it does not offer {security.mechanism} (BIZOPS_KAFKA_SASL_MECHANISM)"
    # a broker that refuses a login closes the connection after it has told its version
    told_version = any("broker_version=(" in line for line in lost)
    if security.sasl and ("SaslAuthenticationFailed" in text or told_version):
        return (
            f"it refused user {security.username!r} by {security.mechanism}: "
            "the name, the password or the mechanism is wrong"
        )
    if any("socket disconnected" in line for line in lost):
        return (
            "it closes the connection unanswered, as one does that wants TLS or a user: "
            f"BIZOPS_KAFKA_SECURITY is {security.protocol}"
        )
    return said[-1]
