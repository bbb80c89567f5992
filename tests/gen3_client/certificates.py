"""A certificate for ``localhost``, and the authority that vouches for it: the client pulls DRS objects by https."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make(folder: Path) -> tuple[Path, Path, Path]:
    """Files of the authority's certificate, of that for ``localhost``, and of its key."""
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject, key, *extensions):
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        for extension, is_critical in (
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (key_id, False),
            *extensions,
        ):
            made = made.add_extension(extension, is_critical)
        return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    signs = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    paths = folder / "authority.pem", folder / "localhost.pem", folder / "localhost.key"
    paths[0].write_bytes(
        certificate(
            issuer, authority, (x509.BasicConstraints(ca=True, path_length=None), True), (signs, True)
        )
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    paths[1].write_bytes(certificate(name, own, (x509.SubjectAlternativeName(names), False)))
    paths[2].write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
