"""What the server says by itself in each language that it can be set to, and with which parts it speaks it. Data."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.text.languages import CODES


@dataclass(frozen=True, slots=True)
class Phrases:
    """Of one language."""

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
}

PARTS: Mapping[str, str] = {"stt": "whisper_base", "tts": "pico"}
"""The embedded parts for every language but English, by kind."""


def language_faults(code: str) -> list[str]:
    """What is wrong with a language that somebody asks for."""
    if code in CODES:
        return []
    known = ", ".join(f"{code} ({PHRASES[code].name})" for code in CODES)
    return [f"language: {code!r} cannot be spoken here: choose from {known}"]


def with_language(data: Mapping[str, object]) -> dict[str, object]:
    """Settings with what goes with their language, where they say nothing else themselves."""
    code = str(data.get("language", "en")).split("-")[0].casefold()
    if code == "en" or code not in CODES:
        return dict(data)
    phrases = PHRASES[code]
    usual = {**PARTS, "guard_refusal": phrases.refusal, "instructions": phrases.instructions}
    return {**usual, **data, "language": code}
