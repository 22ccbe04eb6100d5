"""
Recipes of what is made of many images, or says how to use them: helioseismology, synoptic maps, calibration tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from sunpy.coordinates import sun

from jsoc_fido import times
from jsoc_fido.localsite.aia import CHANNELS
from jsoc_fido.localsite.ephemeris import ephemeris
from jsoc_fido.localsite.products import Columns, Cubes, Group, Product, statistics, surroundings
from jsoc_fido.localsite.regions import CELLS
from jsoc_fido.series import Series

__all__ = ["Modes", "Response", "Synoptic"]

DAY = 86400.0


@dataclass(frozen=True)
class Modes(Product):
    """
    Inversions of the splittings of global modes, as text: how fast the Sun rotates inside.
    """

    #: The first time series, and how many days one lasts.
    first: float = times.parse("2010.04.30_TAI")
    days: int = 72

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        length = self.days * DAY
        numbers = np.arange(np.floor((start - self.first) / length), np.floor((end - self.first) / length) + 1)
        for coefficients in (6, 18, 36):
            constant = {"LMIN": 0, "LMAX": 300, "NDT": self.days * 1920, "NACOEFF": coefficients}
            constant |= {"RADEXP": -6, "LATEXP": -2}
            when = self.first + numbers * length
            keys = {name: np.full(len(when), value) for name, value in constant.items()}
            yield Group(series, numbers.astype(int), when, {"T_START": when, **keys}, coefficients)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        grid = max(9, min(size, 49))
        radius, latitude = np.linspace(0.5, 1.0, grid), np.linspace(0.0, 90.0, grid)
        rate = rotation_rate(radius[:, None], latitude)
        error = np.broadcast_to(0.5 + 3.0 * (1.0 - radius[:, None]) + latitude / 60.0, rate.shape)
        made, rates, errors = [], [], []
        for number in group.number:
            random = np.random.default_rng([int(number) % (1 << 32), group.subject])
            made.append(_splittings(group.subject, random))
            rates.append(_table(rate + error * random.standard_normal(rate.shape)))
            errors.append(_table(error))
        stop = group.time + self.days * DAY
        columns = {"T_STOP": stop, "DATE": stop + 30 * DAY, "NMODES": made[0].count("\n"), "QUALITY": 0}
        return columns, {"split": np.array(made), "rot": np.array(rates), "err": np.array(errors)}


def rotation_rate(radius: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """
    Rotation rate in nHz: of a solid body inside, of the surface outside the tachocline.

    Parameters
    ----------
    radius
        Distance from the centre, solar radii.
    latitude
        Degrees.
    """
    squared = np.sin(np.deg2rad(latitude)) ** 2
    surface = 455.4 - 51.7 * squared - 71.0 * squared**2
    outside = 0.5 * (1.0 + np.tanh((radius - 0.7) / 0.02))
    return 435.0 + outside * (surface - 435.0)


def _splittings(coefficients: int, random: np.random.Generator) -> str:
    """
    Degree, order and frequency of modes, their splitting coefficients in nHz and the errors of these.
    """
    lines = []
    for degree in range(10, 301, 10):
        odd = np.where(np.arange(coefficients) % 2 == 0, 440.0 / 20.0 ** (np.arange(coefficients) / 2), 0.0)
        error = np.full(coefficients, 0.2)
        numbers = (*(odd + error * random.standard_normal(coefficients)), *error)
        frequency = 1000.0 * np.sqrt(degree / 100.0) + 1500.0
        lines.append(f"{degree:5d} {3:3d} {frequency:10.3f} " + " ".join(f"{number:9.4f}" for number in numbers))
    return "\n".join(lines) + "\n"


def _table(values: np.ndarray) -> str:
    return "".join(" ".join(f"{value:9.4f}" for value in row) + "\n" for row in values)


@dataclass(frozen=True)
class Synoptic(Product):
    """
    Maps of the radial field of a whole rotation, in cylindrical equal area coordinates.

    A rotation belongs to an interval if they have some time in common.
    """

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        first, last = (int(sun.carrington_rotation_number(times.to_astropy(when))) for when in (start, end))
        numbers = np.arange(first, last + 1)
        yield Group(series, numbers, _rotation(numbers), {"CAR_ROT": numbers})

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        width = max(36, round(3600 * size / 4096))
        height = round(width * 0.4)
        start, stop = group.time, _rotation(group.number + 1)
        middle = (start + stop) / 2
        now = ephemeris(middle)
        cube = np.stack([_chart(*interval, width, height) for interval in zip(start, stop, strict=True)])
        return {
            "T_START": start, "T_STOP": stop, "T_ROT": middle, "T_OBS": middle, "DATE": stop + 5 * DAY,
            "DATE__OBS": start, "CRPIX1": (width + 1) / 2, "CRPIX2": (height + 1) / 2, "CRVAL1": 180.0, "CRVAL2": 0.0,
            "CDELT1": 360.0 / width, "CDELT2": float(np.rad2deg(2.0 / height)), "CROTA2": 0.0,
            "CRLN_OBS": now.crln_obs, "CRLT_OBS": now.crlt_obs, "DSUN_OBS": now.dsun_obs, "RSUN_OBS": now.rsun_obs,
            "QUALITY": 0, **statistics(cube),
        }, {"synopMr": cube}  # fmt: skip


def _rotation(numbers: np.ndarray) -> np.ndarray:
    """
    When rotations begin.
    """
    return np.round(times.from_astropy(sun.carrington_rotation_time(numbers * u.one)))


def _chart(start: float, stop: float, width: int, height: int) -> np.ndarray:
    """
    Each longitude as it was when it passed the central meridian; the lowest one passes last.
    """
    longitude = (np.arange(width) + 0.5) * 360.0 / width
    latitude = np.rad2deg(np.arcsin((np.arange(height) + 0.5) * 2.0 / height - 1.0))
    rows = ((latitude + 90.0) * CELLS).astype(int)
    chart = np.empty((height, width), dtype=np.float32)
    passed = stop - longitude / 360.0 * (stop - start)
    days = np.floor((passed - start) / DAY)
    for day in np.unique(days):
        seen = days == day
        columns = (longitude[seen] * CELLS).astype(int)
        chart[:, seen] = surroundings(float(start + (day + 0.5) * DAY)).radial[np.ix_(rows, columns)]
    return chart


@dataclass(frozen=True)
class Response(Product):
    """
    How sensitive AIA's channels are, in epochs of a year each.

    An epoch belongs to an interval if they have some time in common.
    """

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        first, last = (int(times.format(when, "UTC")[:4]) for when in (start, end))
        years = np.arange(max(first, 2010), last + 1)
        when = np.array([_new_year(int(year)) for year in years])
        for wavelength, (*_, name) in CHANNELS.items():
            yield Group(series, years, when, {"T_START": when, "WAVE_STR": np.full(len(years), name)}, wavelength)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:  # noqa: ARG002 - there are no images
        wavelength = group.subject
        area, loss = AREAS[wavelength]
        stop = np.array([_new_year(int(year) + 1) for year in group.number])
        energy = 12398.4 / wavelength  # of a photon, electron volts
        gain = 17.6 if wavelength < 1000 else 18.3
        return {
            "T_STOP": stop, "DATE": group.time, "INSTRUME": f"AIA_{CHANNELS[wavelength][0]}", "WAVELNTH": wavelength,
            "VER_NUM": 10, "EFF_WVLN": float(wavelength), "EFF_AREA": area * (1.0 - loss) ** (group.number - 2010),
            "EFFA_P1": -loss / 365.25, "EFFA_P2": 0.0, "EFFA_P3": 0.0,
            "DNPERPHT": energy / 3.65 / gain if wavelength < 1000 else 1.0 / gain, "EPERDN": gain,
        }, {}  # fmt: skip


#: Effective area of AIA's channels when they were new, square centimetres, and the part of it that is lost in a year.
AREAS = {
    94: (0.31, 0.01), 131: (1.2, 0.02), 171: (2.9, 0.02), 193: (1.2, 0.03), 211: (1.2, 0.04), 304: (0.063, 0.15),
    335: (0.045, 0.1), 1600: (0.025, 0.06), 1700: (2e-4, 0.02), 4500: (6e-5, 0.0),
}  # fmt: skip


def _new_year(year: int) -> float:
    return times.parse(f"{year}.01.01_UTC")
