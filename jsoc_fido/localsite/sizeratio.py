"""
How large what processing makes is, compared with what it is made of (contract F.2).
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jsoc_fido.exceptions import QueryError

__all__ = ["Shape", "size_ratio"]

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
    except ValueError as err:
        raise QueryError("invalid processing list argument") from err
    if not isinstance(steps, dict) or not all(isinstance(arguments, dict) for arguments in steps.values()):
        raise QueryError("invalid processing list argument")
    ratios = [_step_ratio(name, arguments, shape) for name, arguments in steps.items()]
    return UNKNOWN if None in ratios else math.prod(ratio for ratio in ratios if ratio is not None)


def _step_ratio(name: str, arguments: Mapping[str, Any], shape: Shape) -> float | None:
    rule = RULES.get(name)
    try:
        return None if rule is None else rule(arguments, shape)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
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
