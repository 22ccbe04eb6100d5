"""
Flares, and how AIA's automatic exposure control answers them.

AIA (Lemen et al. 2012, Solar Physics 275, 17) shortens the exposures of every other frame of a channel in a flare, so
that one of two frames is not saturated. A channel that is too bright is *cut* to a fraction of its exposure; after that
each shortened frame may be a fifth longer than the one before, until the next cut, or until the exposure is the usual
one again. The frames between keep their exposure.

The cuts of 211 angstroms and the fifth are read off the real records of the flare, which the gallery of `aiapy
<https://aiapy.readthedocs.io>`__ lists; so are the last exposures of the other channels. Of the cuts of those the list
shows nothing; they are chosen so that as many frames are shorter than two seconds as there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jsoc_fido import times
from jsoc_fido.localsite.regions import CELLS, Surface

__all__ = ["FLARES", "Flare", "commanded", "lit", "measured"]

#: Seconds between the frames whose exposures are controlled: every other one of a channel.
_EVERY = 24.0
#: What a shortened exposure may gain from one frame to the next.
_RECOVERY = 1.2
#: Seconds by which the shutter is open longer than it should be.
_SHUTTER = 0.000825


@dataclass(frozen=True, eq=False, slots=True)
class Flare:
    """
    A flare.

    Parameters
    ----------
    begin, peak, end
        When it begins and is brightest, and when exposures are the usual ones again; DRMS seconds.
    longitude, latitude
        Where it is, Stonyhurst degrees.
    brightness
        At its peak, in units of the heart of an active region.
    cuts
        By channel, cycles in which the exposure is cut, and the exposure in seconds.
    shutter
        By channel, seconds by which the shutter was open longer, where it was not as ever.
    """

    begin: float
    peak: float
    end: float
    longitude: float
    latitude: float
    brightness: float
    cuts: Mapping[int, tuple[tuple[float, float], ...]]
    shutter: Mapping[int, float]

    def during(self, time: np.ndarray) -> np.ndarray:
        """
        Whether it is under way at some times.
        """
        return (self.begin <= time) & (time <= self.end)

    def exposures(self, cycle: np.ndarray, wavelength: int, exposure: float) -> np.ndarray:
        """
        Exposures of a channel: see `commanded`.
        """
        exposures = np.full(len(cycle), exposure)
        for start, cut in self.cuts.get(wavelength, ()):
            frame = np.rint((cycle - start) / (_EVERY / 2.0))
            controlled = self.during(cycle) & (frame >= 0) & (frame % 2 == 0)
            recovered = np.round(cut * _RECOVERY ** (frame[controlled] / 2.0), 3)  # in whole milliseconds
            exposures[controlled] = np.minimum(recovered, exposure)
        return exposures

    def glow(self, time: float) -> float:
        """
        Its brightness at a time: it rises fast, and fades slowly.
        """
        width = (self.peak - self.begin) / 6.0 if time < self.peak else (self.end - self.peak) / 4.0
        return float(self.brightness * np.exp(-0.5 * ((time - self.peak) / width) ** 2))


def _cuts(*cuts: tuple[str, float]) -> tuple[tuple[float, float], ...]:
    return tuple((times.parse(f"2021.07.03_{clock}_UTC"), exposure) for clock, exposure in cuts)


FLARES = (
    # X1.6, in a region that was about to leave over the north-western limb.
    Flare(
        begin=times.parse("2021.07.03_14:18:00_UTC"),
        peak=times.parse("2021.07.03_14:29:00_UTC"),
        end=times.parse("2021.07.03_14:45:00_UTC"),
        longitude=79.0,
        latitude=23.0,
        brightness=24.0,
        cuts={
            94: _cuts(("14:30:59", 0.24)),
            131: _cuts(("14:27:35", 0.5787), ("14:29:35", 0.2373), ("14:33:35", 0.0592)),
            193: _cuts(("14:27:35", 0.4), ("14:30:23", 0.2), ("14:33:11", 0.0715)),
            211: _cuts(("14:27:23", 0.5787), ("14:29:23", 0.2373), ("14:32:35", 0.1681)),
        },
        shutter={193: -0.00038},
    ),
)


def commanded(cycle: np.ndarray, wavelength: int, exposure: float) -> np.ndarray:
    """
    Exposures that AIA is told to make, seconds.

    Parameters
    ----------
    cycle
        Starts of the cycles of twelve seconds, DRMS seconds.
    wavelength
        The channel.
    exposure
        Its usual exposure.
    """
    exposures = np.full(len(cycle), exposure)
    for flare in FLARES:
        exposures = np.minimum(exposures, flare.exposures(cycle, wavelength, exposure))
    return exposures


def measured(cycle: np.ndarray, wavelength: int, exposure: np.ndarray) -> np.ndarray:
    """
    Exposures as the shutter made them, seconds.

    Parameters
    ----------
    cycle, wavelength
        As for `commanded`.
    exposure
        What was commanded.
    """
    excess = np.full(len(cycle), _SHUTTER)
    for flare in FLARES:
        excess[flare.during(cycle)] = flare.shutter.get(wavelength, _SHUTTER)
    return exposure + excess


def lit(surface: Surface, time: float, l0: float) -> Surface:
    """
    The Sun's surface with the flares of a time, if there are any.

    Parameters
    ----------
    surface
        Without flares.
    time
        The time, DRMS seconds.
    l0
        Carrington longitude of the central meridian, degrees.
    """
    for flare in FLARES:
        if flare.begin <= time <= flare.end:
            surface = replace(surface, glow=surface.glow + flare.glow(time) * _kernel(flare, surface.glow.shape, l0))
    return surface


def _kernel(flare: Flare, shape: tuple[int, ...], l0: float) -> np.ndarray:
    """
    A flare's brightness on the map, 1 in its middle.
    """
    latitude = (np.arange(shape[0]) + 0.5) / CELLS - 90.0 - flare.latitude
    longitude = ((np.arange(shape[1]) + 0.5) / CELLS - l0 - flare.longitude + 180.0) % 360.0 - 180.0
    ribbon = np.exp(-((longitude / 5.0) ** 2))[None, :] * np.exp(-((latitude / 2.0) ** 2))[:, None]
    return ribbon.astype(np.float32)
