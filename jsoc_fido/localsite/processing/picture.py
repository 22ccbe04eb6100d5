"""
An image with its header between two processing steps, and the files it comes from and goes to.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from jsoc_fido.exceptions import DataError
from jsoc_fido.fitsfiles import image_hdu
from jsoc_fido.localsite import images
from jsoc_fido.localsite.records import StoredFile
from jsoc_fido.series import Segment

__all__ = ["Form", "Picture", "read", "write"]

#: Types of stored pixels by what FITS calls them.
TYPES = {8: "char", 16: "short", 32: "int", -32: "float", -64: "double"}

#: What must be known to say where on the sky an image is.
PLATE = ("CRPIX1", "CRPIX2", "CDELT1", "CDELT2")


@dataclass(frozen=True, slots=True)
class Form:
    """
    How pixels are stored, so that they can be stored alike again.
    """

    type: str
    bzero: float
    bscale: float

    @property
    def is_real(self) -> bool:
        return self.type in {"float", "double"}


@dataclass(frozen=True)
class Picture:
    """
    An image with its header.

    Parameters
    ----------
    pixels
        Physical values, NaN where missing.
    cards
        The header: values by card. A card without a value is left out.
    record
        Name of the record, for errors.
    """

    pixels: np.ndarray
    cards: Mapping[str, Any]
    record: str = ""

    @classmethod
    def of(cls, pixels: np.ndarray, header: fits.Header, values: Mapping[str, object], record: str) -> "Picture":
        """
        Make one of a whole header, and of the values that it was made of: it has a zero where one is missing.
        """
        unknown = {"COMMENT", "HISTORY", "", *(name for name in PLATE if values.get(name) is None)}
        cards = {
            card.keyword: card.value
            for card in header.cards
            if card.keyword not in unknown and not isinstance(card.value, fits.card.Undefined)
        }
        return cls(pixels, cards, record)

    def changed(self, pixels: np.ndarray, **cards: object) -> "Picture":
        """
        The picture with other pixels and some other cards.
        """
        return replace(self, pixels=pixels, cards={**self.cards, **cards})

    def scaled(self, pixels: np.ndarray, factor: float) -> "Picture":
        """
        The picture with pixels that are smaller by a factor, from the same corner.
        """
        cards = {}
        for axis in "12":
            if f"CRPIX{axis}" in self.cards:
                cards[f"CRPIX{axis}"] = (self.cards[f"CRPIX{axis}"] - 0.5) * factor + 0.5
            if f"CDELT{axis}" in self.cards:
                cards[f"CDELT{axis}"] = self.cards[f"CDELT{axis}"] / factor
        return self.changed(pixels, **cards, **self.with_radius(factor))

    def with_radius(self, factor: float) -> dict[str, float]:
        """
        The radius of the Sun in pixels that are smaller by a factor, if the header tells it.
        """
        return {"R_SUN": self.cards["R_SUN"] * factor} if "R_SUN" in self.cards else {}

    def map(self, *, with_pixels: bool = False) -> Any:
        """
        The picture as a `sunpy.map.GenericMap`.

        Parameters
        ----------
        with_pixels
            Whether its pixels are needed; without them, it knows where they are, and takes no time and memory.

        Raises
        ------
        DataError
            If its header does not say where the image is, or sunpy's maps are not installed.
        """
        try:
            import sunpy.map
        except ImportError as err:
            raise DataError(
                f"This site cannot process images without {err.name}; pip install 'jsoc-fido[all]' brings it."
            ) from err
        lost = [name for name in PLATE if not math.isfinite(self.cards.get(name, math.nan))]
        if lost:
            raise DataError(f"{self.record} does not say where its image is: {', '.join(lost)} is missing.")
        pixels = self.pixels if with_pixels else np.broadcast_to(np.float32(0), self.pixels.shape)
        return sunpy.map.Map(pixels, dict(self.cards))


def read(path: Path) -> tuple[np.ndarray, Form]:
    """
    Read an image, and how it is stored.

    Raises
    ------
    DataError
        If the file holds no image, or cannot be read.
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            hdu = image_hdu(hdus)
            # Reading the pixels takes the scaling out of the header.
            header = hdu.header.copy()
            pixels = np.asarray(hdu.data)
    except (OSError, ValueError, TypeError) as err:
        raise DataError(f"{path.name} cannot be read: {err}.") from err
    form = Form(TYPES.get(header["BITPIX"], ""), header.get("BZERO", 0.0), header.get("BSCALE", 1.0))
    if not form.type:
        raise DataError(f"{path.name} has pixels of {header['BITPIX']} bits, which cannot be processed.")
    if form.type == "char":
        # DRMS has signed bytes only (contract E.6).
        form = Form("char" if pixels.dtype == np.int8 else "short", 0.0, 1.0)
    if pixels.dtype.kind in "iu":
        real = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
        # The least integer is never a value in DRMS, whether the header says so or not.
        is_least = (pixels == np.iinfo(pixels.dtype).min) & (pixels.dtype.kind == "i")
        pixels = np.where(is_least, np.nan, real)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False), form


def write(path: Path, pixels: np.ndarray, form: Form) -> StoredFile:
    """
    Store an image, without keywords.

    Parameters
    ----------
    path
        Where.
    pixels
        Physical values.
    form
        How.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    dims = pixels.shape[::-1]
    if form.is_real:
        kind = np.float32 if form.type == "float" else np.float64
        try:
            fits.PrimaryHDU(pixels.astype(kind)).writeto(path)
        except OSError as err:
            raise DataError(f"{path} cannot be written: {err.strerror or err}.") from err
        return StoredFile(path.name, dims, path.stat().st_size)
    segment = Segment(path.stem, form.type, bzero=form.bzero, bscale=form.bscale)
    (size,) = images.write_images([(path, images.scale(pixels, segment), segment)])
    return StoredFile(path.name, dims, size, form.bzero, form.bscale, "compress Rice")
