"""Loops compiled by numba, the interpreter lock released, their machine code kept on disk where possible.

numba keeps the code in ``NUMBA_CACHE_DIR``, else beside the module (``__pycache__``), else in the user's
cache folder. Where none of them can be written, as in a read-only image without a home, numba would refuse to
load the module at all; here the loops are then compiled anew in every process, which takes some seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function at its first call, or load its machine code from an earlier process.

    Parameters
    ----------
    function : callable
        Loops over numpy arrays and numbers, in numba's subset of Python.

    Returns
    -------
    callable
        Runs without the interpreter lock. Like all compiled code it checks no bounds.
    """
    try:
        fast: _Function = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available": no place to keep it
        fast = njit(nogil=True)(function)
    return fast
