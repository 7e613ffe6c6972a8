"""Exact arithmetic. Expressions are parsed with Python's grammar, but never executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from decimal import Decimal, DecimalException, localcontext

from django.utils.translation import gettext_lazy as _

from realtime.bridge.tools import Result, ToolFailed
from realtime.tools.registry import Where, tool

LONGEST = 400
DIGITS = 40
LARGEST_POWER = 1_000
SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", ":": "/"})
OPERATORS: dict[type[ast.AST], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "abs": abs,
    "round": lambda value: value.to_integral_value(),
    "sqrt": Decimal.sqrt,
    "ln": Decimal.ln,
    "log": Decimal.log10,
    "exp": Decimal.exp,
}
CONSTANTS = {
    "pi": Decimal("3.141592653589793238462643383279502884197"),
    "e": Decimal("2.718281828459045235360287471352662497757"),
}


@tool("calculator", _("Calculator"), _("Does sums exactly."))
def calculator(where: Where, expression: str) -> Result:
    """Work out an arithmetic expression exactly. Use it for every calculation.

    expression: such as (17.5 + 3) * 4 / 3, with + - * / // % ** and sqrt, abs, round, ln, log, exp
    """
    value = computed(expression)
    return Result(value, {"text": f"{expression.strip()} = {value}"})


def computed(expression: str) -> str:
    """The value in plain decimals, at most 30 digits. Raises ToolFailed."""
    if len(expression) > LONGEST:
        raise ToolFailed(f"An expression may have {LONGEST} characters.")
    try:
        tree = ast.parse(expression.translate(SIGNS).replace("^", "**").strip(), mode="eval")
        with localcontext() as context:
            context.prec, context.Emax, context.Emin = DIGITS, 10_000, -10_000
            value = _value(tree.body)
            context.prec = 30
            return _plain(+value)
    except (DecimalException, ZeroDivisionError):
        raise ToolFailed("That has no answer: a division by zero or a number too large.") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolFailed("That is no arithmetic expression.") from None


def _value(node: ast.AST) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Decimal(str(number))
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            power = _value(right)
            if abs(power) > LARGEST_POWER:
                raise ToolFailed(f"A power may be at most {LARGEST_POWER}.")
            return _value(left) ** power
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_value(inner))
    raise ToolFailed("Only numbers, + - * / // % **, brackets and a few functions can be used.")


def _plain(value: Decimal) -> str:
    if value == value.to_integral_value() and value.adjusted() < DIGITS:
        return str(value.quantize(Decimal(1)) if value else 0)
    text = str(value.normalize())
    return format(value.normalize(), "f") if abs(value.adjusted()) < DIGITS else text
