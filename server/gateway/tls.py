"""The certificate to serve TLS with, and in words what is wrong with it."""

import ssl
from collections.abc import Mapping
from pathlib import Path

_CERT, _KEY = "tls_cert_file", "tls_key_file"
_KINDS = {_CERT: "certificate", _KEY: "private key"}


def load_context(cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    """What to serve TLS with, if there is a certificate. Raises OSError when its files cannot be used."""
    if cert_file is None or key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file, password="")  # never ask for one
    return context


def tls_faults(cert_file: Path | None, key_file: Path | None, prefix: str) -> list[str]:
    """A line for each setting that cannot be used, which it begins with; variables are named with the prefix."""
    given = {field: file for field, file in ((_CERT, cert_file), (_KEY, key_file)) if file is not None}
    if len(given) == 1:
        (there,) = given
        (missing,) = {_CERT, _KEY} - {there}
        file_of = f"the PEM file of its {_KINDS[missing]}"
        return [f"{missing}: is missing: set it to {file_of}, or take {prefix}{there.upper()} away too"]
    return _unreadable(given) or _unusable(given)


def _unreadable(given: Mapping[str, Path]) -> list[str]:
    faults = []
    for field, file in given.items():
        try:
            file.read_bytes()
        except OSError as error:
            faults.append(
                f"{field}: {file} cannot be read ({error.strerror}): set it to the PEM file of the {_KINDS[field]}"
            )
    return faults


def _unusable(given: Mapping[str, Path]) -> list[str]:
    if not given:
        return []
    cert_file, key_file = given[_CERT], given[_KEY]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
    except OSError:
        return [f"{_CERT}: {cert_file} holds no certificate: one begins with -----BEGIN CERTIFICATE-----"]
    try:
        load_context(cert_file, key_file)
    except OSError as error:  # an SSLError is one too
        return [f"{_KEY}: {key_file} {_why(error, key_file, cert_file)}"]
    return []


def _why(error: OSError, key_file: Path, cert_file: Path) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"is not the private key of the certificate in {cert_file}: set it to the one that was made with it"
    text = key_file.read_bytes()
    if b"ENCRYPTED" in text:
        return (
            f"is encrypted, and nobody is asked for a password: openssl pkey -in {key_file} -out open-key.pem"
        )
    if b"PRIVATE KEY-----" not in text:
        return "holds no private key: one begins with -----BEGIN PRIVATE KEY-----"
    return f"cannot be used with {cert_file} ({error})"
