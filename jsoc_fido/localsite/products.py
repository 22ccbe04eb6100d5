"""
What a recipe for a series is, and what all of them need: `hmi`, `mdi`, `aia`, `iris` and `patches` have the recipes.

A recipe gives groups of records that have images of one size, and renders a part of a group at a time into columns of
keyword values and cubes of images.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from jsoc_fido.localsite import images, regions
from jsoc_fido.localsite.ephemeris import Ephemeris, ephemeris
from jsoc_fido.series import Series

__all__ = [
    "Camera",
    "Columns",
    "Cubes",
    "Group",
    "Product",
    "cadence",
    "motion",
    "slots",
    "solar",
    "statistics",
    "surroundings",
    "whole_disk",
]

#: The view of the Sun, its regions included, is computed anew this often, seconds.
REFRESH = 21600.0

Columns = dict[str, Any]
Cubes = dict[str, np.ndarray]


@dataclass(frozen=True)
class Group:
    """
    Records that have images of one size.

    Parameters
    ----------
    series
        Their series.
    number
        Numbers that tell the records apart, also from those of other times: seeds of what is random.
    time
        Nominal time of each, DRMS seconds.
    keys
        Values of the prime keys, an array each.
    subject
        What the group is about, for the recipe.
    """

    series: Series
    number: np.ndarray
    time: np.ndarray
    keys: Mapping[str, np.ndarray]
    subject: Any = None

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, item: slice | np.ndarray) -> "Group":
        keys = {name: key[item] for name, key in self.keys.items()}
        return Group(self.series, self.number[item], self.time[item], keys, self.subject)


class Product(ABC):
    """
    The recipe of a series.
    """

    @abstractmethod
    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        """
        The records that a range of the time key selects.

        Parameters
        ----------
        series
            Definition of the series.
        start, end
            Ends of the range, DRMS seconds.
        """

    @abstractmethod
    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        """
        Compute records.

        Parameters
        ----------
        group
            The records.
        size
            Pixels along an edge of an image of the whole disk.

        Returns
        -------
        tuple
            Arrays or single values by keyword, and physical images (records, rows, columns) by segment.
        """


@dataclass(frozen=True, slots=True)
class Camera:
    """
    How an instrument's images lie on the sky.

    Parameters
    ----------
    spacecraft
        Where it flies.
    pixels
        Pixels along an edge of a real image.
    scale
        Arcseconds per pixel of a real image.
    rotation
        CROTA2 in degrees.
    """

    spacecraft: str
    pixels: int
    scale: float
    rotation: float = 0.0

    def cdelt(self, size: int) -> float:
        """
        Arcseconds per pixel of an image of another size with the same field of view.
        """
        return self.scale * self.pixels / size

    def pointing(self, size: int) -> Columns:
        """
        The keywords of the coordinate system of an image with the Sun in its middle.
        """
        middle, cdelt = (size + 1) / 2, self.cdelt(size)
        return {
            "CRPIX1": middle, "CRPIX2": middle, "CDELT1": cdelt, "CDELT2": cdelt, "CRVAL1": 0.0, "CRVAL2": 0.0,
            "CROTA2": self.rotation,
        }  # fmt: skip

    def turned(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Turn offsets on the image to offsets towards west and north.
        """
        cosine, sine = np.cos(np.deg2rad(self.rotation)), np.sin(np.deg2rad(self.rotation))
        return cosine * x - sine * y, sine * x + cosine * y


