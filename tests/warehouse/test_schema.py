import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from bizops.database import opened
from bizops.errors import ServiceError
from warehouse import schema
from warehouse.schema import check_schema, downgrade, migrate, newest_revision

from .conftest import execute

TABLES = "select count(*) from pg_tables where schemaname in ('stream', 'attribution')"


def test_migrating_twice_is_harmless(database_url):
    execute(database_url, "insert into stream.progress values ('touches', 0, 7)")
    assert migrate(database_url) == (newest_revision(), newest_revision())
    assert execute(database_url, "select next_offset from stream.progress") == [(7,)]


def test_down_and_up_again_gives_the_same_schema(database_url):
    columns = """
        select table_schema, table_name, column_name, data_type, is_nullable
        from information_schema.columns where table_schema in ('stream', 'attribution')
        order by 1, 2, 3
    """
    before = execute(database_url, columns)
    assert downgrade(database_url) == newest_revision()
    assert execute(database_url, TABLES) == [(0,)]
    assert migrate(database_url) == (None, newest_revision())
    assert execute(database_url, columns) == before


def test_two_that_migrate_at_once_take_turns(database_url):
    downgrade(database_url)
    code = "import sys; from warehouse.schema import migrate; print(migrate(sys.argv[1])[0])"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, database_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    found = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert found == {"None", newest_revision()}


def test_the_newest_revision_is_what_alembic_says():
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_a_database_of_a_newer_bizops_is_refused_and_left_alone(database_url):
    execute(database_url, "update schema_version set version_num = '9999'")
    with pytest.raises(ServiceError, match=r"revision 9999, newer than this bizops"):
        migrate(database_url)
    with opened(database_url) as connection, pytest.raises(ServiceError, match="9999"):
        check_schema(connection)
    assert execute(database_url, "select version_num from schema_version") == [("9999",)]


def test_an_unmigrated_or_older_database_is_told_to_migrate(database_url):
    downgrade(database_url, "0001")
    with opened(database_url) as connection, pytest.raises(ServiceError, match="at revision 0001"):
        check_schema(connection)
    downgrade(database_url)
    with opened(database_url) as connection, pytest.raises(ServiceError, match="bizops migrate"):
        check_schema(connection)


def test_no_database_is_one_clear_sentence():
    with pytest.raises(ServiceError, match="PostgreSQL cannot be reached"):
        migrate("postgresql://nobody:secret@127.0.0.1:1/none")


def test_without_the_right_to_make_schemas_nothing_changes(database_url):
    downgrade(database_url)
    with opened(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("create role powerless login password 'powerless'")
    host = database_url.rsplit("@", 1)[1]
    try:
        with pytest.raises(ServiceError, match="cannot be changed, so nothing was"):
            migrate(f"postgresql://powerless:powerless@{host}")
    finally:
        execute(database_url, "drop role powerless")
