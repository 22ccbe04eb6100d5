"""
Recipes of HMI's images of the whole disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jsoc_fido import times
from jsoc_fido.localsite import housekeeping, images
from jsoc_fido.localsite.ephemeris import AU, Ephemeris, ephemeris
from jsoc_fido.localsite.products import (
    Camera,
    Columns,
    Cubes,
    Group,
    Product,
    cadence,
    motion,
    slots,
    solar,
    statistics,
    surroundings,
    whole_disk,
)
from jsoc_fido.series import Series

__all__ = ["CAMERA", "HMI"]

CAMERA = Camera("SDO", 4096, 0.504, 179.93)
LIGHT_SPEED = 299792458.0

#: From then on both cameras are used for the series of 720 seconds; before, the side camera alone.
_COMBINED = times.parse("2016.04.13_TAI")
_CAMERAS = np.array(["", "HMI_SIDE1", "HMI_FRONT2", "HMI_COMBINED"])


@dataclass(frozen=True)
class HMI(Product):
    """
    Images of the whole disk from one of HMI's cameras.

    Parameters
    ----------
    segment
        Name of the segment, which says what is measured.
    """

    segment: str = ""

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        numbers, when = slots(series, start, end)
        keys = {"T_REC": when, "CAMERA": self.camera_of(series, when)}
        yield Group(series, numbers, when, {name: keys[name] for name in series.prime_keys})

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        now = ephemeris(group.time)
        cube = np.stack([self._image(group, now, index, size) for index in range(len(group))])
        columns = {
            **housekeeping.HMI,
            **CAMERA.pointing(size),
            **statistics(cube),
            **self.observed(group, now),
        }
        return columns | solar(now, CAMERA.cdelt(size)), {self.segment: cube}

    @staticmethod
    def camera_of(series: Series, when: np.ndarray) -> np.ndarray:
        """
        Number of the camera: 1 at the side, 2 in front, 3 both.
        """
        return np.full(len(when), 2) if cadence(series) < 720 else np.where(when < _COMBINED, 1, 3)

    def observed(self, group: Group, now: Ephemeris) -> Columns:
        """
        The keywords of times, cameras and quality.

        Slots are kept at 1 AU from the Sun; the spacecraft sees the same light earlier or later (T_OBS).
        """
        camera = self.camera_of(group.series, group.time)
        observed = group.time - (AU - now.dsun_obs) / LIGHT_SPEED
        exposure = np.choose(camera - 1, (135.0, 45.0, 90.0))
        made = np.floor(group.time) + 409557.0  # some days later
        return {
            "T_OBS": observed, "DATE__OBS": np.round(observed - exposure / 2, 1), "DATE": made,
            "DATE_S": made - 7200.0, "DATE_B": made - 3600.0, "CAMERA": camera, "INSTRUME": _CAMERAS[camera],
            # Now and then something is wrong with an image.
            "QUALITY": np.where(group.number % 4999 == 0, 0x400, 0),
        }  # fmt: skip

    def _image(self, group: Group, now: Ephemeris, index: int, size: int) -> np.ndarray:
        time, seed = float(group.time[index]), int(group.number[index])
        view = whole_disk(CAMERA, size, time)
        if self.segment == "Dopplergram":
            return images.dopplergram(view, motion(now, index), seed)
        radial = images.sample(surroundings(time).radial, view, float(now.crln_obs[index]))
        if self.segment == "magnetogram":
            return images.magnetogram(view, radial, seed)
        return images.continuum(view, radial, seed, float(now.dsun_obs[index]) / AU)
