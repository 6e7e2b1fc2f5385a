"""Sums as people say them, worked out exactly in decimal: + - * / ^ % and brackets, and nothing else. Pure.

Python's parser reads them, and of what it finds only arithmetic is worked out. 80 + 20% is 96, as on a pocket
calculator. The text, exponents and the size of what comes out are bounded.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

MAX_CHARS = 200
MAX_EXPONENT = 1000
LARGEST = Decimal(10) ** 15
"""What is not smaller than this cannot be said aloud in a way that anybody would follow."""

_PLACES = 4
"""Digits after the point that are worth saying; of a number below one, digits after its leading zeros."""

_CONTEXT = Context(prec=60, Emax=2000, Emin=-2000, traps=[DivisionByZero, InvalidOperation, Overflow])
_TRUSTED = Context(prec=50)
"""A third times three is one again: the last ten digits are rounding."""

_SPELLINGS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", ",": "", "^": "**"})
_OF = re.compile(r"\bof\b", re.IGNORECASE)
_SUM = re.compile(r"[-+*/%()\d.\s]+", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)\s*(%?)")
_OPERATIONS: Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: _CONTEXT.add,
    ast.Sub: _CONTEXT.subtract,
    ast.Mult: _CONTEXT.multiply,
    ast.Div: _CONTEXT.divide,
    ast.Pow: _CONTEXT.power,
}


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
    plain = _OF.sub("*", text.translate(_SPELLINGS))
    if not _SUM.fullmatch(plain):
        raise CalculationError("that is not a sum")
    # A number as the list of its digits, so that it stays decimal; a percentage as a set of them.
    code = _NUMBER.sub(lambda number: f"{{'{number[1]}'}}" if number[2] else f"['{number[1]}']", plain)
    try:
        value = _value(ast.parse(code.strip(), mode="eval").body)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise CalculationError("that is not a sum") from error
    except DivisionByZero as error:
        raise CalculationError("nothing can be divided by zero") from error
    except DecimalException as error:
        raise CalculationError("that has no answer I could say") from error
    return _rounded(value)


def _value(node: ast.expr) -> Decimal:
    match node:
        case ast.List(elts=[ast.Constant(value=str() as digits)]):
            return _CONTEXT.create_decimal(digits)
        case ast.Set(elts=[ast.Constant(value=str() as digits)]):
            return _CONTEXT.divide(_CONTEXT.create_decimal(digits), Decimal(100))
        case ast.UnaryOp(op=ast.USub()):
            return _CONTEXT.minus(_value(node.operand))
        case ast.UnaryOp(op=ast.UAdd()):
            return _value(node.operand)
        case ast.BinOp() if operation := _OPERATIONS.get(type(node.op)):
            left, right = _value(node.left), _value(node.right)
            if isinstance(node.right, ast.Set) and isinstance(node.op, ast.Add | ast.Sub):
                right = _CONTEXT.multiply(left, right)
            if isinstance(node.op, ast.Pow) and abs(right) > MAX_EXPONENT:
                raise CalculationError(f"I stop at the power of {MAX_EXPONENT}")
            return operation(left, right)
        case _:
            raise CalculationError("that is not a sum")


def _rounded(value: Decimal) -> Answer:
    if not abs(value) < LARGEST:
        raise CalculationError("the answer is too large to say")
    value = _TRUSTED.plus(value)
    places = _PLACES if abs(value) >= 1 else _PLACES - 1 - value.adjusted()
    shown = value.quantize(Decimal(1).scaleb(-places), context=_CONTEXT) if value else Decimal(0)
    digits = f"{shown:f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return Answer(digits, shown == value)
