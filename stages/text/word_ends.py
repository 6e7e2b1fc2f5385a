"""What a word may end: nothing, a clause or a sentence; and which words belong to the next. Pure.

When in doubt it is the end of nothing.
"""

import re
from enum import Enum, auto

from stages.text.languages.de import OPENERS


class End(Enum):
    """What the end of a word may be the end of."""

    WORD = auto()
    BOUND = auto()  # the word belongs to the next one, as titles and list numbers do
    CLAUSE = auto()
    SENTENCE = auto()
    DOUBTFUL = auto()  # the next word tells


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Titles and the like: something always follows.
_TITLES = _words("""
    dr mr mrs ms mx rs prof rev hon capt cpt sgt lt col maj cmdr gen gov sen rep pres messrs
    e.g eg i.e ie vs approx ca cf viz sq
    nr ggf evtl bzw inkl zzgl vgl abs bzgl zw pck hd sra srta sres dra avda pza plza aprox núm ee ej
    sig sigg dott avv bd
""")
_SCALES = frozenset(("Mio", "Mrd"))
"""The same as they are written: "mio" is Italian, and may be the last word."""
# May end a sentence, but seldom do.
_ABBREVIATIONS = _words("""
    uu av gent tél st ave blvd rd mt ft jr sr inc ltd co corp llc dept univ est etc al ext tel min max avg hr hrs
    mins jan feb apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    yr yrs lb lbs oz gal secs apt ste rm
""")
# Abbreviations in front of a number, ordinary words elsewhere.
_NUMBERED = _words("no nos fig figs p pp vol ch sec art pág págs pag pagg cap chap abb kap")
# Days and months of other languages than English: a name does not follow them, so that a capital begins a sentence.
_DAYS_AND_MONTHS = _words("""
    lun mar mer jeu ven sam dim mié jue vie sáb dom gio sab
    ene abr ago dic janv févr avr juil déc okt dez gen mag giu lug ott
""")
_GERMAN_DAYS = _words("Mo Di Mi Do Fr Sa So")
_GERMAN_MONTHS = _words("""
    januar februar märz april mai juni juli august september oktober november dezember
    jan feb apr jun jul aug sep sept okt nov dez
""")
# In front of a number with a dot, it is an ordinal: "am 3. Mai".
_BEFORE_ORDINALS = _words("""
    der die das den dem des am im vom zum zur beim ab bis seit jeder jede jeden jedem jedes dieser diese diesen diesem
    dieses mein meine meinen meinem ihr ihre ihren ihrem ihrer unser unsere unseren unserem ein eine einen einem einer
""")
# With a colon behind them, something to be read digit by digit follows.
_LABELS = _words("""
    tel tél phone telephone teléfono telefono téléphone telefon fax mobile móvil number número numéro nummer numero
    code código codice pin zip plz cap iban id ref réf rif reference digits passcode password otp
""")
# Capitalised after an abbreviation, these begin a sentence; another capital is more likely a name.
_STARTERS = _words("""
    the a an it i we you he she they this that these those there here if in on at but and or so what when
    where who why how which would do does did is are was were can could will should may please let my your
    our his her their its no yes not for as with once after before then also however because since while to
    thanks thank sorry just each every all some most many one another now have has had
""")
# A piece that must be cut at a word does not end in one of these.
_LEANING = _words("""
    a an the of to in on at by for from with and or but nor as if than that this my your our his her their
    its is are was were be not no very so too i you we he she they it
    page pages room chapter number section part version level line bus flight gate platform apartment suite floor unit
    figure table phase point half
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
    el los las un una unos unas de del al en por para con y que su sus mi mis es son
    le les une des du au aux à par pour avec et ou sur dans sa son ses ma mon mes est sont
    der die das den dem des ein eine einen einem einer am im vom zum zur auf mit von zu bei nach für und oder um bis
    ab seit
    il lo gli uno di della dei delle al alla dal dalla nel nella sul sulla con tra fra che è sono
    número opción paso página capítulo siglo numéro étape chapitre siècle nummer seite schritt kapitel numero opzione
    passo pagina capitolo secolo millones millions millionen milioni milliards milliarden miliardi
    mln mld mio mrd x per pro last next every until since me us call dial text llame marque appelez composez rufen
    wählen chiami chiamate
""")

_CLOSERS = "\"'”’»)]}*_"
_AROUND = "\"'“”‘’«»()[]{}*_$£€₹¥"
_OPENERS = "\"'“‘«([{*_"
FULL_WIDTH_CLOSERS = "」』）】》〉”’"
FULL_WIDTH_SENTENCE = "。！？｡"
_FULL_WIDTH_CLAUSE = "，、；："
TIGHT = frozenset(FULL_WIDTH_SENTENCE + _FULL_WIDTH_CLAUSE + "—")
"""Marks that end something without white space after them."""

