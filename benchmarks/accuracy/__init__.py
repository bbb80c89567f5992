"""How right pprl's links are beside its peers', and whether it knows: ``make bench-accuracy``.

Cases
-----
febrl4, pseudopeople
    Two sites of other people's invented data, a third of the people at both.
generated, generated-hard
    Two sites of this project's own invented people, at size.
three-sites
    Three sites with duplicates in each, linked to entities.
febrl1, febrl2, febrl3
    Duplicates within one site.
files
    Any two CSV files with a truth: ``python -m benchmarks.accuracy files A.csv B.csv TRUTH.csv --schema ...``.

pprl takes part with its real commands in processes of their own: ``pprl tokenise`` gets a site's file,
``pprl-broker link`` gets packages, and the truth is opened after they ended. Peers run in environments of their own
and get the same files in pprl's normal forms, since they do no cleaning.
"""
