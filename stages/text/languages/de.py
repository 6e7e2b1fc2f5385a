"""German: "einundzwanzig", "sieben Uhr dreißig", "dritter Mai"."""

import re

from stages.text.languages.language import Language, Money

_ONES = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
    "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
_TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")
_GROUPS = (
    ("Billion", "Billionen", 10**12),
    ("Milliarde", "Milliarden", 10**9),
    ("Million", "Millionen", 10**6),
)
_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}


def cardinal(number: int) -> str:
    """ "eintausendzweihundertfünf"."""
    if number < 20:
        return _ONES[number]
    for one, many, size in _GROUPS:
        if number >= size:
            count, rest = divmod(number, size)
            said = f"eine {one}" if count == 1 else f"{_joined(count)} {many}"
            return said + (f" {cardinal(rest)}" if rest else "")
    return _joined(number, last=True)


def _joined(number: int, last: bool = False) -> str:
    """Below a million, as one word; "ein" instead of "eins" in front of another word."""
    if number >= 1000:
        thousand, rest = divmod(number, 1000)
        return f"{_joined(thousand)}tausend" + (_joined(rest, last) if rest else "")
    if number >= 100:
        hundred, rest = divmod(number, 100)
        return f"{_joined(hundred)}hundert" + (_joined(rest, last) if rest else "")
    if number >= 20:
        ten, one = divmod(number, 10)
        return (f"{_joined(one)}und" if one else "") + _TENS[ten]
    return "ein" if number == 1 and not last else _ONES[number]


def ordinal(number: int) -> str:
    """ "dritte", "zwanzigste"."""
    if number in _ORDINALS:
        return _ORDINALS[number]
    head, rest = divmod(number, 100)
    if head and 0 < rest < 20:
        return cardinal(number - rest) + ordinal(rest)
    return cardinal(number) + ("te" if number < 20 else "ste")


def year(number: int) -> str:
    """ "neunzehnhundertfünf", "zweitausendfünf"."""
    century, rest = divmod(number, 100)
    if 11 <= century <= 19:
        return f"{cardinal(century)}hundert{cardinal(rest) if rest else ''}"
    return cardinal(number)


def _day(day: int, month: str, front: str) -> str:
    front = front.casefold()
    end = "n" if _OF_THE.fullmatch(front) else "r"
    return f"{ordinal(day)}{'' if front in ('der', 'die', 'das') else end} {month}"


def _clock(hour: int, minute: int) -> str:
    hours = "ein" if hour == 1 else cardinal(hour)
    return f"{hours} Uhr" + (f" {cardinal(minute)}" if minute else "")


def _cents(whole: str, money: Money, cents: int) -> str:
    if whole == "null":
        return f"{'ein' if cents == 1 else cardinal(cents)} {money.cent if cents == 1 else money.cents}"
    return f"{whole} {money.many} {cardinal(cents)}"


_PARTS = {
    3: "Drittel", 4: "Viertel", 5: "Fünftel", 6: "Sechstel", 7: "Siebtel", 8: "Achtel", 9: "Neuntel", 10: "Zehntel",
}  # fmt: skip
_OF_THE = re.compile(
    "am|im|vom|zum|dem|den|beim|ab|bis|seit|zur|des|(?:jed|dies|jen|ein|kein|mein|dein|sein|ihr|unser)e[mn]"
)
_THE = re.compile("der|die|das|diese[rs]?|jede[rs]?|eine|ihre")
_NO_NOUNS = re.compile("Der|Die|Das|Ein|Eine|Uhr|Und|Oder|Ich|Sie|Er|Es|Wir")
_NOUN = r"\s[A-ZÄÖÜ][A-Za-zäöüß]"
_FEMININE = re.compile(
    "Person|Nacht|Nummer|Stadt|Zahl|Mail|Tür|Frau|Kapsel|Gabel|Schüssel|Zwiebel|Kartoffel|Tafel|Regel|Insel|Butter|"
    "Mutter|Schwester|Tochter|Feder|Steuer|Dauer|Mauer|Uhr|Hand|Wand|Bank|Firma|Pizza|Cola|Kamera|Oma|App|SMS|"
    "Milliarde|Million|Option|Portion|Karte|Packung|Antwort|Fahrt|Art|Luft|Kraft|Wurst|Nuss|Bar|Form|Prüfung|Kuh|Maus"
)
_NOT_FEMININE = re.compile(
    "Ei|Termin|Cousin|Benzin|Name|Junge|Kunde|Käse|Auge|Ende|Gebäude|Interesse|Kollege|Knie|Café"
)
_OPENERS = (
    "Aber|Alle|Also|Am|An|Auch|Auf|Bei|Bitte|Da|Damit|Danach|Dann|Das|Dazu|De[mnr]|Denn|Die|Diese?[mnrs]?|Doch|Dort|Drücken|"
    "Du|Eine?[mnrs]?|Er|Es|Falls|Für|Gibt|Haben|Hat|Hier|Ich|Ihre?[mnrs]?|Im|In|Ist|Ja|Jede[mnrs]?|Jetzt|Kann|Können|"
    "Meine?[mnrs]?|Mit|Möchten|Nach|Nein|Nun|Nur|Oder|Ohne|Sagen|Sie|Sind|So|Sonst|Um|Und|Uns|Unsere?[mnrs]?|Vielen|Von|Vor|"
    "Wählen|Wann|Warten|Warum|Was|Weil|Welche[mnrs]?|Wenn|Wer|Wie|Wir|Wo|Zu|Zum|Zur|Zuerst"
)
OPENERS = re.compile(_OPENERS)
"""Words with which a sentence begins, and hardly any that are nouns."""
_ORDERED = "Mal|Platz|Stock|Etage|Klasse|Jahrhundert|Tag|Juli"
_BEHIND_ARTICLES = "|".join(
    rf"(?<=\b{article} {digits}\.)"
    for article in (
        "[Dd](?:er|ie|as|em|en)",
        "[Zz]u[mr]",
        "[Vv]om",
        "[IiAa]m",
        "[Dd]iese",
        "[Jj]ede",
        "[Jj]ede[rsnm]",
    )
    for digits in (r"\d", r"\d\d")
)


