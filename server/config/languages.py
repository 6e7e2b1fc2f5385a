"""What the server says by itself in each language that it can be set to, and with which parts it speaks it. Data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.text.languages import CODES
from stages.text.languages.chosen import language_codes


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the server says by itself in one language."""

    name: str
    refusal: str
    """For what the guard blocks."""
    apology: str
    """For an answer that does not come."""
    filler: str
    """For one that takes a moment."""
    instructions: str


PHRASES: Mapping[str, Phrases] = {
    "en": Phrases(
        "English",
        "Sorry, I can't help with that.",
        "Sorry, something went wrong on my side. Please say that again.",
        "One moment, please.",
        "You are a friendly voice assistant. Your words are spoken aloud: answer in one or two short "
        "sentences of plain English, without lists, markup or emoji.",
    ),
    "es": Phrases(
        "Spanish",
        "Lo siento, no puedo ayudarle con eso.",
        "Perdone, algo ha fallado por mi parte. Repítalo, por favor.",
        "Un momento, por favor.",
        "Eres un asistente de voz amable. Lo que dices se pronuncia en voz alta: responde en español, con una o dos "
        "frases cortas y sencillas, sin listas, marcas ni emojis.",
    ),
    "fr": Phrases(
        "French",
        "Désolé, je ne peux pas vous aider pour cela.",
        "Excusez-moi, quelque chose n'a pas marché de mon côté. Répétez, s'il vous plaît.",
        "Un instant, s'il vous plaît.",
        "Tu es un assistant vocal aimable. Tes paroles sont dites à voix haute : réponds en français, en une ou deux "
        "phrases courtes et simples, sans listes, balises ni émojis.",
    ),
    "de": Phrases(
        "German",
        "Dabei kann ich leider nicht helfen.",
        "Entschuldigung, bei mir ist etwas schiefgegangen. Bitte sagen Sie das noch einmal.",
        "Einen Moment, bitte.",
        "Du bist ein freundlicher Sprachassistent. Deine Worte werden vorgelesen: Antworte auf Deutsch, in ein oder "
        "zwei kurzen, einfachen Sätzen, ohne Listen, Auszeichnungen oder Emojis.",
    ),
    "it": Phrases(
        "Italian",
        "Mi dispiace, non posso aiutarla in questo.",
        "Mi scusi, qualcosa è andato storto da parte mia. Lo ripeta, per favore.",
        "Un momento, per favore.",
        "Sei un assistente vocale cordiale. Le tue parole vengono lette ad alta voce: rispondi in italiano, con una o "
        "due frasi brevi e semplici, senza elenchi, formattazione o emoji.",
    ),
    "zh": Phrases(
        "Mandarin Chinese",
        "抱歉，这个我帮不了您。",
        "不好意思，我这边出了点问题。请您再说一遍。",
        "请稍等。",
        "你是一位亲切的语音助手。你的话会被朗读出来：请用简体中文回答，只说一两句简短易懂的话，"
        "不要使用列表、标记或表情符号。",
    ),
}

PARTS: Mapping[str, str] = {"stt": "whisper_base", "tts": "pico"}
"""The embedded parts for every language but English, by kind."""

_OTHER_PARTS: Mapping[str, Mapping[str, str]] = {"zh": {"tts": "kokoro"}}
"""Where a language has others."""

PARTS_OF_SEVERAL: Mapping[str, str] = {**PARTS, "tts": "by_language"}


def parts_of(codes: Sequence[str]) -> Mapping[str, str]:
    """The embedded parts for these languages, of which one is not English, by kind."""
    return PARTS_OF_SEVERAL if len(codes) > 1 else {**PARTS, **_OTHER_PARTS.get(codes[0], {})}


def language_faults(codes: Sequence[str]) -> list[str]:
    """What is wrong with the languages that somebody asks for."""
    known = ", ".join(f"{code} ({PHRASES[code].name})" for code in CODES)
    if not codes:
        return [f"language: there must be one: choose from {known}"]
    return [
        f"language: {code!r} cannot be spoken here: choose from {known}"
        for code in codes
        if code not in CODES
    ]


def with_language(data: Mapping[str, object]) -> dict[str, object]:
    """Settings with what goes with their languages, where they say nothing else themselves."""
    given = language_codes(data.get("language", "en"))
    if not isinstance(given, tuple):
        return dict(data)
    codes = tuple(dict.fromkeys(code.replace("_", "-").split("-")[0].casefold() for code in given))
    if not codes or codes == ("en",) or not set(codes) <= set(CODES):
        return {**data, "language": codes}
    phrases = PHRASES[codes[0]]
    usual: dict[str, object] = {"guard_refusal": phrases.refusal, "instructions": phrases.instructions}
    if len(codes) > 1:
        names = " or ".join(PHRASES[code].name for code in codes)
        usual["instructions"] = (
            f"{phrases.instructions} Answer in the language in which you are spoken to: {names}."
        )
    return {**parts_of(codes), **usual, **data, "language": codes}


def refusals(codes: Sequence[str], configured: str) -> dict[str, str]:
    """What the guard's refusal is in each language, unless another than the usual one is configured."""
    if configured != PHRASES[codes[0]].refusal:
        return {}
    return {code: PHRASES[code].refusal for code in codes}
