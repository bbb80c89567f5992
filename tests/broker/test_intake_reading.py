"""How token tables are read: in batches of any shape, and not before a package may be."""

from __future__ import annotations

import numpy as np
import pytest

from broker import intake
from broker.intake import Register, take_in
from broker.matching.dataset import Dataset
from pprl.errors import CorruptError, PackageError, ReplayedError, WrongSchemaError

from .tokens import BROKER, NOW, a_schema, as_dataset, encode, pack


@pytest.fixture
def rows(town):
    return town.records[0][:30]


@pytest.fixture
def take(tmp_path):
    """``take("a.pprl", ...)`` with the register of this test."""

    def call(*names, **more):
        register = Register(tmp_path / "register.json")
        paths = [tmp_path / name for name in names]
        return take_in(paths, BROKER, trusted=None, register=register, now=NOW, **more)

    return call


def columns(dataset: Dataset) -> dict[str, np.ndarray]:
    return {
        "guids": dataset.guids,
        "presence": dataset.presence,
        **dataset.filters,
        **dataset.exact,
        **{f"{key}/{choice}": c for key, both in enumerate(dataset.keys) for choice, c in enumerate(both)},
    }


@pytest.mark.parametrize("profile", ["standard", "fields", "tokens"])
def test_batches_of_any_size_give_the_same_arrays(tmp_path, take, rows, profile):
    schema = a_schema(profile)
    whole = encode(schema, rows, "a")
    parts = [whole.slice(0, 0), whole.slice(0, 1), whole.slice(1, 17), whole.slice(18, 0), whole.slice(18)]
    pack(tmp_path / "a.pprl", schema, rows, batches=parts)
    found, expected = columns(take("a.pprl")[0].dataset), columns(as_dataset(schema, whole, "a"))
    assert list(found) == list(expected)
    for name, rows_found in found.items():
        assert rows_found.flags.c_contiguous
        np.testing.assert_array_equal(rows_found, expected[name], err_msg=name)


def test_a_mixture_is_refused_before_its_tokens_are_read(tmp_path, take, rows):
    first = pack(tmp_path / "a.pprl", a_schema(), rows)
    pack(tmp_path / "b.pprl", a_schema("strict"), rows)
    done: list[int] = []
    with pytest.raises(WrongSchemaError):
        take("a.pprl", "b.pprl", advance=done.append)
    assert sum(done) == first.payload_bytes


def test_a_manifest_cannot_ask_for_more_memory_than_its_package_has_rows(tmp_path, rows):
    claimed = pack(tmp_path / "a.pprl", a_schema(), rows).model_copy(update={"n_records": 2**50})

    class Claiming:
        path, manifest = tmp_path / "a.pprl", claimed

    with pytest.raises(CorruptError, match=r"a\.pprl: says it has more records than fit it"):
        intake._token_bytes(Claiming())


@pytest.mark.parametrize("refused", ["older", "cut"])
def test_a_refusal_leaves_the_register_as_it_was(tmp_path, take, rows, refused):
    for name, sequence in (("a", 2), ("b", 5)):
        pack(tmp_path / f"{name}.pprl", a_schema(), rows, sequence=sequence)
    take("a.pprl", "b.pprl")
    before = (tmp_path / "register.json").read_bytes()
    pack(tmp_path / "a.pprl", a_schema(), rows, sequence=3)
    if refused == "older":
        pack(tmp_path / "b.pprl", a_schema(), rows, sequence=4)
    else:
        (tmp_path / "b.pprl").write_bytes((tmp_path / "b.pprl").read_bytes()[:-20])
    with pytest.raises(ReplayedError if refused == "older" else PackageError):
        take("a.pprl", "b.pprl")
    assert (tmp_path / "register.json").read_bytes() == before
