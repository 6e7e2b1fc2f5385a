"""What listeners say without wanting to speak, and what they say to stop the speaker, by language.

Hums are told by their pattern, because recognisers write them in many ways: "Mhm", "Mm-hmm", "MMMM", "Mama" for a
hummed "mm-mm". Everything is data, and pure.
"""

import re
from dataclasses import dataclass

_HUM = re.compile(
    r"(?:"
    r"[hm]*m+[hm]*|m+[aeu]?h+[aeu]*m+|m[-\u2019']?h?m+(?:[-\u2019']h?m+)*"  # mm, hmm, mhm, mm-hmm
    r"|(?:u+h+m*|u+m+|e+r+m*|e+h+m*|a+h+|o+h+|hu+h+|hm+)(?:[-\u2019'](?:hu+h+|hm+|u+h+|m+|o+h+|a+h+))*"  # uh-huh, um
    r"|eu+h+|heu+|[äö]+h+m*|e+hm+"  # euh, heu, äh, ähm, öh, ehm
    r"|u+h+u+h*|a+h?a+|a+ha+|o+ho+|e+he+|mama|mam|mum"
    r"|[嗯唔呃啊哦噢喔哎唉诶欸嘿呵哈哼哇呀]"
    r")"
)
"""One word that is hummed. "Mama" and "Mum" are what a hummed "mm-mm" is read as; nobody calls the agent so."""


@dataclass(frozen=True, slots=True)
class ListenerWords:
    """The words of listeners in one language."""

    backchannels: tuple[str, ...]
    """With which a listener encourages a speaker."""
    commands: tuple[str, ...]
    """How an utterance begins that wants silence, whatever comes after it."""


def _apart(words: str) -> tuple[str, ...]:
    return tuple(words.split())


WORDS = {
    "en": ListenerWords(
        (
            "mhm", "mm", "mmm", "hm", "hmm", "uh-huh", "uhuh", "huh", "uh", "um", "ah", "oh", "aha", "wow", "well",
            "okay", "ok", "yeah", "yep", "yup", "yes", "right", "sure", "alright", "really", "exactly", "absolutely",
            "good",
            "great", "nice", "cool", "interesting", "i see", "got it", "of course", "go on", "all right",
            "makes sense", "fair enough", "that's right", "true", "indeed", "fine",
        ),
        (
            "stop", "wait", "no", "hold on", "hang on", "shut up", "cancel", "enough", "excuse me", "quiet", "pause",
            "never mind", "one moment", "just a moment", "hey",
        ),
    ),
    "es": ListenerWords(
        (
            "sí", "si", "ya", "vale", "claro", "ajá", "aja", "bueno", "bien", "muy bien", "perfecto", "exacto", "eso",
            "de acuerdo", "entiendo", "ah", "oh", "okay", "ok", "okey", "anda", "genial", "por supuesto", "ya veo",
            "ah sí", "ah ya", "de verdad", "en serio", "eso es", "correcto", "qué bien", "pues", "comprendo",
        ),
        ("para", "pare", "espera", "espere", "un momento", "no", "alto", "basta", "cállate", "silencio", "perdón",
         "perdona", "perdone", "cancela", "stop", "un segundo", "para ya", "detente", "oye", "oiga", "cállese",
         "espérate", "ya basta"),
    ),
    "fr": ListenerWords(
        (
            "oui", "ouais", "mouais", "d'accord", "ok", "okay", "bien", "très bien", "ah", "oh", "ah bon", "bon",
            "voilà", "exactement", "je vois", "bien sûr", "parfait", "super", "c'est ça", "tout à fait", "hein",
            "c'est vrai",
            "ah oui", "je comprends", "compris", "entendu", "effectivement", "absolument", "vraiment", "ben oui",
        ),
        ("stop", "arrête", "arrêtez", "attends", "attendez", "non", "un instant", "un moment", "une seconde",
         "pardon",
         "excusez-moi", "excuse-moi", "silence", "tais-toi", "taisez-vous", "annule", "annulez", "assez",
         "ça suffit", "chut", "minute", "une minute", "deux secondes", "écoute",
         "écoutez"),
    ),
    "de": ListenerWords(
        (
            "ja", "jaja", "jo", "genau", "okay", "ok", "gut", "sehr gut", "klar", "alles klar", "stimmt", "richtig",
            "ach so", "achso", "aha", "ah", "oh", "ach", "super", "prima", "verstehe", "ich verstehe", "natürlich",
            "echt", "tatsächlich", "schön", "so", "eben", "ach ja", "na klar", "na gut", "wirklich", "absolut",
            "toll",
            "stimmt genau", "jawohl", "interessant", "in ordnung",
        ),
        ("stopp", "stop", "halt", "warte", "warten", "moment", "einen moment", "nein", "nee", "ruhe", "still",
         "leise",
         "entschuldigung", "abbrechen", "abbruch", "genug", "sei still", "schluss", "hör auf", "hören sie auf",
         "aufhören", "augenblick", "einen augenblick",
         "eine sekunde", "sekunde", "pause", "stoppen"),
    ),
    "it": ListenerWords(
        (
            "sì", "si", "già", "va bene", "bene", "molto bene", "certo", "ok", "okay", "esatto", "esattamente",
            "d'accordo", "capisco", "ho capito", "perfetto", "ah", "oh", "ecco", "giusto", "ottimo", "davvero",
            "infatti", "certamente", "appunto", "ah sì", "eh già", "beh", "dai",
            "interessante", "bello", "chiaro", "perfettamente",
        ),
        ("fermo", "ferma", "fermati", "si fermi", "aspetta", "aspetti", "un momento", "un attimo", "no", "basta",
         "zitto", "zitta", "silenzio", "scusa", "scusi", "annulla", "stop", "un secondo", "smettila", "smetti",
         "la smetta", "alt", "ascolta", "ascolti", "un minuto",
         "fermi"),
    ),
    "zh": ListenerWords(
        _apart(
            "嗯 嗯嗯 嗯哼 哦 噢 喔 啊 哎 好 好的 好啊 好吧 好呀 行 行啊 可以 对 对对 对对对 对的 对啊 "
            "对呀 是 是的 是啊 是吗 是这样 没错 不错 真的 真的吗 我知道了 我明白了 我懂了 当然 明白 "
            "明白了 我明白 知道 知道了 我知道 了解 了解了 懂了 这样啊 原来如此 原来是这样 有道理 确实 "
            "太好了 很好 挺好 就是 没问题 那好 嗯好 哇 ok "
        ),
        _apart(
            "停 停一下 停下 停止 等等 等一下 等一等 等会 等会儿 稍等 慢着 且慢 别说 别讲 别 不要 不用 "
            "不是 不对 不行 不 够了 算了 闭嘴 安静 打住 暂停 取消 打断一下 不好意思 对不起 抱歉 喂 "
        ),
    ),
}  # fmt: skip

BACKCHANNELS = WORDS["en"].backchannels
TAKE_THE_FLOOR = WORDS["en"].commands


def is_hum(word: str) -> bool:
    """Whether a word, in lower case, is hummed."""
    return _HUM.fullmatch(word) is not None
