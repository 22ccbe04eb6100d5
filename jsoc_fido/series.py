"""
What a series is: its prime keys, keywords, segments and links.

The client reads it from a site's ``series_struct`` reply (contract C); the local site reads it from its own definition
files. Both use these classes.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.recordset import PrimeKey

__all__ = ["Keyword", "Link", "NameMap", "Segment", "Series"]

#: Scopes whose keyword is the public name of a slotted prime key (contract A.12).
SLOTTED_SCOPES = frozenset({"ts_eq", "ts_slot", "slot", "carr", "enum"})
INTEGER_TYPES = frozenset({"char", "short", "int", "longlong"})
REAL_TYPES = frozenset({"float", "double"})

_ALIAS = re.compile(r"^\[(?P<name>[^\]:\s]+)(?::[A-Za-z]+)?\]")
_SEGMENT_SUFFIX = re.compile(r"^(?P<base>.+?)(?:_(?P<suffix>\d{3})|\[(?P<index>\d+)\])$")


@dataclass(frozen=True, slots=True)
class Keyword:
    """
    One keyword of a series.

    Parameters
    ----------
    name
        DRMS name, in the series' own spelling.
    type
        ``char short int longlong float double time string`` (contract C.2), or ``link`` for a link that leads nowhere.
    scope
        ``variable``, ``constant``, ``segment``, ``index``, or a slotted kind (contract A.12).
    default
        The default value as text, as the site prints it.
    units
        A unit, or for times the zone they are printed in (``TAI``, ``UTC``, ``ISO``).
    note
        Description; a first word ``[NAME]`` gives the FITS name (contract E.2).
    link
        ``"<link>-><keyword of the target>"`` for a linked keyword.
    format
        ``printf`` format, for times the number of decimals. Sites do not tell it; the local site knows it.
    """

    name: str
    type: str
    scope: str = "variable"
    default: str = ""
    units: str = "none"
    note: str = ""
    link: str | None = None
    format: str = ""

    @property
    def is_time(self) -> bool:
        return self.type == "time"

    @property
    def is_integer(self) -> bool:
        return self.type in INTEGER_TYPES

    @property
    def is_real(self) -> bool:
        return self.type in REAL_TYPES

    @property
    def is_constant(self) -> bool:
        return self.scope == "constant"

    @property
    def is_per_segment(self) -> bool:
        return self.scope == "segment"

    @property
    def is_slotted(self) -> bool:
        return self.scope in SLOTTED_SCOPES

    @property
    def fits_alias(self) -> str | None:
        """
        The FITS name that the note asks for, if it does (contract E.2, rule 3).
        """
        match = _ALIAS.match(self.note)
        return match["name"] if match else None


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One segment (a file of each record) of a series.

    Parameters
    ----------
    name
        Name of the segment.
    type
        Pixel type, a DRMS type name.
    units
        Unit of the pixel values.
    protocol
        ``fits``, ``generic``, ... or ``link via <link>`` (contract C.3).
    dims
        ``"4096x4096"``, ``"VARxVAR"`` for dimensions that differ from record to record, ``""`` without an image.
    note
        Description.
    bzero, bscale
        Scaling of stored integers (contract E.6).
    compression
        How the local site stores it, as DRMS says it (``"compress Rice"``), ``""`` for not at all.
    file
        Name of the stored file; empty for ``<name>.fits``.
    """

    name: str
    type: str = ""
    units: str = "none"
    protocol: str = "fits"
    dims: str = ""
    note: str = ""
    bzero: float = 0.0
    bscale: float = 1.0
    compression: str = ""
    file: str = ""

    @property
    def link(self) -> str | None:
        """
        Name of the link through which the segment is reached, if it is another series'.
        """
        return self.protocol.removeprefix("link via ") if self.protocol.startswith("link via ") else None


@dataclass(frozen=True, slots=True)
class Link:
    """
    A link from each record of a series to a record of another one (contract C.4).
    """

    name: str
    target: str
    kind: str = "DYNAMIC"
    note: str = ""


#: Tables of at most so many rows stand open in a notebook.
FEW = 50


