"""
Names of files, and the paths they get.

A file is named after its record and segment, alike for every way it can come (contract D.1). Names and values come
from a server; neither may lead out of the folder the user chose.
"""

import hashlib
import re
import string
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.series import Series

__all__ = [
    "fields",
    "file_name",
    "file_name_format",
    "fill",
    "form",
    "prime_key_texts",
    "safe_name",
    "template",
    "with_form",
]

_RECORD = re.compile(r"^\s*(?P<series>[\w.]+)(?P<filters>(?:\[[^\]]*\])*)(?:\{(?P<segment>[^}]*)\})?\s*$")
_FILTER = re.compile(r"\[([^\]]*)\]")
_UNSAFE = re.compile(r"[^\w.+=@,()-]+")


def file_name_format(series: Series) -> str:
    """
    Template for the names of staged files: series, prime keys, segment (contract D.1).

    Examples
    --------
    >>> from jsoc_fido.series import Keyword, NameMap
    >>> keywords = NameMap([Keyword("T_REC", "time"), Keyword("CAMERA", "int")])
    >>> file_name_format(Series("hmi.M_45s", prime_keys=("T_REC", "CAMERA"), keywords=keywords))
    'hmi.m_45s.{T_REC:A}.{CAMERA}.{segment}'
    """
    parts = [f"{{{key.name}:A}}" if key.type == "time" else f"{{{key.name}}}" for key in series.prime_key_types]
    return ".".join([series.name.lower(), *(parts or ["{recnum:%lld}"]), "{segment}"])


def file_name(series: Series, record: str, stored: str) -> str:
    """
    Name of a file: what a site makes of `file_name_format`.

    Parameters
    ----------
    series
        Definition of the series.
    record
        Canonical name of the record (contract A.15).
    stored
        Name under which the site stores the file.

    Examples
    --------
    >>> from jsoc_fido.series import Keyword, NameMap
    >>> keywords = NameMap([Keyword("T_REC", "time", units="TAI"), Keyword("CAMERA", "int")])
    >>> series = Series("hmi.M_45s", prime_keys=("T_REC", "CAMERA"), keywords=keywords)
    >>> file_name(series, "hmi.M_45s[2014.01.01_00:00:45_TAI][2]", "magnetogram.fits")
    'hmi.m_45s.20140101_000045_TAI.2.magnetogram.fits'
    """
    texts = prime_key_texts(record)
    keys = series.prime_key_types
    if len(texts) == len(keys):
        texts = tuple(_time_text(text) if key.type == "time" else text for key, text in zip(keys, texts, strict=True))
    parts = [text.removeprefix(":#") for text in texts]
    return safe_name(
        ".".join(
            [series.name.lower(), *(_UNSAFE.sub("_", part).replace("..", "_") for part in parts), safe_name(stored)]
        )
    )


def prime_key_texts(record: str) -> tuple[str, ...]:
    """
    Values of the prime keys in the canonical name of a record; none if it is no such name.
    """
    match = _RECORD.match(record or "")
    return tuple(_FILTER.findall(match["filters"])) if match else ()


def safe_name(name: str) -> str:
    """
    The last part of a name that a server gave, if that is a file name.

    Raises
    ------
    DataError
        If it is none.

    Examples
    --------
    >>> from jsoc_fido.names import safe_name
    >>> safe_name("/SUM1/D2/S00000/image_lev1.fits"), safe_name("../../.bashrc")
    ('image_lev1.fits', 'bashrc')
    """
    # A leading dot would hide the file; control characters and backslashes are paths on some systems.
    last = _UNSAFE.sub("_", PurePosixPath(name.replace("\\", "/")).name).lstrip(".")
    if not last:
        raise DataError(f"The site offers a file called {name!r}, which is no file name; nothing was downloaded.")
    return last


