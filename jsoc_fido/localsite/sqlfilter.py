"""
SQL from outside: parsed, checked against a short list of what is allowed, and built anew with bound parameters.

What a ``[? ... ?]`` may hold (contract A.10): comparisons of keywords with numbers and strings, ``AND``, ``OR``,
``NOT``, ``IN``, ``BETWEEN``, ``LIKE``, ``strpos``, ``left``, ``right``, ``IS NULL`` (a missing value), arithmetic,
operations on bits, ``$(time)`` and ``drms.image_exists(keyword)``. Nothing of the text itself reaches the database.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import values
from jsoc_fido.localsite.fields import Fields
from jsoc_fido.localsite.junctions import all_of, any_of
from jsoc_fido.series import Keyword

__all__ = ["compile_filter"]

#: Bit of QUALITY that says that there is no image.
NO_IMAGE = 1 << 31

_QUOTED_OR_TIME = re.compile(r"""'(?:[^']|'')*'|"(?P<double>[^"]*)"|\$\((?P<time>[^()]{1,38})\)""")

COMPARISONS: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
ARITHMETIC: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    # SQLAlchemy's own division never truncates; SQL's does, of integers. What is divided by 0 is nothing.
    exp.Div: lambda left, right: left.op("/", precedence=8)(sa.func.nullif(right, _literal(0), type_=right.type)),
    exp.Mod: lambda left, right: left % sa.func.nullif(right, _literal(0), type_=right.type),
    exp.BitwiseAnd: lambda left, right: left.bitwise_and(right),
    exp.BitwiseOr: lambda left, right: left.bitwise_or(right),
    exp.BitwiseXor: lambda left, right: left.bitwise_xor(right),
    # PostgreSQL shifts a number of 32 bits within them, and by a number of 32 bits only.
    exp.BitwiseLeftShift: lambda left, right: sa.cast(left, sa.BigInteger()).bitwise_lshift(right),
    exp.BitwiseRightShift: lambda left, right: sa.cast(left, sa.BigInteger()).bitwise_rshift(right),
}

#: What goes with integers only, as in PostgreSQL.
OF_INTEGERS: set[type[exp.Expression]] = {
    exp.Mod,
    exp.BitwiseAnd,
    exp.BitwiseOr,
    exp.BitwiseXor,
    exp.BitwiseLeftShift,
    exp.BitwiseRightShift,
}
SHIFTS: set[type[exp.Expression]] = {exp.BitwiseLeftShift, exp.BitwiseRightShift}

#: Bits of an integer of the database.
INTEGER_BITS = 64

#: Parts of nodes that are read here, where they are others than `this` and `expression`.
PARTS: dict[type[exp.Expression], set[str]] = {
    exp.Div: {"this", "expression", "typed", "safe"},
    exp.In: {"this", "expressions", "negate"},
    exp.Between: {"this", "low", "high", "negate"},
    exp.Is: {"this", "expression", "negate"},
    exp.Like: {"this", "expression", "negate"},
    exp.Literal: {"this", "is_string"},
    exp.Column: {"this"},
    exp.StrPosition: {"this", "substr"},
}


@dataclass(frozen=True)
class Operand:
    """
    A part of a filter.

    Parameters
    ----------
    sql
        The part, built anew.
    kind
        ``number``, ``string``, ``truth`` or ``null``; ``quoted`` for a string literal whose type is not known yet.
    text
        A literal as it was written.
    keyword
        The keyword that it is.
    is_whole
        Whether it is a number, and an integer.
    """

    sql: Any
    kind: str
    text: str = ""
    keyword: Keyword | None = None
    is_whole: bool = False


