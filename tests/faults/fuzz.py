"""``python -m tests.faults.fuzz SECONDS``: what reads other people's files is given files that were changed.

Packages are changed as they lie there, and, signed and sealed anew, in their manifest and in their token table, as a
site that means harm could do. CSV and Parquet files of a site are changed as well. Only errors of the project's may
come out, soon, and with little memory. Each worker is a process, so that one that crashes is told of too; a case is its
number, and ``python -m tests.faults.fuzz --case N`` does it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from broker.intake import load
from pprl.errors import PprlError
from pprl.package import inspect_package, open_package
from pprl.package.age import Stanza, seal
from pprl.package.manifest import _LENGTH, _SIGNED_PREFIX, MAGIC, sign_frame
from pprl.package.writer import STANZA_ARGS
from pprl.site.readers import read_input

from ..broker.population import Town
from ..broker.tokens import BROKER, NOW, a_schema, pack, site_key

CASE_WITHIN_S = 20
MEMORY_BYTES = 3 * 1024**3
CASES_PER_PROCESS = 400
N_PROCESSES = 2
ODD = [
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"\n",
    b"\r\n",
    b",",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"1" * 400,
    b"\xed\xa0\x80",
]
NUMBERS = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
]


class Material:
    """Good files, to be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.schema = folder, a_schema("standard")
        records = Town().records[0][:40]
        path = folder / "a.pprl"
        self.manifest = pack(path, self.schema, records)
        self.package = path.read_bytes()
        with open_package(path, BROKER, trusted=None, now=NOW) as package:
            batches = list(package)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, batches[0].schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        self.tokens = sink.getvalue()
        names = list(self.schema.field_names)
        rows = [[record.get(name) or "" for name in names] for record in records]
        lines = [",".join(names), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
        self.csv = "\n".join(lines).encode()
        sink = io.BytesIO()
        columns = [pa.array([row[k] for row in rows]) for k in range(len(names))]
        pq.write_table(pa.table(columns, names=names), sink)
        self.parquet = sink.getvalue()

    def sealed(self, body: bytes | None, tokens: bytes) -> bytes:
        """A package of any manifest and token table, signed by the site and sealed to the broker."""
        key = site_key("a")
        if body is None:
            changed = self.manifest.model_copy(
                update={"payload_sha256": hashlib.sha256(tokens).hexdigest(), "payload_bytes": len(tokens)}
            )
            frame = sign_frame(changed, key)
        else:
            frame = MAGIC + _LENGTH.pack(len(body)) + body + key.sign(_SIGNED_PREFIX + body)
        sink = io.BytesIO()
        content = seal(sink, [BROKER.recipient], extra=[Stanza(STANZA_ARGS, frame)])
        content.write(frame)
        content.write(tokens)
        content.finish()
        return sink.getvalue()


def changed(data: bytes, draw: random.Random) -> bytes:
    """Some bytes with one to eight changes."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = draw.randrange(256)
        elif kind == 2:
            number, form = draw.choice(NUMBERS), draw.choice(["<B", "<H", "<I", "<Q", ">I", ">Q"])
            raw = struct.pack(form, number & ((1 << 8 * struct.calcsize(form)) - 1))
            out[at : at + len(raw)] = raw
        elif kind == 3:
            del out[at : at + draw.choice([1, 2, 8, 64, 1000])]
        elif kind == 4:
            out[at:at] = draw.choice(ODD)
        elif kind == 5:
            end = min(len(out), at + draw.choice([4, 32, 500]))
            out[at:at] = out[at:end]
        else:
            out = out[:at]
    return bytes(out)


def changed_json(text: str, draw: random.Random) -> bytes:
    """A JSON object with one value changed, at any depth."""
    made = json.loads(text)
    place, name = made, draw.choice(list(made))
    while isinstance(place[name], dict | list) and place[name] and draw.random() < 0.7:
        place = place[name]
        name = draw.choice(list(place)) if isinstance(place, dict) else draw.randrange(len(place))
    values = [
        None,
        True,
        -1,
        0,
        1 << 31,
        1 << 62,
        1e308,
        "",
        "x" * 1000,
        [],
        {},
        [[]],
        "\0",
        "age1",
        "9999-12-31",
    ]
    if isinstance(place[name], int):
        values += [place[name] + 1, place[name] * 1000, -place[name]]
    place[name] = draw.choice(values)
    return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def read_package(path: Path) -> None:
    """As the broker does."""
    inspect_package(path)
    with open_package(path, BROKER, trusted=None, now=NOW) as package:
        load(package, folder=path.parent)


def read_site_file(path: Path, schema, draw: random.Random) -> None:
    with read_input(path, schema, rows_per_chunk=draw.choice([1, 7, 1000])) as source:
        for _ in source:
            pass


def do_case(number: int, material: Material) -> str:
    """One case; gives what became of it."""
    draw = random.Random(number)
    target = ("package", "manifest", "tokens", "tokens", "csv", "parquet")[number % 6]
    path = material.folder / f"case-{os.getpid()}{'.csv' if target == 'csv' else ''}"
    if target == "package":
        path.write_bytes(changed(material.package, draw))
    elif target == "manifest":
        body = changed_json(material.manifest.canonical_json(), draw)
        path.write_bytes(material.sealed(body, material.tokens))
    elif target == "tokens":
        path.write_bytes(material.sealed(None, changed(material.tokens, draw) or b"\0"))
    else:
        path.write_bytes(changed(getattr(material, target), draw))
    try:
        if target in ("csv", "parquet"):
            read_site_file(path, material.schema, draw)
        else:
            read_package(path)
    except PprlError as error:
        return f"{target}: {type(error).__name__}"
    return f"{target}: read"


class Slow(BaseException):
    """A case took too long."""


def work(first: int, n_cases: int, material: Material, told: int) -> None:
    """Do cases; tells of each that it begins, and how it ended."""

    def late(_number: int, _frame: object) -> None:
        raise Slow

    signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for number in range(first, first + n_cases):
        os.write(told, f"begin {number}\n".encode())
        signal.alarm(CASE_WITHIN_S)
        try:
            outcome = do_case(number, material)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome = (
                f"FAULT {type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error!s:.200}"
            )
        signal.alarm(0)
        os.write(told, f"end {number} {outcome!r}\n".encode())


def main(seconds: float, *, first: int = 0) -> int:
    """Fuzz for a while; gives the exit status."""
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    end, following = time.monotonic() + seconds, first
    with tempfile.TemporaryDirectory() as name:
        material = Material(Path(name))
        running: dict[int, tuple[int, bytes]] = {}
        readers: dict[int, int] = {}
        while time.monotonic() < end or readers:
            while len(readers) < N_PROCESSES and time.monotonic() < end:
                reading, writing = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(reading)
                    with contextlib.suppress(BaseException):
                        work(following, CASES_PER_PROCESS, material, writing)
                    os._exit(0)
                os.close(writing)
                readers[reading], running[reading] = child, (following, b"")
                following += CASES_PER_PROCESS
            for reading in list(readers):
                start, held = running[reading]
                part = os.read(reading, 1 << 16)
                if part:
                    running[reading] = (start, held + part)
                    continue
                os.close(reading)
                _, status = os.waitpid(readers.pop(reading), 0)
                lines = held.decode("utf-8", "replace").splitlines()
                for line in lines:
                    if line.startswith("end "):
                        _, number, outcome = line.split(" ", 2)
                        outcomes[outcome.strip("'\"")[:60]] += 1
                        if "FAULT" in outcome:
                            faults.append(f"case {number}: {outcome}")
                if status or (lines and lines[-1].startswith("begin")):
                    faults.append(f"{lines[-1] if lines else start}: its process ended with {status}")
    n_cases = sum(outcomes.values())
    for outcome, n in outcomes.most_common():
        print(f"{n:8} {outcome}")
    kinds = Counter(fault.partition(": ")[2][:120] for fault in faults)
    for kind, n in kinds.most_common(40):
        print(f"{n:8} x {kind}   e.g. {next(one for one in faults if kind in one)[:60]}")
    print(f"{n_cases} cases in {seconds:.0f} s, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1] == "--case":
        with tempfile.TemporaryDirectory() as name:
            print(do_case(int(sys.argv[2]), Material(Path(name))))
    else:
        sys.exit(main(float(sys.argv[1]), first=int(sys.argv[2]) if len(sys.argv) > 2 else 0))
