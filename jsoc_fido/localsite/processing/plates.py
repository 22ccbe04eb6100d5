"""
Whole images on other pixels: ``rebin``, ``resize`` and ``Maproj`` (contract F.3).
"""

import re
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import block_reduce, block_replicate
from scipy import ndimage

from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite.processing.patch import LARGEST, resampled
from jsoc_fido.localsite.processing.picture import Picture
from jsoc_fido.localsite.processing.wire import Arguments

__all__ = ["MapProjection", "Rebin", "Resize", "mean"]

#: Standard deviation of a bell curve whose width at half its height is 1.
SIGMA = 1 / 2.354820045

#: Projections by their names, as FITS calls them.
PROJECTIONS = {
    "carree": "CAR",
    "Mercator": "MER",
    "cyleqa": "CEA",
    "sineqa": "SFL",
    "gnomonic": "TAN",
    "Postel": "ARC",
    "stereographic": "STG",
    "orthographic": "SIN",
    "Lambert": "ZEA",
}

_MATRIX = re.compile(r"(PC|CD)(\d)_(\d)")


class Rebin:
    """
    Makes fewer pixels of many, or many of one.

    Parameters
    ----------
    arguments
        ``scale``: how many new pixels there are along an old one, 1/4 or 4, say; the nearest such ratio is taken.
        ``method``: ``boxcar`` for the mean, ``gaussian`` for a mean with weights whose width at half maximum is
        ``FWHM`` old pixels, by default as many as make a new one.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.method = arguments.choice("method", ("boxcar", "gaussian"), "boxcar")
        scale = arguments.number("scale", least=1 / 1024, most=16)
        self.width = arguments.number("FWHM", 0.0, least=0.0, most=1024)
        self.reduces = scale < 1
        self.count = round(1 / scale if self.reduces else scale)

    def begin(self, picture: Picture) -> None:
        """
        Make sure that the result is no larger than an image may be.

        Raises
        ------
        QueryError
            If it is, or has no pixel at all.
        """
        sizes = picture.pixels.shape
        if (self.reduces and min(sizes) < self.count) or (not self.reduces and max(sizes) * self.count > LARGEST):
            raise QueryError(
                f"Images of {sizes[1]} by {sizes[0]} pixels cannot be rebinned by a factor of {self.count}; the result "
                f"must have 1 to {LARGEST} along an edge."
            )

    def apply(self, picture: Picture) -> Picture:
        """
        Rebin an image.
        """
        if not self.reduces:
            pixels = block_replicate(picture.pixels, self.count, conserve_sum=False)
            return picture.scaled(pixels, self.count)
        smooth = self._smoothed if self.method == "gaussian" else mean
        return picture.scaled(smooth(picture.pixels, self.count), 1 / self.count)

    def _smoothed(self, pixels: np.ndarray, count: int) -> np.ndarray:
        sigma = (self.width or count) * SIGMA
        known = np.isfinite(pixels)
        weights = ndimage.gaussian_filter(known.astype(np.float32), sigma, mode="constant")
        sums = ndimage.gaussian_filter(np.where(known, pixels, 0), sigma, mode="constant")
        with np.errstate(invalid="ignore", divide="ignore"):
            smooth = np.where(weights > 0.5, sums / weights, np.nan)
        # What is in the middle of each block: a pixel, or the corner that four of them share.
        rows, columns = (length // count * count for length in pixels.shape)
        whole = smooth[:rows, :columns]
        starts = {(count - 1) // 2, count // 2}
        return np.mean([whole[row::count, column::count] for row in starts for column in starts], axis=0)


def mean(pixels: np.ndarray, count: int) -> np.ndarray:
    """
    Means of the known pixels of each block; a block of which less than half is known has none.
    """
    known = np.isfinite(pixels)
    if known.all():
        return block_reduce(pixels, count, np.mean)
    numbers = block_reduce(known.astype(np.float32), count, np.sum)
    sums = block_reduce(np.where(known, pixels, 0), count, np.sum)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(numbers * 2 >= count**2, sums / numbers, np.nan)


class Resize:
    """
    Turns images upright, centres them, and gives them pixels of another size; their number stays.

    Parameters
    ----------
    arguments
        ``rescale=1``: pixels of ``scale_to`` arcsec. ``center_to``: where the Sun's centre goes, 0 to the middle of the
        image, 1 to where the first image has it, 2 where it is. ``regrid``: 0 for the nearest pixel, 1 for cubic
        interpolation. ``do_stretchmarks=1``: what comes in from outside has the values of the image's edge.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.order = 3 if arguments.choice("regrid", ("0", "1"), "1") == "1" else 0
        self.stretches = arguments.flag("do_stretchmarks")
        self.centre = arguments.choice("center_to", ("0", "1", "2"), "0")
        rescales = arguments.flag("rescale")
        scale = arguments.number("scale_to", None if rescales else 0.0, least=0.01 if rescales else 0.0, most=1000)
        #: Arcsec a pixel, 0 for as many as there are.
        self.scale = scale if rescales else 0.0
        self._first = (0.0, 0.0)

    def begin(self, picture: Picture) -> None:
        """
        See where the first image has the centre of the Sun.
        """
        self._first = _middle(picture)

    def apply(self, picture: Picture) -> Picture:
        """
        Resize an image.
        """
        image = picture.map()
        x, y = _middle(picture)
        rows, columns = picture.pixels.shape
        left, below = {"0": ((columns - 1) / 2, (rows - 1) / 2), "1": self._first, "2": (x, y)}[self.centre]
        steps = np.array([step.to_value(u.arcsec / u.pix) for step in image.scale])
        new = np.full(2, self.scale) if self.scale else np.abs(steps)
        # Old pixels from new ones, first x, then y; arrays have it the other way round.
        matrix = np.linalg.inv(np.diag(steps) @ image.rotation_matrix) @ np.diag(new)
        offset = np.array([x, y]) - matrix @ [left, below]
        pixels = resampled(
            picture.pixels,
            matrix[::-1, ::-1],
            (offset[1], offset[0]),
            (rows, columns),
            order=self.order,
            edges=self.stretches,
        )
        cards = _upright(picture) | {
            "CRVAL1": 0.0,
            "CRVAL2": 0.0,
            "CUNIT1": "arcsec",
            "CUNIT2": "arcsec",
            "CRPIX1": left + 1,
            "CRPIX2": below + 1,
            "CDELT1": float(new[0]),
            "CDELT2": float(new[1]),
        }
        return picture.changed(pixels, **cards, **picture.with_radius(float(abs(steps[0]) / new[0])))


