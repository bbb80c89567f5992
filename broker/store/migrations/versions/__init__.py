"""One module for each version, ``rNNNN_subject.py``."""
