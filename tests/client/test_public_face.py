from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import pprl.client


def test_the_init_is_the_whole_public_face():
    assert pprl.client.__all__ == sorted(pprl.client.__all__)
    public = {
        name
        for name, value in vars(pprl.client).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(pprl.client.__all__)


@pytest.mark.parametrize("name", pprl.client.__all__)
def test_everything_public_is_documented(name):
    assert inspect.getdoc(getattr(pprl.client, name))
