"""Sealing and opening, with and without pyrage on the other side."""

from __future__ import annotations

import io

import pyrage
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pprl.errors import CorruptError, NotAPackageError, PackageError, TruncatedError, WrongRecipientError
from pprl.package.age import Identity, Recipient, Stanza, bech32, open_sealed, read_header, seal, sealed_bytes
from pprl.package.age.header import MAX_HEADER_BYTES, MAX_STANZAS, write_header
from pprl.package.age.stream import CHUNK_BYTES

ME = Identity(b"\x42" * 32)
OTHER = Identity(b"\x43" * 32)
PYRAGE_ME = pyrage.x25519.Identity.from_str(bech32.encode("AGE-SECRET-KEY-", ME.secret))

EDGES = [
    0,
    1,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    2 * CHUNK_BYTES - 1,
    2 * CHUNK_BYTES,
    2 * CHUNK_BYTES + 1,
]
SIZES = st.one_of(st.integers(0, 300), *(st.integers(max(0, edge - 3), edge + 3) for edge in EDGES))


def content(n_bytes: int) -> bytes:
    return bytes(i % 251 for i in range(997)) * (n_bytes // 997 + 1)


def sealed(plain: bytes, *recipients: Recipient, extra: tuple[Stanza, ...] = (), piece: int = 0) -> bytes:
    target = io.BytesIO()
    writer = seal(target, recipients or (ME.recipient,), extra=extra)
    for start in range(0, len(plain), piece or max(1, len(plain))):
        writer.write(plain[start : start + piece] if piece else plain)
    writer.finish()
    return target.getvalue()


def opened(file: bytes, identity: Identity = ME) -> bytes:
    _, stream = open_sealed(io.BytesIO(file), identity)
    return b"".join(stream)


@pytest.mark.parametrize("n_bytes", EDGES)
def test_pyrage_opens_what_is_sealed_here_and_the_other_way_round(n_bytes):
    plain = content(n_bytes)[:n_bytes]
    assert pyrage.decrypt(sealed(plain), [PYRAGE_ME]) == plain
    theirs = pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(str(ME.recipient))])
    assert opened(theirs) == plain


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 3 * CHUNK_BYTES), st.integers(1, 3 * CHUNK_BYTES))
@example(2 * CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES)
def test_round_trip_in_pieces(n_bytes, write_piece, read_piece):
    plain = content(n_bytes)[:n_bytes]
    file = sealed(plain, piece=max(write_piece, n_bytes // 50 + 1))
    header, stream = open_sealed(io.BytesIO(file), ME)
    assert len(file) == header.n_bytes + sealed_bytes(n_bytes)
    piece = max(read_piece, n_bytes // 50 + 1)
    parts = list(iter(lambda: stream.read(piece), b""))
    assert b"".join(parts) == plain
    assert all(len(part) == piece for part in parts[:-1])
    assert stream.read(1) == b""


def test_reading_part_and_then_the_rest():
    plain = content(3 * CHUNK_BYTES)[: 3 * CHUNK_BYTES]
    _, stream = open_sealed(io.BytesIO(sealed(plain)), ME)
    assert stream.read(0) == b""
    assert stream.read(CHUNK_BYTES + 5) + b"".join(stream) == plain


class Trickle(io.BytesIO):
    """A raw file: gives fewer bytes than asked for."""

    def read(self, n_bytes: int | None = -1) -> bytes:
        return super().read(min(n_bytes or 0, 1000))


def test_sources_that_give_little_at_a_time():
    plain = content(CHUNK_BYTES + 1)[: CHUNK_BYTES + 1]
    _, stream = open_sealed(Trickle(sealed(plain)), ME)
    assert b"".join(stream) == plain


def test_several_recipients():
    file = sealed(b"text", ME.recipient, OTHER.recipient)
    assert opened(file, ME) == opened(file, OTHER) == b"text"
    with pytest.raises(ValueError, match="at least one"):
        seal(io.BytesIO(), [])


def test_nothing_is_used_twice():
    first, second = (read_header(io.BytesIO(sealed(b"text"))) for _ in range(2))
    assert first.stanzas != second.stanzas
    assert sealed(b"text")[-20:] != sealed(b"text")[-20:]


def test_the_source_of_randomness_decides_all():
    def run() -> bytes:
        target, counter = io.BytesIO(), iter(range(1, 100))
        writer = seal(target, [ME.recipient], random_bytes=lambda n: bytes([next(counter)]) * n)
        writer.write(b"text")
        writer.finish()
        return target.getvalue()

    assert run() == run()
    assert opened(run()) == b"text"


@pytest.mark.parametrize("n_bytes", [0, 1, 47, 48, 49, 96, 5000])
def test_a_stanza_of_ours_is_ignored_by_pyrage_and_covered_by_the_mac(n_bytes):
    extra = Stanza(("pprl-test", "1"), content(n_bytes)[:n_bytes])
    file = sealed(b"text", extra=(extra,))
    assert read_header(io.BytesIO(file)).stanzas[1] == extra
    assert pyrage.decrypt(file, [PYRAGE_ME]) == b"text"
    changed = file.replace(b"-> pprl-test 1\n", b"-> pprl-test 2\n")
    with pytest.raises(CorruptError, match="header was changed"):
        opened(changed)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(changed, [PYRAGE_ME])


def test_another_identity():
    with pytest.raises(WrongRecipientError, match="is not sealed to age1"):
        opened(sealed(b"text"), OTHER)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_changed_bit_is_noticed(data):
    n_bytes = data.draw(st.sampled_from([0, 10, CHUNK_BYTES, CHUNK_BYTES + 10]))
    file = bytearray(sealed(content(n_bytes)[:n_bytes]))
    place = data.draw(st.one_of(st.integers(0, 250), st.integers(0, len(file) - 1)))
    file[min(place, len(file) - 1)] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PackageError):
        opened(bytes(file))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([0, 10, CHUNK_BYTES, CHUNK_BYTES + 10]), st.data())
def test_every_cut_is_noticed(n_bytes, data):
    file = sealed(content(n_bytes)[:n_bytes])
    length = data.draw(st.integers(0, len(file) - 1))
    with pytest.raises((TruncatedError, CorruptError)):
        opened(file[:length])


def test_a_cut_between_chunks_is_called_a_cut():
    file = sealed(content(2 * CHUNK_BYTES)[: 2 * CHUNK_BYTES])
    with pytest.raises(TruncatedError, match="ends inside its payload"):
        opened(file[: -CHUNK_BYTES - 16])
    with pytest.raises(TruncatedError, match="ends inside its header"):
        opened(file[:40])
    with pytest.raises(CorruptError, match="was added"):
        opened(file + b"x" * 16)


def test_header_bounds():
    many = tuple(Stanza(("x",), b"") for _ in range(MAX_STANZAS + 1))
    with pytest.raises(CorruptError, match="more than 64 recipients"):
        read_header(io.BytesIO(write_header(many, bytes(16))))
    assert len(read_header(io.BytesIO(write_header(many[:-1], bytes(16)))).stanzas) == MAX_STANZAS
    for endless in (b"-> x", b"-> x\n" + b"A" * 64 + b"\n"):
        text = b"age-encryption.org/v1\n" + endless + (b"A" * 64 + b"\n") * (MAX_HEADER_BYTES // 60)
        with pytest.raises(CorruptError):
            read_header(io.BytesIO(text))


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"age-encryption.org/v1\n", b"age-encryption.org/v1\n-> X25519 "]),
)
def test_noise_is_refused_in_our_own_words(noise, start):
    with pytest.raises((NotAPackageError, TruncatedError, CorruptError)):
        opened(start + noise)