_DASHES = ("—", "–", "--")
_SPANNING = frozenset(("-", *_DASHES, ":"))
_MAY_SPAN = re.compile(
    r"(?:\d\S*|\W*[b-z]²?|\S*[ap]\.?m\.?|[A-ZÀ-Ü][a-zà-ü]{1,3}\.?|noon|midnight|Uhr|h|[Mm]in\.?)\Z"
)
"""What a dash may lead from, to what comes next: "9 a.m. – 5 p.m.", "Mon – Fri", "3x – 5"."""
_MEASURE = re.compile(r"\d\S* ?[^\W\d_]{1,3}\Z")
"""A measure goes on with its smaller unit ("5 ft 3 in") or with what it tells of ("a 250 mg tablet")."""
_CODE_COMING = re.compile(
    r"(?i)(?:\bcode|n[uú]m[eé]ro|number|nummer|c[oó]digo|codice|\bpin|\bending|termin\w+|finissant)"
    r"(?: [^\W\d_]+['’]?){0,4}\Z"
)
"""The digits of a code or of a number that is a name may still come."""
_ADDRESS_COMING = re.compile(
    r"(?:mail|correo|courriel|[Ww]rite to|[Ee]scrib[ae] a|crivez à|cris à|[Ss]chreib\w* (?:Sie )?an|[Ss]criv[ai] a)"
    r"(?: (?:is|at|es|est|ist|è|to))? ?:? \S+\Z"
)
"""The rest of an address may still come: "write to bob." is the beginning of "write to bob.smith"."""
_OPEN = re.compile(
    r"(?:\\\((?:(?!\\\)).){0,400}|\\\[(?:(?!\\\]).){0,400}|(?<![^\s(])\$\$(?=[A-Za-z\\({-])[^$]{0,400}"
    r"|(?<![^\s(])\$(?=[A-Za-z\\({-])[^$\n]{0,120}|</?[a-z][^<>]{0,120})\Z",
    re.DOTALL,
)
"""A formula or a tag that has begun; one that is longer is something else."""
_LAST_WORD = re.compile(r"[^\w.@/]*[^\W\d_]+(?:['’-][^\W\d_]+)*[.]")
"""A word that is no part of an address, with the dot behind it."""
_ORDINAL_DIGITS = 3
"""A longer number with a dot ends a sentence."""
_DOTTED = re.compile(r"[^\W\d_]{1,3}(\.[^\W\d_]{1,3})+|[^\W\d_]")
_NUMERAL = re.compile(r"(?:[IVX]{2,}|[VX])\b")
_FIRST_LETTERS = re.compile(r"[\W_]*([^\W\d_]+)")


def end_of(before: str) -> End:
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + FULL_WIDTH_CLOSERS)
    mark = core[-1:]
    if mark == ".":
        return _end_of_dot(before, word, core)
    if mark and mark in "!?…" + FULL_WIDTH_SENTENCE:
        return End.DOUBTFUL if core != word or mark == "…" else End.SENTENCE
    if core in _SPANNING:
        return End.BOUND if _is_first_of_line(before, word) or spans(before[: -len(word)]) else End.CLAUSE
    if core.endswith(_DASHES):
        return End.BOUND if spans(core.rstrip("-–—")) else End.CLAUSE
    if mark and mark in ":;" + _FULL_WIDTH_CLAUSE:
        return End.BOUND if mark == ":" and _is_label(core) else End.CLAUSE
    if mark == ",":
        # "May 3, 2026", "numbers 4, 8 and 15", "Ring 3a, 50667 Köln"
        return End.WORD if re.search(r"\d[a-h]?,\Z", core) else End.CLAUSE
    if word[:-1].isdigit() and word.endswith(")") and _is_first_of_sentence(before, word):
        return End.BOUND
    return End.WORD


def _end_of_dot(before: str, word: str, core: str) -> End:
    if core.endswith(".."):
        return End.DOUBTFUL
    name = core[:-1].lstrip(_OPENERS).casefold()
    if name in _TITLES or core[:-1] in _SCALES:
        return End.BOUND
    if name.isdigit() and _is_first_of_sentence(before, word):
        return End.BOUND
    if name == "es" and before.endswith(("p. es.", "per es.", "ad es.", "Ad es.")):
        return End.BOUND
    is_ordinal = _is_numeral(core[:-1]) or (
        _last_number(name).isdigit() and len(_last_number(name)) <= _ORDINAL_DIGITS
    )
    if core != word or is_ordinal or name.rsplit("'")[-1] in _NUMBERED or _is_short(core[:-1], name):
        return End.DOUBTFUL
    return End.SENTENCE


def _is_numeral(name: str) -> bool:
    return name.isupper() and _NUMERAL.fullmatch(name) is not None


def _last_number(name: str) -> str:
    """ "5" of "1.-5"."""
    return re.split("[-–]", name)[-1]


def _is_short(written: str, name: str) -> bool:
    return (
        name in _ABBREVIATIONS
        or name in _DAYS_AND_MONTHS
        or written in _GERMAN_DAYS
        or _DOTTED.fullmatch(name) is not None
    )