def form(steps: Iterable[object], protocol: str) -> str:
    """
    What is made of a stored file, in short: empty for the file itself.

    Parameters
    ----------
    steps
        Processing steps; their texts say all about them.
    protocol
        How it comes. Pictures differ by their colours and sizes.

    Examples
    --------
    >>> from jsoc_fido.names import form
    >>> form(["rebin,method=boxcar,scale=0.5"], "fits"), form([], "as-is")
    ('rebin-e254', 'as-is')
    """
    texts = [*map(str, steps), *([protocol] if protocol not in {"", "fits", "quick"} else [])]
    if not texts or texts == ["as-is"]:
        return "".join(texts)
    short = "-".join(text.partition(",")[0] for text in texts)
    return f"{short}-{hashlib.blake2s('|'.join(texts).encode(), digest_size=2).hexdigest()}"


def with_form(name: str, form: str) -> str:
    """
    Name of a file of which something was made: files with and without have different names.

    Examples
    --------
    >>> from jsoc_fido.names import with_form
    >>> with_form("hmi.m_45s.20140101_000045_TAI.2.magnetogram.fits", "rebin-e254")
    'hmi.m_45s.20140101_000045_TAI.2.magnetogram.rebin-e254.fits'
    """
    if not form or form == "as-is":
        # A file has one name whether its header is completed or not.
        return name
    path = PurePosixPath(name)
    return f"{path.stem}.{form}{path.suffix}"


def template(path: str | Path) -> str:
    """
    A path as a template: into a folder goes the file under its name.
    """
    text = str(path)
    return text if "{file}" in text else str(Path(text) / "{file}")


def fill(template: str, name: str, row: Mapping[str, Any], known: Collection[str] = ()) -> Path:
    """
    Fill a template.

    Parameters
    ----------
    template
        With ``{file}``, and names of ``row``.
    name
        Name of the file.
    row
        Values by name.
    known
        Names that could be there, for the error; those of ``row`` by default.

    Raises
    ------
    QueryError
        If it names what is not there, or formats a value in a way that the value does not know.
    """
    suffix = PurePosixPath(name).suffix
    if suffix and template.endswith("{file}" + suffix):
        template = template.removesuffix(suffix)
    try:
        return Path(_Formatter().vformat(template, (), {**row, "file": name})).expanduser()
    except (KeyError, IndexError) as err:
        known = ", ".join(sorted(key for key in (known or row) if key.isidentifier())[:12])
        raise QueryError(
            f"The path {template!r} asks for {err}; there is {{file}} and {known or 'nothing else, without the table'}."
        ) from err
    except (ValueError, AttributeError, TypeError) as err:
        raise QueryError(f"The path {template!r} cannot be filled: {err}.") from err


def fields(template: str) -> set[str]:
    """
    The names in a template.

    Raises
    ------
    QueryError
        If it is no template.

    Examples
    --------
    >>> sorted(fields("data/{T_REC:%Y}/{file}"))
    ['T_REC', 'file']
    """
    try:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as err:
        raise QueryError(f"The path {template!r} cannot be filled: {err}.") from err


class _Formatter(string.Formatter):
    """
    ``str.format`` for paths: no value may bring a folder of its own.
    """

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        # A name of a column, and nothing inside of it: attributes of a value are no business of a path.
        return self.get_value(field_name, args, kwargs), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if np.all(getattr(value, "mask", value is np.ma.masked)):
            text = "MISSING"
        elif isinstance(value, Time):
            if format_spec:
                # What stands in the text comes from the template, and so from the user: %Y/%m makes two folders.
                return str(value.strftime(format_spec))
            text = str(value.value).replace(".", "").replace(":", "")
        elif isinstance(value, u.Quantity):
            text = format(value.value, format_spec or ".12g")
        else:
            text = format(value, format_spec)
        # Neither nothing nor a dot is a name of a folder.
        return _UNSAFE.sub("_", text).replace("..", "_") if text.strip(". ") else "_"


def _time_text(text: str) -> str:
    """
    A time as layout ``A`` prints it: whole seconds, without dots and colons.
    """
    if "." in text.rpartition(":")[2]:
        try:
            seconds = times.parse(text)
        except QueryError:
            return text  # whatever it is, it is made safe later
        text = times.format(seconds, "ISO" if text.endswith("Z") else text.rpartition("_")[2], 0)
    return text.replace(".", "").replace(":", "")
