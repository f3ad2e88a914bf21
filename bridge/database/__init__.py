"""A SQLite file or a PostgreSQL: opened, brought up to date, and used in transactions. Knows no table."""

from bridge.database.database import Database
from bridge.database.errors import Unavailable
from bridge.database.opening import open_database
from bridge.database.upgrade import TooNew

__all__ = ["Database", "TooNew", "Unavailable", "open_database"]
