"""Releases as a broker writes them, made by hand."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pprl.guid import to_text
from pprl.package import Identity
from pprl.package.age import seal
from pprl.release import ReleaseKey, ReleaseManifest
from pprl.release.delta import make_delta
from pprl.release.manifest import Base, File, sign_manifest
from pprl.release.table import Content, match_table, superseded, write_csv, write_parquet

KEY = ReleaseKey(b"\x07" * 32)
ME = Identity(b"\x08" * 32)
NAMES = ("a", "b")


def guids(*numbers):
    """Zero is none."""
    return np.array([[n] + [7 if n else 0] * 15 for n in numbers], np.uint8).reshape(-1, 16)


def content(rows, gone=()):
    """From ``{(dataset, row): entity}`` and pairs of GUIDs."""
    datasets = np.array([NAMES.index(dataset) for dataset, _ in rows], np.int32)
    table = match_table("subject", NAMES, guids(*rows.values()), datasets, guids(*(row for _, row in rows)))
    return Content(table, superseded(guids(*(old for old, _ in gone)), guids(*(new for _, new in gone))))


def csv_of(part):
    file = io.BytesIO()
    return file, write_csv(file, part.columns, part.batches())


def write_release(
    folder: Path, now: Content, *, before: tuple[Content, ReleaseManifest] | None = None, **changes
):
    """Write a release; ``changes`` are of its manifest."""
    folder.mkdir()
    parts = [("matches", "table", now.table), ("superseded", "superseded", now.superseded)]
    delta = None
    if before is not None:
        delta = make_delta(before[0], now)
        parts.append(("delta", "delta", delta))
    files = []

    def put(name, role, raw):
        sealed = io.BytesIO()
        writer = seal(sealed, [changes.get("sealed_to", ME).recipient])
        writer.write(raw)
        writer.finish()
        (folder / f"{name}.age").write_bytes(sealed.getvalue())
        digests = [hashlib.sha256(some).hexdigest() for some in (sealed.getvalue(), raw)]
        size = len(sealed.getvalue())
        files.append(
            File(
                name=name,
                role=role,
                media_type="x",
                sha256=digests[0],
                n_bytes=size,
                content_sha256=digests[1],
            )
        )

    for name, role, part in parts:
        put(f"{name}.csv", role, csv_of(part)[0].getvalue())
        if role == "table":
            sink = io.BytesIO()
            write_parquet(sink, part.columns, part.batches())
            put(f"{name}.parquet", role, sink.getvalue())
    put("crosswalk-1.csv", "crosswalk", b"x|y|z\n1\n")
    digests = {name: csv_of(part)[1] for name, _, part in parts}
    number = 1 if before is None else before[1].number + 1
    manifest = ReleaseManifest(
        release=to_text(guids(100 + number))[0],
        project="town",
        number=number,
        row_kind="subject",
        datasets=dict.fromkeys(NAMES, 1),
        counts={
            "rows": len(now.table),
            "entities": now.table.n_entities,
            "withheld": 0,
            **(make_delta(content({}), now) if delta is None else delta).counts,
        },
        base=None
        if before is None
        else Base(
            release=before[1].release,
            number=before[1].number,
            table_sha256=before[1].table_sha256,
            superseded_sha256=before[1].superseded_sha256,
        ),
        table_sha256=digests["matches"],
        superseded_sha256=digests["superseded"],
        files=tuple(files),
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
        recipient=str(ME.recipient),
        signer=str(KEY.public_half),
    ).model_copy(update={k: v for k, v in changes.items() if k != "sealed_to"})
    (folder / "release.json").write_bytes(sign_manifest(manifest, changes.get("signing_key", KEY)))
    return manifest
