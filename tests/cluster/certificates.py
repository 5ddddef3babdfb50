"""The cluster's own certificate authority; EC keys, because they are made in microseconds."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Fixed, so that no clock matters; the keys live no longer than the cluster.
NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2120, 1, 1, tzinfo=UTC)


class Authority:
    """A certificate authority that writes its certificates into one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = subject("perdure-test-ca", ())
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        directory.mkdir(parents=True, exist_ok=True)
        write_key(directory / "ca.key", self._key)
        write_certificate(directory / "ca.crt", certificate)

    def issue_client(self, file: str, user: str, groups: Sequence[str] = ()) -> None:
        """Write `file`.crt and `file`.key with which a client acts as `user` in `groups`."""
        self._issue(file, subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def issue_server(self, file: str, names: Sequence[str]) -> None:
        """Write `file`.crt and `file`.key for a server reached by these host names and IPs."""
        self._issue(file, subject(file, ()), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def _issue(
        self, file: str, name: x509.Name, usage: x509.ObjectIdentifier, names: Sequence[str]
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names:
            alternatives = x509.SubjectAlternativeName([general_name(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        write_key(self._directory / f"{file}.key", key)
        certificate = builder.sign(self._key, hashes.SHA256())
        write_certificate(self._directory / f"{file}.crt", certificate)

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        """Return what all certificates share; Python 3.13 and newer insist on key identifiers."""
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOT_BEFORE)
            .not_valid_after(NOT_AFTER)
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
        )


def write_signing_key(directory: Path) -> None:
    """Write sa.key and sa.pub, with which service account tokens are signed and checked."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(directory / "sa.key", key)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (directory / "sa.pub").write_bytes(public)


def subject(name: str, groups: Sequence[str]) -> x509.Name:
    """Return the subject by which Kubernetes reads a user (CN) and its groups (O)."""
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