def _html_row(cell: str, texts: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{html.escape(text)}</{cell}>' for text in texts)}</tr>"


def _type_text(keyword: Keyword) -> str:
    """
    The type of a keyword, and what is special about it.
    """
    special = f" {keyword.link}" if keyword.link else f" = {keyword.default}" if keyword.is_constant else ""
    return f"{keyword.type}{special}"


Item = TypeVar("Item", Keyword, Segment, Link)


class NameMap(Mapping[str, Item], Generic[Item]):
    """
    Named things in the series' order, found whatever the case of the name (contract A.3).
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items: dict[str, Item] = {item.name: item for item in items}
        self._spelling: dict[str, str] = {name.lower(): name for name in reversed(self._items)}

    def __getitem__(self, name: str) -> Item:
        return self._items[name] if name in self._items else self._items[self._spelling[name.lower()]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._items)})"


@dataclass(frozen=True)
class Series:
    """
    Definition of a series.

    Parameters
    ----------
    name
        Name in canonical spelling, as far as it is known.
    note
        Description.
    prime_keys
        Public names of the prime keys, in order.
    keywords, segments, links
        What a record has, in the series' order.
    interval
        First and last record (contract C.5), as the site tells it.
    unitsize, archive, retention, stagingretention, tapegroup
        Bookkeeping of the storage, as ``series_struct`` names it.
    """

    name: str
    note: str = ""
    prime_keys: tuple[str, ...] = ()
    keywords: NameMap[Keyword] = field(default_factory=lambda: NameMap(()))
    segments: NameMap[Segment] = field(default_factory=lambda: NameMap(()))
    links: NameMap[Link] = field(default_factory=lambda: NameMap(()))
    interval: Mapping[str, Any] = field(default_factory=dict)
    dbindex: tuple[str, ...] = ()
    unitsize: int = 1
    archive: int = 0
    retention: int = 0
    stagingretention: int = 3
    tapegroup: int = 0

    @classmethod
    def from_struct(cls, reply: Mapping[str, Any], name: str) -> "Series":
        """
        Read a ``series_struct`` reply.

        Parameters
        ----------
        reply
            The decoded JSON (contract C).
        name
            Name that was asked for; the reply does not repeat it. The first record's name corrects its spelling.
        """
        interval = reply.get("Interval") or {}
        first = str(interval.get("FirstRecord", ""))
        spelled = first.partition("[")[0]
        return cls(
            name=spelled if spelled.lower() == name.lower() else name,
            note=reply.get("note") or "",
            prime_keys=tuple(key for key in reply.get("primekeys") or () if key),
            keywords=NameMap(
                Keyword(
                    name=item["name"],
                    type=item.get("type") or "string",
                    scope=item.get("recscope") or "variable",
                    default=item.get("defval") or "",
                    units=item.get("units") or "none",
                    note=item.get("note") or "",
                    link=item.get("linkinfo"),
                )
                for item in reply.get("keywords") or ()
            ),
            segments=NameMap(
                Segment(
                    name=item["name"],
                    type=item.get("type") or "",
                    units=item.get("units") or "none",
                    protocol=item.get("protocol") or "",
                    dims=item.get("dims") or "",
                    note=item.get("note") or "",
                )
                for item in reply.get("segments") or ()
            ),
            links=NameMap(
                Link(item["name"], item.get("target") or "", item.get("kind") or "", item.get("note") or "")
                for item in reply.get("links") or ()
            ),
            interval=interval,
            dbindex=tuple(key for key in reply.get("dbindex") or () if key),
            unitsize=int(reply.get("unitsize") or 1),
            archive=int(reply.get("archive") or 0),
            retention=int(reply.get("retention") or 0),
            stagingretention=int(reply.get("stagingretention") or 3),
            tapegroup=int(reply.get("tapegroup") or 0),
        )

    def __str__(self) -> str:
        parts = [self._title, *(f"{title}: {text}" for title, text in self._facts)]
        for title, head, rows in self._tables:
            widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
            lines = [
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                for row in (head, *rows)
            ]
            parts += ["", f"{title}:", *(f"  {line}" for line in lines)]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{html.escape(self._title)}</strong></p>"]
        parts += [f"<p>{title}: <code>{html.escape(text)}</code></p>" for title, text in self._facts]
        for title, head, rows in self._tables:
            is_open = " open" if len(rows) <= FEW else ""
            parts.append(f"<details{is_open}><summary>{title} ({len(rows)})</summary><table>")
            parts.append(_html_row("th", head))
            parts += [_html_row("td", row) for row in rows]
            parts.append("</table></details>")
        return "\n".join(parts)

    @property
    def _title(self) -> str:
        return f"{self.name}: {self.note}" if self.note else self.name

    @property
    def _facts(self) -> list[tuple[str, str]]:
        """
        The prime keys, and first and last record as far as the site told them.
        """
        told = {"First record": "FirstRecord", "Last record": "LastRecord"}
        ends = [(title, str(self.interval[name])) for title, name in told.items() if self.interval.get(name)]
        return [("Prime keys", ", ".join(self.prime_keys) or "none"), *ends]

    @property
    def _tables(self) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
        """
        What a person wants to know: title, head and rows of each table that has any.
        """
        tables: tuple[tuple[str, tuple[str, ...], list[tuple[str, ...]]], ...] = (
            (
                "Prime keys in detail",
                ("name", "type", "units", "slots", "note"),
                [self._prime_row(key) for key in self.prime_keys],
            ),
            (
                "Segments",
                ("name", "type", "units", "protocol", "dims", "note"),
                [
                    (item.name, item.type, item.units, item.protocol, item.dims, item.note)
                    for item in self.segments.values()
                ],
            ),
            (
                "Links",
                ("name", "target", "kind", "note"),
                [(item.name, item.target, item.kind, item.note) for item in self.links.values()],
            ),
            (
                "Keywords",
                ("name", "type", "units", "note"),
                [(item.name, _type_text(item), item.units, item.note) for item in self.keywords.values()],
            ),
        )
        yield from (table for table in tables if table[2])

    def _prime_row(self, name: str) -> tuple[str, ...]:
        keyword = self.keyword(name)
        if keyword is None:
            return name, "", "", "", ""
        step, base = (
            next((found.default for part in parts if (found := self.keyword(f"{keyword.name}_{part}")) is not None), "")
            for parts in (("step",), ("epoch", "base"))
        )
        unit = self.keyword(f"{keyword.name}_unit")
        slots = f"every {step} {unit.default if unit else ''}".rstrip() + (f" from {base}" if base else "")
        return keyword.name, keyword.type, keyword.units, slots if keyword.is_slotted else "", keyword.note

    def keyword(self, name: str) -> Keyword | None:
        """
        Find a keyword by any name DRMS accepts for it: any case, and ``NAME_000`` or ``NAME[0]`` for a segment's own.
        """
        if name.lower() in self._keyword_names:
            return self.keywords[name]
        match = _SEGMENT_SUFFIX.match(name)
        if match and match["base"].lower() in self._keyword_names:
            base = self.keywords[match["base"]]
            number = int(match["suffix"] or match["index"] or 0)
            if base.is_per_segment and number < len(self.segments):
                return base
        return None

    @cached_property
    def _keyword_names(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.keywords)

    def is_implicit(self, name: str) -> bool:
        """
        Whether DRMS made the keyword itself, so that ``**ALL**`` leaves it out (contract B.5).
        """
        lower = name.lower()
        if lower.startswith("cparms_sg") and lower[9:].isdigit():
            return True
        keyword = self.keyword(name)
        if keyword is not None and keyword.scope == "index":
            return True
        base, _, ending = lower.rpartition("_")
        return ending in {"bzero", "bscale"} and any(segment.lower() == base for segment in self.segments)

    def is_alias(self, name: str) -> bool:
        """
        Whether the name is the FITS name of another keyword, which ``series_struct`` lists as if it were one (C.2).
        """
        return name in self._aliases

    def meant(self, keyword: Keyword) -> Keyword:
        """
        The keyword that one stands for: itself, or, for an alias such as ``DATE-OBS``, the one whose FITS name it is.
        """
        if not self.is_alias(keyword.name):
            return keyword
        return next(item for item in self.keywords.values() if item.fits_alias == keyword.name != item.name)

    @cached_property
    def _aliases(self) -> frozenset[str]:
        names = set(self.keywords)
        return frozenset(
            item.fits_alias
            for item in self.keywords.values()
            if item.fits_alias in names and item.fits_alias != item.name
        )

    def slot(self, name: str) -> times.Slot | None:
        """
        The grid of a slotted key, from its ``_epoch``/``_base``, ``_step``, ``_unit`` and ``_round`` constants (A.12).
        """
        keyword = self.keyword(name)
        if keyword is None or not keyword.is_slotted:
            return None
        constants = {}
        for part in ("epoch", "base", "step", "unit", "round"):
            constant = self.keyword(f"{keyword.name}_{part}")
            if constant is not None:
                constants[part] = constant.default
        return times.Slot.from_constants(keyword.scope, **constants)

    def prime_key(self, name: str) -> PrimeKey:
        """
        A prime key as the record-set language sees it.

        Raises
        ------
        QueryError
            If the series has no such prime key.
        """
        for key in self.prime_keys:
            if key.lower() == name.lower():
                keyword = self.keyword(key)
                return PrimeKey(key, keyword.type if keyword else "string", self.slot(key))
        raise QueryError(f"{name!r} is not a prime key of {self.name}. Its prime keys are {list(self.prime_keys)}.")

    @cached_property
    def prime_key_types(self) -> tuple[PrimeKey, ...]:
        """
        All prime keys, in order, as the record-set language sees them.
        """
        return tuple(self.prime_key(name) for name in self.prime_keys)
