"""Many made-up requests, in either database; what they do stays in one of the two ways."""

from __future__ import annotations

import pytest

from broker.store import open_store

from ..broker.service.described import operations, try_operation
from ..broker.service.everybody import Everybody
from .conftest import N_EXAMPLES


@pytest.mark.parametrize("keep", [False, True], ids=["undone", "kept"])
def test_answers_are_as_described(where, clock, keep):
    with open_store(where[0], files=where[1], clock=clock) as store:
        everybody = Everybody(store)
        with everybody.client:
            found = operations(everybody)
            # Those that take the others' subjects away come last.
            found.sort(key=lambda one: one.label.endswith(("/disable", "/close", "/retire")))
            wrong = [
                one
                for operation in found
                for one in try_operation(everybody, operation, n_examples=N_EXAMPLES, keep=keep)
            ]
    assert wrong == [], "\n\n".join(wrong)
