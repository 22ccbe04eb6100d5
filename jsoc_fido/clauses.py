"""
Conditions on keywords as the text of ``[? ?]`` (contract A.10).

Values are written as the keyword's type wants them: numbers bare and in its unit, texts between quotes, times as
``$(time)``. What DRMS cannot be asked is refused, with the reason.
"""

import re

from jsoc_fido import conditions, recordset, times
from jsoc_fido.columns import unit_of
from jsoc_fido.conditions import Condition, Kind, Value
from jsoc_fido.exceptions import QueryError
from jsoc_fido.series import Keyword, Series

__all__ = ["clause"]

#: Width of each integer type in bits (contract C.2).
BITS = {"char": 8, "short": 16, "int": 32, "longlong": 64}

#: What to do about a test that DRMS cannot be asked.
LOCALLY = "search without it, and choose among the rows with response.where(...)"

_SEGMENT_NUMBER = re.compile(r"(?:_|\[)(\d{1,3})\]?$")


def clause(condition: Condition, series: Series) -> str:
    """
    Write a condition.

    Parameters
    ----------
    condition
        The condition.
    series
        Definition of the series that is asked.

    Raises
    ------
    QueryError
        If the series has no such keyword, if a value cannot be one of it, or if DRMS cannot be asked this.

    Examples
    --------
    >>> from jsoc_fido.conditions import KeywordTest, Not, OneOf, any_of
    >>> from jsoc_fido.series import Keyword, NameMap, Series
    >>> series = Series("hmi.m_45s", keywords=NameMap([Keyword("CAMERA", "int"), Keyword("EXPTIME", "float")]))
    >>> clause(any_of(OneOf("CAMERA", (1, 2)), Not(KeywordTest("EXPTIME", "<", 2))), series)
    'CAMERA IN (1,2) OR NOT EXPTIME<2'
    """
    match condition:
        case conditions.Not():
            return f"NOT {_enclosed(condition.condition, series)}"
        case conditions.AllOf():
            return " AND ".join(_enclosed(part, series) for part in condition.conditions)
        case conditions.AnyOf():
            return " OR ".join(_enclosed(part, series) for part in condition.conditions)
        case _:
            return _Writer(condition.name, series).write(condition)


def _enclosed(condition: Condition, series: Series) -> str:
    text = clause(condition, series)
    return f"({text})" if isinstance(condition, conditions.AllOf | conditions.AnyOf) else text


class _Writer:
    """
    Writes conditions on one keyword.
    """

    def __init__(self, name: str, series: Series) -> None:
        keyword = _keyword(name, series)
        self.label = name
        self.column = _column(name, keyword, series)
        self.keyword = keyword
        sort = "time" if keyword.is_time else "number" if keyword.is_integer or keyword.is_real else "text"
        self.kind = Kind(sort, unit_of(keyword.units) if sort == "number" else None, BITS.get(keyword.type, 0))

    def write(self, condition: Condition) -> str:
        match condition:
            case conditions.KeywordTest():
                operator = "<>" if condition.operator == "!=" else condition.operator
                return f"{self.column}{operator}{self.literal(condition.value, condition.operator)}"
            case conditions.OneOf():
                return f"{self.column} IN ({','.join(self.literal(value) for value in condition.values)})"
            case conditions.Contains():
                self.require(self.kind.sort == "text", "a text")
                # DRMS takes the % of LIKE '%...%' for a format (contract A.10).
                return f"strpos({self.column},{self.quoted(condition.text)})>0"
            case conditions.Like():
                self.require(self.kind.sort == "text", "a text")
                return self.like(condition.pattern)
            case conditions.Bits():
                self.require(
                    self.kind.bits >= condition.mask.bit_length(), f"an integer with the bits {condition.mask:#x}"
                )
                return f"({self.column} & {condition.mask})={condition.mask if condition.are_set else 0}"
            case conditions.Missing():
                return self.missing()
        raise QueryError(f"{condition!r} is no condition on one keyword.")

    def literal(self, value: Value, operator: str = "=") -> str:
        plain = conditions.plain_value(self.label, value, self.kind, operator)
        if self.kind.sort == "time":
            return f"$({recordset.time_value(float(plain), 'TAI', 3).text})"
        return self.quoted(plain) if isinstance(plain, str) else recordset.quote_sql(plain)

    def quoted(self, text: str) -> str:
        try:
            return recordset.quote_sql(text)
        except QueryError as err:
            raise QueryError(f"Keyword {self.label}: {conditions.reason(err)}") from err

    def like(self, pattern: str) -> str:
        """
        Say a pattern without the ``%`` that DRMS takes for a format: by its first or last characters.
        """
        first, last = not pattern.startswith("%"), not pattern.endswith("%")
        text = pattern.strip("%")
        if first and last and "%" not in text:
            return f"{self.column} LIKE {self.quoted(text)}"
        if "%" in text or "_" in text or not text:
            raise QueryError(
                f"Keyword {self.label}: DRMS cannot be asked for the pattern {conditions.shown(pattern)}, because it "
                "takes % for a format; ask for the parts, as in like('ab%') & like('%cd') & contains('x'), or "
                f"{LOCALLY}."
            )
        if first:
            return f"left({self.column},{len(text)})={self.quoted(text)}"
        if last:
            return f"right({self.column},{len(text)})={self.quoted(text)}"
        return f"strpos({self.column},{self.quoted(text)})>0"

    def missing(self) -> str:
        """
        A site may have no value, or what stands for a missing one of the type (contract A.5).
        """
        stand_ins = {
            "time": (f"{times.MISSING!r}",),
            "number": (str(-(1 << (self.kind.bits - 1))),) if self.kind.bits else ("'NaN'",),
            "text": ("''",),
        }[self.kind.sort]
        return f"({' OR '.join([f'{self.column} IS NULL', *(f'{self.column}={text}' for text in stand_ins)])})"

    def require(self, right: bool, what: str) -> None:
        if not right:
            raise QueryError(
                f"Keyword {self.label} of {self.keyword.type} is not {what}, so it cannot be tested like one."
            )


def _keyword(name: str, series: Series) -> Keyword:
    keyword = series.keyword(name)
    if keyword is None:
        raise QueryError(f"Keyword: {conditions.shown(name)} is not supported by series: {series.name}")
    # An alias such as DATE-OBS is a name for FITS; the database knows the keyword it stands for.
    keyword = series.meant(keyword)
    # Neither is in the table of the series (contract A.10).
    if keyword.is_constant:
        raise QueryError(
            f"DRMS cannot be asked about {name} of {series.name}: it is {keyword.default!r} for all records; {LOCALLY}."
        )
    if keyword.link:
        raise QueryError(
            f"DRMS cannot be asked about {name} of {series.name}: it comes from another series, through the link "
            f"{keyword.link}; {LOCALLY}."
        )
    return keyword


def _column(name: str, keyword: Keyword, series: Series) -> str:
    if not keyword.is_per_segment:
        return keyword.name
    number = _SEGMENT_NUMBER.search(name)
    if number is None:
        last = len(series.segments) - 1
        raise QueryError(
            f"Each segment of {series.name} has a {keyword.name} of its own; test one, {keyword.name}_000 to "
            f"{keyword.name}_{last:03d}."
        )
    return f"{keyword.name}_{int(number[1]):03d}"
