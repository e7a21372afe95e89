"""The database as most commands want it: there, and of this version's schema."""

from bizops.settings import Settings

__all__ = ["migrated_database"]


def migrated_database(settings: Settings) -> str:
    """libpq URL of the database.

    Raises
    ------
    ServiceError
        If it is not known, can't be reached, or has no schema, an older or a newer one.
    """
    from bizops.database import opened
    from bizops.endpoints import find_database
    from warehouse.schema import check_schema

    database_url = find_database(settings)
    with opened(database_url) as connection:
        check_schema(connection)
    return database_url
