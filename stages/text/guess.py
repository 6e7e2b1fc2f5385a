"""Which language a text is in, by its commonest words or its script: for voices that speak several. Pure.

Words that two of the languages share count for both, so that they decide nothing. Chinese characters each count as a
word of Chinese, unless there are Japanese letters between them.
"""

import re

_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_COMMON = {
    "en": """
        the a an and or but of to in on at for with from by is are was were be been have has had do does did
        will would can could should may it its this that these those there here he she they we you your my our
        their his her i not no yes please thank thanks sure okay hello hi great good call take use now today
        tomorrow about what when where how which who if then than so just also very more most some any all one
        two costs total open see let me us get make need
    """,
    "de": """
        der die das den dem des ein eine einen einem einer und oder aber nicht kein keine ist sind war waren
        sein haben hat hatte wird werden kann können soll muss ich du er sie es wir ihr mein dein unser mit von
        zu zum zur bei nach aus auf für über unter um bis ja nein bitte danke gern heute morgen hier dort was
        wann wo wie wer wenn dann als auch sehr noch nur schon kostet uhr hallo gut also genau im am vom
    """,
    "es": """
        el la los las un una unos unas y o pero de del al en con por para sin sobre es son era está están ser
        estar tiene hay ha han no sí yo tú él ella nosotros usted ustedes mi tu su nuestro que qué cuándo dónde
        cómo quién si más muy también hoy mañana aquí gracias favor hola bueno claro cuesta este esta esto eso
        lo le se me
    """,
    "fr": """
        le la les un une des du de et ou mais dans sur avec pour par sans est sont était être avoir a ont il
        elle nous vous ils elles je tu mon ton son notre votre leur ce cet cette ces qui que quoi quand où
        comment si plus très aussi aujourd'hui demain ici merci bonjour oui non ne pas coûte c'est il y au aux
        d'accord bien sûr
    """,
    "it": """
        il lo la i gli le un uno una e o ma di del della dei a al alla da dal in nel nella con su per tra è sono
        era essere ha hanno io tu lui lei noi voi mio tuo suo nostro che chi quando dove come se più molto anche
        oggi domani qui grazie prego ciao sì no non costa questo questa c'è bene certo
    """,
}
_LANGUAGES_OF: dict[str, tuple[str, ...]] = {}
for _code, _listed in _COMMON.items():
    for _word in _listed.split():
        _LANGUAGES_OF[_word] = (*_LANGUAGES_OF.get(_word, ()), _code)
_CHARACTERS = {"zh": re.compile(r"[\u3400-\u9fff]")}
_NOT_WITH = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")


def guess_language(text: str) -> str | None:
    """One of `stages.text.languages.CODES`; None if nothing tells, or as much for one as for another."""
    votes = dict.fromkeys((*_COMMON, *_CHARACTERS), 0)
    if not text.isascii() and not _NOT_WITH.search(text):
        for code, characters in _CHARACTERS.items():
            votes[code] = len(characters.findall(text))
    for word in _WORDS.findall(text.casefold().replace("’", "'")):
        for code in _LANGUAGES_OF.get(word, ()):
            votes[code] += 1
    first, second = sorted(votes.values(), reverse=True)[:2]
    return max(votes, key=lambda code: votes[code]) if first > second else None
