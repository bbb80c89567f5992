"""Privacy-preserving record linkage: what every party shares, the site's side, and the downstream analysis."""

__version__ = "0.1.0"
