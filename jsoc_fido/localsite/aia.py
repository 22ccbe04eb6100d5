"""
Recipes of AIA's images.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jsoc_fido import times
from jsoc_fido.localsite import flares, housekeeping, images
from jsoc_fido.localsite.ephemeris import ephemeris
from jsoc_fido.localsite.products import (
    Camera,
    Columns,
    Cubes,
    Group,
    Product,
    slots,
    solar,
    statistics,
    surroundings,
    whole_disk,
)
from jsoc_fido.series import Series

__all__ = ["AIA", "CAMERA", "AIALevel1"]

CAMERA = Camera("SDO", 4096, 0.6, 0.0193)

#: Arcseconds per pixel of each channel, near to those of 2020: it decides how many pixels a cutout has.
SCALES = {
    94: 0.600109, 131: 0.600698, 171: 0.599489, 193: 0.600714, 211: 0.600758, 304: 0.600165, 335: 0.600737,
    1600: 0.609373, 1700: 0.612898, 4500: 0.613,
}  # fmt: skip

#: AIA's channels: telescope, exposure in seconds, seconds after the slot's time, name of the filter.
CHANNELS = {
    94: (4, 2.9, 1.57, "94_THIN"), 131: (1, 2.9, 9.07, "131_THIN"), 171: (3, 2.0, 11.34, "171_THIN"),
    193: (2, 2.0, 6.84, "193_THIN"), 211: (2, 2.9, 1.06, "211_THIN"), 304: (4, 2.9, 7.57, "304_THIN"),
    335: (1, 2.9, 3.06, "335_THIN"), 1600: (3, 2.9, 15.57, "1600"), 1700: (3, 1.0, 5.71, "1700"),
    4500: (3, 0.5, 5.69, "4500"),
}  # fmt: skip

#: AIA takes eight images in twelve seconds and counts them; a frame number and when it was.
_FRAME, _FRAME_TIME = 63978584, times.parse("2013.03.10_12:00:01_UTC")


@dataclass(frozen=True)
class AIA(Product):
    """
    AIA's images at a fixed cadence.

    Parameters
    ----------
    wavelengths
        The channels of the series.
    """

    wavelengths: tuple[int, ...]

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        numbers, when = slots(series, start, end)
        when = when - 4.0  # T_REC is not the middle of its slot, as in the real series
        for wavelength in self.wavelengths:
            yield Group(series, numbers, when, {"T_REC": when, "WAVELNTH": np.full(len(when), wavelength)}, wavelength)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        return self.frames(group, group.time, size)

    @staticmethod
    def frames(group: Group, cycle: np.ndarray, size: int) -> tuple[Columns, Cubes]:
        """
        Images of one channel.

        Parameters
        ----------
        group, size
            As for `Product.render`.
        cycle
            Start of the cycle of twelve seconds in which each is taken.
        """
        wavelength = group.subject
        telescope, usual, delay, name = CHANNELS[wavelength]
        camera = replace(CAMERA, scale=SCALES[wavelength])
        exposure = flares.commanded(cycle, wavelength, usual)
        start = cycle + delay - exposure / 2
        now = ephemeris(start)
        number = frame_number(cycle, wavelength)
        cube = np.stack(
            [
                images.channel(
                    whole_disk(camera, size, float(start[i])),
                    flares.lit(surroundings(float(start[i])), float(start[i]), float(now.crln_obs[i])),
                    float(now.crln_obs[i]), wavelength, float(exposure[i]), int(number[i]),
                )
                for i in range(len(group))
            ]
        )  # fmt: skip
        segment = next(iter(group.series.segments))
        pointing = camera.pointing(size)
        columns = {
            **housekeeping.AIA,
            **pointing,
            **solar(now, pointing["CDELT1"]),
            **statistics(cube, percentiles=True),
        }
        for key in ("DATAMIN", "DATAMAX", "DATAMEDN"):
            columns[key] = np.rint(columns[key]).astype(int)
        made = np.floor(start) + 475200.0
        return columns | {
            "T_OBS": start + exposure / 2, "DATE__OBS": start, "DATE": made, "ISPPKTIM": start - 2.5,
            "WAVELNTH": wavelength, "FSN": number, "ASQFSN": number, "AIAHFSN": number - 8,
            "ASQHDR": number + (2 << 30), "WAVE_STR": name, "INSTRUME": f"AIA_{telescope}", "CAMERA": telescope,
            "EXPTIME": flares.measured(cycle, wavelength, exposure), "INT_TIME": exposure + 0.26,
            "AIMGSHCE": np.rint(exposure * 1000).astype(int),
            "AIMSHCBC": 41.0 + exposure * 1000, "AIMSHCBE": 26.0 + exposure * 1000,
            "AIMSHCTC": 55.0 + exposure * 1000, "AIMSHCTE": 69.0 + exposure * 1000, "IMSCL_MP": pointing["CDELT1"],
            "X0_MP": pointing["CRPIX1"] - 1, "Y0_MP": pointing["CRPIX2"] - 1,
            # Counted from 1958, as the spacecraft does.
            "AIMGOTS": np.floor(start + 599616000.0).astype(int),
        }, {segment: cube}  # fmt: skip


def frame_number(cycle: np.ndarray, wavelength: int) -> np.ndarray:
    """
    Number of the frame that a channel takes in a cycle.
    """
    place = {1600: 7, 1700: 7, 4500: 7}.get(wavelength, list(CHANNELS).index(wavelength))
    return _FRAME + 8 * np.rint((cycle - _FRAME_TIME) / 12.0).astype(np.int64) + place


@dataclass(frozen=True)
class AIALevel1(Product):
    """
    All images of AIA, each at its own time.
    """

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        for wavelength, (_, _, delay, _) in CHANNELS.items():
            # The telescope of the ultraviolet channels takes one of them in each cycle.
            every, first = {1600: (24, 0), 1700: (24, 12), 4500: (3600, 24)}.get(wavelength, (12, 0))
            numbers = np.arange(int((start - 24.0) // every), int(end // every) + 1)
            cycle = numbers * float(every) + first
            second = np.floor(cycle + delay)
            kept = (second >= np.floor(start)) & (second <= np.floor(end))
            if wavelength == 1600:  # gives way to the visible channel
                kept &= (cycle - 24) % 3600 != 0
            number, second, cycle = numbers[kept], second[kept], cycle[kept]
            yield Group(series, number, cycle, {"T_REC": second, "FSN": frame_number(cycle, wavelength)}, wavelength)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        return AIA.frames(group, group.time, size)
