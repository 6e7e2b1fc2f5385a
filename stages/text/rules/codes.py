"""Codes, said digit by digit and letter by letter: PINs, orders, accounts, keys of a telephone."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.rule import DIGIT, Rule, rule

_OF = (
    "order|tracking|account|case|invoice|confirmation|booking|reservation|reference|routing|serial|policy|customer|"
    "member|membership|ticket|claim|card|phone"
)
_THINGS = "pedido|cuenta|reserva|cliente|referencia|factura|póliza|tarjeta|expediente|seguimiento"
_CHOSES = "commande|compte|réservation|client|référence|facture|dossier|suivi|série|police"
_SACHEN = "Bestell|Kunden|Rechnungs|Auftrags|Konto|Buchungs|Vorgangs|Referenz|Sendungs|Karten|Vertrags|Serien"
_COSE = "ordine|conto|prenotazione|cliente|pratica|fattura|tessera|polizza|spedizione"
_CODED = (
    "PIN|[Pp]in|[Cc]ode|ZIP|[Zz]ip|[Pp]asscode|[Mm]eeting ID|[Cc]onference ID|[Pp]assword|[Rr]eference|[Bb]ooking|"
    "[Cc]onfirmation|[Tt]icket|[Aa]ccount|[Ee]xtension|[Ee]xt|OTP|CVV|CVC|"
    "(?:[Vv]erification|PIN|ZIP|[Pp]in|[Zz]ip) code|[Cc]ódigo(?: postal)?|[Cc]lave|[Cc]ode postal|Postleitzahl|PLZ|"
    "[Cc]odice|CAP|"
    rf"(?:(?i:{_OF})) number|[Nn]úmero de (?:{_THINGS})|[Nn]uméro de (?:{_CHOSES})|(?:{_SACHEN})nummer|"
    rf"[Nn]umero d[i'] ?(?:{_COSE})|"
    "[Ll]ast (?:four|4)(?: digits)?|finissant par|"
    "se terminant par|Endnummer|Endziffern|endet auf|termin(?:a|ante) con|che finisce con"
)
_ENDS_IN = "[Ee]nd(?:ing|s) (?:in|with)|[Tt]erminad[ao] en|termina en"
"""What is said of wars and contracts too: "ends in 2025", "ends in 120 days"."""

_COUNTED = r"(?<=[Bb]ooking \d{3}) [a-z]{3,}s\b"
"""Behind it: "booking 300 rooms"."""

_CARDS = (
    "card", "account", "number", "phone", "one", "Visa", "Mastercard", "tarjeta", "cuenta", "número", "teléfono",
)  # fmt: skip
_KEYED = (
    "[Pp]ress|[Dd]ial|[Hh]it|[Pp]ush|[Ee]nter|then|or|and|"
    "[Pp]ulse|[Mm]arque|[Tt]apez|o|y|sur|composez|puis|ou|Sie|dann|oder|[Pp]rema|[Dd]igiti|poi"
)
_STATES = (
    "AL:Alabama AK:Alaska AZ:Arizona AR:Arkansas CA:California CO:Colorado CT:Connecticut DE:Delaware FL:Florida "
    "GA:Georgia HI:Hawaii ID:Idaho IL:Illinois IN:Indiana IA:Iowa KS:Kansas KY:Kentucky LA:Louisiana ME:Maine "
    "MD:Maryland MA:Massachusetts MI:Michigan MN:Minnesota MS:Mississippi MO:Missouri MT:Montana NE:Nebraska NV:Nevada "
    "NH:New_Hampshire NJ:New_Jersey NM:New_Mexico NY:New_York NC:North_Carolina ND:North_Dakota OH:Ohio OK:Oklahoma "
    "OR:Oregon PA:Pennsylvania RI:Rhode_Island SC:South_Carolina SD:South_Dakota TN:Tennessee TX:Texas UT:Utah "
    "VT:Vermont VA:Virginia WA:Washington WV:West_Virginia WI:Wisconsin WY:Wyoming DC:DC"
)
_STATE = {short: name.replace("_", " ") for short, name in (each.split(":") for each in _STATES.split())}
_ONLY_STATES = "AZ|CA|CT|FL|GA|IL|KS|KY|MN|NC|NH|NJ|NM|NV|NY|SC|SD|TN|TX|UT|WA|WI|WV|WY"
"""Those that are no words or titles as well: "OK", "MD"."""

_YEAR = r"(?:19|20)\d\d(?![\w-])"
_NO_CODE = r"(?:(?:[BCFHIKNOPS]\d{0,2})+|\d+X\d+|(?:19|20)\d\dQ[1-4])(?![\w-])"
"""Formulas of chemistry, sizes, quarters of a year."""

_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West"}


class _Codes:
    def __init__(self, language: Language) -> None:
        self.language = language

    def spelt(self, digits: str) -> str:
        """ "nine one one"."""
        return " ".join(self.language.cardinal(int(digit)) for digit in digits)

    def code(self, match: re.Match[str]) -> str:
        """The digits behind the word that says that they are a code."""
        groups = re.findall(r"\d+", match["digits"])
        what = re.sub(r"\d", lambda digit: self.spelt(digit[0]), match["what"])
        return what + ", ".join(map(self.spelt, groups))

    def mixed(self, match: re.Match[str]) -> str:
        """ "A B one two C D", with a breath where the text has a gap."""
        return ", ".join(map(self._one_by_one, match[0].split()))

    def _one_by_one(self, group: str) -> str:
        return " ".join(self.spelt(char) if char.isdigit() else char for char in group)

    def numbered(self, match: re.Match[str]) -> str:
        """ "INV one zero zero nine"."""
        letters, *groups = re.findall(r"[A-Z]+|\d+", match[0])
        return f"{letters} {', '.join(map(self.spelt, groups))}"

    def key(self, match: re.Match[str]) -> str:
        """ "star six seven", "pound"."""
        words = self.language.words
        name = words.get("star", "star") if match["key"] == "*" else words.get("pound", "pound")
        return f"{match['what']}{name} {self.spelt(match['digits'])}".rstrip()

    def in_pairs(self, match: re.Match[str]) -> str:
        """ "twelve thirty four"."""
        return f"{match['what'].rstrip()} {self.language.year(int(match['digits']))}"

    def state(self, match: re.Match[str]) -> str:
        """ "Texas seven eight seven zero one"."""
        code = match["code"] or ""
        return f"{_STATE[match['state'].replace('.', '')]} {', '.join(map(self.spelt, code.split('-')))}".rstrip()


def rules(language: Language) -> Iterator[Rule]:
    """In the words of `language`."""
    say = _Codes(language)
    yield rule(
        rf"\b(?P<what>(?:{_CODED})(?: (?:is|are|number|es|ist|lautet|est|è))?:? )#?"
        rf"(?P<digits>\d{{3,}}(?:[ -]\d{{3,4}}(?!\d))*)\b(?![.,-]\d)(?!{_COUNTED})",
        say.code,
        DIGIT,
    )
    card = "|".join(rf"(?<=\b{word} )" for word in _CARDS)
    yield rule(
        rf"(?P<what>(?:(?:{card})(?:{_ENDS_IN})|\b(?:{_ENDS_IN})(?!:? (?:1[1-9]|20)\d\d\b)):? )"
        r"(?P<digits>\d{4})\b(?![.,-]\d)",
        say.code,
        DIGIT,
    )
    yield rule(
        r"\b(?P<what>[A-ZÀ-Üa-zà-ü]{3,} )#(?P<digits>\d{4,})(?![\w-]|[.,]\d)",
        lambda match: f"{match['what']}{language.words['number']} {say.spelt(match['digits'])}",
        "#" + DIGIT,
    )
    yield from _of_letters_and_digits(say)
    if language.code in ("de", "es", "it"):
        house = r"(?:(?<=\d, )|(?<=\d[a-h], ))" if language.code == "de" else "(?<=, )"
        yield rule(
            house + r"\d{5}(?= [A-ZÁÉÍÓÚÄÖÜ][a-zà-ü])", lambda match: say.spelt(match[0]), "," + DIGIT
        )  # in front of a town; every noun of German has a capital: "In Köln, 15000 Menschen"
    ends = r"(?=[\s.,;:!?)]|$)"
    yield rule(rf"\b(?P<what>(?:{_KEYED}) )(?P<key>[*#])(?P<digits>(?<=\*)\d{{1,4}}|){ends}", say.key, "*#")
    if language.code == "en":
        yield from _american(say)


def _of_letters_and_digits(say: _Codes) -> Iterator[Rule]:
    """ "INV-1009", "AB12CD", and accounts by their IBAN."""
    yield rule(
        rf"(?<![\w-])[A-Z]{{2,4}}-(?=[\d-]{{4}})(?!{_YEAR})\d{{2,8}}(?:-\d{{2,8}}){{0,2}}(?![\w-])|"
        rf"(?<![\w.-])[A-Z]{{2}}(?!{_YEAR})\d{{4}}(?![\w-])",
        say.numbered,
        DIGIT,
    )
    yield rule(
        r"(?<![\w-])[A-Z]{2}\d\d(?=(?: ?[A-Z\d]{4}){3})(?: ?[A-Z\d]{4}){3,7}(?: ?[A-Z\d]{1,3})?(?![\w-])",
        say.mixed,
        DIGIT,
    )
    yield rule(
        rf"(?<![\w.-])(?=\d+[A-Z]+\d|[A-Z]+\d+[A-Z])(?=\w*\d\w*\d)(?!{_NO_CODE})[A-Z\d]{{6,24}}(?![\w-])",
        say.mixed,
        DIGIT,
    )


def _american(say: _Codes) -> Iterator[Rule]:
    """Postal codes and flights as people in the United States read them."""
    states = "|".join(_STATE).replace("DC", r"D\.?C\.?")
    yield rule(
        rf"(?:(?<=[a-z.,] )|(?<=\A ))(?P<state>{states}),? (?P<code>\d{{5}}(?:-\d{{4}})?)(?![\w-])",
        say.state,
        DIGIT,
    )
    yield rule(
        rf"(?:(?<=[a-z], )|(?<=\A ))(?P<state>{_ONLY_STATES})(?P<code>)(?![\w-])", say.state, "ACFGIKMNSTUW"
    )
    yield rule(r"(?<![\w.,-])(?P<what>)(?P<digits>\d{5}-\d{4})(?![\w-])", say.code, "-" + DIGIT)
    yield rule(
        r"\b(?P<what>[Ff]light (?:number )?(?:[A-Z]{2} ?)?)(?P<digits>[1-9]\d{3})(?!\w|[.,]\d)",
        say.in_pairs,
        "fF" + DIGIT,
    )
    yield rule(r"(?<=\d )([NSEW])\.?(?= [A-Z\d])", lambda match: _SIDES[match[1]], "NSEW" + DIGIT)
    number = say.language.cardinal
    yield rule(
        r"(?<=\bBoeing )(7)(\d7)(?![\w.])(?:-(\d{3})(?!\w))?",
        lambda match: " ".join(number(int(part)) for part in match.groups() if part),
        "B" + DIGIT,
    )
    yield rule(
        r"(?<![\w.])40([13])(?:\(([bk])\)|(k)(?= (?:plan|account|match)))",
        lambda match: f"four oh {number(int(match[1]))} {match[2] or match[3]}",
        "bk" + DIGIT,
    )
