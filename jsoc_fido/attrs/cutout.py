"""
A part of the disk, given in the sky as an observer sees it.
"""

from collections.abc import Hashable
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, CartesianRepresentation, ConvertError, SkyCoord
from sunpy.coordinates import Heliocentric, Helioprojective, get_earth
from sunpy.coordinates.sun import angular_radius
from sunpy.coordinates.utils import get_rectangle_coordinates
from sunpy.net.attr import DataAttr

from jsoc_fido import steps
from jsoc_fido.attrs.checks import TypedEquality
from jsoc_fido.conditions import shown
from jsoc_fido.exceptions import QueryError

__all__ = ["Cutout"]

#: Who is no farther from the Earth sees the Sun as SDO does, as far as cutouts are concerned; who is at L1 does not.
NEAR_EARTH = 0.001 * u.AU

#: How far from the middle of the disk a part may begin, in solar radii: images of SDO do not reach much further.
FARTHEST = 1.3


class Cutout(TypedEquality, DataAttr):
    """
    A part of the image, cut out at the site.

    Parameters
    ----------
    bottom_left
        Bottom left corner, in any frame that sunpy can transform, with an ``obstime``. A corner in the
        `~sunpy.coordinates.Helioprojective` frame of the Earth, of SDO, or of nobody, is where it says; others are
        transformed to what SDO sees at that time, and the part is the box around them.
    top_right
        Top right corner; or else give ``width`` and ``height``.
    width, height
        Size of the part.
    tracking
        Let the part follow the Sun's rotation from the time of ``bottom_left``.
    register
        Shift by parts of a pixel so that the cutouts fit on each other.
    nan_off_limb
        Set pixels beyond the limb to NaN.

    Raises
    ------
    QueryError
        If the corner has no time, if SDO cannot see it, if the part is far from the disk, or if it is to be tracked and
        is not on the disk.
    """

    def __init__(
        self,
        bottom_left: SkyCoord,
        top_right: SkyCoord | None = None,
        width: u.Quantity | None = None,
        height: u.Quantity | None = None,
        tracking: bool = False,
        register: bool = False,
        nan_off_limb: bool = False,
    ) -> None:
        super().__init__()
        flags = {"tracking": tracking, "register": register, "nan_off_limb": nan_off_limb}
        tracked, registered, blanked = (steps.flag(f"Cutout: {name}", value) for name, value in flags.items())
        low, high = _corners(bottom_left, top_right, width, height)
        x, y = (low.Tx + high.Tx) / 2, (low.Ty + high.Ty) / 2
        size = high.Tx - low.Tx, high.Ty - low.Ty
        if not all(np.isfinite(value) for value in (x, y)) or not all(value > 0 * u.arcsec for value in size):
            raise QueryError(f"Cutout needs a part with a width and a height, not from {shown(bottom_left)} by {size}.")
        if tracked:
            from sunpy.map.maputils import coordinate_is_on_solar_disk  # noqa: PLC0415 - slow, and needed here only

            if not coordinate_is_on_solar_disk(SkyCoord(x, y, frame=low.frame.replicate_without_data())):
                raise QueryError(
                    f"Tracking is enabled, but the center of the cutout (Tx={x}, Ty={y}) is not on the solar disk."
                )
        _check_distance(low, high)
        self.value = {
            "t_ref": low.obstime.utc.isot,
            "t": int(not tracked),  # DRMS asks whether to leave tracking out (contract F.3)
            "r": registered,
            "c": blanked,
            "locunits": "arcsec",
            "boxunits": "arcsec",
            "x": x.to_value("arcsec"),
            "y": y.to_value("arcsec"),
            "width": size[0].to_value("arcsec"),
            "height": size[1].to_value("arcsec"),
        }

    def _identity(self) -> Hashable:
        return tuple(self.value.items())

    def __repr__(self) -> str:
        return "<jsoc_fido.attrs.Cutout({x:g}, {y:g}; {width:g} x {height:g} arcsec at {t_ref})>".format(**self.value)

    def collides(self, other: object) -> bool:
        # The walker says what is wrong with two of them; sunpy would only say that & does not go.
        return False


