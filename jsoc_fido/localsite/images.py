"""
What the Sun looks like to an instrument, and the files of it.

A `View` says which point of the Sun each pixel sees; the functions after it give what an instrument measures there, in
physical units, NaN off the disk. `write_images` stores images as JSOC does: integers, Rice-compressed, no keywords.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from jsoc_fido.exceptions import DataError
from jsoc_fido.fitscards import in_blocks
from jsoc_fido.localsite.ephemeris import RSUN
from jsoc_fido.localsite.regions import CELLS, Surface
from jsoc_fido.series import Segment

__all__ = [
    "CHANNELS",
    "PIXEL_TYPES",
    "Motion",
    "View",
    "channel",
    "continuum",
    "disk",
    "dopplergram",
    "field",
    "magnetogram",
    "plate",
    "sample",
    "scale",
    "write_images",
]

PIXEL_TYPES: dict[str, type[np.signedinteger[Any]]] = {"char": np.int8, "short": np.int16, "int": np.int32}
#: Bytes are stored unsigned, 128 higher (contract E.6).
_BYTE_ZERO = -128

#: AIA's channels: DN per second on the quiet disk, brightness of an active region in these, darkening of the limb.
CHANNELS = {
    94: (0.8, 12.0, -0.4), 131: (3.0, 8.0, -0.5), 171: (110.0, 5.0, -0.9), 193: (140.0, 7.0, -0.7),
    211: (55.0, 9.0, -0.6), 304: (14.0, 4.0, -0.6), 335: (1.5, 12.0, -0.5), 1600: (40.0, 1.5, 0.5),
    1700: (1200.0, 0.4, 0.6), 4500: (8000.0, 0.0, 0.65),
}  # fmt: skip

_NOISE = np.random.default_rng(1977).standard_normal(1 << 20).astype(np.float32)


@dataclass(frozen=True)
class View:
    """
    Where on the Sun each pixel looks.

    Parameters
    ----------
    x, y
        Towards west and north in the plane of the sky, in solar radii.
    on
        Whether the pixel is on the disk.
    mu
        Cosine of the angle between the line of sight and the vertical, 0 at the limb and beyond.
    stonyhurst, latitude
        Heliographic position, degrees; beyond the limb that of the nearest point of the disk.
    """

    x: np.ndarray
    y: np.ndarray
    on: np.ndarray
    mu: np.ndarray
    stonyhurst: np.ndarray
    latitude: np.ndarray

    @cached_property
    def solar_velocity(self) -> np.ndarray:
        """
        Velocity of the Sun's surface away from an observer at rest, m/s; NaN off the disk.
        """
        sine2 = np.sin(np.deg2rad(self.latitude)) ** 2
        rate = 14.713 - 2.396 * sine2 - 1.787 * sine2**2  # degrees a day (Snodgrass & Ulrich 1990)
        meter_per_second = rate * np.deg2rad(RSUN / 86400.0)
        limb_shift = 450.0 * (1.0 - self.mu) ** 2 - 300.0
        return np.where(self.on, meter_per_second * self.x + limb_shift, np.nan).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Motion:
    """
    How the observer moves: outward, westward, northward in m/s, and how large the Sun looks to it, in radians.
    """

    outward: float
    westward: float
    northward: float
    radius: float


def disk(x: np.ndarray, y: np.ndarray, b0: float) -> View:
    """
    The view of points in the plane of the sky.

    Parameters
    ----------
    x, y
        Towards west and north, in solar radii.
    b0
        Heliographic latitude of the disk's centre, degrees.
    """
    rho = np.hypot(x, y)
    inside = np.minimum(1.0, 0.9995 / np.maximum(rho, 1e-9))
    xs, ys = x * inside, y * inside
    mu = np.sqrt(np.maximum(1.0 - xs**2 - ys**2, 0.0))
    sine, cosine = np.sin(np.deg2rad(b0)), np.cos(np.deg2rad(b0))
    latitude = np.rad2deg(np.arcsin(np.clip(ys * cosine + mu * sine, -1.0, 1.0)))
    stonyhurst = np.rad2deg(np.arctan2(xs, mu * cosine - ys * sine))
    on = rho < 0.9995
    parts = (x, y, on, np.where(on, mu, 0.0), stonyhurst, latitude)
    return View(*(part if part.dtype == bool else part.astype(np.float32) for part in parts))


def plate(stonyhurst: np.ndarray, latitude: np.ndarray, b0: float) -> View:
    """
    The view of points on the Sun.

    Parameters
    ----------
    stonyhurst, latitude
        Heliographic position, degrees.
    b0
        Heliographic latitude of the disk's centre, degrees.
    """
    lon, lat, tilt = np.deg2rad(stonyhurst), np.deg2rad(latitude), np.deg2rad(b0)
    x = np.cos(lat) * np.sin(lon)
    y = np.sin(lat) * np.cos(tilt) - np.cos(lat) * np.cos(lon) * np.sin(tilt)
    mu = np.sin(lat) * np.sin(tilt) + np.cos(lat) * np.cos(lon) * np.cos(tilt)
    return View(x, y, mu > 0.0, np.maximum(mu, 0.0), np.asarray(stonyhurst), np.asarray(latitude))


def sample(layer: np.ndarray, view: View, l0: float) -> np.ndarray:
    """
    Look up a map of the Sun.

    Parameters
    ----------
    layer
        A member of `Surface`.
    view
        Where to look.
    l0
        Carrington longitude of the central meridian, degrees.
    """
    height, width = layer.shape
    column = ((view.stonyhurst + np.float32(l0)) * CELLS).astype(np.int32) % width
    row = ((view.latitude + 90.0) * CELLS).astype(np.int32).clip(0, height - 1)
    return layer[row, column]


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """
    Noise of unit strength, always the same for a seed.
    """
    count = math.prod(shape)
    if count >= len(_NOISE):
        return np.resize(np.roll(_NOISE, seed * 7919), shape)
    start = seed * 7919 % (len(_NOISE) - count)
    return _NOISE[start : start + count].reshape(shape)


def _off(view: View, image: np.ndarray) -> np.ndarray:
    return np.where(view.on, image, np.float32(np.nan))


def dopplergram(view: View, motion: Motion, seed: int) -> np.ndarray:
    """
    Velocity away from the observer, m/s: rotation, limb shift, the observer's motion, granulation.
    """
    across, up = motion.radius * motion.westward, motion.radius * motion.northward
    speed = view.solar_velocity + np.float32(motion.outward)
    return speed - np.float32(across) * view.x - np.float32(up) * view.y + 110.0 * _noise(speed.shape, seed)


def magnetogram(view: View, radial: np.ndarray, seed: int, noise: float = 8.0) -> np.ndarray:
    """
    Field along the line of sight, gauss.
    """
    return _off(view, radial * view.mu + noise * _noise(radial.shape, seed))


def continuum(view: View, radial: np.ndarray, seed: int, distance: float) -> np.ndarray:
    """
    Intensity of the continuum, DN/s: limb darkening, sunspots, granulation.

    Parameters
    ----------
    view, radial, seed
        As for the others.
    distance
        Distance from the Sun in astronomical units.
    """
    intensity = 0.34 + 0.93 * view.mu - 0.27 * view.mu**2
    spots = 1.0 - 0.75 * np.clip((np.abs(radial) - 300.0) / 900.0, 0.0, 1.0)
    return _off(view, 58000.0 / distance**2 * intensity * spots * (1.0 + 0.01 * _noise(radial.shape, seed)))


def channel(view: View, surface: Surface, l0: float, wavelength: int, exposure: float, seed: int) -> np.ndarray:
    """
    What AIA sees in a channel, DN: the disk with its limb, the corona beyond, active regions with their loops.
    """
    quiet, active, darkening = CHANNELS[wavelength]
    glow = sample(surface.glow, view, l0)
    rho = np.hypot(view.x, view.y)
    on_disk = 1.0 - darkening * (1.0 - view.mu)
    if wavelength < 1000:
        texture = 1.0 + 0.02 * np.abs(sample(surface.radial, view, l0)).clip(0.0, 30.0)
        poles = 1.0 - 0.6 * np.exp(-(((90.0 - np.abs(view.latitude)) / 22.0) ** 4))
        beyond = np.exp(-np.maximum(rho - 1.0, 0.0) / 0.07)
        light = (on_disk * texture * poles + active * glow) * beyond
    else:
        plage = np.clip(np.abs(sample(surface.radial, view, l0)) / 500.0, 0.0, 1.0)
        light = np.where(view.on, on_disk * (1.0 + active * plage), 0.0)
    counts = quiet * exposure * light
    return np.clip(counts + np.sqrt(counts + 2.0) * _noise(counts.shape, seed), -20.0, 16383.0)


@dataclass(frozen=True)
class Field:
    """
    The vector field, as the line of sight sees it and as the Sun does.

    Parameters
    ----------
    strength
        Gauss.
    inclination, azimuth
        Against the line of sight, and in the plane of the sky from north over east, degrees; the azimuth below 180.
    turned
        1 where 180 degrees must be added to the azimuth.
    radial, west, north
        Gauss.
    """

    strength: np.ndarray
    inclination: np.ndarray
    azimuth: np.ndarray
    turned: np.ndarray
    radial: np.ndarray
    west: np.ndarray
    north: np.ndarray


def field(view: View, surface: Surface, l0: float, b0: float, seed: int) -> Field:
    """
    The vector field.
    """
    shape = view.x.shape
    radial = sample(surface.radial, view, l0) + 20.0 * _noise(shape, seed)
    west = sample(surface.west, view, l0) + 50.0 * _noise(shape, seed + 1)
    north = sample(surface.north, view, l0) + 50.0 * _noise(shape, seed + 2)
    lon, lat, tilt = np.deg2rad(view.stonyhurst), np.deg2rad(view.latitude), np.deg2rad(b0)
    # From the local vertical, west and north to the observer's axes (Gary & Hagyard 1990).
    outward = radial * np.cos(lat) - north * np.sin(lat)
    to_west = outward * np.sin(lon) + west * np.cos(lon)
    meridional = outward * np.cos(lon) - west * np.sin(lon)
    axial = radial * np.sin(lat) + north * np.cos(lat)
    to_north = axial * np.cos(tilt) - meridional * np.sin(tilt)
    to_us = axial * np.sin(tilt) + meridional * np.cos(tilt)
    strength = np.sqrt(to_west**2 + to_north**2 + to_us**2)
    azimuth = np.rad2deg(np.arctan2(-to_west, to_north)) % 360.0
    return Field(
        strength=_off(view, strength),
        inclination=_off(view, np.rad2deg(np.arccos(np.clip(to_us / np.maximum(strength, 1e-3), -1.0, 1.0)))),
        azimuth=_off(view, azimuth % 180.0),
        turned=_off(view, (azimuth >= 180.0).astype(np.float32)),
        radial=_off(view, radial),
        west=_off(view, west),
        north=_off(view, north),
    )


def scale(images: np.ndarray, segment: Segment) -> np.ndarray:
    """
    The integers that a segment stores; NaN becomes the type's smallest.

    Parameters
    ----------
    images
        Physical values.
    segment
        Gives type, bzero and bscale.
    """
    kind = PIXEL_TYPES[segment.type]
    limits = np.iinfo(kind)
    with np.errstate(invalid="ignore"):
        raw = np.rint((images - segment.bzero) / segment.bscale)
        return np.where(np.isfinite(raw), np.clip(raw, limits.min + 1, limits.max), limits.min).astype(kind)


def write_images(files: Sequence[tuple[Path, np.ndarray, Segment]]) -> list[int]:
    """
    Write images of the same size, one to a file, each as one Rice tile.

    astropy takes 15 ms to write a small compressed image, and compresses hundreds of tiles of a cube in the same time.
    So the images are compressed as the tiles of a cube, and each tile is put behind the header of a file of its own.

    Parameters
    ----------
    files
        For each file where it goes, integers as `scale` makes them, and the segment whose scaling the header tells.

    Returns
    -------
    list
        Bytes of each file.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    sizes = [0] * len(files)
    for kind in {image.dtype for _, image, _ in files}:
        chosen = [index for index, (_, image, _) in enumerate(files) if image.dtype == kind]
        tiles = _compress(np.stack([files[index][1] for index in chosen]))
        for index, tile in zip(chosen, tiles, strict=True):
            path, image, segment = files[index]
            content = _head(image.shape, kind, segment.bzero, segment.bscale, len(tile)) + tile
            content = content.ljust(in_blocks(len(content)), b"\0")
            try:
                # Thousands of files of one block: buffers would take longer than writing.
                with path.open("wb", buffering=0) as file:
                    file.write(content)
            except OSError as err:
                raise DataError(f"{path} cannot be written: {err.strerror}.") from err
            sizes[index] = len(content)
    return sizes


