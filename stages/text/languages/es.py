"""Spanish: "veintiuno", "las siete y media" as "siete treinta", "tres de mayo"."""

import re

from stages.text.languages.language import Language, Money

_ONES = (
    "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce",
        "trece",
    "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve", "veinte", "veintiuno", "veintidós",
    "veintitrés", "veinticuatro", "veinticinco", "veintiséis", "veintisiete", "veintiocho", "veintinueve",
)  # fmt: skip
_TENS = ("", "", "", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa")
_HUNDREDS = (
    "", "ciento", "doscientos", "trescientos", "cuatrocientos", "quinientos", "seiscientos", "setecientos",
    "ochocientos", "novecientos",
)  # fmt: skip
_ORDINALS = (
    "", "primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno", "décimo",
)  # fmt: skip


def cardinal(number: int) -> str:
    """ "mil doscientos cinco"."""
    for size, single, many in ((10**12, "un billón", "billones"), (10**6, "un millón", "millones")):
        if number >= size:
            count, rest = divmod(number, size)
            said = single if count == 1 else f"{_shortened(cardinal(count))} {many}"
            return said + (f" {cardinal(rest)}" if rest else "")
    if number >= 1000:
        count, rest = divmod(number, 1000)
        said = "mil" if count == 1 else f"{_shortened(cardinal(count))} mil"
        return said + (f" {cardinal(rest)}" if rest else "")
    if number == 100:
        return "cien"
    if number > 100:
        hundred, rest = divmod(number, 100)
        return _HUNDREDS[hundred] + (f" {cardinal(rest)}" if rest else "")
    if number < 30:
        return _ONES[number]
    ten, one = divmod(number, 10)
    return _TENS[ten] + (f" y {_ONES[one]}" if one else "")


def _shortened(words: str) -> str:
    """In front of what is counted: "veintiún mil"."""
    if words.endswith("veintiuno"):
        return f"{words[:-3]}ún"
    return words[:-1] if words.endswith("uno") else words


def ordinal(number: int) -> str:
    """ "tercero"; from eleven on as people say them, by the number."""
    return _ORDINALS[number] if number < len(_ORDINALS) else cardinal(number)


def _clock(hour: int, minute: int) -> str:
    hours = cardinal(hour)
    return (f"{hours[:-1]}a" if hours.endswith("uno") else hours) + (
        f" {'cero ' if minute < 10 else ''}{cardinal(minute)}" if minute else " en punto"
    )


def _cents(whole: str, money: Money, cents: int) -> str:
    said = f"{_shortened(cardinal(cents))} {money.cent if cents == 1 else money.cents}"
    if whole == "cero":
        return said
    return f"{whole} {money.one if whole in ('un', 'una') else money.many} con {cardinal(cents)}"


_NO_NOUNS = re.compile(
    "y|o|a|e|u|de|en|que|por|para|con|es|son|al|del|se|lo|los|las|más|menos|mas|sin|si|como|pues|antes"
)


_FEMININE = re.compile(
    "(?:noche|tarde|parte|clase|llave|calle|leche|nube|serie|base|fase|frase|fuente|carne|sede|clave|torre|nave|"
    "mano|foto|moto|radio)s?|veces|vez|(?:mujer|flor|red|pared|señal|imagen|orden|razón|piel|ley)(?:es)?|"
    "imágenes|órdenes|razones|luz|luces|voz|voces|cruz|cruces"
)
_MASCULINE = re.compile(
    "(?:problem|tem|sistem|program|idiom|clim|dram|poem|esquem|síntom|diplom|dilem|panoram|diagram|crucigram|lem|gig|meg|ter|"
    "fantasm|map|dí|mediodí|planet|dálmat|poet|pilot|atlet|turist|artist|dentist|taxist)as?"
)
_FEMININE_ENDS = ("a", "as", "ción", "ciones", "sión", "siones", "dad", "dades", "tud", "tudes")


def _is_feminine(noun: str) -> bool:
    if _FEMININE.fullmatch(noun):
        return True
    return noun.endswith(_FEMININE_ENDS) and not _MASCULINE.fullmatch(noun)


def _part(part: int, many: bool) -> str:
    names = ("tercio", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno", "décimo")
    return names[part - 3] + ("s" if many else "")


def _agreed(words: str, number: int, noun: str) -> str:
    """ "veintiún años", "veintiuna mesas", "doscientas personas"."""
    if not noun.islower() or _NO_NOUNS.fullmatch(noun) or (number != 1 and not noun.endswith("s")):
        return words
    if not _is_feminine(noun):
        return _shortened(words)
    words = words.replace("cientos", "cientas").replace("quinientos", "quinientas")
    return f"{words[:-1]}a" if words.endswith("uno") else words


def _with_half(number: int, noun: str) -> str:
    """ "dos tazas y media"."""
    return f"{_agreed(cardinal(number), number, noun)} {noun} y {'media' if _is_feminine(noun) else 'medio'}"


def _ordinal_form(words: str, mark: str, _front: str) -> str:
    if mark.endswith("er"):
        return words.removesuffix("o") if words.endswith(("primero", "tercero")) else words
    return f"{words[:-1]}a" if mark.endswith(("ª", "a")) and words.endswith("o") else words


_SHORT_DAYS = {
    "lun": "lunes",
    "mar": "martes",
    "mié": "miércoles",
    "jue": "jueves",
    "vie": "viernes",
    "sáb": "sábado",
    "dom": "domingo",
}


LANGUAGE = Language(
    code="es",
    cardinal=cardinal,
    ordinal=ordinal,
    year=cardinal,
    day=lambda day, month, _front: f"{'uno' if day == 1 else cardinal(day)} de {month}",
    clock=_clock,
    cents=_cents,
    decimal_comma=True,
    one=lambda noun: "una" if noun.split()[0].endswith("a") else "un",
    counted=_shortened,
    agreed=_agreed,
    labels=(
        r"opción|número|n[ºo]\.?|paso|puerta|línea|mesa|habitación|sala|página|nivel|zona|terminal|andén|vía|"
        "plataforma|grupo|fase|parte|tipo|planta|piso|fila|asiento|canal|tecla|ruta|categoría|etapa|pregunta|"
        "punto|sección|tabla|figura|caja|ventanilla|día|capítulo|artículo|versión|autobús|tren|salida|unidad|"
        "lección|calle|bloque|edificio|portal|módulo|tomo|apartado"
    ),
    ordinal_form=_ordinal_form,
    ruler=lambda number: ordinal(number) if number <= 10 else cardinal(number),
    rulers="Felipe|Alfonso|Carlos|Fernando|Isabel|Juan|Juan Pablo|Enrique|Luis|Pío|Benedicto|León|Napoleón|Pedro|Jaime",
    half=lambda noun: "media" if _is_feminine(re.sub(r"\W", "", noun)) else "medio",
    and_a_half=lambda number: f"{cardinal(number)} y medio",
    fractions={
        f"{a}/{b}": f"{_shortened(cardinal(a))} {_part(b, a > 1)}" for b in range(3, 10) for a in range(1, b)
    },
    with_half=_with_half,
    queens="Isabel|Juana|María",
    queen=lambda number: f"{ordinal(number)[:-1]}a" if number <= 10 else cardinal(number),
    short_months={
        "ene": 1, "feb": 2, "mar": 3, "abr": 4, "may": 5, "jun": 6, "jul": 7, "ago": 8, "sep": 9, "sept": 9, "oct": 10,
        "nov": 11, "dic": 12,
    },
    days={"L": "lunes", "M": "martes", "X": "miércoles", "J": "jueves", "V": "viernes", "S": "sábado",
        "D": "domingo", **_SHORT_DAYS, **{short.capitalize(): day for short, day in _SHORT_DAYS.items()}},
    emergencies="112|911|091|061|062|080|016",
    numbered={
        "p.": "página", "pp.": "páginas", "art.": "artículo", "fig.": "figura", "vol.": "volumen", "km": "kilómetro",
    },
    of_a_million="de",
    year_joint=" de ",
    words={
        "point": "coma", "minus": "menos", "plus": "más", "to": "a", "at": "arroba", "dot": "punto", "slash": "barra",
        "dash": "guion", "underscore": "guion bajo", "times": "por", "by": "por", "divided": "dividido entre",
        "power": "elevado a", "number": "número", "per": "por", "over": "sobre", "more": "más de", "less": "menos de",
        "is more": "es mayor que", "is less": "es menor que", "about": "unos", "equals": "igual a",
        "star": "asterisco", "pound": "almohadilla", "fold": "veces",
        "hashtag": "almohadilla", "out of": "de", "is not": "no es igual a",
    },
    signs={
        "%": "por ciento", "‰": "por mil", "≈": "unos", "≤": "como máximo", "≥": "al menos", "→": "a", "−": "menos",
        "÷": "dividido entre", "×": "por", "±": "más o menos", "≠": "no es igual a", "№": "número",
        "√": "raíz cuadrada de", "∞": "infinito", "½": "medio", "¼": "un cuarto", "¾": "tres cuartos", "°": "grados",
        "&": "y", "²": "al cuadrado", "³": "al cubo", "π": "pi", "=": "igual a", "+": "más",
    },
    months=(
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre",
        "diciembre",
    ),
    money={
        "€": Money("euro", "euros", "céntimo", "céntimos"), "EUR": Money("euro", "euros", "céntimo", "céntimos"),
        "$": Money("dólar", "dólares", "centavo", "centavos"), "US$": Money("dólar", "dólares", "centavo",
        "centavos"),
        "USD": Money("dólar", "dólares", "centavo", "centavos"), "£": Money("libra", "libras", "penique", "peniques"),
        "GBP": Money("libra", "libras", "penique", "peniques"), "¥": Money("yen", "yenes"),
        "₹": Money("rupia", "rupias"), "₩": Money("won", "wones"), "₽": Money("rublo", "rublos"),
        "MXN": Money("peso", "pesos", "centavo", "centavos"), "ARS": Money("peso", "pesos", "centavo", "centavos"),
        "COP": Money("peso", "pesos"), "CLP": Money("peso", "pesos"),
        "CHF": Money("franco", "francos", "céntimo", "céntimos"),
    },
    units={
        "g": ("gramo", "gramos"), "kg": ("kilo", "kilos"), "mg": ("miligramo", "miligramos"),
        "t": ("tonelada", "toneladas"), "m": ("metro", "metros"), "km": ("kilómetro", "kilómetros"),
        "cm": ("centímetro", "centímetros"), "mm": ("milímetro", "milímetros"), "l": ("litro", "litros"),
        "L": ("litro", "litros"), "ml": ("mililitro", "mililitros"), "cl": ("centilitro", "centilitros"),
        "dl": ("decilitro", "decilitros"), "dL": ("decilitro", "decilitros"), "mmol": ("milimol", "milimoles"),
        "mmHg": ("milímetro de mercurio", "milímetros de mercurio"), "kHz": ("kilohercio", "kilohercios"),
        "MHz": ("megahercio", "megahercios"), "GHz": ("gigahercio", "gigahercios"),
        "Mbps": ("megabit por segundo", "megabits por segundo"), "Mb/s": ("megabit por segundo",
        "megabits por segundo"),
        "Gbps": ("gigabit por segundo", "gigabits por segundo"), "µg": ("microgramo", "microgramos"),
        "cda.": ("cucharada", "cucharadas"), "cdas.": ("cucharada", "cucharadas"),
        "cdta.": ("cucharadita", "cucharaditas"), "cdtas.": ("cucharadita", "cucharaditas"),
        "cdita.": ("cucharadita", "cucharaditas"), "cditas.": ("cucharadita", "cucharaditas"),
        "km/h": ("kilómetro por hora", "kilómetros por hora"), "h": ("hora", "horas"), "min": ("minuto", "minutos"),
        "s": ("segundo", "segundos"), "W": ("vatio", "vatios"), "kW": ("kilovatio", "kilovatios"),
        "kWh": ("kilovatio hora", "kilovatios hora"), "Hz": ("hercio", "hercios"), "MB": ("mega", "megas"),
        "GB": ("giga", "gigas"), "TB": ("tera", "teras"), "°F": ("grado Fahrenheit", "grados Fahrenheit"),
        "lpm": ("latido por minuto", "latidos por minuto"),
        "°C": ("grado", "grados"), "ºC": ("grado", "grados"),
        "º C": ("grado", "grados"), "° C": ("grado", "grados"),
        "°": ("grado", "grados"), "%": ("por ciento", "por ciento"), "m²": ("metro cuadrado", "metros cuadrados"),
        "km²": ("kilómetro cuadrado", "kilómetros cuadrados"), "m³": ("metro cúbico", "metros cúbicos"),
        "ha": ("hectárea", "hectáreas"), "kcal": ("kilocaloría", "kilocalorías"), "dB": ("decibelio", "decibelios"),
    },
    scales={"mil": "mil", "millones": "millones", "millón": "millón", "M": "millones", "k": "mil"},
    abbreviations={
        "Ref.": "referencia", "ref.": "referencia", "p. ej.": "por ejemplo", "p.ej.": "por ejemplo",
        "Sres.": "señores", "Sras.": "señoras", "Dres.": "doctores", "Sto.": "santo", "Sta.": "santa",
        "Profa.": "profesora", "Pº": "paseo", "Ctra.": "carretera", "ext.": "extensión", "dpto.": "departamento",
        "a. C.": "antes de Cristo", "a.C.": "antes de Cristo", "d. C.": "después de Cristo",
        "d.C.": "después de Cristo", "p. m.": "p m", "a. m.": "a m", "p.m.": "p m", "a.m.": "a m", "dcha.": "derecha",
        "izda.": "izquierda", "hab.": "habitantes", "C.P.": "código postal", "mmHg": "milímetros de mercurio",
        "etc.": "etcétera", "Sr.": "señor", "Sra.": "señora",
        "Srta.": "señorita", "Dr.": "doctor", "Dra.": "doctora", "D.": "don", "Dña.": "doña", "Ud.": "usted",
        "Uds.": "ustedes", "EE. UU.": "Estados Unidos", "EE.UU.": "Estados Unidos", "núm.": "número", "nº": "número",
        "n.º": "número", "pág.": "página", "págs.": "páginas", "tel.": "teléfono", "Tel.": "teléfono",
        "Avda.": "avenida", "Av.": "avenida", "C/": "calle", "aprox.": "aproximadamente", "máx.": "máximo",
        "Pza.": "plaza", "Plza.": "plaza", "vs": "contra", "mín.": "mínimo", "vs.": "contra", "cap.": "capítulo",
    },
    ordinal_mark=r"(?:\.?(?:[ºª]|er\b)|(?:(?<=[13])r[oa]|(?<=2)d[oa]|(?<=[456])t[oa]|(?<=[70])m[oa]|(?<=8)v[oa]|(?<=9)n[oa])\b)",
    scripts={
        "CYRILLIC": "algo en cirílico", "GREEK": "algo en griego", "ARABIC": "algo en árabe", "CJK": "algo en chino",
        "HEBREW": "algo en hebreo", "HIRAGANA": "algo en japonés", "KATAKANA": "algo en japonés",
        "HANGUL": "algo en coreano", "": "algo en otra escritura",
    },
)  # fmt: skip
