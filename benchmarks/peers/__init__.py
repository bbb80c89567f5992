"""Other people's linkage programs, for comparison: environments of their own, and what several benchmarks ask of them.

Scripts here and below ``contestants`` of the benchmarks are run by a peer's own interpreter. They import nothing of
this project but modules here that need the standard library or that peer alone.
"""
