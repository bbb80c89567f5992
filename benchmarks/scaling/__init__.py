"""How time and memory of a linkage grow with the larger side: one run in a process of its own for each size."""