def _is_label(core: str) -> bool:
    return core.rstrip(".: ").lstrip(_OPENERS).casefold() in _LABELS


def spans(before: str) -> bool:
    """Whether a dash behind `before` may lead to what comes next, as from one number to another."""
    words = before.rsplit(maxsplit=1)
    return bool(words and _MAY_SPAN.match(words[-1].lstrip(_OPENERS)))


def ends_sentence(before: str, after: str) -> bool:
    """Whether a sentence is over with the last word of `before`, by that and by what comes `after`."""
    end, following = end_of(before), after.split(maxsplit=1)
    return end is End.SENTENCE or (
        end is End.DOUBTFUL and bool(following) and begins_sentence(before, following[0])
    )


def begins_sentence(before: str, following: str) -> bool:
    """Whether `following` begins a new sentence after `before`, whose end is doubtful."""
    word = before.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS + FULL_WIDTH_CLOSERS)
    name = core.rstrip(".").lstrip(_OPENERS).casefold()
    if name.rsplit("'")[-1] in _NUMBERED and not core.endswith(".."):
        return not (following[0].isdigit() or following[0].islower() or _NUMERAL.match(following))
    letters = _FIRST_LETTERS.match(following)
    first = letters.group(1) if letters else ""
    if (_last_number(name).isdigit() or _is_numeral(core[:-1])) and core[-2:] != "..":
        return not first[:1].islower() and not _is_ordinal(before[: -len(word)], first)
    if core.endswith(".") and (name in _DAYS_AND_MONTHS or core[:-1] in _GERMAN_DAYS):
        return first[:1].isupper()
    is_unfinished = core.endswith((".", "…")) and (
        core.endswith(("..", "…")) or name in _ABBREVIATIONS or _DOTTED.fullmatch(name) is not None
    )
    if is_unfinished:
        return first[:1].isupper() and first.casefold() in _STARTERS
    # `"Really?" he asked.`
    return not first[:1].islower()


def _is_ordinal(front: str, following: str) -> bool:
    """Whether a German reader takes a number with a dot for an ordinal, by the words around it."""
    if following.casefold() in _GERMAN_MONTHS:
        return True
    words = front.rsplit(maxsplit=1)
    return bool(words) and words[-1].casefold() in _BEFORE_ORDINALS and not _begins_german(following)


def _begins_german(word: str) -> bool:
    return not word or word.casefold() in _STARTERS or OPENERS.fullmatch(word) is not None


def _is_first_of_line(before: str, word: str) -> bool:
    gap = _gap_before(before, word)
    return "\n" in gap or len(gap) + len(word) == len(before)


def _is_first_of_sentence(before: str, word: str) -> bool:
    gap = _gap_before(before, word)
    head = before[: len(before) - len(word) - len(gap)]
    return "\n" in gap or not head or head.rstrip(_CLOSERS)[-1:] in (*".!?:;",)


def _gap_before(before: str, word: str) -> str:
    """The white space between `word`, which ends `before`, and what is in front of it."""
    head = before[: len(before) - len(word)]
    return head[len(head.rstrip()) :]


def is_whole(text: str) -> bool:
    """Whether `text` can be taken for a sentence although nothing follows: "3.", "8 a." and "www." cannot."""
    word = text.rsplit(maxsplit=1)[-1]
    core = word.rstrip(_CLOSERS)
    if "/" in word or "@" in word or is_open(text) or _ADDRESS_COMING.search(text):
        return False
    if core.endswith(".") and not core.endswith(".."):
        return (
            end_of(text) is not End.BOUND and _LAST_WORD.fullmatch(core) is not None and not _is_dotted(core)
        )
    return end_of(text) in (End.SENTENCE, End.DOUBTFUL) and core != "!" and not core[-2:-1].isdigit()


def is_open(text: str) -> bool:
    """Whether a formula or a tag has begun that is not over."""
    return _OPEN.search(text) is not None


def _is_dotted(core: str) -> bool:
    name = core[:-1].lstrip(_OPENERS).casefold().rsplit("'")[-1]
    return name == "www" or name in _NUMBERED or _is_numeral(core[:-1]) or _is_short(core[:-1], name)


def is_leaning(before: str) -> bool:
    """Whether the last word of `before` is likely to belong to the next, as a number to what it counts."""
    word = before.rsplit(maxsplit=1)[-1]
    bare = word.strip(_AROUND)
    if not bare.isalpha() and (any(map(str.isnumeric, bare)) or not any(map(str.isalnum, word))):
        return True
    word = bare.casefold()
    return (
        word in _LEANING
        or word in _LABELS
        or _MEASURE.search(before) is not None
        or _CODE_COMING.search(before) is not None
    )


def is_in_a_name(before: str) -> bool:
    """Whether the last word of `before` may be in the middle of a name: "World War" before "II"."""
    word = before.rsplit(maxsplit=1)[-1].lstrip(_OPENERS)
    return not word.islower() and word[-1:].isalnum() and word[:1].isalpha()