def compile_filter(text: str, fields: Fields) -> sa.ColumnElement[bool]:
    """
    Build the condition that the body of ``[? ... ?]`` or ``[! ... !]`` describes.

    Parameters
    ----------
    text
        The body.
    fields
        The keywords that it may name.

    Raises
    ------
    QueryError
        If it is no SQL condition, or holds more than is allowed.
    """
    try:
        trees = sqlglot.parse(_QUOTED_OR_TIME.sub(_plain, text), dialect="postgres")
        if len(trees) != 1 or trees[0] is None:
            raise QueryError(f"[? {text} ?] must hold one condition, as in [? QUALITY >= 0 ?].")
        condition = _Compiler(fields).visit(cast("exp.Expression", trees[0]))
    except SqlglotError as err:
        raise QueryError(f"[? {text} ?] cannot be read: {str(err).splitlines()[0]}") from err
    except RecursionError as err:
        raise QueryError("An SQL condition is nested too deeply.") from err
    if condition.kind != "truth":
        raise QueryError(f"[? {text} ?] compares nothing; write a condition, as in [? QUALITY >= 0 ?].")
    return condition.sql


def _plain(match: re.Match[str]) -> str:
    if match["time"]:
        return f"{times.parse(match['time'].strip()):.6f}"
    if match["double"] is not None:
        return "'" + match["double"].replace("'", "''") + "'"
    return match[0]


