"""
Recipes of MDI's images of the whole disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jsoc_fido.localsite import housekeeping, images
from jsoc_fido.localsite.ephemeris import Ephemeris, ephemeris
from jsoc_fido.localsite.products import (
    Camera,
    Columns,
    Cubes,
    Group,
    Product,
    motion,
    slots,
    solar,
    statistics,
    surroundings,
    whole_disk,
)
from jsoc_fido.series import Series

__all__ = ["CAMERA", "MDI"]

CAMERA = Camera("SOHO", 1024, 1.98)


@dataclass(frozen=True)
class MDI(Product):
    """
    Images of the whole disk from MDI on SOHO.

    Parameters
    ----------
    velocity
        Whether these are Dopplergrams; otherwise magnetograms.
    """

    velocity: bool

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        numbers, when = slots(series, start, end)
        yield Group(series, numbers, when, {"T_REC": when})

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        now = ephemeris(group.time, CAMERA.spacecraft)
        cube = np.stack([self._image(group, now, index, size) for index in range(len(group))])
        middle = (size - 1) / 2
        made = np.floor(group.time) + 1296000.0
        columns = {**housekeeping.MDI, **CAMERA.pointing(size), **statistics(cube)} | solar(now, CAMERA.cdelt(size))
        columns |= {
            "T_OBS": group.time, "DATE__OBS": group.time - 15.0, "DATE": made, "RUNTIME": made - 3600.0,
            "TBLXYUPD": made - 86400.0, "X0": middle, "Y0": middle, "MISSVALS": size**2 - columns["DATAVALS"],
            "MEAN_FLD": columns["DATAMEAN"], "AVG_FLUX": columns["DATARMS"],
            "TOT_FLUX": columns["DATARMS"] * columns["DATAVALS"],
        }  # fmt: skip
        return columns, {"data": cube}

    def _image(self, group: Group, now: Ephemeris, index: int, size: int) -> np.ndarray:
        time, seed = float(group.time[index]), int(group.number[index])
        view = whole_disk(CAMERA, size, time)
        if self.velocity:
            return images.dopplergram(view, motion(now, index), seed)
        radial = images.sample(surroundings(time).radial, view, float(now.crln_obs[index]))
        return images.magnetogram(view, radial, seed, 16.0)
