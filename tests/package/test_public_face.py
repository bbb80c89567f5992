from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import pprl.package
import pprl.package.age


@pytest.mark.parametrize("module", [pprl.package, pprl.package.age])
def test_the_init_is_the_whole_public_face(module):
    assert module.__all__ == sorted(module.__all__)
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "").startswith("pprl")
    }
    if module is pprl.package:
        assert public == set(module.__all__)
    assert set(module.__all__) <= set(vars(module))


@pytest.mark.parametrize("name", pprl.package.__all__)
def test_everything_public_is_documented(name):
    assert inspect.getdoc(getattr(pprl.package, name))