def _is_feminine(noun: str) -> bool:
    return _FEMININE.fullmatch(noun) is not None or (
        noun.endswith(("e", "ung", "heit", "keit", "ion", "tät", "schaft", "ei", "in", "ik", "ur"))
        and _NOT_FEMININE.fullmatch(noun) is None
    )


def _agreed(words: str, number: int, noun: str) -> str:
    """ "ein Tisch", "eine Minute"."""
    if number != 1 or not noun[0].isupper() or _NO_NOUNS.fullmatch(noun):
        return words
    return "eine" if _is_feminine(noun) else "ein"


def _ordinal_form(words: str, _mark: str, front: str) -> str:
    """ "im dritten", "die zweite", "ein dritter"."""
    front = front.casefold()
    return words + ("n" if _OF_THE.fullmatch(front) else "" if _THE.fullmatch(front) else "r")


_NEUTER = re.compile(
    "Kilogramm|Gramm|Kilo|Pfund|Glas|Jahr|Stück|Brot|Hähnchen|Prozent|Dutzend|Päckchen|Blatt"
)


def _half(noun: str) -> str:
    """ "eine halbe", "ein halbes"; "ein halb" in front of nothing."""
    bare = re.sub(r"\W", "", noun)
    if not bare:
        return "ein halb"
    return "eine halbe" if _is_feminine(bare) else f"ein halbe{'s' if _NEUTER.fullmatch(bare) else 'r'}"


def _and_a_half(number: int) -> str:
    return f"{_joined(number)}einhalb"