class MapProjection:
    """
    Puts images on a map of the Sun's surface.

    Parameters
    ----------
    arguments
        ``map``: the projection. ``clon``, ``clat``: its centre, longitude of Carrington and latitude in degrees.
        ``scale``: degrees a pixel at the centre. ``cols``, ``rows``: its size.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.code = PROJECTIONS[arguments.choice("map", list(PROJECTIONS), "orthographic")]
        self.longitude = arguments.number("clon", least=-360, most=720)
        self.latitude = arguments.number("clat", least=-90, most=90)
        self.scale = arguments.number("scale", least=1e-4, most=90)
        self.columns, self.rows = (arguments.whole(name, least=1, most=LARGEST) for name in ("cols", "rows"))
        #: Why nothing is left of an image.
        self.nothing = ""

    def begin(self, picture: Picture) -> None:
        """
        Nothing has to be known of other images.
        """

    def apply(self, picture: Picture) -> Picture | None:
        """
        Project an image; None if nothing of it is on the map.
        """
        from sunpy.coordinates import HeliographicCarrington
        from sunpy.map import make_fitswcs_header

        if not np.isfinite(picture.pixels).any():
            return None
        image = picture.map(with_pixels=True)
        frame = HeliographicCarrington(
            observer=image.observer_coordinate, obstime=image.reference_date, rsun=image.rsun_meters
        )
        middle = [(self.columns - 1) / 2, (self.rows - 1) / 2]
        latitude = self.latitude
        if self.code == "CAR":
            # Its lines are those of latitude, wherever it is; FITS would tilt it with its centre.
            middle[1] -= latitude / self.scale
            latitude = 0.0
        header = make_fitswcs_header(
            (self.rows, self.columns),
            SkyCoord(self.longitude % 360 * u.deg, latitude * u.deg, frame=frame),
            reference_pixel=middle * u.pix,
            scale=[self.scale, self.scale] * u.deg / u.pix,
            projection_code=self.code,
        )
        pixels = _without_far_side(image.reproject_to(header, algorithm="interpolation"), image)
        if not np.isfinite(pixels).any():
            self.nothing = (
                f"Maproj: nothing of the map is on the visible disk of {picture.record}, around clon="
                f"{image.observer_coordinate.transform_to(frame).lon.to_value(u.deg):.1f}; clon={self.longitude:g}, "
                f"clat={self.latitude:g} is not."
            )
            return None
        taken = ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT")
        cards = {f"{name}{axis}": header[f"{name}{axis}"] for name in taken for axis in "12"}
        poles = {name: header[name] for name in ("LONPOLE", "LATPOLE") if name in header}
        return picture.changed(pixels, **_upright(picture), **cards, **poles)


def _without_far_side(projected: Any, image: Any) -> np.ndarray:
    """
    A map of the Sun's surface without what cannot be seen: pixels behind the limb would mirror those in front of it.
    """
    from sunpy.map import all_coordinates_from_map

    observer = image.observer_coordinate
    there = all_coordinates_from_map(projected)
    angle = there.separation(observer.transform_to(projected.coordinate_frame))
    horizon = np.arccos((image.rsun_meters / observer.radius).to_value(u.one))
    return np.where(angle.to_value(u.rad) < horizon, projected.data, np.nan)


def _upright(picture: Picture) -> dict[str, float]:
    """
    Cards of an image whose rows go from east to west.
    """
    cards = {"CROTA2": 0.0}
    for name in picture.cards:
        if match := _MATRIX.fullmatch(name):
            cards[name] = float(match[2] == match[3])
    return cards


def _middle(picture: Picture) -> tuple[float, float]:
    """
    The pixel of the Sun's centre, counted from 0.

    Raises
    ------
    DataError
        If the image is a map.
    """
    from sunpy.coordinates import Helioprojective

    image: Any = picture.map()
    if not isinstance(image.coordinate_frame, Helioprojective):
        raise DataError(f"{picture.record} is a map; resize is for images of the plane of the sky.")
    x, y = image.world_to_pixel(SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=image.coordinate_frame))
    return float(x.to_value(u.pix)), float(y.to_value(u.pix))
