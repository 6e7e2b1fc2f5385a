"""What a phone needs to talk: kept from one start to the next, and made anew only when it must be."""

import re
import stat
from pathlib import Path

import pytest
import segno
from cryptography import x509

from server.cli.lan import greeting, prepare, qr_code
from server.cli.lan_files import CERT_NAME, KEY_NAME
from server.config.environment import load_settings
from server.config.settings import Settings
from server.process.ways_in import page_url, talk_command

ADDRESS = "192.0.2.7"


def settings(**chosen: object) -> Settings:
    return load_settings(chosen, env_file=None)


def test_key_and_certificate_are_made_once_and_serve(tmp_path: Path) -> None:
    first = prepare(settings(), tmp_path / "lan", ADDRESS)
    assert first == prepare(settings(), tmp_path / "lan", ADDRESS)
    served = settings(**first.overrides)
    assert served.certificate() is not None
    assert served.listen_host == "0.0.0.0"
    assert [key.get_secret_value() for key in served.api_keys] == [first.key]
    for name in (KEY_NAME, "key.txt"):
        assert stat.S_IMODE((tmp_path / "lan" / name).stat().st_mode) == 0o600, name
    cert = x509.load_pem_x509_certificate((tmp_path / "lan" / CERT_NAME).read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ADDRESS in map(str, names.get_values_for_type(x509.IPAddress))


def test_another_address_or_a_spoilt_file_gets_another_certificate(tmp_path: Path) -> None:
    first = prepare(settings(), tmp_path, ADDRESS)
    second = prepare(settings(), tmp_path, "192.0.2.8")
    assert (first.key, first.fingerprint) != (second.key, second.fingerprint)
    assert first.key == second.key
    (tmp_path / CERT_NAME).write_text("nonsense")
    assert prepare(settings(), tmp_path, "192.0.2.8").fingerprint != second.fingerprint
    assert settings(**second.overrides).certificate() is not None


def test_what_the_operator_has_configured_stays(tmp_path: Path) -> None:
    lan = prepare(settings(api_keys="a-key-of-the-operator", host="192.0.2.7"), tmp_path, ADDRESS)
    assert set(lan.overrides) == {"tls_cert_file", "tls_key_file"}
    assert lan.url(8080) == "https://192.0.2.7:8080/"
    assert not any("holds the server's key" in line for line in greeting(lan, 8080))


def test_the_address_is_printed_with_its_code(tmp_path: Path) -> None:
    lan = prepare(settings(), tmp_path, ADDRESS)
    lines = list(greeting(lan, 8080))
    url = f"https://192.0.2.7:8080/#key={lan.key}"
    assert lines[0].endswith(url)
    assert qr_code(url) == lines[1 : 1 + len(qr_code(url))]
    assert any(lan.fingerprint in line for line in lines)
    in_colour = list(greeting(lan, 8080, in_colour=True))
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in in_colour] == lines
    assert all(
        line.startswith("\x1b[") and line.endswith("\x1b[0m") for line in in_colour[1 : 1 + len(qr_code(url))]
    )


def test_the_ways_in_from_this_machine_are_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my home"
    lan = prepare(settings(), folder, ADDRESS)
    served = settings(**lan.overrides)
    assert page_url(served, 8080, lan.key) == f"https://localhost:8080/#key={lan.key}"
    talk = (
        f"scripts/talk docs/examples/question.wav --api-key {lan.key} --url wss://localhost:8080/v1/realtime"
    )
    assert (
        talk_command(served, 8080, lan.key, trusts_own=True) == f"SSL_CERT_FILE='{folder / CERT_NAME}' {talk}"
    )


@pytest.mark.parametrize("text", ["https://192.0.2.7:8080/", "x" * 60])
def test_the_blocks_are_those_of_the_code(text: str) -> None:
    dark = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows: list[list[int]] = []
    for line in qr_code(text):
        upper, lower = zip(*(dark[block] for block in line), strict=True)
        rows += [list(upper), list(lower)]
    expected = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    assert rows[: len(expected)] == expected
