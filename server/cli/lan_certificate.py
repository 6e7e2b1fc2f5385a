"""A certificate of our own making for one address, kept in a folder until it is old or the address is another."""

import datetime
import ipaddress
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from server.cli.lan_files import CERT_NAME, KEY_NAME, write_secret

DAYS = 397
"""How long a certificate is valid: phones take none that lasts longer."""

RENEW_DAYS = 14
"""One with less left is made anew."""


def keep_certificate(folder: Path, address: str) -> str:
    """Make sure of a certificate and its key in the folder. Gives the certificate's SHA-256. Raises OSError."""
    now = datetime.datetime.now(datetime.UTC)
    cert = _kept(folder, address, now)
    if cert is None:
        private = ec.generate_private_key(ec.SECP256R1())
        cert = _signed(private, address, now)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(folder / KEY_NAME, pem)
        (folder / CERT_NAME).write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return cert.fingerprint(hashes.SHA256()).hex(":").upper()


def _kept(folder: Path, address: str, now: datetime.datetime) -> x509.Certificate | None:
    """The one that is there, if it is still good for the address."""
    cert_file = folder / CERT_NAME
    if not cert_file.exists() or not (folder / KEY_NAME).exists():
        return None
    try:
        cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
        named = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    is_named = ipaddress.ip_address(address) in named.get_values_for_type(x509.IPAddress)
    is_young = cert.not_valid_after_utc - now > datetime.timedelta(days=RENEW_DAYS)
    return cert if is_named and is_young else None


def _signed(private: ec.EllipticCurvePrivateKey, address: str, now: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stageflow-voice")])
    host = socket.gethostname()
    hosts = ["localhost", *([host, f"{host}.local"] if host.isascii() else [])]
    addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in (address, "127.0.0.1")]
    names = x509.SubjectAlternativeName([*addresses, *map(x509.DNSName, hosts)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS - 1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
