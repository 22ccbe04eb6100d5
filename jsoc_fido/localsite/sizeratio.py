"""
How large what processing makes is, compared with what it is made of (contract F.2).
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import Table
from jsoc_fido.recordset import Extreme, RecordNumbers, RecordSet
from jsoc_fido.series import Series

__all__ = ["Shape", "given_ratio", "ratio_of", "shape_of", "size_ratio"]

#: What JSOC says when it does not know.
UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a series' images are.

    Parameters
    ----------
    pixels
        Pixels of one, None if there are none.
    scale
        Arcseconds per pixel in the newest record, None if it does not say.
    """

    pixels: int | None
    scale: float | None


def shape_of(catalogue: Catalogue, series: Series) -> Shape:
    """
    What the images of a series' newest record are.

    Parameters
    ----------
    catalogue
        The site.
    series
        The series.
    """
    table = Table(Selection(catalogue, RecordSet(series.name, (RecordNumbers((Extreme(last=True, index=True),)),))))
    scale = None if series.keyword("CDELT1") is None else table.texts("CDELT1")
    segments = [table.segment(name) for name in list(series.segments)[:1]]
    if not table.read():
        return Shape(None, None)
    axes = [int(axis) for told in segments for axis in told()["dims"][0].split("x") if axis.isdigit()]
    return Shape(math.prod(axes) if axes else None, None if scale is None else _number(scale()[0]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # MISSING
        return None


def size_ratio(text: str, shape: Shape) -> float:
    """
    Compare sizes.

    Parameters
    ----------
    text
        Steps, with the arguments of each, as a JSON object.
    shape
        What the images are.

    Returns
    -------
    float
        Size of a result in units of the size of an image; -1 if that cannot be told.

    Raises
    ------
    QueryError
        If the text is none of this kind.

    Examples
    --------
    >>> size_ratio('{"rebin": {"scale": 0.25}}', Shape(4096**2, 0.5))
    0.0625
    """
    try:
        steps = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise QueryError("invalid processing list argument") from err
    if not isinstance(steps, dict) or not all(isinstance(arguments, dict) for arguments in steps.values()):
        raise QueryError("invalid processing list argument")
    ratio = ratio_of(steps.items(), shape)
    return UNKNOWN if ratio is None else ratio


def ratio_of(steps: Iterable[tuple[str, Mapping[str, Any]]], shape: Shape) -> float | None:
    """
    Compare sizes.

    Parameters
    ----------
    steps
        Steps by name, with the arguments of each.
    shape
        What the images are.

    Returns
    -------
    float or None
        Size of a result in units of the size of an image; None if that cannot be told.
    """
    product = 1.0
    for name, arguments in steps:
        ratio = _step_ratio(name, arguments, shape)
        if ratio is None or not 0 < ratio < math.inf:
            return None
        product *= ratio
    return product


def given_ratio(parameters: Mapping[str, str]) -> float:
    """
    What the one who asks thinks that it is: the parameter ``sizeratio`` (contract B.9).

    Raises
    ------
    QueryError
        If it is no number above 0.

    Examples
    --------
    >>> given_ratio({"sizeratio": "0.25"}), given_ratio({})
    (0.25, 1.0)
    """
    text = parameters.get("sizeratio") or "1"
    ratio = _number(text)
    if ratio is None or not 0 < ratio < math.inf:
        raise QueryError(f"sizeratio={text} is no number above 0.")
    return ratio


def _step_ratio(name: str, arguments: Mapping[str, Any], shape: Shape) -> float | None:
    rule = RULES.get(name)
    try:
        return None if rule is None else rule(arguments, shape)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None


def _whole(value: object) -> int:
    """
    The digits that a text begins with, which is all that JSOC reads of a width, whatever its unit.
    """
    match = re.match(r"\s*[-+]?\d+", str(value))
    if match is None:
        raise ValueError(f"{value!r} begins with no digits")
    return int(match[0])


def _area(width: str, height: str) -> Callable[[Mapping[str, Any], Shape], float | None]:
    def rule(arguments: Mapping[str, Any], shape: Shape) -> float | None:
        return _whole(arguments[width]) * _whole(arguments[height]) / shape.pixels if shape.pixels else None

    return rule


def _resize(arguments: Mapping[str, Any], shape: Shape) -> float | None:
    return None if shape.scale is None else shape.scale / float(arguments["scale_to"])


RULES: dict[str, Callable[[Mapping[str, Any], Shape], float | None]] = {
    "im_patch": _area("width", "height"),
    "map_proj": _area("cols", "rows"),
    "Maproj": _area("cols", "rows"),
    "resize": _resize,
    "rebin": lambda arguments, _: float(arguments["scale"]) ** 2,
    **dict.fromkeys(("aia_scale_aialev1", "aia_scale_orig", "aia_scale_other", "to_ptr", "HmiB2ptr"), lambda *_: 1.0),
}
