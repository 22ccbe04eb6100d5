"""
Replies about series: ``show_series``, ``showextseries``, ``series_struct``, ``rs_summary`` (contract B.1 to B.4, C).
"""

import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from jsoc_fido import headers
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.catalogue import Catalogue, Holding
from jsoc_fido.localsite.fields import Fields
from jsoc_fido.localsite.question import Tally, asked_sets, only_set
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.sizeratio import shape_of, size_ratio
from jsoc_fido.localsite.table import Table
from jsoc_fido.recordset import Extreme, KeyFilter, RecordSet
from jsoc_fido.series import Keyword, Segment, Series

__all__ = ["rs_summary", "series_struct", "show_series", "showextseries"]

BROKEN_LINK = "error following link"

#: The database's name of who owns the series, who has none of another name here.
OWNER = "site"


def show_series(catalogue: Catalogue, pattern: str, *, verbose: bool = False) -> dict[str, Any]:
    """
    List series with their prime keys (contract B.1).

    Parameters
    ----------
    catalogue
        The site.
    pattern
        Regular expression; empty for all.
    verbose
        Whether to tell how the series are kept, and whose they are.
    """
    try:
        found = [catalogue.series(name) for name in catalogue.series_names(pattern)]
    except QueryError as err:
        return {"status": 1, "errmsg": str(err)}
    names = [
        {
            "name": series.name,
            "primekeys": ", ".join(series.prime_keys),
            **(_keeping(series) if verbose else {}),
            "note": series.note,
        }
        for series in found
    ]
    return {"status": 0, "names": names, "n": len(names)}


def _keeping(series: Series) -> dict[str, str]:
    numbers = {name: str(getattr(series, name)) for name in ("archive", "retention", "tapegroup", "unitsize")}
    return {**numbers, "owner": OWNER}


def showextseries(catalogue: Catalogue, pattern: str, *, info: bool) -> dict[str, Any]:
    """
    List series, each with its description if asked for (contract B.2).
    """
    try:
        names = sorted(catalogue.series_names(pattern))
    except QueryError as err:
        return {"errMsg": str(err), "seriesList": []}
    if not info:
        return {"errMsg": "", "seriesList": names}
    return {"errMsg": "", "seriesList": [{name: {"description": catalogue.series(name).note}} for name in names]}


def rs_summary(catalogue: Catalogue, ds: str, *, limit: int = 0) -> dict[str, Any]:
    """
    Count records (contract B.4).

    Parameters
    ----------
    catalogue
        The site.
    ds
        One record set, or several.
    limit
        Only so many of each, if not 0.

    Raises
    ------
    QueryError
        If the record sets cannot be read, or do not fit the series.
    """
    began = time.perf_counter()
    count = 0
    tally = Tally()
    for item in asked_sets(ds):
        found = Selection(catalogue, RecordSet(item.series, item.filters)).count(limit=limit)
        tally.add(found, 1)
        count += found
    return {"count": count, "runtime": _since(began), "status": 0}


def series_struct(
    catalogue: Catalogue,
    ds: str,
    *,
    fits_names: bool = False,
    follow_links: bool = False,
    owner: bool = False,
    processing: str = "",
) -> dict[str, Any]:
    """
    Describe a series (contract C).

    Parameters
    ----------
    catalogue
        The site.
    ds
        Name of the series, or a record set of it.
    fits_names
        Whether keywords have the names of their cards, and those that DRMS makes itself are left out (C.2).
    follow_links
        Whether segments of other series are described as these have them (C.3).
    owner
        Whether to tell whose the series is.
    processing
        Steps of processing as JSON, to tell how large the results are (F.2).

    Raises
    ------
    QueryError
        If the site has no such series, or the steps cannot be read.
    """
    began = time.perf_counter()
    holding = catalogue.holding(only_set(ds).series)
    series = holding.series
    keys: list[str | None] = [*series.prime_keys] or [None]
    fields = Fields(catalogue, holding) if follow_links else None
    return {
        "note": series.note,
        "retention": series.retention,
        "stagingretention": series.stagingretention or 3,
        "unitsize": series.unitsize,
        "archive": series.archive,
        "tapegroup": series.tapegroup,
        **({"owner": OWNER} if owner else {}),
        "primekeys": keys,
        "primekeysinfo": [_prime_key(series, name) for name in series.prime_keys] or [None],
        "dbindex": list(series.dbindex) or keys,
        "keywords": list(_cards(catalogue, series) if fits_names else _keywords(catalogue, series)),
        "segments": [_segment(segment, fields) for segment in series.segments.values()],
        "links": [
            {"name": link.name, "target": link.target, "kind": link.kind, "note": link.note}
            for link in series.links.values()
        ],
        "Interval": interval(catalogue, holding) | ({"HasShadow": "no"} if owner else {}),
        **({"processing_size_ratio": size_ratio(processing, shape_of(catalogue, series))} if processing else {}),
        "runtime": _since(began),
        "status": 0,
    }