def whole_disk(camera: Camera, size: int, time: float) -> images.View:
    """
    The view of a whole image.
    """
    return _whole_disk(camera, size, int(time // REFRESH))


@lru_cache(maxsize=4)
def _whole_disk(camera: Camera, size: int, block: int) -> images.View:
    middle = ephemeris(np.array([(block + 0.5) * REFRESH]), camera.spacecraft)
    offset = (np.arange(size) - (size - 1) / 2) * camera.cdelt(size) / middle.rsun_obs[0]
    x, y = camera.turned(*np.meshgrid(offset, offset))
    return images.disk(x, y, float(middle.crlt_obs[0]))


def surroundings(time: float, moved: regions.Region | None = None) -> regions.Surface:
    """
    The Sun's surface at a time.
    """
    return regions.surface((np.floor(time / REFRESH) + 0.5) * REFRESH, moved)


def solar(now: Ephemeris, cdelt: float) -> Columns:
    """
    The keywords that say where the observer is.
    """
    geocentric = dict(zip(("X", "Y", "Z"), now.geocentric, strict=True))
    heliocentric = dict(zip(("X", "Y", "Z"), now.heliocentric, strict=True))
    return {
        "DSUN_OBS": now.dsun_obs, "RSUN_OBS": now.rsun_obs, "R_SUN": now.rsun_obs / cdelt, "CRLN_OBS": now.crln_obs,
        "CRLT_OBS": now.crlt_obs, "HGLT_OBS": now.crlt_obs, "HGLN_OBS": 0.0, "CAR_ROT": now.car_rot,
        "OBS_VR": now.obs_vr, "OBS_VW": now.obs_vw, "OBS_VN": now.obs_vn,
        **{f"{frame}{axis}_OBS": value for frame in ("GAE", "GEI") for axis, value in geocentric.items()},
        **{f"{frame}{axis}_OBS": value for frame in ("HAE", "HEI") for axis, value in heliocentric.items()},
    }  # fmt: skip


#: Names of the statistics of all pixels, and of those well inside the disk where a series has both.
STATISTICS = ("DATAMIN", "DATAMAX", "DATAMEDN", "DATAMEAN", "DATARMS", "DATASKEW", "DATAKURT")
_OF_ALL = ("DATAMIN2", "DATAMAX2", "DATAMED2", "DATAMEA2", "DATARMS2", "DATASKE2", "DATAKUR2")
_PERCENTILES = (1, 10, 25, 75, 90, 95, 98, 99)


def statistics(cube: np.ndarray, *, percentiles: bool = False) -> Columns:
    """
    The keywords that describe the pixels of images, NaN left out.
    """
    flat = cube.reshape(len(cube), -1)
    valid = np.isfinite(flat)
    count = valid.sum(axis=1)
    if (valid == valid[0]).all():
        flat = flat[:, valid[0]]
    else:  # images whose edge of the disk differs: leave as many pixels as the emptiest has
        order = np.argsort(~valid, axis=1, kind="stable")[:, : max(int(count.min()), 1)]
        flat = np.nan_to_num(np.take_along_axis(flat, order, axis=1))
    if flat.shape[1] == 0:
        return {"DATAVALS": count, "TOTVALS": count, "MISSVALS": count}
    pixels = flat.shape[1]
    # Of two pixels in the middle the larger; np.median takes ten times as long.
    median = np.partition(flat, pixels // 2, axis=1)[:, pixels // 2]
    mean = flat.mean(axis=1, dtype=float)
    difference = flat - mean[:, None].astype(np.float32)
    square = difference * difference
    rms = np.sqrt(square.mean(axis=1, dtype=float))
    unit = np.maximum(rms, 1e-9)
    skewness = np.einsum("ij,ij->i", square, difference) / pixels / unit**3
    kurtosis = np.einsum("ij,ij->i", square, square) / pixels / unit**4 - 3.0
    values = (flat.min(axis=1), flat.max(axis=1), median, mean, rms, skewness, kurtosis)
    columns = dict(zip((*STATISTICS, *_OF_ALL), (*values, *values), strict=True))
    columns |= {"RAWMEDN": values[2], "DATACENT": values[2], "TOTVALS": count, "DATAVALS": count, "MISSVALS": 0}
    if percentiles:
        levels = np.percentile(flat, _PERCENTILES, axis=1)
        columns |= {f"DATAP{part:02d}": level for part, level in zip(_PERCENTILES, levels, strict=True)}
    return columns


def slots(series: Series, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Numbers and times of the slots that a range of T_REC selects: both ends snap to slots and are included (A.12).
    """
    slot = series.slot("T_REC")
    if slot is None:
        raise TypeError(f"{series.name} has no slots")
    numbers = np.arange(slot.index(start), slot.index(end) + 1)
    return numbers, slot.value(numbers)


def cadence(series: Series) -> float:
    """
    Seconds between the slots of a series.
    """
    slot = series.slot("T_REC")
    return slot.step if slot is not None else 0.0


def motion(now: Ephemeris, index: int) -> images.Motion:
    """
    How the observer moves.
    """
    radius = np.deg2rad(now.rsun_obs[index] / 3600.0)
    return images.Motion(*(float(part) for part in (now.obs_vr[index], now.obs_vw[index], now.obs_vn[index], radius)))
