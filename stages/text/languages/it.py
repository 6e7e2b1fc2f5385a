"""Italian: "ventuno", "sette e trenta", "tre maggio"."""

import re

from stages.text.languages.language import Language, Money

_ONES = (
    "zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci", "undici", "dodici",
    "tredici", "quattordici", "quindici", "sedici", "diciassette", "diciotto", "diciannove",
)  # fmt: skip
_TENS = ("", "", "venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta")
_ORDINALS = (
    "", "primo", "secondo", "terzo", "quarto", "quinto", "sesto", "settimo", "ottavo", "nono", "decimo",
)  # fmt: skip


def cardinal(number: int) -> str:
    """ "milleduecentocinque"."""
    for size, one, many in (
        (10**12, "un bilione", "bilioni"),
        (10**9, "un miliardo", "miliardi"),
        (10**6, "un milione", "milioni"),
    ):
        if number >= size:
            count, rest = divmod(number, size)
            said = one if count == 1 else f"{cardinal(count)} {many}"
            return said + (f" {cardinal(rest)}" if rest else "")
    said = _joined(number)
    return f"{said[:-3]}tré" if said.endswith("tre") and number > 20 else said


def _joined(number: int) -> str:
    if number >= 1000:
        count, rest = divmod(number, 1000)
        return ("mille" if count == 1 else f"{_joined(count)}mila") + (_joined(rest) if rest else "")
    if number >= 100:
        count, rest = divmod(number, 100)
        said = f"{'' if count == 1 else _ONES[count]}cento"
        return (said[:-1] if rest // 10 == 8 or rest == 8 else said) + (_joined(rest) if rest else "")
    if number < 20:
        return _ONES[number]
    ten, one = divmod(number, 10)
    if one in (1, 8):
        return _TENS[ten][:-1] + _ONES[one]
    return _TENS[ten] + (_ONES[one] if one else "")


def ordinal(number: int) -> str:
    """ "terzo", "ventesimo"."""
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    said = _joined(number)
    return f"{said if said.endswith(('tre', 'sei')) else said[:-1]}esimo"


def _clock(hour: int, minute: int) -> str:
    return ("una" if hour == 1 else cardinal(hour)) + (f" e {cardinal(minute)}" if minute else "")


def _cents(whole: str, money: Money, cents: int) -> str:
    if whole == "zero":
        return f"{'un' if cents == 1 else cardinal(cents)} {money.cent if cents == 1 else money.cents}"
    return f"{whole} {money.one if whole in ('un', 'una') else money.many} e {cardinal(cents)}"


_NO_NOUNS = re.compile(
    "e|o|di|a|da|in|su|per|con|è|al|del|che|non|ma|se|la|il|lo|le|i|gli|un|una|più|meno|oppure|dopo|prima"
)
_ORDERED = "piano|posto|secolo|giorno|anno|grado|livello|capitolo|articolo|comma|turno|classificato"
_ORDINAL_MARK = (
    rf"(?:[ºª]|°(?= (?:{_ORDERED}))|°(?=\s(?!(?:{_NO_NOUNS.pattern}|[a-z]{{1,2}})\b)[a-z]+[oaei]\b)"
    r"|(?<![\d.,]\d)(?<=1)°(?!\s?[CF]\b)|(?:(?<=\b[Ii]l \d)|(?<=\bal \d)|(?<=\bdel \d))°(?!\s?[CF]\b))"
)
_UNO = re.compile(r"z|s[^aeiou]|gn|ps|x|y")


_MASCULINE = re.compile(
    "(?:problem|programm|sistem|tem|schem|clim|diplom|dramm|pigiam|panoram|diagramm|telegramm)a"
)


def _one(noun: str) -> str:
    if noun.endswith("a") and not _MASCULINE.fullmatch(noun):
        return "un'" if noun[0] in "aeiou" else "una"
    return "uno" if _UNO.match(noun) else "un"


def _with_half(number: int, noun: str) -> str:
    """ "due tazze e mezza"."""
    is_feminine = noun.endswith(("a", "ore", "zze", "ne", "te")) and not _MASCULINE.fullmatch(noun)
    return f"{_agreed(cardinal(number), number, noun)} {noun} e {'mezza' if is_feminine else 'mezzo'}"


def _agreed(words: str, number: int, noun: str) -> str:
    """ "un tavolo", "una mela", "uno studente"."""
    return _one(noun) if number == 1 and noun.islower() and not _NO_NOUNS.fullmatch(noun) else words


_SHORT_DAYS = {
    "lun": "lunedì",
    "mar": "martedì",
    "mer": "mercoledì",
    "gio": "giovedì",
    "ven": "venerdì",
    "sab": "sabato",
    "dom": "domenica",
}


LANGUAGE = Language(
    code="it",
    cardinal=cardinal,
    ordinal=ordinal,
    year=cardinal,
    day=lambda day, month, _front: f"{'primo' if day == 1 else cardinal(day)} {month}",
    clock=_clock,
    cents=_cents,
    decimal_comma=True,
    one=_one,
    agreed=_agreed,
    labels=(
        r"opzione|numero|n\.|passo|porta|linea|tavolo|camera|stanza|sala|pagina|livello|zona|terminal|binario|"
        "piattaforma|gruppo|fase|parte|tipo|piano|fila|posto|canale|tasto|percorso|categoria|tappa|domanda|"
        "punto|sezione|tabella|figura|cassa|sportello|giorno|capitolo|articolo|versione|autobus|treno|uscita|"
        "unità|lezione|via|blocco|edificio|modulo|volume"
    ),
    ordinal_form=lambda words, mark, _front: f"{words[:-1]}a" if "ª" in mark else words,
    ruler=ordinal,
    rulers=(
        "Luigi|Carlo|Vittorio Emanuele|Umberto|Enrico|Federico|Filippo|Giovanni|Paolo|Benedetto|Pio|Leone|Napoleone|"
        "Elisabetta|Francesco"
    ),
    half=lambda noun: "mezza" if re.sub(r"\W", "", noun).endswith("a") else "mezzo",
    and_a_half=lambda number: f"{cardinal(number)} e mezzo",
    fractions={
        f"{a}/{b}": f"un {ordinal(b)}" if a == 1 else f"{cardinal(a)} {ordinal(b)[:-1]}i"
        for b in range(3, 10)
        for a in range(1, b)
    },
    with_half=_with_half,
    queens="Elisabetta|Maria|Anna|Caterina",
    queen=lambda number: f"{ordinal(number)[:-1]}a",
    short_months={
        "gen": 1, "feb": 2, "mar": 3, "apr": 4, "mag": 5, "giu": 6, "lug": 7, "ago": 8, "sett": 9, "ott": 10,
        "nov": 11, "dic": 12,
    },
    days={**_SHORT_DAYS, **{short.capitalize(): day for short, day in _SHORT_DAYS.items()}},
    emergencies="112|911|113|115|118",
    numbered={
        "p.": "pagina", "pp.": "pagine", "art.": "articolo", "fig.": "figura", "vol.": "volume", "km": "chilometro",
    },
    of_a_million="di",
    words={
        "point": "virgola", "minus": "meno", "plus": "più", "to": "a", "at": "chiocciola", "dot": "punto",
        "slash": "barra",
        "dash": "trattino", "underscore": "trattino basso", "times": "per", "by": "per", "divided": "diviso",
        "power": "elevato a", "number": "numero", "per": "al", "over": "su", "more": "più di", "less": "meno di",
        "is more": "è maggiore di", "is less": "è minore di", "about": "circa", "equals": "uguale a",
        "per unit": "per", "star": "asterisco", "pound": "cancelletto", "fold": "volte", "hashtag": "hashtag",
        "out of": "su",
        "is not": "è diverso da",
    },
    signs={
        "%": "per cento", "‰": "per mille", "≈": "circa", "≤": "al massimo", "≥": "almeno", "→": "a", "−": "meno",
        "÷": "diviso", "×": "per", "±": "più o meno", "≠": "diverso da", "№": "numero", "√": "radice quadrata di",
        "∞": "infinito", "½": "mezzo", "¼": "un quarto", "¾": "tre quarti", "°": "gradi", "&": "e",
        "²": "al quadrato", "³": "al cubo", "π": "pi greco", "=": "uguale a", "+": "più",
    },
    months=(
        "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
        "novembre", "dicembre",
    ),
    money={
        "€": Money("euro", "euro", "centesimo", "centesimi"), "EUR": Money("euro", "euro", "centesimo", "centesimi"),
        "$": Money("dollaro", "dollari", "centesimo", "centesimi"),
        "US$": Money("dollaro", "dollari", "centesimo", "centesimi"),
        "USD": Money("dollaro", "dollari", "centesimo", "centesimi"), "£": Money("sterlina", "sterline"),
        "GBP": Money("sterlina", "sterline"), "CHF": Money("franco svizzero", "franchi svizzeri", "centesimo",
        "centesimi"),
        "¥": Money("yen", "yen"), "₹": Money("rupia", "rupie"), "₩": Money("won", "won"), "₽": Money("rublo",
        "rubli"),
    },
    units={
        "g": ("grammo", "grammi"), "kg": ("chilo", "chili"), "mg": ("milligrammo", "milligrammi"),
        "t": ("tonnellata", "tonnellate"), "m": ("metro", "metri"), "km": ("chilometro", "chilometri"),
        "cm": ("centimetro", "centimetri"), "mm": ("millimetro", "millimetri"), "l": ("litro", "litri"),
        "L": ("litro", "litri"), "ml": ("millilitro", "millilitri"), "cl": ("centilitro", "centilitri"),
        "dl": ("decilitro", "decilitri"), "dL": ("decilitro", "decilitri"), "hg": ("etto", "etti"),
        "mmol": ("millimole", "millimoli"), "mmHg": ("millimetro di mercurio", "millimetri di mercurio"),
        "kHz": ("chilohertz",) * 2, "MHz": ("megahertz",) * 2, "GHz": ("gigahertz",) * 2,
        "Mbps": ("megabit al secondo",) * 2, "Mbit/s": ("megabit al secondo",) * 2, "Gbps": ("gigabit al secondo",) * 2,
        "µg": ("microgrammo", "microgrammi"),
        "km/h": ("chilometro all'ora", "chilometri all'ora"), "h": ("ora", "ore"), "min": ("minuto", "minuti"),
        "s": ("secondo", "secondi"), **dict.fromkeys(("sec", "sec."), ("secondo", "secondi")),
        "W": ("watt", "watt"), "kW": ("chilowatt", "chilowatt"),
        "kWh": ("chilowattora", "chilowattora"), "Hz": ("hertz", "hertz"), "MB": ("megabyte", "megabyte"),
        "GB": ("gigabyte", "gigabyte"), "TB": ("terabyte", "terabyte"), "°F": ("grado Fahrenheit",
        "gradi Fahrenheit"), "bpm": ("battito al minuto", "battiti al minuto"),
        "°C": ("grado", "gradi"), "ºC": ("grado",
        "gradi"),
        "° C": ("grado", "gradi"), "°": ("grado", "gradi"), "%": ("per cento", "per cento"),
        "m²": ("metro quadrato", "metri quadrati"), "mq": ("metro quadrato", "metri quadrati"),
        "km²": ("chilometro quadrato", "chilometri quadrati"),
        "m³": ("metro cubo", "metri cubi"), "ha": ("ettaro", "ettari"), "kcal": ("chilocaloria", "chilocalorie"),
        "dB": ("decibel", "decibel"),
    },
    scales={
        "mila": "mila", "milioni": "milioni", "milione": "milione", "miliardi": "miliardi", "miliardo": "miliardo",
        "mln": "milioni", "mld": "miliardi", "k": "mila",
    },
    abbreviations={
        "Rif.": "riferimento", "rif.": "riferimento", "ad es.": "ad esempio", "Ad es.": "Ad esempio",
        "mln": "milioni", "mld": "miliardi",
        "Min.": "minimo", "Max.": "massimo", "Spett.": "spettabile", "Gent.ma": "gentilissima",
        "Gent.mo": "gentilissimo", "p. es.": "per esempio", "p.es.": "per esempio",
        "per es.": "per esempio", "Dr.ssa": "dottoressa", "Sig.na": "signorina", "sig.na": "signorina",
        "sigg.": "signori", "dr.ssa": "dottoressa",
        "Sigg.": "signori",
        "Prof.ssa": "professoressa", "prof.ssa": "professoressa", "Arch.": "architetto", "Geom.": "geometra",
        "int.": "interno", "bin.": "binario", "sec.": "secolo", "F.lli": "fratelli", "a.C.": "avanti Cristo",
        "a. C.": "avanti Cristo",
        "d.C.": "dopo Cristo", "d. C.": "dopo Cristo", "S.p.A.": "spa", "S.r.l.": "s r l", "S.p.a.": "spa",
        "L.go": "largo", "mmHg": "millimetri di mercurio", "dott.ri": "dottori",
        "ecc.": "eccetera", "etc.": "eccetera",
        "Sig.": "signor", "sig.": "signor", "Sig.ra": "signora", "sig.ra": "signora",
        "Dott.": "dottor", "dott.": "dottor", "Dott.ssa": "dottoressa", "dott.ssa": "dottoressa", "Dr.": "dottor",
        "Prof.": "professor", "prof.": "professor", "Avv.": "avvocato", "Ing.": "ingegner", "n.": "numero",
        "N.": "numero", "nr.": "numero", "pag.": "pagina", "pagg.": "pagine", "tel.": "telefono", "Tel.": "telefono",
        "cap.": "capitolo", "ca.": "circa", "max.": "massimo", "min.": "minimo", "P.zza": "piazza", "V.le": "viale",
        "C.so": "corso", "c.so": "corso", "P.za": "piazza", "p.zza": "piazza", "v.le": "viale", "vs": "contro",
        "vs.": "contro",
    },
    ordinal_mark=_ORDINAL_MARK,
    scripts={
        "CYRILLIC": "qualcosa in cirillico", "GREEK": "qualcosa in greco", "ARABIC": "qualcosa in arabo",
        "HEBREW": "qualcosa in ebraico", "CJK": "qualcosa in cinese", "HIRAGANA": "qualcosa in giapponese",
        "KATAKANA": "qualcosa in giapponese", "HANGUL": "qualcosa in coreano", "": "qualcosa in un'altra scrittura",
    },
)  # fmt: skip
