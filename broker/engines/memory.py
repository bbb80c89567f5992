"""Whether this machine has the memory that a run will take, asked before hours go into it."""

from __future__ import annotations

import psutil

from pprl.errors import LinkageError


def check_memory(n_bytes: int, *, fix: str) -> None:
    """Refuse a run that would end for want of memory.

    Parameters
    ----------
    n_bytes : int
        What it will take.
    fix : str
        What can be done, for the error.

    Raises
    ------
    LinkageError
        Less is free.
    """
    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise LinkageError(
            f"the run needs about {n_bytes / 2**30:.1f} GiB of memory and {free / 2**30:.1f} are free; {fix}"
        )
