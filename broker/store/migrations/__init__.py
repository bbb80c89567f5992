"""The database's versions. A change of the tables adds a module to ``versions/``; those there are never edited."""
