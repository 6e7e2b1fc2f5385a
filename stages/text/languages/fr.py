"""French: "vingt et un", "sept heures trente", "premier mai"."""

import re

from stages.text.languages.language import Language, Money

_ONES = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize",
    "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
)  # fmt: skip
_TENS = (
    "",
    "",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
    "soixante",
    "quatre-vingt",
    "quatre-vingt",
)


def cardinal(number: int) -> str:
    """ "mille deux cent cinq"."""
    for size, one, many in (
        (10**12, "billion", "billions"),
        (10**9, "milliard", "milliards"),
        (10**6, "million", "millions"),
    ):
        if number >= size:
            count, rest = divmod(number, size)
            said = f"{cardinal(count)} {one if count == 1 else many}"
            return said + (f" {cardinal(rest)}" if rest else "")
    if number >= 1000:
        count, rest = divmod(number, 1000)
        said = "mille" if count == 1 else f"{_in_front_of_thousand(count)} mille"
        return said + (f" {cardinal(rest)}" if rest else "")
    if number >= 100:
        count, rest = divmod(number, 100)
        said = "cent" if count == 1 else f"{_ONES[count]} cent{'' if rest else 's'}"
        return said + (f" {cardinal(rest)}" if rest else "")
    return _below_hundred(number)


def _in_front_of_thousand(count: int) -> str:
    """ "quatre-vingt", and not "quatre-vingts"; "vingt-trois" stays."""
    said = cardinal(count)
    return said.removesuffix("s") if said.endswith(("cents", "vingts")) else said


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    ten, one = divmod(number, 10)
    if ten in (7, 9):
        one += 10
    if not one:
        return f"{_TENS[ten]}s" if ten == 8 else _TENS[ten]
    if one in (1, 11) and ten < 8:
        return f"{_TENS[ten]} et {_ONES[one]}"
    return f"{_TENS[ten]}-{_ONES[one]}"


def ordinal(number: int) -> str:
    """ "premier", "deuxième"."""
    if number == 1:
        return "premier"
    said = cardinal(number)
    for end, mended in (("cinq", "cinqu"), ("neuf", "neuv")):
        if said.endswith(end):
            said = said.removesuffix(end) + mended
    return said.removesuffix("e").removesuffix("s" if said.endswith("ts") else "") + "ième"


def _clock(hour: int, minute: int) -> str:
    hours = f"{_feminine(cardinal(hour))} heure{'' if hour < 2 else 's'}"
    return hours + (f" {_feminine(cardinal(minute))}" if minute else "")


def _feminine(words: str) -> str:
    """ "vingt et une"."""
    return f"{words}e" if re.search(r"(?:^|[ -])un$", words) else words


def _part(part: int, many: bool) -> str:
    name = {3: "tiers", 4: "quart"}.get(part, ordinal(part))
    return name if name.endswith("s") or not many else f"{name}s"


def _cents(whole: str, money: Money, cents: int) -> str:
    said = f"{cardinal(cents)} {money.cent if cents == 1 else money.cents}"
    if whole == "zéro":
        return said
    return f"{whole} {money.one if whole in ('un', 'une') else money.many} {cardinal(cents)}"


_FEMININE = re.compile(
    "table|personne|heure|minute|seconde|semaine|fois|page|place|chambre|nuit|question|ligne|adresse|carte|clé|"
    "porte|ville|livre|roupie|tonne|kilocalorie|couleur|voiture|réponse|chose|lettre|partie|demande|commande|tasse|"
    "bouteille|cuillère|tranche|lampe|clef|langue|étape|photo|vidéo|pièce|femme|nuit|gélule|pilule|dose|goutte|crème|"
    "soirée|pomme|carotte|banane|orange|tomate|gousse|noix|part|équipe|école|église|marque|taille|classe|"
    "centaine|dizaine|douzaine|douche|mer|île|main|voix|chaise|note|piste|plage|ville|salle|zone|règle|phrase|boîte|"
    "boutique|banque|pharmacie|maladie|partie|copie|sortie|série|bougie|catégorie|amie|loi|faim|fin|fleur|sœur|"
    "mère|heure|valeur|erreur|couleur|peur"
)
_FEMININE_ENDS = (
    "ée", "tion", "sion", "ette", "ure", "ance", "ence", "té", "ille", "elle", "aison", "esse", "euse", "trice",
    "ière", "nne", "ude", "ade",
)  # fmt: skip
_MASCULINE = re.compile(
    "été|comité|côté|traité|pâté|modèle|cimetière|stade|grade|mille|gorille|lycée|musée|silence"
)


def _is_feminine(noun: str) -> bool:
    noun = noun if noun == "fois" else noun.removesuffix("s")
    return bool(_FEMININE.fullmatch(noun)) or (
        noun.endswith(_FEMININE_ENDS) and not _MASCULINE.fullmatch(noun)
    )


def _agreed(words: str, number: int, noun: str) -> str:
    """ "une table", "vingt et une tables"."""
    return _feminine(words) if noun.islower() and _is_feminine(noun) else words