class _Compiler:
    """
    Walks the tree; what has no method here is refused.
    """

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def visit(self, node: exp.Expression) -> Operand:
        kind = type(node)
        # What is not looked at must not be there: each part of a node is known, or the node is refused.
        parts = {name for name, part in node.args.items() if part}
        if not parts <= PARTS.get(kind, {"this", "expression"}):
            raise QueryError(f"{node.sql(dialect='postgres')!r} is not allowed in an SQL condition of a record set.")
        operand = self._visit(node, kind)
        return Operand(sa.not_(operand.sql), "truth") if node.args.get("negate") else operand

    def _visit(self, node: exp.Expression, kind: type[exp.Expression]) -> Operand:
        if kind in COMPARISONS:
            return self.compare(COMPARISONS[kind], self.visit(node.this), self.visit(node.expression))
        if kind in ARITHMETIC:
            return self.calculate(node, self.visit(node.this), self.visit(node.expression))
        method = getattr(self, f"visit_{kind.__name__.lower()}", None)
        if method is None:
            raise QueryError(f"{node.sql(dialect='postgres')!r} is not allowed in an SQL condition of a record set.")
        return method(node)

    def visit_paren(self, node: exp.Paren) -> Operand:
        return self.visit(node.this)

    def sides(self, node: exp.Connector) -> Iterator[exp.Expression]:
        """
        All that is joined by the same word, which the parser nests once for each.
        """
        return cast("Iterator[exp.Expression]", node.flatten())

    def visit_and(self, node: exp.And) -> Operand:
        return Operand(all_of(map(self.truth, self.sides(node))), "truth")

    def visit_or(self, node: exp.Or) -> Operand:
        return Operand(any_of(map(self.truth, self.sides(node))), "truth")

    def visit_not(self, node: exp.Not) -> Operand:
        return Operand(sa.not_(self.truth(node.this)), "truth")

    def visit_in(self, node: exp.In) -> Operand:
        this = self.visit(node.this)
        return Operand(
            any_of(self.compare(operator.eq, this, self.visit(item)).sql for item in node.expressions), "truth"
        )

    def visit_between(self, node: exp.Between) -> Operand:
        this, low, high = self.visit(node.this), self.visit(node.args["low"]), self.visit(node.args["high"])
        within = sa.and_(self.compare(operator.ge, this, low).sql, self.compare(operator.le, this, high).sql)
        return Operand(within, "truth")

    def visit_is(self, node: exp.Is) -> Operand:
        this, other = self.visit(node.this), self.visit(node.expression)
        if other.kind != "null":
            raise QueryError(f"{node.sql(dialect='postgres')!r} is not allowed; IS goes with NULL.")
        absent = _typed(this, other).is_(None)
        if this.keyword is not None and (stand_in := values.missing(this.keyword.type)) is not None:
            absent = sa.or_(absent, this.sql == stand_in)
        return Operand(absent, "truth")

    def visit_like(self, node: exp.Like) -> Operand:
        this, pattern = self.visit(node.this), self.visit(node.expression)
        if this.kind != "string" or pattern.kind != "quoted":
            raise QueryError(f"{node.sql(dialect='postgres')!r}: LIKE goes with a string keyword and a quoted text.")
        return Operand(this.sql.like(pattern.text), "truth")

    def visit_strposition(self, node: exp.StrPosition) -> Operand:
        this, part = self.visit(node.this), self.visit(node.args["substr"])
        if this.kind != "string" or part.kind != "quoted":
            raise QueryError(f"{node.sql(dialect='postgres')!r}: strpos goes with a string keyword and a quoted text.")
        function = sa.func.strpos if self.fields.catalogue.engine.dialect.name == "postgresql" else sa.func.instr
        return Operand(function(this.sql, part.text), "number", is_whole=True)

    def visit_left(self, node: exp.Left) -> Operand:
        text, length = self.part_of_text(node)
        return Operand(sa.func.substr(text, 1, length), "string")

    def visit_right(self, node: exp.Right) -> Operand:
        text, length = self.part_of_text(node)
        # Of a shorter text nothing is left that could be compared with so many characters.
        return Operand(sa.func.substr(text, sa.func.length(text) - (length - 1), length), "string")

    def part_of_text(self, node: exp.Left | exp.Right) -> tuple[Any, int]:
        this, length = self.visit(node.this), self.visit(node.expression)
        if this.kind != "string" or not length.text.isdecimal() or length.kind != "number":
            raise QueryError(f"{node.sql(dialect='postgres')!r} goes with a string keyword and a number of characters.")
        return this.sql, int(length.text)

    def visit_neg(self, node: exp.Neg) -> Operand:
        part = self.visit(node.this)
        return Operand(-self.number(part), "number", is_whole=_is_whole(part))

    def visit_bitwisenot(self, node: exp.BitwiseNot) -> Operand:
        return Operand(sa.bitwise_not(self.integer(self.visit(node.this))), "number", is_whole=True)

    def visit_null(self, node: exp.Null) -> Operand:
        return Operand(sa.null(), "null", node.name)

    def visit_boolean(self, node: exp.Boolean) -> Operand:
        return Operand(sa.literal(1) == (1 if node.this else 0), "truth")

    def visit_literal(self, node: exp.Literal) -> Operand:
        if node.is_string:
            return Operand(None, "quoted", node.this)
        return _constant(node.this)

    def visit_hexstring(self, node: exp.HexString) -> Operand:
        return _constant(f"0x{node.this}")

    def visit_column(self, node: exp.Column) -> Operand:
        if not isinstance(node.this, exp.Identifier):
            raise QueryError(f"{node.sql(dialect='postgres')!r} is no keyword of {self.fields.series.name}.")
        name = node.name
        if name.lower() in {"recnum", "sunum", "slotnum"}:
            return Operand(self.fields.table.c[name.lower()], "number", is_whole=True)
        field = self.fields.find(name)
        if field is None:
            raise QueryError(f'column "{name.lower()}" does not exist: it is no keyword of {self.fields.series.name}.')
        kind = "string" if field.keyword.type in {"string", "link"} else "number"
        return Operand(field.expression, kind, keyword=field.keyword, is_whole=field.keyword.type in values.BITS)

    def visit_dot(self, node: exp.Dot) -> Operand:
        function = node.expression
        arguments = function.expressions if isinstance(function, exp.Anonymous) else []
        if len(arguments) != 1 or f"{node.this.name}.{function.name}".lower() != "drms.image_exists":
            raise QueryError(f"{node.sql(dialect='postgres')!r} is not allowed; the one function is drms.image_exists.")
        return Operand(self.integer(self.visit(arguments[0])).bitwise_and(_literal(NO_IMAGE)) == 0, "truth")

    def truth(self, node: exp.Expression) -> Any:
        part = self.visit(node)
        if part.kind != "truth":
            raise QueryError(f"{node.sql(dialect='postgres')!r} is no condition; compare it with something.")
        return part.sql

    def number(self, part: Operand) -> Any:
        if part.kind == "quoted":
            return _literal(_number(part.text))
        if part.kind != "number":
            raise QueryError("Only numbers can be calculated with in an SQL condition.")
        return part.sql

    def integer(self, part: Operand) -> Any:
        number = self.number(part)
        if not _is_whole(part):
            raise QueryError("Remainders and operations on bits go with integers only in an SQL condition.")
        return number

    def calculate(self, node: exp.Expression, left: Operand, right: Operand) -> Operand:
        kind = type(node)
        take = self.integer if kind in OF_INTEGERS else self.number
        first, second = take(left), take(right)
        if kind in SHIFTS:
            if not right.text.isdecimal() or not int(right.text) < INTEGER_BITS:
                raise QueryError(
                    f"{node.sql(dialect='postgres')!r}: what is shifted is shifted by 0 to {INTEGER_BITS - 1} bits."
                )
            second = sa.literal(int(right.text), sa.Integer())
        return Operand(ARITHMETIC[kind](first, second), "number", is_whole=_is_whole(left) and _is_whole(right))

    def compare(self, compare: Callable[[Any, Any], Any], left: Operand, right: Operand) -> Operand:
        """
        Compare two parts. A literal takes the type of the other side, since clients quote numbers too.
        """
        kinds = {left.kind, right.kind}
        if "truth" in kinds:
            raise QueryError("A condition cannot be compared with something in an SQL condition.")
        if right.kind == "quoted" and left.kind == "number" and right.text.strip().lower() == "nan":
            if compare not in {operator.eq, operator.ne}:
                raise QueryError("'NaN' is neither less nor more than anything in an SQL condition.")
            # What is not a number is nothing in these tables.
            return Operand(compare(left.sql, sa.null()), "truth")
        return Operand(compare(_typed(left, right), _typed(right, left)), "truth")


