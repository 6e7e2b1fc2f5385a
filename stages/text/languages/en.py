"""English, as it is read in the United States: "one hundred five", "seven thirty PM", "May third"."""

from stages.text.languages.language import Language, Money

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def cardinal(number: int) -> str:
    """ "one thousand two hundred five"."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return _TENS[ten] + (f" {_ONES[one]}" if one else "")
    if number < 1000:
        hundred, rest = divmod(number, 100)
        return f"{_ONES[hundred]} hundred" + (f" {cardinal(rest)}" if rest else "")
    said, group = [], 0
    while number:
        number, rest = divmod(number, 1000)
        if rest:
            said.append(f"{cardinal(rest)} {_GROUPS[group]}".rstrip())
        group += 1
    return " ".join(reversed(said))


def ordinal(number: int) -> str:
    """ "one hundred twenty second"."""
    head, space, last = cardinal(number).rpartition(" ")
    if last in _ORDINALS:
        return head + space + _ORDINALS[last]
    return head + space + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """ "nineteen oh five", "two thousand five", "twenty twenty six", "fifteen hundred"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def _day(day: int, month: str, _front: str) -> str:
    return f"{month} {ordinal(day)}"


def _clock(hour: int, minute: int) -> str:
    half = "PM" if hour >= 12 else "AM"
    if not minute:
        return f"{cardinal(hour % 12 or 12)} {half}"
    return f"{cardinal(hour % 12 or 12)} {minutes(minute)} {half}"


def minutes(minute: int) -> str:
    """After the hour: "oh five", "thirty"."""
    return ("oh " if minute < 10 else "") + cardinal(minute)


def _cents(whole: str, money: Money, cents: int) -> str:
    if whole == "zero":
        return f"{cardinal(cents)} {money.cent if cents == 1 else money.cents}"
    unit = money.one if whole == "one" else money.many
    if cents < 10:
        return f"{whole} {unit} and {cardinal(cents)} {money.cent if cents == 1 else money.cents}"
    return f"{whole} {unit} {cardinal(cents)}"


WORDS = {
    "point": "point", "minus": "minus", "plus": "plus", "to": "to", "at": "at", "dot": "dot", "slash": "slash",
    "dash": "dash", "underscore": "underscore", "times": "times", "by": "by", "divided": "divided by",
    "power": "to the power of", "number": "number", "per": "per", "over": "over", "more": "more than",
    "less": "less than", "is more": "is greater than", "is less": "is less than", "and": "and", "about": "about",
    "of": "of", "equals": "equals", "or more": "or more", "picture": "a picture", "hashtag": "hashtag",
    "out of": "out of", "square root": "the square root of", "is not": "is not", "at most": "at most",
    "at least": "at least", "star": "star", "pound": "pound",
}  # fmt: skip

_SQUARE = {
    f"sq{dot} {unit}{end}": (f"square {one}", f"square {many}")
    for unit, one, many in (
        ("ft", "foot", "feet"), ("in", "inch", "inches"), ("yd", "yard", "yards"), ("mi", "mile", "miles"),
        ("m", "meter", "meters"), ("km", "kilometer", "kilometers"),
    )
    for dot in ("", ".")
    for end in ("", ".")
}  # fmt: skip
_DOTTED = {
    f"{short}.": (one, f"{one}s")
    for one, *several in (
        ("hour", "hr", "hrs"), ("minute", "min", "mins"), ("second", "sec", "secs"), ("year", "yr", "yrs"),
        ("gallon", "gal"), ("mile", "mi"), ("tablespoon", "tbsp"), ("teaspoon", "tsp"), ("yard", "yd"),
    )
    for short in several
}  # fmt: skip

