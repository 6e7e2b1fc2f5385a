"""The telephone's codec, against the standard's own numbers."""

import numpy as np
import pytest

from audio import g711

ALL_CODES = bytes(range(256))

# ITU-T G.711, tables 2a and 1a: code on the wire and decoder output in the standard's units (14 bits for
# mu-law, 13 for A-law), for the first and the last step of some segments of the positive half.
MULAW_REFERENCE = {
    0xFF: 0,
    0xFE: 2,
    0xF0: 30,
    0xEF: 33,
    0xE0: 93,
    0xDF: 99,
    0xCF: 231,
    0x8F: 4191,
    0x80: 8031,
}
ALAW_REFERENCE = {0xD5: 1, 0xD4: 3, 0xDA: 31, 0xC5: 33, 0xCA: 63, 0xF5: 66, 0xFA: 126, 0xAA: 4032}


@pytest.mark.parametrize(("code", "value"), MULAW_REFERENCE.items())
def test_mulaw_decodes_to_the_standards_values(code: int, value: int) -> None:
    assert g711.decode_mulaw(bytes([code]))[0] == value * 4
    assert g711.decode_mulaw(bytes([code ^ 0x80]))[0] == -value * 4


@pytest.mark.parametrize(("code", "value"), ALAW_REFERENCE.items())
def test_alaw_decodes_to_the_standards_values(code: int, value: int) -> None:
    assert g711.decode_alaw(bytes([code]))[0] == value * 8
    assert g711.decode_alaw(bytes([code ^ 0x80]))[0] == -value * 8


def test_every_code_survives_a_round_trip() -> None:
    mulaw = g711.encode_mulaw(g711.decode_mulaw(ALL_CODES))
    assert {code for code in range(256) if mulaw[code] != code} == {0x7F}, "only minus zero becomes plus zero"
    assert g711.encode_alaw(g711.decode_alaw(ALL_CODES)) == ALL_CODES


def test_no_sample_moves_by_more_than_half_its_mulaw_step() -> None:
    samples = np.arange(-32_635, 32_636).astype(np.int16)
    step = 2 ** (np.floor(np.log2(np.abs(samples.astype(int)) + 132)) - 4)
    moved = np.abs(g711.decode_mulaw(g711.encode_mulaw(samples)).astype(int) - samples)
    assert (moved <= step / 2).all()


def test_no_sample_moves_by_more_than_half_its_alaw_step() -> None:
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    step = 2 ** (np.floor(np.log2(np.maximum(np.abs(samples.astype(int)), 256))) - 4)
    moved = np.abs(g711.decode_alaw(g711.encode_alaw(samples)).astype(int) - samples)
    assert (moved <= step / 2).all()


def test_mulaw_clips_what_is_louder_than_it_knows() -> None:
    assert g711.encode_mulaw(np.array([32_767, -32_768], np.int16)) == bytes([0x80, 0x00])


def test_nothing_becomes_nothing() -> None:
    assert g711.encode_mulaw(np.empty(0, np.int16)) == g711.encode_alaw(np.empty(0, np.int16)) == b""
    assert len(g711.decode_mulaw(b"")) == len(g711.decode_alaw(b"")) == 0
