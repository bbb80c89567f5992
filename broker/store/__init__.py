"""The broker's memory: a database for what is small, files named by their digest for what is not.

::

    with open_store("store/") as store, store.begin() as session:
        session.add(...)                       # one transaction, with its entry in the journal
    digest = store.files.put(stream)           # before the transaction that points at it

The database is SQLite in the store's folder, or PostgreSQL by URL; `broker.store.tables` are its tables.
"""

from broker.store.database import Location, locate
from broker.store.files import BulkFiles, Fault, NewFile
from broker.store.store import Store, init_store, open_store, upgrade_store

__all__ = [
    "BulkFiles",
    "Fault",
    "Location",
    "NewFile",
    "Store",
    "init_store",
    "locate",
    "open_store",
    "upgrade_store",
]
