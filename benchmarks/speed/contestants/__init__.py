"""What is timed: one module for each contestant and case, run by the interpreter of that contestant.

A contestant reads files, does its work, and prints one line of JSON with `report`. It imports nothing of this
project but `benchmarks.peers.report` (those of pprl: pprl as well), so that a peer's environment
needs only the peer.
"""
