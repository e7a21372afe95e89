"""How long the marts take to build, and to bring up to date, by size.

    python -m benchmarks.warehouse                              # ten million touches in three years
    python -m benchmarks.warehouse --touches 100_000 --leads 5_000 --conversions 500

Fills the tables of the stream and of a published run directly, by SQL: publishing ten million
events, and a fit on them, would take longer than what is measured here, and ``benchmarks.scale``
measures those. What is filled fits together as the stream's and a run's own rows do (who is who,
shares that add up to one, sums), but causes nothing: the figures mean nothing. Services are local
and of the run's own. After the first build a day's events come: some late, one of which makes one
person of two leads of different accounts.
"""

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.steps import step
from benchmarks.stored import drop_indexes
from bizops.database import connect, load_queries
from bizops.endpoints import find_database
from bizops.models import PUBLISHED
from bizops.settings import Settings

FILL = load_queries("benchmarks", "warehouse.sql")
DAY = load_queries("benchmarks", "warehouse_day.sql")
FUNCTIONS = ("session", "functions")
CREDITED = ("conversions", "journeys", "credit", "patterns", "credit_draws")
"""What `bizops live` does of each deal as it comes."""
FULL_LIMIT_S = 15 * 60
INCREMENT_LIMIT_S = 60
FOUND = 1
"""How `bizops doctor --data` ends where it finds something, as it does here."""


def main() -> None:
    options = _options()
    for variable in ("BIZOPS_DATABASE_URL", "BIZOPS_KAFKA"):  # what is filled is our own
        os.environ.pop(variable, None)
    home = Path(tempfile.mkdtemp(prefix="bizops-warehouse-"))
    try:
        step("start Kafka and PostgreSQL", "up", home=home)
        step("migrate", "migrate", home=home)
        database_url = find_database(replace(Settings.from_environment(), home=home))
        run_all(database_url, FILL, options, "fill PostgreSQL")
        tell_sizes(database_url)
        measure(database_url, options, home)
        tell_sizes(database_url)
    finally:
        if options.keep:
            print(f"kept in {home}; stop it with BIZOPS_HOME={home} bizops down --purge --yes")
        else:
            step("stop", "down", "--purge", "--yes", home=home)
            shutil.rmtree(home, ignore_errors=True)


def measure(database_url: str, options: argparse.Namespace, home: Path) -> None:
    """Build, add a day, build again, and ask."""
    full = step("marts, all of them", "transform", home=home, shown=True)
    add_day(database_url, options)
    increment = step("marts, after a day", "transform", home=home, shown=True)
    step("report by channel", "report", "--by", "channel", home=home)
    step("doctor --data", "doctor", "--data", home=home, shown=True, accepted=(0, FOUND))
    for name, seconds, limit_s in (
        ("all", full, FULL_LIMIT_S),
        ("a day", increment, INCREMENT_LIMIT_S),
    ):
        verdict = "within" if seconds <= limit_s else "OVER"
        print(f"{name}: {seconds:,.1f} s, {verdict} the limit of {limit_s} s", flush=True)


def add_day(database_url: str, options: argparse.Namespace) -> None:
    """A day's events, and its deals credited."""
    before, after = ({name: FILL[name] for name in names} for names in (FUNCTIONS, CREDITED))
    run_all(database_url, before | DAY | after, options, "a day's events")


def run_all(
    database_url: str, blocks: dict[str, str], options: argparse.Namespace, name: str
) -> None:
    """Run blocks of SQL in their order, each a transaction; those that take long are told."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = options.years * 365
    parameters = vars(options) | {
        "start": end - timedelta(days=days),
        "end": end,
        "days": days,
        "models": list(PUBLISHED),
        "day": 1,
    }
    connection = connect(database_url, application="bizops-bench")
    connection.autocommit = True
    began = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            for block, statement in blocks.items():
                started = time.perf_counter()
                restore = drop_indexes(cursor, "touches") if _is_large(blocks, block) else []
                for one in (statement, *restore):
                    cursor.execute(one, parameters if one is statement else None)
                if (seconds := time.perf_counter() - started) > 1:
                    print(f"  {block:<32}{seconds:>8.1f} s", flush=True)
    finally:
        connection.close()
    print(f"{name:<34}{time.perf_counter() - began:>8.1f} s", flush=True)


def _is_large(blocks: dict[str, str], block: str) -> bool:
    """Whether indexes are made faster after the rows are there."""
    return blocks is FILL and block == "touches"


def tell_sizes(database_url: str) -> None:
    """Print how large the database is, by schema."""
    connection = connect(database_url, application="bizops-bench")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                select relnamespace::regnamespace::text, sum(pg_total_relation_size(oid))::bigint
                from pg_class
                where relkind = 'r' and relnamespace::regnamespace::text in
                    ('stream', 'attribution', 'intermediate', 'marts')
                group by 1
                order by 1
                """
            )
            parts = [f"{schema} {size / 2**20:,.0f} MiB" for schema, size in cursor.fetchall()]
            cursor.execute("select pg_database_size(current_database())")
            size = cursor.fetchall()[0][0]
    finally:
        connection.close()
    print(f"database: {size / 2**20:,.0f} MiB ({', '.join(parts)})", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.warehouse",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--touches", type=int, default=10_000_000)
    parser.add_argument("--leads", type=int, default=200_000)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--campaigns", type=int, default=500)
    parser.add_argument("--conversions", type=int, default=10_000)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--keep", action="store_true", help="leave the services and data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
