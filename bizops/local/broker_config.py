"""What each local Kafka broker is configured to."""

from bizops.local.ports import HOST
from bizops.local.state import Installation

__all__ = ["LOGGING", "broker_config"]

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
"""


def broker_config(node_id: int, installation: Installation) -> dict[str, str]:
    """Configuration of one broker that is a controller too.

    Parameters
    ----------
    node_id
        From 1.
    installation
        With its ports chosen.
    """
    nodes = installation.brokers
    replicas, in_sync = str(nodes), str(2 if nodes == 3 else 1)
    port = installation.kafka_ports[node_id - 1]
    controller = installation.controller_ports[node_id - 1]
    voters = ",".join(
        f"{node}@{HOST}:{each}" for node, each in enumerate(installation.controller_ports, start=1)
    )
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        # Voters named here, rather than kept in the log, may come back on other ports.
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # From the broker's own folder, in which it works: a properties file can't hold any path.
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "16",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "16",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # A broker that was killed is let in again only after its session; 9 s unless told.
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "1000",
        # Events are the source of truth here, and a worker that was away for weeks goes on from
        # where it stopped.
        "log.retention.ms": "-1",
        "offsets.retention.minutes": str(10 * 365 * 24 * 60),
        # Out of the heap; 128 MiB unless told.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    }
