"""A release: what the broker hands to a recipient, sealed, signed, whole and as a delta against the one before.

The broker builds releases (`broker.releases`); recipients call `open_release`. Tables and deltas are pure:
`pprl.release.table`, `pprl.release.delta`. The format is specified in docs/releases.md.
"""

from pprl.release.keys import ReleaseKey, ReleaseVerifyKey
from pprl.release.manifest import ReleaseManifest, load_manifest
from pprl.release.opening import Opened, open_release

__all__ = [
    "Opened",
    "ReleaseKey",
    "ReleaseManifest",
    "ReleaseVerifyKey",
    "load_manifest",
    "open_release",
]
