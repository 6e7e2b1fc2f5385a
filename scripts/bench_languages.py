"""Each language there and back: sentences spoken by its voices and read by its recogniser, and what that costs."""

import re
import time

import anyio
import numpy as np
import soxr

from audio.formats import SPEECH_HZ, Samples
from stages.ports import Synthesiser
from stages.providers.kokoro.voice import KokoroVoice
from stages.providers.kokoro.voices import LANGUAGES as OF_KOKORO
from stages.providers.pico.voice import VOICES as OF_PICO
from stages.providers.pico.voice import PicoSettings, PicoVoice
from stages.providers.whisper.multilingual import MODEL_NAME, MultilingualRecogniser
from stages.runtime.models import model_dir
from stages.testing.wer import word_errors
from stages.text.speakable import speakable
from stages.text.words import UNSPACED, join_words

SENTENCES = {
    "es": (
        "Buenos días, ¿en qué puedo ayudarle?",
        "Quisiera reservar una mesa para cuatro personas mañana por la noche.",
        "El médico está libre el martes a las diez y media.",
        "¿Puede repetir su número de teléfono, por favor?",
        "La tienda abre de lunes a viernes y cierra los domingos.",
        "Su pedido llegará dentro de tres días.",
        "No he entendido bien la última palabra.",
        "El precio total es de veinticinco euros.",
        "Espere un momento, voy a comprobarlo.",
        "Muchas gracias por su llamada y hasta pronto.",
    ),
    "fr": (
        "Bonjour, comment puis-je vous aider ?",
        "Je voudrais réserver une table pour quatre personnes demain soir.",
        "Le médecin est libre mardi à dix heures et demie.",
        "Pouvez-vous répéter votre numéro de téléphone ?",
        "Le magasin est ouvert du lundi au vendredi et fermé le dimanche.",
        "Votre commande arrivera dans trois jours.",
        "Je n'ai pas bien compris le dernier mot.",
        "Le prix total est de vingt-cinq euros.",
        "Attendez un instant, je vais vérifier.",
        "Merci beaucoup pour votre appel et à bientôt.",
    ),
    "de": (
        "Guten Tag, wie kann ich Ihnen helfen?",
        "Ich möchte morgen Abend einen Tisch für vier Personen bestellen.",
        "Der Arzt hat am Dienstag um halb elf Zeit.",
        "Können Sie Ihre Telefonnummer bitte wiederholen?",
        "Das Geschäft ist von Montag bis Freitag geöffnet und sonntags geschlossen.",
        "Ihre Bestellung kommt in drei Tagen an.",
        "Das letzte Wort habe ich nicht verstanden.",
        "Der Preis beträgt insgesamt fünfundzwanzig Euro.",
        "Einen Moment bitte, ich sehe gleich nach.",
        "Vielen Dank für Ihren Anruf und bis bald.",
    ),
    "it": (
        "Buongiorno, come posso aiutarla?",
        "Vorrei prenotare un tavolo per quattro persone domani sera.",
        "Il medico è libero martedì alle dieci e mezza.",
        "Può ripetere il suo numero di telefono, per favore?",
        "Il negozio è aperto dal lunedì al venerdì e chiuso la domenica.",
        "Il suo ordine arriverà fra tre giorni.",
        "Non ho capito bene l'ultima parola.",
        "Il prezzo totale è di venticinque euro.",
        "Aspetti un momento, vado a controllare.",
        "Grazie mille per la chiamata e a presto.",
    ),
    "en": (
        "Good morning, how can I help you?",
        "I would like to book a table for four people tomorrow evening.",
        "The doctor is free on Tuesday at half past ten.",
        "Can you repeat your telephone number, please?",
        "The shop is open from Monday to Friday and closed on Sundays.",
        "Your order will arrive within three days.",
        "I did not understand the last word.",
        "The total price is twenty five euros.",
        "Wait a moment, I will check.",
        "Thank you very much for your call and see you soon.",
    ),
    "zh": (
        "早上好，请问有什么可以帮您？",
        "我想预订明天晚上四个人的位子。",
        "医生星期二上午十点半有空。",
        "请您再说一遍您的电话号码，好吗？",
        "商店星期一到星期五开门，星期天休息。",
        "您的订单三天之内会送到。",
        "最后一个词我没有听懂。",
        "一共是二十五欧元。",
        "请稍等，我马上查一下。",
        "非常感谢您的来电，再见。",
    ),
}


KOKORO = {"en": ("af_heart", "am_michael", "bf_emma", "bm_george"), "es": ("ef_dora", "em_alex"),
          "zh": ("zf_xiaoxiao", "zm_yunjian")}  # fmt: skip
"""Those of its voices that are measured."""


_WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[\w'])+")


def plain(text: str, language: str) -> str:
    """As it is spoken, without marks; characters count as words where a script has no spaces."""
    return " ".join(_WORD.findall(speakable(text, language).casefold()))


async def say(voice: Synthesiser, name: str | None, text: str) -> Samples:
    """All of its audio, at the recogniser's rate."""
    spoken = np.concatenate([speech.samples async for speech in voice.stream(text, voice=name)])
    heard: Samples = soxr.resample(spoken, voice.rate_hz, SPEECH_HZ)
    return heard


def measure(
    language: str, sentences: tuple[str, ...], voice: PicoVoice | KokoroVoice, name: str | None = None
) -> str:
    """A line of the table; prints what was misread."""
    recogniser = MultilingualRecogniser.of_languages(model_dir(MODEL_NAME), [language])
    said, heard, hearing_s, speaking_s = [], [], 0.0, 0.0
    sounding_s = 0.0
    try:
        for sentence in sentences:
            began = time.process_time()
            samples = anyio.run(say, voice, name, sentence)
            spoken = time.process_time()
            sounding_s += len(samples) / SPEECH_HZ
            segments = recogniser.model.transcribe(samples) or []
            speaking_s, hearing_s = speaking_s + spoken - began, hearing_s + time.process_time() - spoken
            text = join_words(segment.reading.text for segment in segments if segment.reading.text)
            said.append(plain(sentence, language))
            heard.append(plain(text, language))
            if said[-1] != heard[-1]:
                print(f"   {sentence} -> {text}")
    finally:
        recogniser.close()
    found = word_errors(said, heard)
    each = f"{hearing_s / len(said):.2f} s / {speaking_s / len(said):.2f} s"
    rate = f"{speaking_s / sounding_s:.3f} s for a second of sound"
    return f"{language}, {name or 'Pico'}: {100 * found.rate:.1f} % of {found.words}, heard / spoken {each}, {rate}"


def main() -> None:
    """Print a line for each voice: of Pico in each language, and some of Kokoro's."""
    for language in OF_PICO:
        sentences = SENTENCES[language]
        pico = PicoVoice.from_settings(PicoSettings.model_validate({"language": language}))
        print(measure(language, sentences, pico), flush=True)
        pico.close()
    for language, names in KOKORO.items():
        kokoro = KokoroVoice.load(model_dir("kokoro"), {language: OF_KOKORO[language]})
        for name in names:
            print(measure(language, SENTENCES[language], kokoro, name), flush=True)
        kokoro.close()


if __name__ == "__main__":
    main()
