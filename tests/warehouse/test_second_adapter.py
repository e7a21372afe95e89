"""The marts' SQL gives the same figures on another database: DuckDB, by dbt's adapter."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from bizops.database import opened
from warehouse.transform import PROJECT, transform

from .department_events import MADE
from .test_departments import store

pytestmark = pytest.mark.slow

TYPES = {
    "text": "varchar", "timestamp with time zone": "timestamptz", "numeric": "decimal(38, 6)",
    "double precision": "double", "bigint": "bigint", "integer": "integer", "date": "date",
    "boolean": "boolean", "uuid": "uuid",
}  # fmt: skip
"""What PostgreSQL's types are in DuckDB; columns of other types no mart reads."""
COLUMNS = """
select attname, format_type(atttypid, -1) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum
"""
RUN_DBT = "from dbt.cli.main import cli; cli()"
FILES = sorted((PROJECT / "models" / "marts").glob("*.sql"))


def copy_sources(database_url: str, file: Path) -> None:
    """All that dbt reads, as it is, into a file of DuckDB's."""
    sources = yaml.safe_load((PROJECT / "models" / "staging" / "sources.yml").read_text())
    with opened(database_url) as connection, duckdb.connect(str(file)) as target:
        target.execute("set timezone = 'UTC'")
        cursor = connection.cursor()
        for source in sources["sources"]:
            target.execute(f"create schema if not exists {source['schema']}")
            for table in source["tables"]:
                name = f"{source['schema']}.{table['name']}"
                cursor.execute(COLUMNS, (name,))
                columns = {column: kind for column, kind in cursor.fetchall() if kind in TYPES}
                target.execute(
                    f"create table {name} ("
                    + ", ".join(f'"{column}" {TYPES[kind]}' for column, kind in columns.items())
                    + ")"
                )
                # as text: Python has no day that is -infinity
                read = ", ".join(f'"{column}"::text' for column in columns)
                cursor.execute(f"select {read} from {name}")
                if rows := cursor.fetchall():
                    marks = ", ".join("?" * len(columns))
                    target.executemany(f"insert into {name} values ({marks})", rows)


def dbt(file: Path, folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-P", "-c", RUN_DBT, "--quiet", *arguments, "--target", "duckdb"]
    command += ["--project-dir", str(PROJECT)]
    command += ["--profiles-dir", str(PROJECT), "--target-path", str(folder / "target")]
    command += ["--log-path", str(folder / "logs")]
    environment = os.environ | {"BIZOPS_DBT_DUCKDB": str(file), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def plain(value: Any) -> Any:
    """The same for both: numbers as far as both are exact."""
    if value is None or isinstance(value, bool):
        return value
    try:
        return round(float(value), 6)
    except (TypeError, ValueError):
        return str(value)


def test_duckdb_gives_the_figures_that_postgresql_gives(settings, tiny_database, tmp_path):
    store(tiny_database, MADE)
    transform(settings, tiny_database, margin=0.8)
    file = tmp_path / "elsewhere.duckdb"
    copy_sources(tiny_database, file)
    dbt(file, tmp_path, "build", "--exclude-resource-type", "unit_test")
    dbt(file, tmp_path, "docs", "generate")
    assert (tmp_path / "target" / "catalog.json").exists()
    with opened(tiny_database) as connection, duckdb.connect(str(file)) as other:
        other.execute("set timezone = 'UTC'")
        cursor = connection.cursor()
        for mart in (f"marts.{path.stem}" for path in FILES):
            cursor.execute(f"select * from {mart}")
            columns = ", ".join(column.name for column in cursor.description or ())
            here = {tuple(map(plain, row)) for row in cursor.fetchall()}
            rows = other.execute(f"select {columns} from {mart}").fetchall()
            assert {tuple(map(plain, row)) for row in rows} == here, mart
            assert here, mart
