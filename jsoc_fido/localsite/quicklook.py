"""
Small pictures of stored images, to look at and not to measure on.
"""

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from jsoc_fido.exceptions import DataError
from jsoc_fido.fitsfiles import image_hdu

__all__ = ["LARGEST", "SMALLEST", "picture"]

#: Pixels along the longer side of a picture.
SMALLEST, LARGEST = 16, 2048

#: Stored images with more pixels than this are not read: 8192 x 8192.
MOST_PIXELS = 1 << 26

#: Percentiles of the values that become black and white.
DARK, BRIGHT = 0.5, 99.5

#: If the values reach to both sides of zero, and to the lesser side by this part of the other, zero is grey.
BOTH_SIDES = 0.1


def picture(path: Path, size: int) -> bytes:
    """
    Make a picture of the image in a file.

    Values between two percentiles go from black to white; those of a quantity with a sign, such as a magnetic field or
    a velocity, with zero in the middle. Missing pixels are transparent.

    Parameters
    ----------
    path
        A FITS file.
    size
        Pixels along the longer side; an image that is smaller stays as it is.

    Returns
    -------
    bytes
        The picture in PNG format.

    Raises
    ------
    DataError
        If the file holds no image of two dimensions, or too large a one.
    """
    from PIL import Image

    size = min(max(size, SMALLEST), LARGEST)
    values = _read(path, size)
    grey = np.zeros(values.shape, np.uint8)
    seen = np.isfinite(values)
    grey[seen] = np.rint(255 * _brightness(values[seen]))
    # FITS counts rows from below.
    layers = [Image.fromarray(np.ascontiguousarray(layer[::-1])) for layer in (grey, seen.astype(np.uint8) * 255)]
    image = Image.merge("LA", layers)
    image.thumbnail((size, size), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _read(path: Path, size: int) -> np.ndarray:
    """
    The image, with as many of its rows and columns left out as a picture does not need.
    """
    try:
        # What astropy finds unusual in a header is no matter here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path) as hdus:
                return _thinned(image_hdu(hdus), size)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as err:
        if isinstance(err, DataError):
            raise
        raise DataError(f"{path.name} cannot be read as FITS.") from err


def _thinned(hdu: Any, size: int) -> np.ndarray:
    shape = hdu.shape
    if len(shape) != 2 or not all(shape):
        words = "x".join(map(str, reversed(shape)))
        raise DataError(f"An image of {words} pixels cannot be shown; one with two axes can.")
    if math.prod(shape) > MOST_PIXELS:
        raise DataError(
            f"An image of {shape[1]}x{shape[0]} pixels is too large to be shown; {MOST_PIXELS} pixels are not."
        )
    # Two pixels for each that is shown: enough to smooth what is left out.
    step = max(1, max(shape) // (2 * size))
    return np.asarray(hdu.section[::step, ::step], np.float32)


def _brightness(values: np.ndarray) -> np.ndarray:
    """
    From values to numbers between 0 and 1.
    """
    if not values.size:
        return values
    low, high = (float(limit) for limit in np.percentile(values, (DARK, BRIGHT)))
    if low < 0 < high and min(-low, high) > BOTH_SIDES * max(-low, high):
        most = max(-low, high)
        return (np.clip(values, -most, most) / most + 1) / 2
    if high <= low:
        return np.full_like(values, 0.5)
    # A square root shows what is faint beside what is bright, as in a corona.
    return np.sqrt((np.clip(values, low, high) - low) / (high - low))
