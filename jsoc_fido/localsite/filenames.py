"""
Names of exported files, from a template such as ``hmi.m_45s.{T_REC:A}.{CAMERA}.{segment}`` (contract D.1).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import values
from jsoc_fido.localsite.table import Table
from jsoc_fido.series import Keyword

__all__ = ["DEFAULT", "FileNames"]

DEFAULT = "{seriesname}.{recnum:%d}.{segment}"
LONGEST = 127

_PART = re.compile(r"\{(?P<name>[^{}:]+)(?::(?P<layout>[^{}]*))?\}|(?P<literal>[^{}]+)")
#: A width or a precision that fits no file name, but would fill the memory.
_WIDE = re.compile(r"\d{4}")
_TIME_LAYOUT = re.compile(r"(?P<letter>[AD])?(?P<decimals>-?\d+)?(?:,(?P<zone>\w+))?")

#: Names that only the whole job knows: they are filled in for each file.
LATE = ("segment", "#")


class FileNames:
    """
    Names for the files of records.

    Parameters
    ----------
    template
        The template.
    table
        The records.
    first
        Number of the first file, for ``{#}``.

    Raises
    ------
    QueryError
        If the template has a brace without its other half, or names no keyword.
    """

    def __init__(self, template: str, table: Table, *, first: int = 0) -> None:
        self.number = first
        self._parts: list[tuple[str, str, Callable[[], Sequence[object]] | None]] = []
        position = 0
        for match in _PART.finditer(template):
            if match.start() != position:
                break
            position = match.end()
            if _WIDE.search(match["layout"] or ""):
                raise QueryError(f"{match[0][:40]!r} is too wide for a file name; {LONGEST} characters are allowed.")
            if match["literal"]:
                self._parts.append(("", match["literal"], None))
            elif match["name"] in LATE:
                self._parts.append((match["name"], match["layout"] or "", None))
            else:
                self._parts.append(("", "", _maker(match["name"], match["layout"] or "", table)))
        if position != len(template) or not template:
            raise QueryError(f"{template!r} is no valid format for file names; one looks like {DEFAULT!r}.")

    def name(self, record: int, segment_file: str) -> str:
        """
        Name of a file.

        Parameters
        ----------
        record
            Place of the record in the table.
        segment_file
            Name under which the site stores the file.

        Raises
        ------
        QueryError
            If the name gets too long.
        """
        texts = []
        for name, text, maker in self._parts:
            if maker is not None:
                texts.append(str(maker()[record]))
            elif name == "segment":
                texts.append(segment_file)
            elif name == "#":
                number = Keyword("#", "int", format=text or "%05d")
                texts.append(values.printed(number, [self.number])[0] or "")
            else:
                texts.append(text)
        self.number += 1
        # A name must not lead out of its directory.
        result = "".join(texts).replace("/", "_").replace("\\", "_").replace("..", "__")
        if len(result) > LONGEST:
            raise QueryError(f"The file name {result[:40]}... has {len(result)} characters; {LONGEST} are allowed.")
        return result


def _maker(name: str, layout: str, table: Table) -> Callable[[], Sequence[object]]:
    if name == "seriesname":
        return lambda: [table.fields.series.name] * table.count
    if name == "recnum":
        number = Keyword("recnum", "longlong", format=layout or "%lld")
        recnums = table.column(table.fields.table.c.recnum)
        return _kept(lambda: values.printed(number, recnums()))
    field = table.fields.find(name)
    if field is None:
        raise QueryError(f"{name!r} in the format of the file names is no keyword of {table.fields.series.name}.")
    keyword, finish = _laid_out(field.keyword, layout, name)
    native = table.native(field)
    absent = values.missing(keyword.type)

    def make() -> Sequence[object]:
        known = [absent if value is None else value for value in native()]
        return [finish(text or "") for text in values.printed(keyword, known)]

    return _kept(make)


def _laid_out(keyword: Keyword, layout: str, name: str) -> tuple[Keyword, Callable[[str], str]]:
    if not layout:
        return keyword, str
    if not keyword.is_time:
        return replace(keyword, format=layout), lambda text: "".join(text.split())
    match = _TIME_LAYOUT.fullmatch(layout)
    if match is None:
        raise QueryError(f"{layout!r} is no layout for the time {name} in a file name; 'A' is one.")
    letter = match["letter"]
    keyword = replace(keyword, units=match["zone"] or keyword.units, format=match["decimals"] or "0")
    if letter == "A":
        return keyword, lambda text: text.replace(".", "").replace(":", "")
    if letter == "D":
        return keyword, lambda text: "@" + (text[:10] + "@" + text[11:]).replace(":", "").replace(".", "@")
    return keyword, str


def _kept(make: Callable[[], Sequence[object]]) -> Callable[[], Sequence[object]]:
    """
    Make the texts of all records at the first call.
    """
    kept: list[Sequence[object]] = []

    def maker() -> Sequence[object]:
        if not kept:
            kept.append(make())
        return kept[0]

    return maker
