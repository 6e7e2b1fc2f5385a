"""Sums as people say them, worked out exactly: + - * / ^ % and brackets, and nothing else. Pure.

Python's parser reads them, and of what it finds only arithmetic is worked out. 80 + 20% is 96, as on a pocket
calculator. The text, powers and the size of what comes out are bounded.
"""

import ast
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

MAX_CHARS = 200
MAX_POWER_BITS = 10_000
_LARGEST, _SMALLEST = Decimal(10) ** 15, Decimal(10) ** -12
"""What is beyond these cannot be said aloud in a way that anybody would follow."""

_PLACES = 4
"""Digits after the point that are worth saying; of a number below one, digits after its leading zeros."""

_SUM = re.compile(r"[-+*/%()\d.\s]+", re.ASCII)
_OPERATIONS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: Fraction(left**right),
}


class CalculationError(ValueError):
    """The text is not a sum, or has no answer that can be said; the message says which, for the person."""


def calculate(text: str) -> tuple[str, bool]:
    """The digits of `(2 + 3) * 4` or `20% of 80`, and whether that is all of them. Raises CalculationError."""
    plain = text.replace("of", "*").replace("^", "**").strip()
    if len(text) > MAX_CHARS or not _SUM.fullmatch(plain):
        raise CalculationError("that is not a sum")
    try:
        # A percentage is written as a list. No number is left with zeros before it, which Python refuses.
        code = re.sub(r"([\d.]+)\s*%", r"[\1]", re.sub(r"(?<![\d.])0+(?=\d)", "", plain))
        value = _value(ast.parse(code, mode="eval").body)
        exact = Decimal(value.numerator) / value.denominator
    except ZeroDivisionError as error:
        raise CalculationError("nothing can be divided by zero") from error
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise CalculationError("that is not a sum") from error
    except (TypeError, ArithmeticError) as error:  # a root of what is negative, or too many digits
        raise CalculationError("that has no answer I could say") from error
    if value and not _SMALLEST < abs(exact) < _LARGEST:
        raise CalculationError("the answer is too large or too small to say")
    shown = round(exact, _PLACES if abs(exact) >= 1 or not value else _PLACES - 1 - exact.adjusted())
    return f"{shown:f}".rstrip("0").rstrip(".") if shown % 1 else f"{shown:.0f}", Fraction(shown) == value


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.List(elts=[percents]):
            return _value(percents) / 100
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign):
            return _value(node.operand) * (-1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp() if operation := _OPERATIONS.get(type(node.op)):
            left, right = _value(node.left), _value(node.right)
            if isinstance(node.right, ast.List) and isinstance(node.op, ast.Add | ast.Sub):
                right *= left
            if isinstance(node.op, ast.Pow) and _bits(left) * abs(right) > MAX_POWER_BITS:
                raise CalculationError("that power is too large for me")
            return operation(left, right)
        case _:
            raise CalculationError("that is not a sum")


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
