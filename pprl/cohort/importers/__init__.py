"""Other people's formats of population counts, read as reference rows."""