LANGUAGE = Language(
    code="de",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    day=_day,
    clock=_clock,
    cents=_cents,
    decimal_comma=True,
    one=lambda noun: "eine" if noun.endswith("e") else "ein",
    counted=lambda words: "ein" if words == "eins" else words,
    agreed=_agreed,
    labels=(
        r"Option|Nummer|Nr\.|Schritt|Tür|Linie|Tisch|Zimmer|Raum|Saal|Seite|Stufe|Zone|Terminal|Gleis|"
        "Bahnsteig|Gruppe|Phase|Teil|Typ|Etage|Reihe|Platz|Sitz|Kanal|Taste|Route|Kategorie|Etappe|Frage|"
        "Punkt|Abschnitt|Tabelle|Abbildung|Kasse|Schalter|Tag|Kapitel|Artikel|Version|Bus|Zug|Ausgang|"
        "Einheit|Lektion|Straße|Block|Haus|Halle|Modul|Band|Spur"
    ),
    ordinal_form=_ordinal_form,
    ruler=lambda number: f"der {ordinal(number)}",
    rulers=(
        "Karl|Ludwig|Friedrich|Wilhelm|Heinrich|Otto|Franz|Leopold|Maximilian|Rudolf|Elisabeth|Johannes Paul|Paul|"
        "Pius|Benedikt|Leo|Napoleon"
    ),
    half=_half,
    and_a_half=_and_a_half,
    fractions={f"{a}/{b}": f"{_joined(a)} {_PARTS[b]}" for b in range(3, 10) for a in range(1, b)},
    queens="Elisabeth|Maria|Katharina",
    queen=lambda number: f"die {ordinal(number)}",
    short_months={
        "Jan": 1, "Jän": 1, "Feb": 2, "Mär": 3, "Apr": 4, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Sept": 9, "Okt": 10,
        "Nov": 11, "Dez": 12,
    },
    days={
        "Mo": "Montag", "Di": "Dienstag", "Mi": "Mittwoch", "Do": "Donnerstag", "Fr": "Freitag", "Sa": "Samstag",
        "So": "Sonntag",
    },
    emergencies="112|911|110|116117",
    numbered={"Art.": "Artikel", "Fig.": "Figur", "S.": "Seite", "km": "Kilometer", "Bd.": "Band"},
    words={
        "point": "Komma", "minus": "minus", "plus": "plus", "to": "bis", "ratio": "zu", "at": "at", "dot": "Punkt",
        "slash": "Schrägstrich",
        "dash": "minus", "underscore": "Unterstrich", "times": "mal", "by": "mal", "divided": "geteilt durch",
        "power": "hoch", "number": "Nummer", "per": "pro", "over": "durch", "more": "mehr als", "less": "weniger als",
        "is more": "ist größer als", "is less": "ist kleiner als", "about": "etwa", "equals": "gleich",
        "star": "Stern", "pound": "Raute", "fold": "mal", "hashtag": "Hashtag", "out of": "von",
        "is not": "ist ungleich",
    },
    signs={
        "%": "Prozent", "‰": "Promille", "≈": "etwa", "≤": "höchstens", "≥": "mindestens", "→": "zu", "−": "minus",
        "÷": "geteilt durch", "×": "mal", "±": "plus minus", "≠": "ungleich", "№": "Nummer", "√": "Wurzel aus",
        "∞": "unendlich", "½": "ein halb", "¼": "ein Viertel", "¾": "drei Viertel", "°": "Grad", "§": "Paragraf",
        "&": "und", "²": "hoch zwei", "³": "hoch drei", "π": "Pi", "=": "gleich", "+": "plus",
    },
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember",
    ),
    money={
        "€": Money("Euro", "Euro", "Cent", "Cent"), "EUR": Money("Euro", "Euro", "Cent", "Cent"),
        "$": Money("Dollar", "Dollar", "Cent", "Cent"), "US$": Money("US-Dollar", "US-Dollar", "Cent", "Cent"),
        "USD": Money("US-Dollar", "US-Dollar", "Cent", "Cent"), "£": Money("Pfund", "Pfund", "Penny", "Pence"),
        "GBP": Money("Pfund", "Pfund", "Penny", "Pence"), "CHF": Money("Franken", "Franken", "Rappen", "Rappen"),
        "¥": Money("Yen", "Yen"), "₹": Money("Rupie", "Rupien"), "₩": Money("Won", "Won"), "₽": Money("Rubel",
        "Rubel"),
        "₺": Money("Lira", "Lira"), "zł": Money("Złoty", "Złoty"),
    },
    units={
        "g": ("Gramm", "Gramm"), "kg": ("Kilogramm", "Kilogramm"), "mg": ("Milligramm", "Milligramm"),
        "t": ("Tonne", "Tonnen"), "m": ("Meter", "Meter"), "km": ("Kilometer", "Kilometer"),
        "cm": ("Zentimeter", "Zentimeter"), "mm": ("Millimeter", "Millimeter"), "l": ("Liter", "Liter"),
        "L": ("Liter", "Liter"), "ml": ("Milliliter", "Milliliter"),
        "cl": ("Zentiliter", "Zentiliter"), "dl": ("Deziliter", "Deziliter"), "dL": ("Deziliter", "Deziliter"),
        "mmol": ("Millimol", "Millimol"), "mmHg": ("Millimeter Quecksilbersäule",) * 2, "kHz": ("Kilohertz",) * 2,
        "Mbit/s": ("Megabit pro Sekunde",) * 2, "Gbit/s": ("Gigabit pro Sekunde",) * 2, "µg": ("Mikrogramm",) * 2,
        "Mbps": ("Megabit pro Sekunde",) * 2, "EL": ("Esslöffel", "Esslöffel"), "TL": ("Teelöffel", "Teelöffel"),
        "Pck.": ("Päckchen", "Päckchen"), "Pkg.": ("Packung", "Packungen"), "Tabl.": ("Tablette", "Tabletten"),
        "Msp.": ("Messerspitze",
        "Messerspitzen"), "km/h": ("Kilometer pro Stunde",) * 2,
        "m/s": ("Meter pro Sekunde",) * 2, "h": ("Stunde", "Stunden"), "Std.": ("Stunde", "Stunden"),
        "min": ("Minute", "Minuten"), "Min.": ("Minute", "Minuten"), "s": ("Sekunde", "Sekunden"),
        "Sek.": ("Sekunde", "Sekunden"), "W": ("Watt", "Watt"), "kW": ("Kilowatt", "Kilowatt"),
        "kWh": ("Kilowattstunde", "Kilowattstunden"), "V": ("Volt", "Volt"), "Hz": ("Hertz", "Hertz"),
        "MHz": ("Megahertz", "Megahertz"), "GHz": ("Gigahertz", "Gigahertz"), "MB": ("Megabyte", "Megabyte"),
        "GB": ("Gigabyte", "Gigabyte"), "TB": ("Terabyte", "Terabyte"), "°F": ("Grad Fahrenheit",) * 2,
        "bpm": ("Schlag pro Minute", "Schläge pro Minute"),
        "°C": ("Grad Celsius", "Grad Celsius"),
        "° C": ("Grad Celsius", "Grad Celsius"), "°": ("Grad", "Grad"), "%": ("Prozent", "Prozent"),
        "‰": ("Promille", "Promille"), "m²": ("Quadratmeter", "Quadratmeter"), "qm": ("Quadratmeter", "Quadratmeter"),
        "km²": ("Quadratkilometer",) * 2,
        "cm²": ("Quadratzentimeter",) * 2, "m³": ("Kubikmeter", "Kubikmeter"), "cm³": ("Kubikzentimeter",) * 2,
        "ha": ("Hektar", "Hektar"), "kcal": ("Kilokalorie", "Kilokalorien"), "dB": ("Dezibel", "Dezibel"),
    },
    scales={
        "tausend": "tausend", "Tausend": "tausend", "Millionen": "Millionen", "Million": "Million",
        "Milliarden": "Milliarden", "Milliarde": "Milliarde", "Mio.": "Millionen", "Mrd.": "Milliarden",
        "Mio": "Millionen", "Mrd": "Milliarden", "k": "tausend",
    },
    abbreviations={
        "tgl.": "täglich", "u.": "und", "od.": "oder", "tägl.": "täglich", "Abs.": "Absatz", "Fa.": "Firma",
        "z. Hd.": "zu Händen",
        "z.Hd.": "zu Händen", "bzgl.": "bezüglich",
        "zw.": "zwischen", "v. Chr.": "vor Christus", "n. Chr.": "nach Christus", "Jh.": "Jahrhundert", "Mrz.": "März",
        "Jhd.": "Jahrhundert", "OG": "Obergeschoss", "EG": "Erdgeschoss", "UG": "Untergeschoss", "gem.": "gemäß",
        "mmHg": "Millimeter Quecksilbersäule", "z.T.": "zum Teil", "z. T.": "zum Teil", "d. J.": "dieses Jahres",
        "exkl.": "exklusive", "Ing.": "Ingenieur", "Dipl.-Ing.": "Diplomingenieur", "o.g.": "oben genannte",
        "z. Zt.": "zurzeit", "z.Zt.": "zurzeit", "z. B.": "zum Beispiel", "z.B.": "zum Beispiel",
        "d. h.": "das heißt", "d.h.": "das heißt",
        "u. a.": "unter anderem", "u.a.": "unter anderem", "usw.": "und so weiter", "bzw.": "beziehungsweise",
        "ca.": "circa", "evtl.": "eventuell", "ggf.": "gegebenenfalls", "inkl.": "inklusive",
        "MwSt.": "Mehrwertsteuer", "MwSt": "Mehrwertsteuer", "zzgl.": "zuzüglich",
        "Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Fr.": "Frau", "Nr.": "Nummer", "Tel.": "Telefon",
        "Str.": "Straße", "Hbf": "Hauptbahnhof", "St.": "Sankt", "vgl.": "vergleiche", "s.": "siehe", "S.": "Seite",
        "Abb.": "Abbildung", "Kap.": "Kapitel", "Bd.": "Band", "Mio.": "Millionen", "Mrd.": "Milliarden",
        "o. Ä.": "oder Ähnliches", "u. U.": "unter Umständen", "i. d. R.": "in der Regel", "max.": "maximal",
        "vs.": "gegen", "vs": "gegen", "mind.": "mindestens", "min.": "minimal", "Std.": "Stunden", "etc.": "et cetera",
    },
    ordinal_mark=(
        rf"\.(?:(?=\s(?:{_ORDERED}))(?<!\d{{4}}\.)|(?=\s[a-zäöü])(?<!\d{{4}}\.)|(?={_NOUN})(?!\s(?:{_OPENERS})\b)(?:{_BEHIND_ARTICLES}))"
    ),
    scripts={
        "CYRILLIC": "etwas auf Kyrillisch", "GREEK": "etwas auf Griechisch", "ARABIC": "etwas auf Arabisch",
        "HEBREW": "etwas auf Hebräisch", "CJK": "etwas auf Chinesisch", "HIRAGANA": "etwas auf Japanisch",
        "KATAKANA": "etwas auf Japanisch", "HANGUL": "etwas auf Koreanisch", "": "etwas in einer anderen Schrift",
    },
)  # fmt: skip
