"""How fast pprl is beside its neighbours, timed in one run on one machine: ``make bench-speed``.

Cases
-----
kernel
    All pairs of 1,024-bit filters with a Dice coefficient of at least .8, on one core: pprl, anonlink, FAISS;
    and pprl on two cores. The pairs found have to be the same.
encode
    Cleaned records of six fields to filters, on one core: pprl, clkhash.
tokenise
    A file of people to a file for the broker, on two cores: ``pprl tokenise``, clkhash, spindle-token on Spark.
link
    Two files of one site each to linked records, on two cores: ``pprl-broker link`` on sealed packages, Splink on
    plaintext, anonlink on filters; with precision and recall by the truth beside each time.

Every contestant does its work in a process of its own, bound to the cores it may use, a peer's in an environment
of its own with pinned versions. Rounds of all contestants follow each other, so that a busy spell of the machine
meets all of them alike. ``benchmarks.speed.contestants`` tells of each what is timed and what is not.
"""
