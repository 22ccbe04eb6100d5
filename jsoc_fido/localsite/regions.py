"""
Invented active regions: which there are at a time, where, and what their field is.

Everything follows from a region's number, so the same time always has the same regions. Numbers are those that HARPs
had about then; latitudes, tilts and polarities follow the laws of Spoerer, Joy and Hale. One region is not invented but
drawn after a real one.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from jsoc_fido import times

__all__ = ["DAY", "Region", "between", "region", "Surface", "region_at", "surface"]

DAY = 86400.0

#: HARP and NOAA numbers in use at some dates; between them the count is steady.
_DATES = (
    "2010.05.01",
    "2011.02.13",
    "2014.01.01",
    "2014.07.05",
    "2017.09.04",
    "2020.06.01",
    "2022.03.15",
    "2024.06.28",
    "2030.01.01",
)
_TIMES = np.array([times.parse(f"{date}_TAI") for date in _DATES])
_HARPS = np.array([1, 377, 3580, 4315, 7115, 7420, 8088, 11465, 17000])
_NOAA = np.array([11065, 11158, 11940, 12104, 12673, 12764, 12966, 13730, 14900])
#: HARP number of the one that is not invented.
_EMERGING = 4315
#: What is invented stays so far away from it that the patches do not overlap, degrees.
_CLEAR = 30.0
#: A region of five degrees lives about twice this many days.
_LIFE = 1.7
#: A region is followed while it is nearer than this to the central meridian, degrees.
_EDGE = 65.0
_ROTATION = 360.0 / 27.2753  # degrees a day, as seen from the Earth
_START_2145 = times.parse("2013.12.19_02:22_UTC")  # mean start of Carrington rotation 2145
_MINIMA = (times.parse("2008.12.01_TAI"), times.parse("2019.12.01_TAI"))  # of solar activity

#: Cells of the surface maps, by degree.
CELLS = 5


@dataclass(frozen=True, slots=True)
class Region:
    """
    An active region.

    Parameters
    ----------
    number
        HARP number.
    noaa
        Number of the NOAA region, 0 for one without sunspots.
    longitude, latitude
        Carrington position of its centre, degrees.
    crossing
        When it crosses the central meridian.
    first, last
        When it is first and last seen.
    size
        Distance of its polarities, degrees.
    tilt
        Angle of the line between them against the equator, degrees.
    field
        Largest radial field, gauss.
    leading
        Sign of the polarity in the west.
    emerging
        Whether its flux emerges while it is on the disk, and it does not decay before it leaves.
    """

    number: int
    noaa: int
    longitude: float
    latitude: float
    crossing: float
    first: float
    last: float
    size: float
    tilt: float
    field: float
    leading: int
    emerging: bool = False

    @property
    def width(self) -> float:
        """
        Extent of its patch in longitude, degrees.
        """
        return round(2.2 * self.size + 2.0, 1)

    @property
    def height(self) -> float:
        """
        Extent of its patch in latitude, degrees.
        """
        return round(1.4 * self.size + 2.0, 1)

    def strength(self, time: float) -> float:
        """
        Its field at a time as a part of the largest: it grows and decays.
        """
        phase = self._phase(time)
        if self.emerging:
            return float(0.35 + 0.65 * phase**2 * (3.0 - 2.0 * phase))
        return float(0.35 + 0.65 * np.sin(np.pi * phase))

    def helicity(self, time: float) -> float:
        """
        Mean current helicity of an emerging region at a time, G^2/m: the flux that comes up first is the most twisted.
        """
        phase = self._phase(time)
        return float(0.0035 - 0.0055 * phase - 0.0085 * np.exp(-(((phase - 0.38) / 0.18) ** 2)))

    def _phase(self, time: float) -> float:
        """
        How much of the time that it is seen is over.
        """
        return float(np.clip((time - self.first) / max(self.last - self.first, 1.0), 0.0, 1.0))

    def meridian_distance(self, time: float) -> float:
        """
        Its Stonyhurst longitude at a time, degrees.
        """
        return (time - self.crossing) / DAY * _ROTATION


def _carrington(time: float) -> float:
    """
    Carrington longitude of the central meridian, to about a degree: it only places what is invented.
    """
    return float(-(time - _START_2145) / DAY * _ROTATION % 360.0)


def _emerging() -> Region:
    """
    The HARP which Glogowski et al. (2019, Journal of Open Source Software 4, 1614) show.

    It is seen when its real records have a flux, in the south-east first, and grows and twists about as they say.
    """
    first, last = times.parse("2014.07.02_03:00:00_TAI"), times.parse("2014.07.12_11:00:00_TAI")
    crossing = (first + last) / 2
    return Region(
        number=_EMERGING,
        noaa=12104,
        longitude=_carrington(crossing),
        latitude=-12.0,
        crossing=crossing,
        first=_slot(first),
        last=_slot(last),
        size=5.5,
        tilt=5.0,
        field=1750.0,
        leading=1,
        emerging=True,
    )


@lru_cache(maxsize=4096)
def region(number: int) -> Region:
    """
    The region of a number.
    """
    if number == _EMERGING:
        return _emerging()
    random = np.random.default_rng(number)
    crossing = float(np.interp(number, _HARPS, _TIMES)) + (random.random() - 0.5) * 10.0 * DAY
    noaa = round(float(np.interp(number, _HARPS, _NOAA)))
    began = max((start for start in _MINIMA if start <= crossing), default=_MINIMA[0])
    years = (crossing - began) / (365.25 * DAY)
    south = bool(random.random() < 0.5)
    latitude = float(max(28.0 - 1.9 * years + random.normal(0.0, 4.0), 3.0))
    size = float(np.clip(random.lognormal(1.4, 0.45), 2.0, 11.0))
    # The bright ones live long; most come and go within some days.
    half = min(_LIFE * size / 5.0 * random.lognormal(0.0, 0.4), _EDGE / _ROTATION) * DAY
    seen = crossing + (random.random() - 0.5) * 2.0 * max(_EDGE / _ROTATION * DAY - half, 0.0)
    cycle = _MINIMA.index(began)
    return Region(
        number=number,
        noaa=noaa if size > 4.0 else 0,
        longitude=_carrington(crossing),
        latitude=round(-latitude if south else latitude, 2),
        crossing=crossing,
        first=_slot(seen - half),
        last=_slot(seen + half),
        size=round(size, 2),
        tilt=round(0.4 * latitude + random.normal(0.0, 8.0), 1),
        field=round(400.0 + 160.0 * size, 0),
        # In cycle 24 the north led with the negative polarity.
        leading=(1 if south else -1) * (1 if cycle == 0 else -1),
    )


def _slot(time: float) -> float:
    """
    The 12 minute slot of a time.
    """
    return 720.0 * round(time / 720.0)


def region_at(number: int, start: float) -> Region:
    """
    The region of a number, moved in time so that it is on the disk at a start, if it is not by itself.

    Parameters
    ----------
    number
        Its number.
    start
        The time.
    """
    natural = region(number)
    if natural.first <= start <= natural.last:
        return natural
    crossing = DAY * np.floor(start / DAY) + 1.5 * DAY
    half = _EDGE / _ROTATION * DAY
    return replace(
        natural,
        crossing=crossing,
        longitude=_carrington(crossing),
        first=_slot(crossing - half),
        last=_slot(crossing + half),
    )


def between(start: float, end: float) -> list[Region]:
    """
    The regions that are on the disk at some time of an interval, by number.
    """
    lowest = int(np.interp(start - 16.0 * DAY, _TIMES, _HARPS))
    highest = int(np.interp(end + 16.0 * DAY, _TIMES, _HARPS))
    found = (region(number) for number in range(lowest, highest + 1))
    return [item for item in found if item.first <= end and item.last >= start and not _in_the_way(item)]


def _in_the_way(item: Region) -> bool:
    """
    Whether an invented region would lie where the real one is.
    """
    real = region(_EMERGING)
    if item.number == _EMERGING or item.last < real.first or item.first > real.last:
        return False
    apart = (item.longitude - real.longitude + 180.0) % 360.0 - 180.0
    return abs(apart) < _CLEAR and abs(item.latitude - real.latitude) < _CLEAR


@dataclass(frozen=True)
class Surface:
    """
    Maps of the whole Sun in Carrington longitude and latitude, `CELLS` cells a degree, the south pole first.

    Parameters
    ----------
    radial, west, north
        Magnetic field, gauss.
    glow
        Coronal brightness of active regions, 1 in the heart of one.
    """

    radial: np.ndarray
    west: np.ndarray
    north: np.ndarray
    glow: np.ndarray


@lru_cache(maxsize=3)
def surface(time: float, moved: Region | None = None) -> Surface:
    """
    The Sun at a time.

    Parameters
    ----------
    time
        The time. Regions that are not on the disk then are left out.
    moved
        A region to show in addition.
    """
    shape = (180 * CELLS, 360 * CELLS)
    maps = Surface(_network(), *(np.zeros(shape, dtype=np.float32) for _ in range(3)))
    others = tuple(item for item in between(time, time) if moved is None or item.number != moved.number)
    for item in (*others, *([moved] if moved is not None else [])):
        _add(maps, item, item.strength(time))
    return maps


def _network() -> np.ndarray:
    """
    The field outside active regions: small patches of either sign, and polar caps.
    """
    coarse = np.random.default_rng(0).normal(0.0, 1.0, (90, 180)).astype(np.float32)
    patches = np.kron(np.sign(coarse) * coarse**2 * 7.0, np.ones((2 * CELLS, 2 * CELLS), dtype=np.float32))
    latitude = (np.arange(180 * CELLS) + 0.5) / CELLS - 90.0
    return patches + (5.0 * np.sin(np.deg2rad(latitude)) ** 7)[:, None].astype(np.float32)


def _add(maps: Surface, item: Region, strength: float) -> None:
    """
    Put a region on the maps.
    """
    reach = 1.6 * item.size + 2.0
    rows = np.arange(int((item.latitude - reach + 90) * CELLS), int((item.latitude + reach + 90) * CELLS))
    columns = np.arange(int((item.longitude - reach) * CELLS), int((item.longitude + reach) * CELLS))
    north, west = np.meshgrid(
        (rows + 0.5) / CELLS - 90.0 - item.latitude,
        ((columns + 0.5) / CELLS - item.longitude) * np.cos(np.deg2rad(item.latitude)),
        indexing="ij",
    )
    # The leading polarity lies towards the west and nearer to the equator.
    tilt = np.deg2rad(item.tilt) * (-1.0 if item.latitude >= 0 else 1.0)
    along = west * np.cos(tilt) + north * np.sin(tilt)
    across = north * np.cos(tilt) - west * np.sin(tilt)
    half = item.size / 2.0

    def spot(centre: float, radius: float) -> np.ndarray:
        return np.exp(-((along - centre) ** 2 + across**2) / (2.0 * radius**2))

    peak = item.leading * item.field * strength
    radial = peak * (spot(half, 0.26 * item.size) - 0.8 * spot(-half, 0.32 * item.size))
    # From the positive polarity over to the negative one.
    horizontal = -0.5 * peak * spot(0.0, 0.6 * item.size)
    where = np.ix_(rows.clip(0, len(maps.radial) - 1), columns % maps.radial.shape[1])
    maps.radial[where] += radial.astype(np.float32)
    maps.west[where] += (horizontal * np.cos(tilt)).astype(np.float32)
    maps.north[where] += (horizontal * np.sin(tilt)).astype(np.float32)
    glow = 0.6 * spot(0.0, 0.5 * item.size)
    for height in (0.25, 0.45, 0.7, 1.0):
        level = np.hypot(along / half, across / (height * half)) - 1.0
        glow += 0.5 * np.exp(-((level * half / 0.35) ** 2))
    maps.glow[where] += (strength * (item.field / 1000.0) * glow).astype(np.float32)
