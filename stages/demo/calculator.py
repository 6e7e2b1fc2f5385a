"""Sums as people say them, worked out exactly in decimal: + - * / ^ % and brackets, and nothing else. Pure.

    sum     = product (("+" | "-") product)*        80 + 20% is 96, as on a pocket calculator
    product = signed (("*" | "/" | "of") signed)*
    signed  = ("-" | "+")* power
    power   = percent ("^" signed)?
    percent = (number | "(" sum ")") "%"*

Everything is bounded: the text, its nesting, exponents and the size of what comes out.
"""

import re
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

MAX_CHARS = 200
MAX_NESTING = 20
MAX_EXPONENT = 1000
LARGEST = Decimal(10) ** 15
"""What is not smaller than this cannot be said aloud in a way that anybody would follow."""

_PLACES = 4
"""Digits after the point that are worth saying; of a number below one, digits after its leading zeros."""

_CONTEXT = Context(prec=60, Emax=2000, Emin=-2000, traps=[DivisionByZero, InvalidOperation, Overflow])
_TRUSTED = Context(prec=50)
"""A third times three is one again: the last ten digits are rounding."""

_SPELLINGS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", ",": ""})
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)|(\*\*|[-+*/^%()]|of\b))", re.IGNORECASE)


class CalculationError(ValueError):
    """The text is not a sum, or has no answer that can be said; the message says which, for the person."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result in digits, at most `_PLACES` after the point, and whether that is all there is of it."""

    digits: str
    exact: bool


def calculate(text: str) -> Answer:
    """Work out `text`, e.g. `(2 + 3) * 4` or `20% of 80`. Raises CalculationError."""
    if len(text) > MAX_CHARS:
        raise CalculationError(f"a sum may have {MAX_CHARS} characters, not {len(text)}")
    parser = _Parser(_tokens(text.translate(_SPELLINGS)))
    try:
        value = parser.whole()
    except DivisionByZero as error:
        raise CalculationError("nothing can be divided by zero") from error
    except DecimalException as error:
        raise CalculationError("that has no answer I could say") from error
    return _rounded(value)


def _tokens(text: str) -> list[str]:
    tokens = []
    at = 0
    while match := _TOKEN.match(text, at):
        tokens.append(match[1] or match[2].lower())
        at = match.end()
    if not tokens or text[at:].strip():
        raise CalculationError(f"that is not a sum: {text[at:].strip() or 'nothing'}")
    return tokens


def _rounded(value: Decimal) -> Answer:
    if not abs(value) < LARGEST:
        raise CalculationError("the answer is too large to say")
    value = _TRUSTED.plus(value)
    places = _PLACES if abs(value) >= 1 else _PLACES - 1 - value.adjusted()
    shown = value.quantize(Decimal(1).scaleb(-places), context=_CONTEXT) if value else Decimal(0)
    digits = f"{shown:f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return Answer(digits, shown == value)


@dataclass(frozen=True, slots=True)
class _Term:
    """A value, and whether it was said as a percentage and nothing more."""

    value: Decimal
    is_percentage: bool = False


class _Parser:
    """One sum on its way to a number, by recursive descent."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._at = 0
        self._depth = 0

    def whole(self) -> Decimal:
        value = self._sum()
        if self._peek():
            raise CalculationError(f"that is not a sum: {self._peek()} is one too many")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sum(self) -> Decimal:
        value = self._product().value
        while self._peek() in ("+", "-"):
            add = _CONTEXT.add if self._take() == "+" else _CONTEXT.subtract
            term = self._product()
            value = add(value, _CONTEXT.multiply(value, term.value) if term.is_percentage else term.value)
        return value

    def _product(self) -> _Term:
        term = self._signed()
        while self._peek() in ("*", "/", "of"):
            combine = _CONTEXT.divide if self._take() == "/" else _CONTEXT.multiply
            term = _Term(combine(term.value, self._signed().value))
        return term

    def _signed(self) -> _Term:
        self._depth += 1  # brackets and exponents both come back to here
        if self._depth > MAX_NESTING:
            raise CalculationError(f"I follow {MAX_NESTING} brackets at most")
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= self._take() == "-"
        term = self._power()
        self._depth -= 1
        return _Term(_CONTEXT.minus(term.value)) if negative else term

    def _power(self) -> _Term:
        base = self._percent()
        if self._peek() not in ("^", "**"):
            return base
        self._take()
        exponent = self._signed().value
        if abs(exponent) > MAX_EXPONENT:
            raise CalculationError(f"I stop at the power of {MAX_EXPONENT}")
        return _Term(_CONTEXT.power(base.value, exponent))

    def _percent(self) -> _Term:
        token = self._take()
        if token == "(":
            term = _Term(self._sum())
            if self._take() != ")":
                raise CalculationError("a bracket is left open")
        elif token[:1].isdigit() or token[:1] == ".":
            term = _Term(_CONTEXT.create_decimal(token))
        else:
            raise CalculationError(f"a number is missing {f'before {token}' if token else 'at the end'}")
        while self._peek() == "%":
            self._take()
            term = _Term(_CONTEXT.divide(term.value, Decimal(100)), is_percentage=True)
        return term