def _corners(bottom_left: Any, top_right: Any, width: Any, height: Any) -> tuple[SkyCoord, SkyCoord]:
    """
    Bottom left and top right corner as SDO sees them.
    """
    if not isinstance(bottom_left, SkyCoord):
        raise QueryError(f"Cutout takes a SkyCoord as bottom_left, not {shown(bottom_left)}.")
    if top_right is not None and not isinstance(top_right, SkyCoord | BaseCoordinateFrame):
        raise QueryError(f"Cutout takes a SkyCoord as top_right, not {shown(top_right)}.")
    for name, size in (("width", width), ("height", height)):
        if size is not None and not _is_angle(size):
            raise QueryError(f"Cutout takes an angle as {name}, such as 100 * u.arcsec, not {shown(size)}.")
    if getattr(bottom_left.frame, "obstime", None) is None:
        raise QueryError("Cutout: `bottom_left` needs an obstime: the time at which the cutout is where you say.")
    try:
        given = _in_angles(bottom_left), None if top_right is None else _in_angles(top_right)
        low, high = get_rectangle_coordinates(given[0], top_right=given[1], width=width, height=height)
        if isinstance(low.frame, Helioprojective) and _sees_as_sdo(low):
            return low, high
        seen = _outline(low, high).transform_to(Helioprojective(observer="earth", obstime=low.obstime))
    except (TypeError, ValueError, ConvertError, u.UnitsError) as err:
        raise QueryError(f"Cutout cannot be made from these corners: {err}") from err
    if not np.all(np.isfinite(seen.Tx)) or not np.all(seen.frame.is_visible()):
        raise QueryError(
            f"Cutout: SDO does not see all of the part from {_words(low)} to {_words(high)} at {low.obstime.isot}; "
            "a part of it is on the far side of the Sun, or beyond its limb."
        )
    frame = seen.frame.replicate_without_data()
    return (
        SkyCoord(seen.Tx.min(), seen.Ty.min(), frame=frame),
        SkyCoord(seen.Tx.max(), seen.Ty.max(), frame=frame),
    )


def _in_angles(corner: Any) -> Any:
    """
    A corner that is given as lengths along axes as two angles: where its observer sees it, or on the surface.
    """
    place = SkyCoord(corner)
    if isinstance(place.frame, Heliocentric):
        place = place.transform_to(Helioprojective(observer=place.observer, obstime=place.obstime))
    elif not issubclass(place.representation_type, CartesianRepresentation):
        return corner
    frame = place.frame.replicate_without_data(representation_type="spherical")
    return SkyCoord(place.spherical.lon, place.spherical.lat, frame=frame)


def _check_distance(low: SkyCoord, high: SkyCoord) -> None:
    """
    Make sure that a part is where SDO has pixels.
    """
    limb = angular_radius(low.obstime).to(u.arcsec)
    near = [np.clip(0 * u.arcsec, *ends).to(u.arcsec) for ends in ((low.Tx, high.Tx), (low.Ty, high.Ty))]
    distance = np.hypot(*near)
    if distance > FARTHEST * limb:
        raise QueryError(
            f"Cutout: the part begins {distance.value:.0f} arcsec from the middle of the disk, whose limb is at "
            f"{limb.value:.0f} arcsec; SDO's images do not reach so far."
        )


def _is_angle(size: Any) -> bool:
    return isinstance(size, u.Quantity) and size.isscalar and size.unit.is_equivalent(u.deg) and np.isfinite(size)


def _sees_as_sdo(corner: SkyCoord) -> bool:
    observer = corner.frame.observer
    return observer is None or SkyCoord(observer).separation_3d(get_earth(corner.obstime)) < NEAR_EARTH


def _outline(low: SkyCoord, high: SkyCoord) -> SkyCoord:
    """
    Points of a part in its own frame: its sides are curved in another one.
    """
    first, last = low.spherical, high.spherical
    across = np.linspace(0, 1, 9) * (last.lon - first.lon).to(u.deg).wrap_at(360 * u.deg)
    up = np.linspace(0, 1, 9) * (last.lat - first.lat).to(u.deg)
    lon, lat = np.meshgrid(first.lon + across, first.lat + up)
    return SkyCoord(lon.ravel(), lat.ravel(), frame=low.frame.replicate_without_data())


def _words(corner: SkyCoord) -> str:
    return f"({corner.spherical.lon.wrap_at('180d').deg:g} deg, {corner.spherical.lat.deg:g} deg)"
