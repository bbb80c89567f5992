"""What peers do in the accuracy benchmark: one module a peer, run by its interpreter; see `benchmarks.peers`."""
