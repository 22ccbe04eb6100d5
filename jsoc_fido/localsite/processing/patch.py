"""
``im_patch``: boxes out of images, that may go along with the Sun's rotation (contract F.3).
"""

import math
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import NoOverlapError, extract_array
from astropy.time import Time
from scipy import ndimage

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.processing.picture import Picture
from jsoc_fido.localsite.processing.wire import Arguments

__all__ = ["Patch", "resampled"]

#: What x and y may be: on the sky, pixels counted from 1, heliographic longitude and latitude of either kind.
LOCATIONS = ("arcsec", "pixels", "stony", "carrlong")
#: What width and height may be; degrees are those at the centre of the disk.
BOXES = ("arcsec", "pixels", "degrees")

#: No box has more pixels than this along an edge.
LARGEST = 8192

#: Pixels around a box that an interpolation looks at.
MARGIN = 8


class Patch:
    """
    Cuts the same box out of all images.

    Parameters
    ----------
    arguments
        ``x``, ``y``: the centre at the time ``t_ref``, in ``locunits``; ``width``, ``height`` in ``boxunits``.
        ``t=1``: the box stays where it is on the sky, instead of going along with the Sun's rotation (at the rate of
        Carrington's longitudes). ``r=1``: the image is shifted by parts of a pixel, so that the centre is always at the
        same place in the box. ``c=1``: no values beyond the limb.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.time = arguments.time("t_ref")
        self.tracks = not arguments.flag("t")
        self.registers = arguments.flag("r")
        self.crops = arguments.flag("c")
        self.location = arguments.choice("locunits", LOCATIONS, "arcsec")
        self.box = arguments.choice("boxunits", BOXES, "arcsec")
        self.x, self.y = arguments.number("x"), arguments.number("y")
        self.width, self.height = (arguments.number(name, least=1e-6) for name in ("width", "height"))
        #: Longitude and latitude of Carrington, or the place on the sky.
        self._centre: tuple[u.Quantity, u.Quantity] | None = None
        self._moves = False

    def begin(self, picture: Picture) -> None:
        """
        Find the centre, from the image that is nearest to the reference time.
        """
        from sunpy.coordinates import HeliographicCarrington, Helioprojective

        image = picture.map()
        when = image.reference_date if self.time is None else times.to_astropy(self.time, "UTC")
        observer = _observer(image, when)
        sky = Helioprojective(observer=observer, obstime=when, rsun=image.rsun_meters)
        carrington = HeliographicCarrington(observer=observer, obstime=when, rsun=image.rsun_meters)
        centre = self._given(image, sky, carrington)
        # What is seen in the sky needs no distance, which it would not have beside the Sun.
        projected = centre if isinstance(centre.frame, Helioprojective) else centre.transform_to(sky)
        radius = np.arcsin(image.rsun_meters / observer.radius)
        # What is beside the Sun does not turn with it.
        self._moves = self.tracks and bool(np.hypot(projected.Tx, projected.Ty) < radius)
        if self._moves:
            there = centre.transform_to(carrington)
            self._centre = there.lon, there.lat
        else:
            self._centre = projected.Tx, projected.Ty

    def apply(self, picture: Picture) -> Picture | None:
        """
        Cut the box out of an image; None if its centre is on the far side of the Sun.

        Raises
        ------
        QueryError
            If the box is beside the image, or too large.
        """
        image = picture.map()
        centre = self._place(image)
        if centre is None:
            return None
        x, y = (float(value.to_value(u.pix)) for value in image.world_to_pixel(centre))
        shape = self._shape(image)
        margin = MARGIN if self.registers else 0
        larger = tuple(length + 2 * margin for length in shape)
        try:
            part, (v, h) = extract_array(
                picture.pixels, larger, (y, x), mode="partial", fill_value=np.nan, return_position=True
            )
        except NoOverlapError as err:
            raise QueryError(
                f"The box around x={self.x:g}, y={self.y:g} {self.location} is beside the image of {picture.record}; "
                "x and y must be inside it."
            ) from err
        if self.registers:
            off = (v - (larger[0] - 1) / 2, h - (larger[1] - 1) / 2)
            part = resampled(part, np.eye(2), off, larger, order=3)[margin:-margin, margin:-margin]
            v, h = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        if self.crops:
            part = _without_sky(part, image, x - h, y - v)
        cards = {"CRPIX1": picture.cards["CRPIX1"] + h - x, "CRPIX2": picture.cards["CRPIX2"] + v - y}
        return picture.changed(part, **cards)

    def _given(self, image: Any, sky: Any, carrington: Any) -> SkyCoord:
        from sunpy.coordinates import HeliographicStonyhurst

        if self.location == "pixels":
            centre = image.pixel_to_world((self.x - 1) * u.pix, (self.y - 1) * u.pix)
            return centre if centre.frame.name == sky.name else centre.transform_to(sky_of(image))
        if self.location == "arcsec":
            return SkyCoord(self.x * u.arcsec, self.y * u.arcsec, frame=sky)
        if abs(self.y) > 90:
            raise QueryError(f"y={self.y:g} of the processing step im_patch is no latitude; it must be -90 to 90.")
        frame = carrington
        if self.location == "stony":
            frame = HeliographicStonyhurst(obstime=sky.obstime, rsun=image.rsun_meters)
        return SkyCoord(self.x * u.deg, self.y * u.deg, image.rsun_meters, frame=frame)

    def _place(self, image: Any) -> SkyCoord | None:
        """
        Where the centre is at the time of an image.
        """
        from sunpy.coordinates import HeliographicCarrington

        first, second = self._centre  # type: ignore[misc]  # begin() was called
        observer, when, rsun = image.observer_coordinate, image.reference_date, image.rsun_meters
        sky = sky_of(image)
        if not self._moves:
            return SkyCoord(first, second, frame=sky)
        turned = HeliographicCarrington(first, second, rsun, observer=observer, obstime=when, rsun=rsun)
        centre = SkyCoord(turned).transform_to(sky)
        is_hidden = centre.distance > np.sqrt(observer.radius**2 - rsun**2)
        return None if is_hidden else centre

    def _shape(self, image: Any) -> tuple[int, int]:
        """
        Rows and columns: whole pixels that cover the box.
        """
        sizes = []
        for length, step in ((self.height, image.scale[1]), (self.width, image.scale[0])):
            pixels = length
            if self.box != "pixels":
                angle = length * u.arcsec if self.box == "arcsec" else math.radians(length) * image.rsun_obs
                pixels = float(abs(angle / (step * u.pix)).to_value(u.one))
            # What is a whole number but for the last digits is one.
            sizes.append(max(math.ceil(round(pixels, 4)), 1))
        if max(sizes) > LARGEST:
            raise QueryError(
                f"A box of {sizes[1]} by {sizes[0]} pixels is too large; at most {LARGEST} along an edge can be made."
            )
        return sizes[0], sizes[1]


def sky_of(image: Any) -> Any:
    """
    The frame of what the observer of an image sees.
    """
    from sunpy.coordinates import Helioprojective

    own = image.coordinate_frame
    if isinstance(own, Helioprojective):
        return own
    return Helioprojective(observer=image.observer_coordinate, obstime=image.reference_date, rsun=image.rsun_meters)


def resampled(
    pixels: np.ndarray,
    matrix: np.ndarray,
    offset: tuple[float, float],
    shape: tuple[int, ...],
    *,
    order: int,
    edges: bool = False,
) -> np.ndarray:
    """
    An image on other pixels, which are a linear function of its own.

    Parameters
    ----------
    pixels
        The image, NaN where missing. A new pixel that half of a missing one goes into is missing.
    matrix, offset
        Row and column in the image from those in the result.
    shape
        Rows and columns of the result.
    order
        Of the splines, 0 for the nearest pixel.
    edges
        Whether what is beside the image has the values at its edge, instead of none.
    """
    missing = np.isnan(pixels)
    settings: dict[str, Any] = {"offset": offset, "output_shape": shape, "mode": "nearest"}
    result = ndimage.affine_transform(np.where(missing, 0, pixels), matrix, order=order, **settings)
    if not edges:
        settings |= {"mode": "constant", "cval": 1.0}
    if not edges or missing.any():
        lost = ndimage.affine_transform(missing.astype(np.float32), matrix, order=min(order, 1), **settings)
        result = np.where(lost > 0.5, np.nan, result)
    return result


def _observer(image: Any, when: Time) -> SkyCoord:
    """
    Where the observer of an image was at another time: as far from the Earth as then.
    """
    from sunpy.coordinates import HeliographicStonyhurst, get_earth

    there, earth, earth_then = image.observer_coordinate, get_earth(image.reference_date), get_earth(when)
    return SkyCoord(
        there.lon - earth.lon + earth_then.lon,
        there.lat - earth.lat + earth_then.lat,
        there.radius - earth.radius + earth_then.radius,
        frame=HeliographicStonyhurst(obstime=when),
    )


def _without_sky(part: np.ndarray, image: Any, left: float, below: float) -> np.ndarray:
    """
    A part of an image without what is beyond the limb.
    """
    middle = image.world_to_pixel(SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=sky_of(image)))
    x, y = (float(value.to_value(u.pix)) for value in middle)
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    steps = [float((abs(step) * u.pix / image.rsun_obs).to_value(u.one)) for step in image.scale]
    off = np.hypot((columns + left - x) * steps[0], (rows + below - y) * steps[1]) > 1
    return np.where(off, np.nan, part)
