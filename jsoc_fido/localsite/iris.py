"""
Recipe of IRIS's spectra and slit-jaw images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jsoc_fido.localsite import housekeeping, images
from jsoc_fido.localsite.ephemeris import ephemeris
from jsoc_fido.localsite.products import Columns, Cubes, Group, Product, solar, statistics, surroundings
from jsoc_fido.series import Series

__all__ = ["IRIS"]


@dataclass(frozen=True)
class IRIS(Product):
    """
    IRIS in a sit-and-stare observation at the centre of the disk: two spectra and a slit-jaw image every 20 seconds.
    """

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        for place, name in enumerate(("FUV", "NUV", "SJI")):
            numbers = np.arange(int(np.ceil((start - place) / 20.0)), int(np.floor((end - place) / 20.0)) + 1)
            when = numbers * 20.0 + place
            yield Group(series, numbers, when, {"T_OBS": when, "FSN": 3 * (numbers - 58_000_000) + place}, name)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        now = ephemeris(group.time, "IRIS")
        jaw = group.subject == "SJI"
        middle = (size + 1) / 2
        along_slit = 129.0 / size  # arcseconds per pixel
        offset = (np.arange(size) - (size - 1) / 2) * along_slit
        cube = np.empty((len(group), size, size), dtype=np.float32)
        for index, (time, number) in enumerate(zip(group.time, group.number, strict=True)):
            across = offset if jaw else np.zeros(1)
            x, y = np.meshgrid(across, offset)
            radius = now.rsun_obs[index]
            view = images.disk(x / radius, y / radius, float(now.crlt_obs[index]))
            light = images.channel(view, surroundings(float(time)), float(now.crln_obs[index]), 304, 10.0, int(number))
            cube[index] = light if jaw else light * _line_profile(size)
        start, scale = group.time - 2.0, along_slit if jaw else _SPECTRUM[group.subject][1] / size
        columns = {**housekeeping.IRIS, **solar(now, along_slit), **statistics(cube, percentiles=True)}
        for key in ("DATAMIN", "DATAMAX", "DATAMEDN"):
            columns[key] = np.rint(columns[key]).astype(int)
        name, pixel, unit = ("HPLN-TAN", 0.0, "arcsec") if jaw else ("WAVE", _SPECTRUM[group.subject][0], "Angstrom")
        return columns | {
            "DATE__OBS": start, "IMGFPT": start, "ISPPKTIM": start - 1.0, "DATE": np.floor(start) + 604800.0,
            "INSTRUME": group.subject, "ISYSN": ["FUV", "NUV", "SJI"].index(group.subject),
            "CAMERA": 1 if group.subject == "FUV" else 2,
            "IMG_PATH": {"FUV": "FUV", "NUV": "NUV", "SJI": "SJI_1400W"}[group.subject], "CRS_TYPE": group.subject,
            "CDELT1": scale, "CDELT2": along_slit, "CRPIX1": middle, "CRPIX2": middle, "CRVAL1": pixel, "CRVAL2": 0.0,
            "CRVAL3": 0.0, "CTYPE1": name, "CTYPE2": "HPLT-TAN", "CTYPE3": None if jaw else "HPLN-TAN",
            "CUNIT1": unit, "CUNIT2": "arcsec", "CUNIT3": None if jaw else "arcsec", "WCSAXES": 2 if jaw else 3,
        }, {"image_lev1": cube}  # fmt: skip


#: Middle and width of the spectra, angstroms.
_SPECTRUM = {"FUV": (1394.0, 12.0), "NUV": (2800.0, 20.0)}


def _line_profile(size: int) -> np.ndarray:
    """
    Two emission lines on a faint continuum, along the spectrum.
    """
    place = np.linspace(-1.0, 1.0, size)
    lines = [np.exp(-(((place - line) / 0.03) ** 2)) for line in (-0.4, 0.35)]
    return (0.1 + np.sum(lines, axis=0))[None, :]
