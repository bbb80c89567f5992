"""The tables of the broker's store."""