def interval(catalogue: Catalogue, holding: Holding) -> dict[str, Any]:
    """
    First and last record of a series, by its first prime key (contract C.5).
    """
    first = _record(catalogue, holding, last=False)
    last = _record(catalogue, holding, last=True)
    with catalogue.engine.connect() as connection:
        highest = connection.scalar(sa.select(sa.func.max(holding.table.c.recnum)))
    return {
        "FirstRecord": first[0],
        "FirstRecnum": first[1],
        "LastRecord": last[0],
        "LastRecnum": last[1],
        "MaxRecnum": highest or 0,
    }


def _record(catalogue: Catalogue, holding: Holding, *, last: bool) -> tuple[str, Any]:
    filters = (KeyFilter((Extreme(last=last),)),) if holding.series.prime_keys else ()
    table = Table(Selection(catalogue, RecordSet(holding.series.name, filters)))
    names, numbers = table.names(), table.column(holding.table.c.recnum)
    return (names()[0], numbers()[0]) if table.read(-1 if last else 1) else ("NA", "NA")


def _prime_key(series: Series, name: str) -> dict[str, Any]:
    keyword = series.keyword(name)
    if keyword is None or not keyword.is_slotted:
        return {"name": name, "slotted": 0}
    step = series.keyword(f"{keyword.name}_step")
    return {"name": name, "slotted": 1, "step": step.default if step is not None else ""}


def _keywords(catalogue: Catalogue, series: Series) -> Iterator[dict[str, str]]:
    for keyword in series.keywords.values():
        if series.is_alias(keyword.name):
            continue
        described = _keyword(catalogue, series, keyword)
        yield described
        if keyword.fits_alias and keyword.fits_alias != keyword.name:
            yield {**described, "name": keyword.fits_alias}


def _cards(catalogue: Catalogue, series: Series) -> Iterator[dict[str, str]]:
    for keyword in series.keywords.values():
        if not series.is_implicit(keyword.name) and not series.is_alias(keyword.name):
            scope = {"recscope": "variable"} if keyword.is_per_segment else {}
            name = headers.card_name(keyword) or keyword.name
            yield {**_keyword(catalogue, series, keyword), **scope, "name": name}


def _keyword(catalogue: Catalogue, series: Series, keyword: Keyword) -> dict[str, str]:
    if keyword.link is None:
        return {"name": keyword.name, **_members(keyword, keyword.note)}
    there = _linked(catalogue, series, keyword.link)
    if there is None and keyword.type in {"", "link"}:
        there = Keyword(keyword.name, "link", BROKEN_LINK, BROKEN_LINK, BROKEN_LINK, BROKEN_LINK)
    # A definition may say itself what the keyword is, for a site that lacks the series it is linked from.
    there = there or keyword
    return {"name": keyword.name, "linkinfo": keyword.link, **_members(there, keyword.note or there.note)}


def _members(keyword: Keyword, note: str) -> dict[str, str]:
    return {
        "type": keyword.type,
        "recscope": keyword.scope,
        "defval": keyword.default,
        "units": keyword.units,
        "note": note,
    }


def _linked(catalogue: Catalogue, series: Series, text: str, depth: int = 4) -> Keyword | None:
    link, _, name = text.partition("->")
    if link not in series.links or not depth:
        return None
    try:
        target = catalogue.series(series.links[link].target)
    except QueryError:
        return None
    keyword = target.keyword(name)
    if keyword is None or keyword.link is None:
        return keyword
    return _linked(catalogue, target, keyword.link, depth - 1)


def _segment(segment: Segment, fields: Fields | None) -> dict[str, Any]:
    linked = segment.link is not None
    if linked and fields is not None and (there := fields.find_segment(segment.name)) is not None:
        return {**_segment(there.segment, None), "name": segment.name, "note": segment.note or there.segment.note}
    return {
        "name": segment.name,
        "type": segment.type,
        "units": None if linked else segment.units,
        "protocol": segment.protocol,
        "dims": None if linked else segment.dims,
        "note": segment.note,
    }


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)
