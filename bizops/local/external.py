"""Services that are not ours: looked at, never started or stopped."""

import psycopg2

from bizops.errors import ServiceError
from bizops.kafka_security import KafkaSecurity
from bizops.local.kafka import live_brokers
from bizops.local.postgres import server_version

__all__ = ["check_external_database", "check_external_kafka", "require_supported"]

OLDEST, NEWEST = 15, 18


def check_external_kafka(bootstrap: str, security: KafkaSecurity) -> str:
    """One sentence on the cluster at ``BIZOPS_KAFKA``.

    Raises
    ------
    ServiceError
        If no broker answers.
    """
    try:
        brokers = live_brokers(bootstrap, security)
    except ServiceError as error:
        raise ServiceError(f"{error} (BIZOPS_KAFKA)") from error
    return f"{bootstrap} (BIZOPS_KAFKA) answers with {len(brokers)} broker(s)"


def check_external_database(url: str) -> str:
    """One sentence on the server at ``BIZOPS_DATABASE_URL``; its password is never in it.

    Raises
    ------
    ServiceError
        If it doesn't answer, or its version is not supported.
    """
    try:
        version = server_version(url)
    except psycopg2.OperationalError as error:
        raise ServiceError(
            f"the PostgreSQL at BIZOPS_DATABASE_URL can't be used: {str(error).strip()}"
        ) from error
    except psycopg2.Error as error:
        # libpq repeats what it can't parse, and that may be the password.
        raise ServiceError(
            "BIZOPS_DATABASE_URL is not a URL of PostgreSQL; "
            "expected postgresql://user:password@host:port/database"
        ) from error
    require_supported(version)
    return f"the PostgreSQL at BIZOPS_DATABASE_URL answers, version {version // 10000}"


def require_supported(version: int) -> None:
    """Check a server's version, such as 180006.

    Raises
    ------
    ServiceError
        If it is older or newer than what the SQL here is tested on.
    """
    if not OLDEST <= version // 10000 <= NEWEST:
        raise ServiceError(
            f"the PostgreSQL at BIZOPS_DATABASE_URL is version {version // 10000}; "
            f"expected {OLDEST} to {NEWEST}"
        )