def _unsigned(images: np.ndarray) -> np.ndarray:
    """
    Bytes as FITS stores them.
    """
    return (images.astype(np.int16) - _BYTE_ZERO).astype(np.uint8) if images.dtype == np.int8 else images


def _table(images: np.ndarray) -> fits.HDUList:
    """
    The table that holds compressed images, a row for each.
    """
    buffer = io.BytesIO()
    tile = (1,) * (images.ndim - 2) + images.shape[-2:]
    fits.CompImageHDU(_unsigned(images), compression_type="RICE_1", tile_shape=tile).writeto(buffer)
    buffer.seek(0)
    return fits.open(buffer, disable_image_compression=True)


def _compress(cube: np.ndarray) -> list[bytes]:
    with _table(cube) as hdus:
        return [tile.astype(np.uint8).tobytes() for tile in hdus[1].data["COMPRESSED_DATA"]]


def _head(shape: tuple[int, ...], kind: np.dtype, bzero: float, bscale: float, length: int) -> bytes:
    """
    All of a file in front of its compressed tile, which has a length.
    """
    head, pcount, form = _template(shape, kind, bzero, bscale)
    head = head.replace(pcount, b"PCOUNT  = %20d" % length)
    head = head.replace(form, b"TFORM1  = %-20b" % (b"'1PB(%d)'" % length))
    return head + np.array([length, 0], dtype=">i4").tobytes()


@lru_cache(maxsize=256)
def _template(shape: tuple[int, ...], kind: np.dtype, bzero: float, bscale: float) -> tuple[bytes, bytes, bytes]:
    """
    The headers of a file, and the two cards in them that say how long its tile is.
    """
    with _table(np.zeros(shape, dtype=kind)) as hdus:
        primary, table = hdus[0].header, hdus[1].header
        if kind == np.int8:
            bzero, bscale = _BYTE_ZERO, 1  # as numbers with a point, astropy could not read them
        table["BZERO"], table["BSCALE"] = bzero, bscale
        table["ZBLANK"] = table["BLANK"] = 0 if kind == np.int8 else int(np.iinfo(kind).min)
        text = (primary.tostring() + table.tostring()).encode("ascii")
    return text, *(text[start : start + 30] for start in (text.index(b"PCOUNT  = "), text.index(b"TFORM1  = ")))
