from __future__ import annotations

import numba
from numba.core import caching

from pprl.compiled import compiled


def twice(n: int) -> int:
    return 2 * n


def test_machine_code_is_kept_where_there_is_a_place(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled(twice)(21) == 42
    assert list(tmp_path.rglob("test_compiled.twice-*.nbc"))


def test_without_a_place_it_compiles_all_the_same(monkeypatch, tmp_path):
    """As in a read-only image: no folder beside the module, and none of the user's, can be written."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(caching.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled(twice)(21) == 42
    assert not list(tmp_path.rglob("*.nbc"))
