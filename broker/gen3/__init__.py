"""Gen3 interoperability: crosswalks of match tables."""
