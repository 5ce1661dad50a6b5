"""`milepost db status`: what the database holds, without writing anything, beside the service or without it."""

from __future__ import annotations

import psycopg

from collector.retention.status import Status, read_status
from milepost.settings import Settings
from milepost.stored_data import NoStoredData, open_stored_data


def tell(settings: Settings) -> Status:
    """The status of the database that the settings name. Raises NoStoredData."""
    try:
        with open_stored_data(settings) as (_, conn):
            return read_status(conn, settings.retention)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NoStoredData(f"Another version of Milepost has written this database; serve it first: {error}") from error
