"""
The tables of a site: its own, and one for each series (contract H).

Series' names hold a dot, the site's own tables none, so that the two never meet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from jsoc_fido.exceptions import DataError
from jsoc_fido.series import Keyword, Link, NameMap, Series

__all__ = ["complete", "counters", "data_table", "link_column", "metadata", "requests", "series_table", "site", "units"]

VERSION = "2"

metadata = sa.MetaData()

#: What the site is: its schema's version.
site = sa.Table(
    "site",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

#: Numbers that are given out once: records of a series, storage units, requests of a day.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

series_table = sa.Table(
    "series",
    metadata,
    sa.Column("lower_name", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("definition", sa.JSON, nullable=False),
)

#: Storage units; their files are under /SUM0/D<sunum>.
units = sa.Table(
    "units",
    metadata,
    sa.Column("sunum", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("online", sa.Boolean, nullable=False, default=True),
)

#: Requests for staged files (contract B.12 to B.16).
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("requestid", sa.Text, primary_key=True),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("submitted", sa.Float(53), nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False, default=""),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("filename_format", sa.Text, nullable=False),
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("recnums", sa.JSON, nullable=False),
    sa.Column("segments", sa.JSON, nullable=False),
    sa.Column("steps", sa.JSON, nullable=False, default=list),
    sa.Column("megabytes", sa.Integer, nullable=False),
    sa.Column("sunum", sa.BigInteger),
    sa.Column("finished", sa.Float(53)),
    sa.Column("error", sa.Text),
    sa.Index("requests by hash", "hash"),
    # What waits is looked for with every request, and when the site starts.
    sa.Index("requests by status", "status", "submitted"),
)

TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "char": sa.SmallInteger(),
    "short": sa.SmallInteger(),
    "int": sa.Integer(),
    "longlong": sa.BigInteger(),
    "float": sa.Float(53),  # a value keeps all the digits it came with
    "double": sa.Float(53),
    "time": sa.Float(53),
    "string": sa.Text(),
}

#: SQLite keeps a table in the order of an INTEGER primary key.
RECNUM = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: What a record stores of each segment, as suffixes of ``sg_NNN_``.
SEGMENT_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "file": sa.Text(),
    "dims": sa.Text(),
    "bytes": sa.BigInteger(),
    "bzero": sa.Float(53),
    "bscale": sa.Float(53),
}


def complete(series: Series) -> Series:
    """
    Add the keywords that DRMS makes itself: scaling of the segments in front, slot numbers at the end (contract C.2).
    """
    present = {name.lower() for name in series.keywords}
    front = [keyword for keyword in _segment_keywords(series) if keyword.name.lower() not in present]
    back = [keyword for keyword in _slot_keywords(series) if keyword.name.lower() not in present]
    return replace(series, keywords=NameMap([*front, *series.keywords.values(), *back]))


def _segment_keywords(series: Series) -> Iterator[Keyword]:
    for number, segment in enumerate(series.segments.values()):
        if segment.link is None and segment.protocol != "generic":
            yield Keyword(f"cparms_sg{number:03d}", "string", default=segment.compression)
            yield Keyword(f"{segment.name}_bzero", "double", default=f"{segment.bzero:g}", format="%g")
            yield Keyword(f"{segment.name}_bscale", "double", default=f"{segment.bscale:g}", format="%g")


def _slot_keywords(series: Series) -> Iterator[Keyword]:
    for key in map(series.keyword, series.prime_keys):
        if key is not None and key.is_slotted:
            note = f"Index keyword associated with {key.name}"
            yield Keyword(f"{key.name}_index", "longlong", "index", "0", note=note)


def link_column(link: Link, key: str) -> str:
    """
    Name of the column that holds what a link says about a prime key of its target, or the target's record number.
    """
    return f"ln_{link.name}_{key}".lower()


def link_targets(series: Series, targets: Mapping[str, Series]) -> Iterator[tuple[str, Keyword]]:
    """
    The columns of the links of a series, each with the keyword of the target that it repeats.
    """
    for link in series.links.values():
        if link.kind.upper() == "STATIC":
            yield link_column(link, "recnum"), Keyword("recnum", "longlong")
        elif link.target.lower() in targets:
            target = targets[link.target.lower()]
            for name in target.prime_keys:
                key = target.keyword(name)
                if key is not None:
                    yield link_column(link, name), key


def data_table(series: Series, targets: Mapping[str, Series]) -> sa.Table:
    """
    The table of the records of a series.

    Parameters
    ----------
    series
        Its definition.
    targets
        Definitions of the series its links lead to, by lower-case name, as far as they are known.

    Raises
    ------
    DataError
        If the definition has no dot in its name, or two keywords that differ in case only.
    """
    if "." not in series.name:
        raise DataError(f"{series.name!r} is no name for a series; one looks like 'project.product'.")
    columns: list[sa.Column[Any]] = [
        sa.Column("recnum", RECNUM, primary_key=True, autoincrement=False),
        sa.Column("sunum", sa.BigInteger),
        sa.Column("slotnum", sa.Integer),
    ]
    for keyword in series.keywords.values():
        if keyword.link or keyword.is_constant or series.is_implicit(keyword.name) or series.is_alias(keyword.name):
            continue
        columns += [sa.Column(name, TYPES[keyword.type]) for name in stored_names(series, keyword)]
    columns += [
        sa.Column(slot_column(name), sa.BigInteger)
        for name in series.prime_keys
        if (key := series.keyword(name)) is not None and key.is_slotted
    ]
    for number, segment in enumerate(series.segments.values()):
        if segment.link is None:
            columns += [sa.Column(f"sg_{number:03d}_{part}", kind) for part, kind in SEGMENT_COLUMNS.items()]
            columns.append(sa.Column(f"cparms_sg{number:03d}", sa.Text))
    for name, key in link_targets(series, targets):
        columns.append(sa.Column(name, sa.BigInteger() if key.is_slotted else TYPES[key.type]))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"Series {series.name} would have two columns of the same name: {', '.join(twice)}.")
    name = series.name.lower()
    table = sa.Table(name, sa.MetaData(), *columns)
    keys = prime_columns(series, table)
    if keys:
        # The order of the prime keys, then of the versions: both the selections and the newest version are read off it.
        sa.Index(f"{name} prime", *keys, table.c.recnum)
    return table


def stored_names(series: Series, keyword: Keyword) -> list[str]:
    """
    Names of the columns of a keyword: one, or one for each segment.
    """
    lower = keyword.name.lower()
    return [f"{lower}_{number:03d}" for number in range(len(series.segments))] if keyword.is_per_segment else [lower]


def slot_column(name: str) -> str:
    """
    Name of the column that holds the slot number of a slotted prime key.
    """
    return f"{name.lower()}_index"


def prime_columns(series: Series, table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """
    The columns that tell records apart, in the order of the prime keys: of slotted ones the slot number.
    """
    columns: list[sa.ColumnElement[Any]] = []
    for name in series.prime_keys:
        key = series.keyword(name)
        if key is not None and not key.is_constant and key.link is None:
            columns.append(table.c[slot_column(name) if key.is_slotted else name.lower()])
    return columns
