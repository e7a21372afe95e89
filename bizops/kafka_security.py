"""How Kafka is reached where it is closed to strangers: TLS, certificates, users."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bizops.errors import UsageError

__all__ = ["MECHANISMS", "PROTOCOLS", "KafkaSecurity", "Secret"]

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
SECURITY = "BIZOPS_KAFKA_SECURITY"
FILES = ("BIZOPS_KAFKA_CA_FILE", "BIZOPS_KAFKA_CERT_FILE", "BIZOPS_KAFKA_KEY_FILE")
MECHANISM, USERNAME = "BIZOPS_KAFKA_SASL_MECHANISM", "BIZOPS_KAFKA_USERNAME"
PASSWORD, PASSWORD_FILE = "BIZOPS_KAFKA_PASSWORD", "BIZOPS_KAFKA_PASSWORD_FILE"


class Secret(str):
    """Text that does not show in a ``repr``: clients print their whole configuration."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True)
class KafkaSecurity:
    """How every client of Kafka connects.

    Attributes
    ----------
    protocol
        ``BIZOPS_KAFKA_SECURITY``: one of ``PROTOCOLS``.
    ca_file
        Authorities that may have signed the brokers' certificates, in PEM
        (``BIZOPS_KAFKA_CA_FILE``); None for those of the system.
    cert_file, key_file
        Our own certificate, where the brokers want one (``BIZOPS_KAFKA_CERT_FILE``), and its key
        (``BIZOPS_KAFKA_KEY_FILE``; None where the certificate's file has both).
    mechanism, username, password
        ``BIZOPS_KAFKA_SASL_MECHANISM``, ``BIZOPS_KAFKA_USERNAME``, and ``BIZOPS_KAFKA_PASSWORD``
        or what is in the file that ``BIZOPS_KAFKA_PASSWORD_FILE`` names.
    """

    protocol: str = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    mechanism: str | None = None
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        """Whether what goes over the wire is encrypted, and the broker has to prove its name."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether a user and a password are needed."""
        return self.protocol.startswith("SASL")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "KafkaSecurity":
        """Read the settings.

        Raises
        ------
        UsageError
            If one is misspelt or missing, does not go with the protocol, or names no file; the
            text never holds the password.
        """
        protocol = environment.get(SECURITY) or "PLAINTEXT"
        if protocol not in PROTOCOLS:
            raise UsageError(f"{SECURITY} is {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
        tls, sasl = protocol.endswith("SSL"), protocol.startswith("SASL")
        if protocol != "PLAINTEXT" and not environment.get("BIZOPS_KAFKA"):
            raise UsageError(
                f"{SECURITY} is {protocol}, but BIZOPS_KAFKA names no cluster: the one that "
                "`bizops up` starts listens on this machine only, as PLAINTEXT"
            )
        _refuse_unused(environment, FILES, tls, f"{SECURITY} is {protocol}, which has no TLS")
        users = (MECHANISM, USERNAME, PASSWORD, PASSWORD_FILE)
        _refuse_unused(environment, users, sasl, f"{SECURITY} is {protocol}, which has no user")
        ca_file, cert_file, key_file = (_file(environment, name) for name in FILES)
        if key_file and not cert_file:
            raise UsageError(f"{FILES[2]} is set without {FILES[1]}, the certificate it is for")
        if not sasl:
            return cls(protocol, ca_file, cert_file, key_file)
        mechanism = environment.get(MECHANISM) or MECHANISMS[0]
        if mechanism not in MECHANISMS:
            expected = ", ".join(MECHANISMS)
            raise UsageError(f"{MECHANISM} is {mechanism!r}; expected one of {expected}")
        username, password = environment.get(USERNAME) or None, _password(environment)
        if username is None or password is None:
            missing = USERNAME if username is None else f"{PASSWORD} or {PASSWORD_FILE}"
            raise UsageError(f"{SECURITY} is {protocol}, which needs {missing}")
        return cls(protocol, ca_file, cert_file, key_file, mechanism, username, password)

    def environment(self) -> dict[str, str]:
        """What :meth:`from_environment` makes this of; an empty text unsets what was set."""
        values = {
            SECURITY: self.protocol,
            **dict(zip(FILES, (self.ca_file, self.cert_file, self.key_file), strict=True)),
            MECHANISM: self.mechanism,
            USERNAME: self.username,
            PASSWORD: self.password,
            PASSWORD_FILE: None,
        }
        return {name: "" if value is None else str(value) for name, value in values.items()}

    def ssl_context(self) -> ssl.SSLContext | None:
        """What brokers have to prove: a certificate for their name, of an authority we know.

        Raises
        ------
        UsageError
            If a file holds no certificate or no key.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise UsageError(f"{FILES[0]}: {self.ca_file} holds no certificate in PEM") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file, password="")
            except (ssl.SSLError, OSError) as error:
                raise UsageError(
                    f"{FILES[1]}: {self.cert_file} and {self.key_file or 'the key in it'} are no "
                    "certificate in PEM with its key, unencrypted"
                ) from error
        return context

    def client_options(self) -> dict[str, Any]:
        """Options of any client of kafka-python, besides the addresses."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = self.ssl_context()
        if self.sasl:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options


def _refuse_unused(
    environment: Mapping[str, str], names: tuple[str, ...], used: bool, reason: str
) -> None:
    given = [name for name in names if environment.get(name)]
    if given and not used:
        raise UsageError(f"{given[0]} is set, but {reason}")


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    if not environment.get(name):
        return None
    path = Path(environment[name]).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"{name} is {path}; there is no such file")
    return path


def _password(environment: Mapping[str, str]) -> Secret | None:
    if not environment.get(PASSWORD_FILE):
        return Secret(environment[PASSWORD]) if environment.get(PASSWORD) else None
    if environment.get(PASSWORD):
        raise UsageError(f"{PASSWORD} and {PASSWORD_FILE} are both set; expected one of them")
    path = _file(environment, PASSWORD_FILE)
    assert path is not None
    try:
        text = path.read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"{PASSWORD_FILE}: {path} can't be read") from error
    if not text:
        raise UsageError(f"{PASSWORD_FILE}: {path} is empty")
    return Secret(text)
