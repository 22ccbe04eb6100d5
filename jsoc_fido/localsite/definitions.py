"""
Definitions of the series a local site knows, and how a definition is written as JSON.

A definition file holds what the site cannot compute: prime keys, keywords in their order, segments and links, each with
only those members that differ from the defaults of `jsoc_fido.series`. Implicit keywords (``T_REC_index``,
``cparms_sg000``, ``image_bzero``) and aliases (``DATE-OBS``) follow from these and are not listed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from jsoc_fido.exceptions import QueryError
from jsoc_fido.series import Keyword, Link, NameMap, Segment, Series

__all__ = ["from_dict", "known", "load", "processed", "to_dict"]

#: JSOC's name for what a processing step makes of a series (contract D.2).
PROCESSED = "_mod"

_GEOMETRY = re.compile(r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)\d", re.IGNORECASE)
_SCALARS = ("unitsize", "archive", "retention", "stagingretention", "tapegroup")
_FOLDER = resources.files(__package__) / "series"

Part = TypeVar("Part", Keyword, Segment, Link)


@cache
def _files() -> Mapping[str, Any]:
    """
    The definition files by the lower-case name of their series.
    """
    return {item.name.removesuffix(".json"): item for item in _FOLDER.iterdir() if item.name.endswith(".json")}


def known() -> list[str]:
    """
    Names of the series that `load` knows, in their own spelling.

    Examples
    --------
    >>> "hmi.V_45s" in known()
    True
    """
    return sorted((load(name).name for name in _files()), key=str.lower)


@cache
def load(name: str) -> Series:
    """
    Read the definition of a series.

    Parameters
    ----------
    name
        Name of the series in any case. The name of a known series with ``_mod`` at its end is what an export's
        processing makes of that series: one more prime key, ``RequestID``, and images of any size (contract D.2).

    Raises
    ------
    QueryError
        If there is no such definition; the message names the ones there are.

    Examples
    --------
    >>> load("HMI.v_45s").prime_keys
    ('T_REC', 'CAMERA')
    >>> load("hmi.m_720s_mod").prime_keys
    ('T_REC', 'CAMERA', 'RequestID')
    """
    files = _files()
    lower = name.lower()
    if lower in files:
        return from_dict(json.loads(files[lower].read_text(encoding="utf-8")))
    if lower.endswith(PROCESSED) and lower.removesuffix(PROCESSED) in files:
        return processed(load(lower.removesuffix(PROCESSED)))
    raise QueryError(f"There is no definition of the series {name!r}. The known ones are {', '.join(known())}.")


def processed(series: Series) -> Series:
    """
    The series that JSOC clones for the output of processing (contract D.2).

    What says where an image is on the sky may differ from record to record there, though it is the same for all records
    of the series itself.

    Parameters
    ----------
    series
        The series, without implicit keywords.
    """
    request = Keyword("RequestID", "string", default="NA", note="export request that made the record")
    source = Keyword("SOURCE", "string", note="record this one was made from")
    added = [item for item in (request, source) if series.keyword(item.name) is None]
    return replace(
        series,
        name=series.name + PROCESSED,
        prime_keys=(*series.prime_keys, request.name),
        dbindex=(*series.dbindex, request.name),
        keywords=NameMap([*map(_movable, series.keywords.values()), *added]),
        segments=NameMap(replace(segment, dims="VARxVAR") for segment in series.segments.values()),
    )


def _movable(keyword: Keyword) -> Keyword:
    return replace(keyword, scope="variable") if keyword.is_constant and _GEOMETRY.fullmatch(keyword.name) else keyword


def from_dict(definition: Mapping[str, Any]) -> Series:
    """
    Read a definition as JSON gives it.

    Parameters
    ----------
    definition
        What `to_dict` returns.

    Raises
    ------
    QueryError
        If the definition has members nobody knows, or lacks needed ones.
    """
    try:
        return Series(
            name=definition["name"],
            note=definition.get("note", ""),
            prime_keys=tuple(definition["prime_keys"]),
            keywords=NameMap(Keyword(**item) for item in definition["keywords"]),
            segments=NameMap(Segment(**item) for item in definition.get("segments", ())),
            links=NameMap(Link(**item) for item in definition.get("links", ())),
            dbindex=tuple(definition.get("dbindex") or definition["prime_keys"]),
            **{name: definition[name] for name in _SCALARS if name in definition},
        )
    except (KeyError, TypeError) as err:
        raise QueryError(
            f"The series definition of {definition.get('name', '(no name)')!r} is not valid: {err}."
        ) from err


def to_dict(series: Series) -> dict[str, Any]:
    """
    Write a definition as JSON keeps it; `from_dict` reads it back.

    Parameters
    ----------
    series
        The definition. Its interval is left out: a site computes it.
    """
    return {
        "name": series.name,
        "note": series.note,
        "prime_keys": list(series.prime_keys),
        "dbindex": list(series.dbindex),
        **{name: getattr(series, name) for name in _SCALARS},
        "keywords": [_members(item) for item in series.keywords.values()],
        "segments": [_members(item) for item in series.segments.values()],
        "links": [_members(item) for item in series.links.values()],
    }


def _members(part: Part) -> dict[str, Any]:
    """
    The members of a keyword, segment or link that are not the defaults.
    """
    return {
        field.name: getattr(part, field.name)
        for field in fields(part)
        if field.default is MISSING or getattr(part, field.name) != field.default
    }
