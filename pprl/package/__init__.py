"""The token package: what a site hands to the broker, signed, sealed and bound to one linkage.

A ``.pprl`` file is a valid age file. Sites call `write_package`, brokers `open_package`; anyone may call
`inspect_package`. The format is specified in docs/format.md; the lower floor, the age format itself, is
`pprl.package.age`.
"""

from pprl.package.age import Identity, Recipient
from pprl.package.manifest import Manifest, check_same_linkage
from pprl.package.reader import Package, inspect_package, open_package
from pprl.package.signing import SigningKey, VerifyKey
from pprl.package.writer import write_package

__all__ = [
    "Identity",
    "Manifest",
    "Package",
    "Recipient",
    "SigningKey",
    "VerifyKey",
    "check_same_linkage",
    "inspect_package",
    "open_package",
    "write_package",
]