def _with_half(number: int, noun: str) -> str:
    """ "deux heures et demie"."""
    return f"{_agreed(cardinal(number), number, noun)} {noun} et demi{'e' if _is_feminine(noun) else ''}"


def _ordinal_form(words: str, mark: str, _front: str) -> str:
    if mark.startswith("nd"):
        return "seconde" if mark == "nde" else "second"
    return "première" if words == "premier" and mark in ("re", "ère") else words


def _half(noun: str) -> str:
    bare = re.sub(r"\W", "", noun)
    return f"{'une' if _is_feminine(bare) else 'un'} demi"


_SHORT_DAYS = {
    "lun": "lundi",
    "mar": "mardi",
    "mer": "mercredi",
    "jeu": "jeudi",
    "ven": "vendredi",
    "sam": "samedi",
    "dim": "dimanche",
}


LANGUAGE = Language(
    code="fr",
    cardinal=cardinal,
    ordinal=ordinal,
    year=cardinal,
    day=lambda day, month, _front: f"{'premier' if day == 1 else cardinal(day)} {month}",
    clock=_clock,
    cents=_cents,
    decimal_comma=True,
    one=lambda noun: "une" if _is_feminine(noun.split()[0]) else "un",
    agreed=_agreed,
    labels=(
        "option|numéro|n°|étape|porte|ligne|table|chambre|salle|page|niveau|zone|terminal|quai|voie|groupe|"
        "phase|partie|type|étage|rang|place|canal|touche|route|catégorie|question|point|section|tableau|"
        "figure|caisse|guichet|jour|chapitre|article|version|bus|train|sortie|unité|leçon|rue|bloc|bâtiment|"
        "module|tome|lot"
    ),
    ordinal_form=_ordinal_form,
    ruler=lambda number: "premier" if number == 1 else cardinal(number),
    rulers="Louis|Henri|Charles|François|Napoléon|Philippe|Jean|Jean-Paul|Benoît|Élisabeth|Elizabeth|Léopold|Pie|Léon",
    half=_half,
    and_a_half=lambda number: f"{cardinal(number)} et demi",
    fractions={f"{a}/{b}": f"{cardinal(a)} {_part(b, a > 1)}" for b in range(3, 10) for a in range(1, b)},
    with_half=_with_half,
    queens="Élisabeth|Elizabeth|Anne|Marie",
    queen=lambda number: "première" if number == 1 else cardinal(number),
    short_months={
        "janv": 1, "févr": 2, "fév": 2, "avr": 4, "juil": 7, "sept": 9, "oct": 10, "nov": 11, "déc": 12,
    },
    days={**_SHORT_DAYS, **{short.capitalize(): day for short, day in _SHORT_DAYS.items()}},
    emergencies="911",
    called_whole=r"1\d\d",
    numbered={"p.": "page", "pp.": "pages", "art.": "article", "fig.": "figure", "vol.": "volume", "km": "kilomètre"},
    singular_below=2,
    of_a_million="de",
    words={
        "point": "virgule", "minus": "moins", "plus": "plus", "to": "à", "at": "arobase", "dot": "point",
        "slash": "slash",
        "dash": "tiret", "underscore": "tiret bas", "times": "fois", "by": "sur", "divided": "divisé par",
        "power": "puissance", "number": "numéro", "per": "par", "over": "sur", "more": "plus de", "less": "moins de",
        "is more": "est supérieur à", "is less": "est inférieur à", "about": "environ", "equals": "égale",
        "star": "étoile", "pound": "dièse", "fold": "fois", "hashtag": "hashtag", "out of": "sur",
        "is not": "n'est pas égal à",
    },
    signs={
        "%": "pour cent", "‰": "pour mille", "≈": "environ", "≤": "au plus", "≥": "au moins", "→": "vers",
        "−": "moins",
        "÷": "divisé par", "×": "fois", "±": "plus ou moins", "≠": "différent de", "№": "numéro",
        "√": "racine carrée de", "∞": "infini", "½": "un demi", "¼": "un quart", "¾": "trois quarts", "°": "degrés",
        "&": "et", "²": "au carré", "³": "au cube", "π": "pi", "=": "égale", "+": "plus",
    },
    months=(
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre",
    ),
    money={
        "€": Money("euro", "euros", "centime", "centimes"), "EUR": Money("euro", "euros", "centime", "centimes"),
        "$": Money("dollar", "dollars", "cent", "cents"), "US$": Money("dollar", "dollars", "cent", "cents"),
        "USD": Money("dollar", "dollars", "cent", "cents"), "£": Money("livre", "livres", "penny", "pence"),
        "GBP": Money("livre", "livres", "penny", "pence"), "CHF": Money("franc suisse", "francs suisses", "centime",
        "centimes"),
        "¥": Money("yen", "yens"), "₹": Money("roupie", "roupies"), "₩": Money("won", "wons"),
        "₽": Money("rouble", "roubles"),
    },
    units={
        "g": ("gramme", "grammes"), "kg": ("kilo", "kilos"), "mg": ("milligramme", "milligrammes"),
        "t": ("tonne", "tonnes"), "m": ("mètre", "mètres"), "km": ("kilomètre", "kilomètres"),
        "cm": ("centimètre", "centimètres"), "mm": ("millimètre", "millimètres"), "l": ("litre", "litres"),
        "L": ("litre", "litres"), "ml": ("millilitre", "millilitres"), "cl": ("centilitre", "centilitres"),
        "dl": ("décilitre", "décilitres"), "dL": ("décilitre", "décilitres"), "mmol": ("millimole", "millimoles"),
        "mmHg": ("millimètre de mercure", "millimètres de mercure"), "kHz": ("kilohertz",) * 2,
        "MHz": ("mégahertz",) * 2, "GHz": ("gigahertz",) * 2, "To": ("téraoctet", "téraoctets"),
        "Ko": ("kilooctet", "kilooctets"), "µg": ("microgramme", "microgrammes"),
        "Mbit/s": ("mégabit par seconde", "mégabits par seconde"), "Mb/s": ("mégabit par seconde",
        "mégabits par seconde"),
        "Mbps": ("mégabit par seconde", "mégabits par seconde"), "Gbit/s": ("gigabit par seconde",
        "gigabits par seconde"),
        "c. à s.": ("cuillère à soupe", "cuillères à soupe"), "c. à soupe": ("cuillère à soupe", "cuillères à soupe"),
        "c. à c.": ("cuillère à café", "cuillères à café"), "c. à café": ("cuillère à café", "cuillères à café"),
        "km/h": ("kilomètre heure", "kilomètres heure"), "min": ("minute", "minutes"), "s": ("seconde", "secondes"),
        "h": ("heure", "heures"),
        "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "kWh": ("kilowattheure", "kilowattheures"),
        "Hz": ("hertz", "hertz"), "Mo": ("mégaoctet", "mégaoctets"), "Go": ("gigaoctet", "gigaoctets"),
        "GB": ("gigaoctet", "gigaoctets"), "°F": ("degré Fahrenheit", "degrés Fahrenheit"),
        "bpm": ("battement par minute", "battements par minute"),
        "°C": ("degré", "degrés"), "° C": ("degré", "degrés"),
        "°": ("degré", "degrés"), "%": ("pour cent", "pour cent"), "m²": ("mètre carré", "mètres carrés"),
        "km²": ("kilomètre carré", "kilomètres carrés"), "m³": ("mètre cube", "mètres cubes"),
        "ha": ("hectare", "hectares"), "kcal": ("kilocalorie", "kilocalories"), "dB": ("décibel", "décibels"),
    },
    scales={
        "mille": "mille", "millions": "millions", "million": "million", "milliards": "milliards",
        "milliard": "milliard", "M": "millions", "Md": "milliards", "Mds": "milliards", "k": "mille",
    },
    abbreviations={
        "Réf.": "référence", "réf.": "référence", "p. ex.": "par exemple", "p.ex.": "par exemple",
        "par ex.": "par exemple", "av. J.-C.": "avant Jésus-Christ", "apr. J.-C.": "après Jésus-Christ",
        "th.": "thermostat", "arr.": "arrondissement", "Rdc": "rez-de-chaussée", "RDC": "rez-de-chaussée",
        "dép.": "département", "appt.": "appartement", "mmHg": "millimètres de mercure", "hab.": "habitants",
        "c.-à-d.": "c'est-à-dire", "etc.": "et cetera",
        "M.": "monsieur", "MM.": "messieurs", "Mme": "madame", "Mmes": "mesdames", "Mlle": "mademoiselle",
        "Dr.": "docteur", "Dr": "docteur", "Pr": "professeur",
        "av.": "avenue", "bd": "boulevard", "n°": "numéro", "N°": "numéro",
        "24h/24": "vingt-quatre heures sur vingt-quatre", "24/24": "vingt-quatre sur vingt-quatre",
        "7j/7": "sept jours sur sept", "7/7": "sept sur sept", "24h/24h": "vingt-quatre heures sur vingt-quatre",
        "env.": "environ", "tél.": "téléphone", "Tél.": "téléphone", "vs": "contre", "chap.": "chapitre",
        "max.": "maximum", "min.": "minimum", "svp": "s'il vous plaît", "SVP": "s'il vous plaît", "St": "saint",
        "vs.": "contre", "Av.": "avenue", "bd.": "boulevard", "Bd.": "boulevard", "Bd": "boulevard",
        "St.": "saint", "Ste.": "sainte", "Ste": "sainte", "RDV": "rendez-vous", "rdv": "rendez-vous",
    },
    ordinal_mark=r"(?:ère|er|re|ème|nde?|e)\b",
    scripts={
        "CYRILLIC": "quelque chose en cyrillique", "GREEK": "quelque chose en grec",
        "CJK": "quelque chose en chinois",
        "ARABIC": "quelque chose en arabe", "HEBREW": "quelque chose en hébreu",
        "HIRAGANA": "quelque chose en japonais", "KATAKANA": "quelque chose en japonais",
        "HANGUL": "quelque chose en coréen", "": "quelque chose dans une autre écriture",
    },
)  # fmt: skip
