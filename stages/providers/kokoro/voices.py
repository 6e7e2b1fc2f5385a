"""Kokoro's voices: their names, what they are, and the language that each speaks. Data."""

from collections.abc import Mapping

from stages.ports import VoiceOption

_WHO = {
    "af": ("en", "American English, a woman"), "am": ("en", "American English, a man"),
    "bf": ("en", "British English, a woman"), "bm": ("en", "British English, a man"),
    "ef": ("es", "Spanish, a woman"), "em": ("es", "Spanish, a man"),
    "zf": ("zh", "Mandarin, a woman"), "zm": ("zh", "Mandarin, a man"),
}  # fmt: skip
"""By how a name begins."""

_NAMES = """
    af_heart af_bella af_nicole af_alloy af_aoede af_jessica af_kore af_nova af_river af_sarah af_sky
    am_michael am_fenrir am_puck am_adam am_echo am_eric am_liam am_onyx am_santa
    bf_emma bf_isabella bf_alice bf_lily bm_george bm_fable bm_daniel bm_lewis
    ef_dora em_alex em_santa
    zf_xiaoxiao zf_xiaobei zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang
"""

LANGUAGES: Mapping[str, tuple[VoiceOption, ...]] = {
    language: tuple(
        VoiceOption(name, about)
        for name in _NAMES.split()
        for spoken, about in (_WHO[name[:2]],)
        if spoken == language
    )
    for language in ("en", "es", "zh")
}
"""The voices of each language, the one that is spoken in unless another is asked for first."""
