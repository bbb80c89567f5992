"""A damaged package is refused wherever the damage is, and the error says what kind it is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import CorruptError, NotAPackageError, PackageError, TruncatedError
from pprl.package import inspect_package, open_package
from pprl.package.age import read_header

QUIET = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def whole(tmp_path, pack):
    pack(n_records=900)  # more than two chunks of 64 KiB
    return (tmp_path / "a.pprl").read_bytes()


def refused(path, content, broker, now):
    path.write_bytes(content)
    with pytest.raises(PackageError) as caught, open_package(path, broker, trusted=None, now=now) as package:
        for _ in package:
            pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return type(caught.value)


def regions(path) -> dict[str, tuple[int, int]]:
    with path.open("rb") as file:
        header = read_header(file)
        n_bytes = path.stat().st_size
    start = header.covered.index(b"-> pprl-manifest")
    return {
        "version line": (0, 22),
        "recipient": (22, start),
        "manifest stanza": (start, len(header.covered) - 3),
        "MAC": (len(header.covered) - 3, header.n_bytes),
        "nonce": (header.n_bytes, header.n_bytes + 16),
        "first chunk": (header.n_bytes + 16, header.n_bytes + 16 + 65552),
        "second chunk": (header.n_bytes + 16 + 65552, header.n_bytes + 16 + 2 * 65552),
        "last chunk": (header.n_bytes + 16 + 2 * 65552, n_bytes),
        "last tag": (n_bytes - 16, n_bytes),
    }


@pytest.mark.parametrize(
    "region",
    [
        "version line",
        "recipient",
        "manifest stanza",
        "MAC",
        "nonce",
        "first chunk",
        "second chunk",
        "last chunk",
        "last tag",
    ],
)
def test_a_flipped_bit_in_every_region(tmp_path, whole, broker, now, region):
    begin, end = regions(tmp_path / "a.pprl")[region]
    for place in {begin, (begin + end) // 2, end - 1, *range(begin, end, max(1, (end - begin) // 20))}:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        kind = refused(tmp_path / "d.pprl", damaged, broker, now)
        if region == "version line":
            assert kind is NotAPackageError
        elif region not in ("recipient", "manifest stanza"):
            assert kind is CorruptError


@QUIET
@given(st.data())
def test_any_change(tmp_path, whole, broker, now, data):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(0, 4500)))
        damaged[place] ^= data.draw(st.integers(1, 255))
    if bytes(damaged) != whole:
        refused(tmp_path / "d.pprl", damaged, broker, now)


@QUIET
@given(st.data())
def test_any_cut_is_called_a_cut(tmp_path, whole, broker, now, data):
    length = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(0, 4500)))
    assert refused(tmp_path / "d.pprl", whole[:length], broker, now) is TruncatedError
    with pytest.raises(TruncatedError):
        inspect_package(tmp_path / "d.pprl")


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"x" * 70_000])
def test_something_behind_it(tmp_path, whole, broker, now, tail):
    assert refused(tmp_path / "d.pprl", whole + tail, broker, now) is CorruptError
    with pytest.raises(CorruptError):
        inspect_package(tmp_path / "d.pprl")


def test_a_hole_in_it(tmp_path, whole, broker, now):
    assert refused(tmp_path / "d.pprl", whole[:70_000] + whole[70_500:], broker, now) is TruncatedError


@QUIET
@given(st.binary(max_size=300), st.integers(0, 3000))
def test_inspect_survives_noise(tmp_path, whole, noise, place):
    (tmp_path / "d.pprl").write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with suppress(PackageError):
        assert inspect_package(tmp_path / "d.pprl") == inspect_package(tmp_path / "a.pprl")
