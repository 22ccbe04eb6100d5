"""
Where a spacecraft is, how it moves, and how it sees the Sun.

The Earth moves as astropy's built-in ephemeris has it, the Sun rotates as sunpy has it; the spacecraft's orbit around
the Earth is a circle. The Earth is right to some hundreds of kilometres and better than 1 m/s, SDO on its orbit to some
thousand kilometres and some 100 m/s. Nothing is downloaded.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord, get_body_barycentric_posvel
from astropy.time import Time, TimeDelta
from astropy.utils import iers
from sunpy.coordinates import HeliographicCarrington, sun

__all__ = ["AU", "ORBITS", "RSUN", "Ephemeris", "Orbit", "ephemeris"]

AU = 149597870691.0  #: DSUN_REF of JSOC's series, metres
RSUN = 696000000.0  #: RSUN_REF of JSOC's series, metres

#: Direction of the Sun's rotation axis (Archinal et al. 2018), in ICRS.
_POLE = SkyCoord(286.13 * u.deg, 63.87 * u.deg).cartesian.xyz.value
_OBLIQUITY = np.deg2rad(23.4392911)
_SIDEREAL_DAY = 86164.0905
_EPOCH = Time("1977-01-01", scale="tai")  # where DRMS counts its seconds from
_J2000 = 725803200.0 - 32.184  # J2000 in these seconds, with the 12 hours
_YEAR = 31557600.0
_STEP = 21600.0  # seconds between nodes
_BLOCK = 16  # nodes that are computed together


@dataclass(frozen=True, slots=True)
class Orbit:
    """
    A circular orbit around the Earth, and how far the whole of it is pulled towards the Sun.

    Parameters
    ----------
    radius
        Distance from the Earth's centre, metres.
    period
        Seconds.
    inclination
        Of the orbit against the equator, degrees.
    node, regression
        Right ascension of the ascending node at J2000, degrees, and what it loses in a year.
    longitude
        Node and angle from the node together at J2000, degrees.
    sunward
        Fraction of the Earth's distance from the Sun by which the spacecraft is nearer.
    """

    radius: float
    period: float
    inclination: float = 0.0
    node: float = 0.0
    regression: float = 0.0
    longitude: float = 0.0
    sunward: float = 0.0


ORBITS = {
    # Geosynchronous above 102 degrees west; the node fits the positions in headers from 2011, 2013 and 2020.
    "SDO": Orbit(42168e3, _SIDEREAL_DAY, 28.5, 275.5, 8.2, 280.46 - 102.3),
    # In a halo around L1, which is here its centre.
    "SOHO": Orbit(0.0, 178 * 86400.0, sunward=0.01),
    # Sun-synchronous above the terminator.
    "IRIS": Orbit(7021e3, 5855.0, 97.9, 10.0, -360.0),
}


@dataclass(frozen=True)
class Ephemeris:
    """
    Observer and Sun at some times; every member is an array over the times, in the units of the keyword of that name.

    Parameters
    ----------
    dsun_obs
        Distance from the Sun's centre, m.
    rsun_obs
        Angular radius of the Sun, arcsec.
    crln_obs, crlt_obs
        Carrington longitude and latitude of the observer, degrees.
    car_rot
        Carrington rotation at the observer's longitude.
    obs_vr, obs_vw, obs_vn
        Speed away from the Sun, towards solar west and towards solar north, m/s.
    geocentric, heliocentric
        Position in ecliptic axes, m, with the axes x, y, z first.
    """

    dsun_obs: np.ndarray
    rsun_obs: np.ndarray
    crln_obs: np.ndarray
    crlt_obs: np.ndarray
    car_rot: np.ndarray
    obs_vr: np.ndarray
    obs_vw: np.ndarray
    obs_vn: np.ndarray
    geocentric: np.ndarray
    heliocentric: np.ndarray

    def __getitem__(self, item: slice) -> "Ephemeris":
        return Ephemeris(*(getattr(self, field.name)[..., item] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.dsun_obs)


def ephemeris(seconds: np.ndarray, spacecraft: str = "SDO") -> Ephemeris:
    """
    Compute where a spacecraft is.

    Parameters
    ----------
    seconds
        Times, as DRMS counts them (`jsoc_fido.times`).
    spacecraft
        One of `ORBITS`.

    Examples
    --------
    >>> from jsoc_fido import times
    >>> new_year = ephemeris(np.array([times.parse("2014.01.01_UTC")]))
    >>> print(new_year.car_rot, new_year.crlt_obs.round(1), new_year.rsun_obs.round())
    [2145] [-3.] [976.]
    """
    seconds = np.asarray(seconds, dtype=float)
    orbit = ORBITS[spacecraft]
    earth = _earth(seconds)
    position, velocity, crln, crlt, rotation = earth[0:3], earth[3:6], earth[6], earth[7], earth[8]
    from_earth, velocity_from_earth = _circle(seconds, orbit)
    nearer = 1.0 - orbit.sunward
    position = position * nearer + from_earth
    velocity = velocity * nearer + velocity_from_earth

    distance = np.linalg.norm(position, axis=0)
    outward = position / distance
    west = np.cross(_POLE, outward, axis=0)
    west /= np.linalg.norm(west, axis=0)
    north = np.cross(outward, west, axis=0)
    # Seen from the Sun the spacecraft is never far from the Earth.
    aside = np.rad2deg((from_earth * west).sum(axis=0) / distance / np.cos(np.deg2rad(crlt)))
    above = np.rad2deg((from_earth * north).sum(axis=0) / distance)
    return Ephemeris(
        dsun_obs=distance,
        rsun_obs=np.rad2deg(np.arcsin(RSUN / distance)) * 3600.0,
        crln_obs=(crln + aside) % 360.0,
        crlt_obs=crlt + above,
        car_rot=np.floor(rotation).astype(int),
        obs_vr=(velocity * outward).sum(axis=0),
        obs_vw=(velocity * west).sum(axis=0),
        obs_vn=(velocity * north).sum(axis=0),
        geocentric=_ecliptic(from_earth),
        heliocentric=_ecliptic(position),
    )


def _earth(seconds: np.ndarray) -> np.ndarray:
    """
    Position and velocity of the Earth, sub-Earth longitude and latitude, rotation: nine rows, between nodes.

    The coordinate frames cost a millisecond a time, and much more a call; between nodes of six hours all of this is
    linear, and nodes are computed some days at a time and kept.
    """
    blocks = np.unique(np.floor(seconds / (_STEP * _BLOCK)).astype(np.int64)).tolist()
    nodes = np.concatenate([np.arange(block * _BLOCK, (block + 1) * _BLOCK + 1) for block in blocks])
    nodes, first = np.unique(nodes, return_index=True)
    rows = np.hstack([_nodes(block) for block in blocks])[:, first]
    rows[6] = np.unwrap(rows[6], period=360.0)
    return np.array([np.interp(seconds, nodes * _STEP, row) for row in rows])


@lru_cache(maxsize=64)
def _nodes(block: int) -> np.ndarray:
    nodes = np.arange(block * _BLOCK, (block + 1) * _BLOCK + 1)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        when = _EPOCH + TimeDelta(nodes * _STEP, format="sec")
        earth, earth_velocity = get_body_barycentric_posvel("earth", when, ephemeris="builtin")
        centre, centre_velocity = get_body_barycentric_posvel("sun", when, ephemeris="builtin")
        position = earth - centre
        observer = SkyCoord(position, frame="hcrs", obstime=when)
        carrington = observer.transform_to(HeliographicCarrington(obstime=when, observer="self"))
        rotation = sun.carrington_rotation_number(when)
    return np.vstack(
        [
            position.xyz.to_value(u.m),
            (earth_velocity - centre_velocity).xyz.to_value(u.m / u.s),
            carrington.lon.deg,
            carrington.lat.deg,
            np.asarray(rotation),
        ]
    )


def _circle(seconds: np.ndarray, orbit: Orbit) -> tuple[np.ndarray, np.ndarray]:
    """
    Position and velocity on an orbit, in equatorial axes.
    """
    rate = 2 * np.pi / orbit.period
    since = seconds - _J2000
    node, tilt = np.deg2rad(orbit.node - orbit.regression * since / _YEAR), np.deg2rad(orbit.inclination)
    angle = np.deg2rad(orbit.longitude) + rate * since - node
    towards_node = np.array([np.cos(node), np.sin(node), np.zeros_like(node)])
    ahead = np.array([-np.sin(node) * np.cos(tilt), np.cos(node) * np.cos(tilt), np.full_like(node, np.sin(tilt))])
    position = orbit.radius * (towards_node * np.cos(angle) + ahead * np.sin(angle))
    velocity = orbit.radius * rate * (ahead * np.cos(angle) - towards_node * np.sin(angle))
    return position, velocity


def _ecliptic(position: np.ndarray) -> np.ndarray:
    """
    Turn equatorial axes to ecliptic ones.
    """
    x, y, z = position
    cosine, sine = np.cos(_OBLIQUITY), np.sin(_OBLIQUITY)
    return np.array([x, y * cosine + z * sine, z * cosine - y * sine])