LANGUAGE = Language(
    code="en",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    day=_day,
    clock=_clock,
    cents=_cents,
    decimal_comma=False,
    year_joint=", ",
    words=WORDS,
    signs={
        "%": "percent", "‰": "per mille", "≈": "about", "≤": "at most", "≥": "at least", "→": "to", "⇒": "so",
        "−": "minus", "÷": "divided by", "×": "times", "±": "plus or minus", "≠": "is not", "№": "number",
        "√": "the square root of", "∞": "infinity", "½": "one half", "¼": "one quarter", "¾": "three quarters",
        "⅓": "one third", "⅔": "two thirds", "°": "degrees", "§": "section", "©": "copyright", "&": "and",
        "²": "squared", "³": "cubed", "Δ": "delta", "π": "pi", "α": "alpha", "β": "beta", "γ": "gamma",
        "θ": "theta", "λ": "lambda", "μ": "mu", "µ": "micro", "σ": "sigma", "Ω": "omega", "ω": "omega", "=": "equals",
        "+": "plus", "∑": "the sum of", "∈": "in", "☎": "telephone",
    },
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    money={
        "$": Money("dollar", "dollars", "cent", "cents"), "US$": Money("US dollar", "US dollars", "cent", "cents"),
        "£": Money("pound", "pounds", "penny", "pence"), "€": Money("euro", "euros", "cent", "cents"),
        "A$": Money("Australian dollar", "Australian dollars", "cent", "cents"),
        "C$": Money("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "CA$": Money("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "NZ$": Money("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
        "HK$": Money("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
        "R$": Money("real", "reais", "centavo", "centavos"), "¥": Money("yen", "yen"), "円": Money("yen", "yen"),
        "₹": Money("rupee", "rupees", "paisa", "paise"), "₩": Money("won", "won"), "₽": Money("ruble", "rubles"),
        "₺": Money("lira", "lira"), "₪": Money("shekel", "shekels"), "₿": Money("bitcoin", "bitcoin"),
        "฿": Money("baht", "baht"), "₫": Money("dong", "dong"), "₱": Money("peso", "pesos"),
        "₦": Money("naira", "naira"), "₴": Money("hryvnia", "hryvnias"), "₡": Money("colón", "colones"),
        "¢": Money("cent", "cents"), "zł": Money("zloty", "zlotys"),
        "USD": Money("US dollar", "US dollars", "cent", "cents"), "EUR": Money("euro", "euros", "cent", "cents"),
        "GBP": Money("pound", "pounds", "penny", "pence"), "JPY": Money("yen", "yen"),
        "INR": Money("rupee", "rupees", "paisa", "paise"),
        "CHF": Money("Swiss franc", "Swiss francs", "cent", "cents"),
        "CAD": Money("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "AUD": Money("Australian dollar", "Australian dollars", "cent", "cents"), "CNY": Money("yuan", "yuan"),
        "KRW": Money("won", "won"), "kr": Money("krone", "kroner"), "p": Money("penny", "pence"),
        "PLN": Money("zloty", "zlotys"), "SEK": Money("krona", "kronor"),
        "NOK": Money("krone", "kroner"), "DKK": Money("krone", "kroner"), "BTC": Money("bitcoin", "bitcoin"),
        "MXN": Money("Mexican peso", "Mexican pesos"), "Rs.": Money("rupee", "rupees", "paisa", "paise"),
        "Rs": Money("rupee", "rupees", "paisa", "paise"),
    },
    units={
        "g": ("gram", "grams"), "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"),
        "µg": ("microgram", "micrograms"), "μg": ("microgram", "micrograms"), "mcg": ("microgram", "micrograms"),
        "t": ("ton", "tons"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
        "fl oz": ("fluid ounce", "fluid ounces"), "tbsp": ("tablespoon", "tablespoons"),
        "tsp": ("teaspoon", "teaspoons"), "in.": ("inch", "inches"), "ft.": ("foot", "feet"),
        "lbs.": ("pound", "pounds"), "lb.": ("pound", "pounds"), "oz.": ("ounce", "ounces"),
        "m": ("meter", "meters"), "km": ("kilometer", "kilometers"),
        "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"), "nm": ("nanometer", "nanometers"),
        "µm": ("micrometer", "micrometers"), "μm": ("micrometer", "micrometers"), "mi": ("mile", "miles"),
        "yd": ("yard", "yards"), "ft": ("foot", "feet"), **_SQUARE, **_DOTTED,
        "ha": ("hectare", "hectares"), "l": ("liter", "liters"), "L": ("liter", "liters"),
        "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"), "cl": ("centiliter", "centiliters"),
        "dl": ("deciliter", "deciliters"), "dL": ("deciliter", "deciliters"),
        "ng": ("nanogram", "nanograms"), "mmol": ("millimole", "millimoles"),
        "IU": ("international unit", "international units"), "mA": ("milliamp", "milliamps"),
        "mV": ("millivolt", "millivolts"), "Wh": ("watt hour", "watt hours"), "MWh": ("megawatt hour",
        "megawatt hours"),
        "Ω": ("ohm", "ohms"), "kΩ": ("kilohm", "kilohms"), "ppm": ("part per million", "parts per million"),
        "hp": ("horsepower", "horsepower"), "gal": ("gallon", "gallons"), "qt": ("quart", "quarts"),
        "km/h": ("kilometer per hour", "kilometers per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
        "kmh": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"),
        "m/s": ("meter per second", "meters per second"),
        "m/s²": ("meter per second squared", "meters per second squared"), "kt": ("knot", "knots"),
        "rpm": ("RPM", "RPM"),
        "bpm": ("beat per minute", "beats per minute"), "h": ("hour", "hours"), "hr": ("hour", "hours"),
        "hrs": ("hour", "hours"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
        "s": ("second", "seconds"), "sec": ("second", "seconds"), "secs": ("second", "seconds"),
        "ms": ("millisecond", "milliseconds"), "µs": ("microsecond", "microseconds"),
        "ns": ("nanosecond", "nanoseconds"),
        "yr": ("year", "years"), "pts": ("point", "points"), "yrs": ("year", "years"), "mo": ("month", "months"),
        "wk": ("week", "weeks"),
        "wks": ("week", "weeks"), "mos": ("month", "months"),
        "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "MW": ("megawatt", "megawatts"),
        "GW": ("gigawatt", "gigawatts"), "kWh": ("kilowatt hour", "kilowatt hours"), "V": ("volt", "volts"),
        "mAh": ("milliamp hour", "milliamp hours"), "Hz": ("hertz", "hertz"), "kHz": ("kilohertz", "kilohertz"),
        "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
                "KB": ("kilobyte", "kilobytes"), "kB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"),
        "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"), "PB": ("petabyte", "petabytes"),
        "kbps": ("kilobit per second", "kilobits per second"), "Mbps": ("megabit per second", "megabits per second"),
        "Gbps": ("gigabit per second", "gigabits per second"), "MP": ("megapixel", "megapixels"),
        "px": ("pixel", "pixels"), "dpi": ("DPI", "DPI"), "fps": ("frame per second", "frames per second"),
        "dB": ("decibel", "decibels"), "kcal": ("kilocalorie", "kilocalories"), "cal": ("calorie", "calories"),
        "kJ": ("kilojoule", "kilojoules"), "J": ("joule", "joules"), "Pa": ("pascal", "pascals"),
        "hPa": ("hectopascal", "hectopascals"), "kPa": ("kilopascal", "kilopascals"), "psi": ("PSI", "PSI"),
        "N": ("newton", "newtons"), "°C": ("degree Celsius", "degrees Celsius"),
        "° C": ("degree Celsius", "degrees Celsius"), "℃": ("degree Celsius", "degrees Celsius"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "° F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "℉": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"), "%": ("percent", "percent"),
        "‰": ("per mille", "per mille"), "pct": ("percent", "percent"), "¢": ("cent", "cents"),
        "m²": ("square meter", "square meters"), "m2": ("square meter", "square meters"),
        "km²": ("square kilometer", "square kilometers"), "km2": ("square kilometer", "square kilometers"),
        "cm²": ("square centimeter", "square centimeters"), "mm²": ("square millimeter", "square millimeters"),
        "ft²": ("square foot", "square feet"), "ft2": ("square foot", "square feet"),
        "mi²": ("square mile", "square miles"), "in²": ("square inch", "square inches"),
        "m³": ("cubic meter", "cubic meters"), "m3": ("cubic meter", "cubic meters"),
        "km³": ("cubic kilometer", "cubic kilometers"), "cm³": ("cubic centimeter", "cubic centimeters"),
        "mm³": ("cubic millimeter", "cubic millimeters"), "ft³": ("cubic foot", "cubic feet"),
        "in³": ("cubic inch", "cubic inches"), "mmHg": ("millimeter of mercury", "millimeters of mercury"),
    },
    scales={
        "hundred": "hundred", "thousand": "thousand", "million": "million", "billion": "billion",
        "trillion": "trillion", "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
        "bn": "billion", "b": "billion", "B": "billion", "T": "trillion", "tn": "trillion", "mio": "million",
        "dozen": "dozen", "lakh": "lakh", "crore": "crore",
    },
    abbreviations={
        "e.g.": "for example", "i.e.": "that is", "approx.": "approximately", "incl.": "including",
        "excl.": "excluding", "esp.": "especially", "ea.": "each", "qty.": "quantity",
        "Qty.": "Quantity", "appt.": "appointment", "Nº": "number", "N°": "number", "nº": "number", "w/in": "within",
        "mmHg": "millimeters of mercury", "w/o": "without", "w/": "with", "b/c": "because", "c/o": "care of",
        "vs.": "versus",
        "vs": "versus", "etc.": "et cetera", "a.k.a.": "also known as", "aka": "also known as", "cf.": "compare",
        "viz.": "namely", "et al.": "and others", "resp.": "respectively", "FYI": "for your information",
        "TBD": "to be determined", "govt.": "government", "dept.": "department", "Dept.": "Department",
        "Univ.": "University", "misc.": "miscellaneous", "Assn.": "Association",
        "km/h": "kilometers per hour", "m/s": "meters per second", "N/A": "not available", "n/a": "not available",
        "24/7": "twenty four seven", "50/50": "fifty fifty", "9/11": "nine eleven",
    },
    emergencies="911|112|999|988",
    ordinal_mark=r"(?:st|nd|rd|th)\b",
    scripts={
        "CYRILLIC": "something in Cyrillic", "GREEK": "something in Greek", "ARABIC": "something in Arabic",
        "HEBREW": "something in Hebrew", "CJK": "something in Chinese", "HIRAGANA": "something in Japanese",
        "KATAKANA": "something in Japanese", "HANGUL": "something in Korean", "THAI": "something in Thai",
        "DEVANAGARI": "something in Hindi", "BENGALI": "something in Bengali", "TAMIL": "something in Tamil",
        "ARMENIAN": "something in Armenian", "GEORGIAN": "something in Georgian", "": "something in another script",
    },
)  # fmt: skip
