"""Two steps of the way at the same time: a thread makes the next item while this one is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def made_ahead(items: Iterator[_Item]) -> Generator[_Item]:
    """Give items out, the next being made meanwhile.

    Parameters
    ----------
    items : iterator
        Runs in a thread, which helps where its work releases the interpreter lock, as that of Arrow, numpy and
        files does. None of the items is None.

    Yields
    ------
    object
        The items in order; an error of theirs is raised in its turn.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