def _literal(number: float) -> sa.BindParameter[Any]:
    # PostgreSQL takes an integer for one of 32 bits unless it is told.
    return sa.literal(number, sa.BigInteger() if isinstance(number, int) else sa.Float(53))


def _constant(text: str) -> Operand:
    number = _number(text)
    return Operand(_literal(number), "number", text, is_whole=isinstance(number, int))


def _is_whole(part: Operand) -> bool:
    return part.is_whole or (part.kind == "quoted" and isinstance(_number(part.text), int))


def _typed(part: Operand, other: Operand) -> Any:
    if part.kind == "quoted":
        if other.kind == "number":
            return _literal(_quoted_number(part.text, other.keyword))
        return sa.literal(part.text)
    if part.kind == "number" and other.kind in {"string", "quoted"}:
        if not part.text:
            if other.kind == "quoted":
                return part.sql
            raise QueryError("A number cannot be compared with a text in an SQL condition.")
        return sa.literal(part.text)
    return part.sql


def _quoted_number(text: str, keyword: Keyword | None) -> float:
    if keyword is not None and keyword.is_time:
        try:
            return float(text)
        except ValueError:
            return times.parse(text)
    return _number(text)


def _number(text: str) -> float:
    text = text.strip()
    try:
        number = int(text, 0) if text.lower().lstrip("+-").startswith("0x") else int(text, 10)
        # Databases have no longer integers.
        return number if number.bit_length() < INTEGER_BITS else float(number)
    except ValueError:
        pass
    except OverflowError:
        return -math.inf if text.startswith("-") else math.inf
    try:
        return float(text)
    except ValueError as err:
        raise QueryError(f"{text!r} is no number, as the keyword it is compared with needs.") from err
