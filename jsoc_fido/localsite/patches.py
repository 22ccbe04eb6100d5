"""
Recipes of the vector field: active region patches (SHARPs), and the inversion of the whole disk.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS

from jsoc_fido.localsite import housekeeping, images, regions
from jsoc_fido.localsite.ephemeris import AU, RSUN, Ephemeris, ephemeris
from jsoc_fido.localsite.hmi import CAMERA, HMI
from jsoc_fido.localsite.products import (
    Columns,
    Cubes,
    Group,
    motion,
    slots,
    solar,
    statistics,
    surroundings,
    whole_disk,
)
from jsoc_fido.localsite.regions import Region
from jsoc_fido.series import Series

__all__ = ["FullDiskField", "Inversion", "Sharp"]


@dataclass(frozen=True)
class Scene:
    """
    What can be measured at a time: everything that the segments are made of.
    """

    view: images.View
    field: images.Field
    line_of_sight: np.ndarray
    velocity: np.ndarray
    continuum: np.ndarray

    @classmethod
    def of(cls, view: images.View, surface: regions.Surface, now: Ephemeris, index: int, seed: int) -> "Scene":
        """
        Measure.
        """
        l0, b0 = float(now.crln_obs[index]), float(now.crlt_obs[index])
        vector = images.field(view, surface, l0, b0, seed)
        radial = images.sample(surface.radial, view, l0)
        return cls(
            view=view,
            field=vector,
            line_of_sight=images.magnetogram(view, radial, seed, 5.0),
            velocity=images.dopplergram(view, motion(now, index), seed),
            continuum=images.continuum(view, radial, seed, float(now.dsun_obs[index]) / AU),
        )

    def like(self, value: float) -> np.ndarray:
        """
        The same value all over the disk.
        """
        return np.where(self.view.on, np.float32(value), np.float32(np.nan))

    @property
    def active(self) -> np.ndarray:
        """
        Whether a pixel is in an active region.
        """
        return np.abs(np.nan_to_num(self.line_of_sight)) > 120.0


def _mask(scene: Scene) -> np.ndarray:
    """
    0 off the disk, 1 quiet, 2 active, and 32 more inside the patch (OFFDISK, QUIET, ACTIVE, ON_PATCH).
    """
    return np.where(scene.view.on, np.where(scene.active, 34, 33), 0).astype(np.float32)


def _confidence(scene: Scene) -> np.ndarray:
    return np.where(scene.active, 90.0, np.where(scene.view.on, 50.0, 0.0)).astype(np.float32)


#: How each segment is made, by name.
SEGMENTS: dict[str, Callable[[Scene], np.ndarray]] = {
    "magnetogram": lambda scene: scene.line_of_sight,
    "bitmap": _mask,
    "Dopplergram": lambda scene: scene.velocity,
    "continuum": lambda scene: scene.continuum,
    "inclination": lambda scene: scene.field.inclination,
    "azimuth": lambda scene: scene.field.azimuth,
    "field": lambda scene: scene.field.strength,
    "vlos_mag": lambda scene: scene.velocity * 100.0,
    "dop_width": lambda scene: scene.like(30.0) + 0.002 * scene.field.strength,
    "eta_0": lambda scene: scene.like(8.0),
    "damping": lambda scene: scene.like(0.5),
    "src_continuum": lambda scene: scene.continuum * 0.1,
    "src_grad": lambda scene: scene.continuum * 0.9,
    "alpha_mag": lambda scene: scene.like(1.0),
    "chisq": lambda scene: 20.0 + 0.05 * scene.field.strength,
    "conv_flag": lambda scene: scene.like(0.0),
    "info_map": lambda scene: scene.like(0.0),
    "confid_map": lambda scene: np.where(scene.active, 0.0, 1.0).astype(np.float32),
    "inclination_err": lambda scene: scene.like(0.5) + 300.0 / (scene.field.strength + 50.0),
    "azimuth_err": lambda scene: scene.like(0.8) + 500.0 / (scene.field.strength + 50.0),
    "field_err": lambda scene: 20.0 + 0.02 * scene.field.strength,
    "vlos_err": lambda scene: scene.like(2000.0),
    "alpha_err": lambda scene: scene.like(0.0),
    "field_inclination_err": lambda scene: scene.like(0.05),
    "field_az_err": lambda scene: scene.like(-0.02),
    "inclin_azimuth_err": lambda scene: scene.like(0.01),
    "field_alpha_err": lambda scene: scene.like(0.0),
    "inclination_alpha_err": lambda scene: scene.like(0.0),
    "azimuth_alpha_err": lambda scene: scene.like(0.0),
    # Three methods for weak field vote with a bit each; here they agree.
    "disambig": lambda scene: scene.field.turned * 7.0,
    "conf_disambig": _confidence,
    "Bp": lambda scene: scene.field.west,
    "Bt": lambda scene: -scene.field.north,
    "Br": lambda scene: scene.field.radial,
    "Bp_err": lambda scene: scene.like(45.0),
    "Bt_err": lambda scene: scene.like(45.0),
    "Br_err": lambda scene: scene.like(35.0),
}


def _cubes(series: Series, scenes: list[Scene]) -> Cubes:
    """
    The series' own segments.
    """
    return {
        segment.name: np.stack([SEGMENTS[segment.name](scene) for scene in scenes])
        for segment in series.segments.values()
        if segment.link is None
    }


#: What headers call the units of segments; words for what has none are left out, readers take them for units.
_BUNIT = {"Gauss": "Mx/cm^2", "gauss": "Mx/cm^2"} | {unit: unit for unit in ("m/s", "cm/s", "DN/s", "deg", "mA")}


def _by_segment(series: Series, cubes: Cubes) -> Columns:
    """
    The keywords that each segment has for itself.
    """
    columns: Columns = {}
    for number, segment in enumerate(series.segments.values()):
        columns[f"BUNIT_{number:03d}"] = _BUNIT.get(segment.units)
        if segment.name in cubes:
            columns |= {f"{name}_{number:03d}": value for name, value in statistics(cubes[segment.name]).items()}
    return columns


@dataclass(frozen=True)
class Inversion(HMI):
    """
    Inversion of the Stokes profiles of the whole disk.
    """

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        now = ephemeris(group.time)
        scenes = [
            Scene.of(whole_disk(CAMERA, size, float(time)), surroundings(float(time)), now, index, int(number))
            for index, (time, number) in enumerate(zip(group.time, group.number, strict=True))
        ]
        cubes = _cubes(group.series, scenes)
        velocity = np.array([np.nanmean(scene.velocity) for scene in scenes])
        return {
            **housekeeping.SHARP, **CAMERA.pointing(size), **solar(now, CAMERA.cdelt(size)),
            **_by_segment(group.series, cubes), **self.observed(group, now), "INVVLAVE": velocity * 100.0,
            "INVBLAVE": np.array([np.nanmean(scene.line_of_sight) for scene in scenes]),
        }, cubes  # fmt: skip


@dataclass(frozen=True)
class FullDiskField(Inversion):
    """
    The field with its azimuth resolved; all but that is linked from the inversion.
    """


@dataclass(frozen=True)
class Sharp(HMI):
    """
    Active region patches.

    Parameters
    ----------
    equal_area
        Whether they are mapped to cylindrical equal area coordinates, instead of cut out of the image.
    harp
        Number of the one patch that is wanted, otherwise all on the disk.
    """

    equal_area: bool = False
    harp: int | None = None

    def groups(self, series: Series, start: float, end: float) -> Iterator[Group]:
        numbers, when = slots(series, start, end)
        found = (
            regions.between(when[0], when[-1]) if self.harp is None else [regions.region_at(self.harp, float(when[0]))]
        )
        for region in found:
            seen = (region.first <= when) & (when <= region.last)
            keys = {"HARPNUM": np.full(seen.sum(), region.number), "T_REC": when[seen]}
            yield Group(series, numbers[seen] + 1_000_003 * region.number, when[seen], keys, region)

    def render(self, group: Group, size: int) -> tuple[Columns, Cubes]:
        region: Region = group.subject
        now = ephemeris(group.time)
        patch = EqualArea.around(region, size) if self.equal_area else CutOut.around(region, size)
        moved = region if self.harp is not None else None
        scenes, cells = [], []
        pointing: dict[str, list[float]] = {}
        for index, time in enumerate(group.time):
            view, cards = patch.view(region, now, index)
            surface = surroundings(float(time), moved)
            scenes.append(Scene.of(view, surface, now, index, int(group.number[index])))
            cells.append(patch.cells(view, float(now.rsun_obs[index])))
            for name, value in cards.items():
                pointing.setdefault(name, []).append(value)
        cubes = _cubes(group.series, scenes)
        columns = {**housekeeping.SHARP, **{name: np.array(values) for name, values in pointing.items()}}
        columns |= {"IMCRPIX1": 2048.5, "IMCRPIX2": 2048.5, "IMCRVAL1": 0.0, "IMCRVAL2": 0.0}
        columns |= {**_by_segment(group.series, cubes), **self.observed(group, now), **solar(now, CAMERA.scale)}
        columns |= _followed(region, now) | _measured(scenes, np.stack(cells))
        if region.emerging:
            columns["MEANJZH"] = np.array([region.helicity(float(time)) for time in group.time])
        return columns, cubes


@dataclass(frozen=True)
class CutOut:
    """
    A patch of the image, as the detector has it.

    Parameters
    ----------
    cdelt
        Arcseconds per pixel.
    width, height
        Pixels.
    """

    cdelt: float
    width: int
    height: int

    @classmethod
    def around(cls, region: Region, size: int) -> "CutOut":
        """
        The patch of a region, eight times finer than an image of the whole disk, but not finer than the detector.
        """
        cdelt = max(CAMERA.scale, CAMERA.cdelt(size) / 8)
        degree = np.deg2rad(960.0)  # arcseconds on the Sun, in the middle of the disk
        return cls(cdelt, *(max(8, round(extent * degree / cdelt)) for extent in (region.width, region.height)))

    def cells(self, view: images.View, radius: float) -> np.ndarray:
        """
        Area on the Sun that each pixel sees, in squares of the solar radius, which is so many arcseconds.
        """
        return (self.cdelt / radius) ** 2 / np.maximum(view.mu, 0.1)

    def view(self, region: Region, now: Ephemeris, index: int) -> tuple[images.View, dict[str, float]]:
        """
        What the patch shows at a time, and its coordinate system.
        """
        b0, radius = float(now.crlt_obs[index]), float(now.rsun_obs[index])
        centre = images.plate(np.array(region.longitude - now.crln_obs[index]), np.array(region.latitude), b0)
        # The other way round: from the sky to the image.
        back = replace(CAMERA, rotation=-CAMERA.rotation).turned(centre.x, centre.y)
        column, row = (float(offset) * radius / self.cdelt for offset in back)
        first, second = (self.width + 1) / 2 - round(column), (self.height + 1) / 2 - round(row)
        offsets = np.meshgrid(np.arange(self.width) + 1 - first, np.arange(self.height) + 1 - second)
        x, y = CAMERA.turned(*(offset * self.cdelt / radius for offset in offsets))
        cards = {
            "CRPIX1": first,
            "CRPIX2": second,
            "CDELT1": self.cdelt,
            "CDELT2": self.cdelt,
            "CRVAL1": 0.0,
            "CRVAL2": 0.0,
        }
        return images.disk(x, y, b0), {**cards, "CROTA2": CAMERA.rotation}


@dataclass(frozen=True)
class EqualArea:
    """
    A patch of the Sun in cylindrical equal area coordinates around its centre.

    Parameters
    ----------
    cdelt
        Degrees per pixel.
    width, height
        Pixels.
    """

    cdelt: float
    width: int
    height: int

    @classmethod
    def around(cls, region: Region, size: int) -> "EqualArea":
        """
        The patch of a region; at 0.03 degrees a pixel it is as fine as the real ones, and never finer.
        """
        cdelt = max(0.03, 0.03 * CAMERA.pixels / size / 8)
        return cls(cdelt, *(max(8, round(extent / cdelt)) for extent in (region.width, region.height)))

    def cells(self, view: images.View, radius: float) -> np.ndarray:  # noqa: ARG002 - this map does not depend on it
        """
        Area on the Sun that each pixel sees, in squares of the solar radius: the same for all.
        """
        return np.full(view.mu.shape, np.deg2rad(self.cdelt) ** 2)

    def view(self, region: Region, now: Ephemeris, index: int) -> tuple[images.View, dict[str, float]]:
        """
        What the patch shows at a time, and its coordinate system.
        """
        cards = {
            "CRPIX1": (self.width + 1) / 2, "CRPIX2": (self.height + 1) / 2, "CDELT1": self.cdelt,
            "CDELT2": self.cdelt, "CRVAL1": region.longitude, "CRVAL2": region.latitude,
        }  # fmt: skip
        longitude, latitude = self._grid(region)
        stonyhurst = (longitude - now.crln_obs[index] + 180.0) % 360.0 - 180.0
        return images.plate(stonyhurst, latitude, float(now.crlt_obs[index])), {**cards, "CROTA2": 0.0}

    def _grid(self, region: Region) -> tuple[np.ndarray, np.ndarray]:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["CRLN-CEA", "CRLT-CEA"]
        wcs.wcs.crpix = [(self.width + 1) / 2, (self.height + 1) / 2]
        wcs.wcs.cdelt = [self.cdelt, self.cdelt]
        wcs.wcs.crval = [region.longitude, region.latitude]
        return tuple(wcs.wcs_pix2world(*np.meshgrid(np.arange(self.width), np.arange(self.height)), 0))


def _followed(region: Region, now: Ephemeris) -> Columns:
    """
    The keywords of the tracking of a patch.
    """
    longitude = (region.longitude - now.crln_obs + 180.0) % 360.0 - 180.0
    width, height = region.width / 2, region.height / 2
    across = region.size / 2 * region.leading
    spots = 1 if region.noaa else 0
    return {
        "HARPNUM": region.number, "NOAA_AR": region.noaa, "NOAA_NUM": spots,
        "NOAA_ARS": str(region.noaa) if spots else None, "T_FRST": region.first - regions.DAY,
        "T_FRST1": region.first, "T_LAST1": region.last, "T_LAST": region.last + regions.DAY,
        "N_PATCH1": round((region.last - region.first) / 720.0) + 1,
        "N_PATCH": round((region.last - region.first + 2 * regions.DAY) / 720.0) + 1,
        "LAT_MIN": region.latitude - height, "LAT_MAX": region.latitude + height,
        "LATDTMIN": region.latitude - height, "LATDTMAX": region.latitude + height, "LON_MIN": longitude - width,
        "LON_MAX": longitude + width, "LONDTMIN": longitude - width, "LONDTMAX": longitude + width,
        "LAT_FWT": region.latitude, "LON_FWT": longitude, "LAT_FWTPOS": region.latitude,
        "LON_FWTPOS": longitude + across, "LAT_FWTNEG": region.latitude, "LON_FWTNEG": longitude - across,
    }  # fmt: skip


def _measured(scenes: list[Scene], cells: np.ndarray) -> Columns:
    """
    The keywords of areas and fluxes, measured; and those of space weather, which here only grow with the flux.

    Parameters
    ----------
    scenes
        The patches.
    cells
        Area on the Sun of each of their pixels, in squares of the solar radius.
    """
    line_of_sight = np.stack([np.nan_to_num(scene.line_of_sight) for scene in scenes])
    radial = np.stack([np.nan_to_num(scene.field.radial) for scene in scenes])
    on = np.stack([scene.view.on for scene in scenes])
    active = np.stack([scene.active for scene in scenes])
    projected = cells * np.stack([scene.view.mu for scene in scenes])

    def total(values: np.ndarray) -> np.ndarray:
        return values.sum(axis=(1, 2), dtype=float)

    pixels, strong = total(on), total(active)
    positive, negative = total(line_of_sight.clip(0.0)), -total(line_of_sight.clip(None, 0.0))
    part = 1e6 / (2 * np.pi)  # millionths of the hemisphere, and half of those of the disk
    flux = total(np.abs(radial) * active * cells) * (RSUN * 100.0) ** 2
    unit = flux / 1e21
    weather = {
        "USFLUX": flux, "MEANGAM": 30.0 + unit, "MEANGBT": 110.0 - unit, "MEANGBZ": 115.0 - unit,
        "MEANGBH": 50.0 + 0.2 * unit, "MEANJZD": 0.1 + 0.01 * unit, "TOTUSJZ": 6e11 * unit,
        "MEANALP": 0.02 + 0.001 * unit, "MEANJZH": 0.004 + 0.0005 * unit, "TOTUSJH": 35.0 * unit,
        "ABSNJZH": 4.0 * unit, "SAVNCPP": 4e11 * unit, "MEANPOT": 3000.0 + 300.0 * unit, "TOTPOT": 5e21 * unit**1.1,
        "MEANSHR": 22.0 + 0.5 * unit, "SHRGT45": 10.0 + 0.8 * unit,
    }  # fmt: skip
    errors = {
        "ERRVF": "USFLUX", "ERRGAM": "MEANGAM", "ERRBT": "MEANGBT", "ERRBZ": "MEANGBZ", "ERRBH": "MEANGBH",
        "ERRJZ": "MEANJZD", "ERRUSI": "TOTUSJZ", "ERRALP": "MEANALP", "ERRMIH": "MEANJZH", "ERRTUI": "TOTUSJH",
        "ERRTAI": "ABSNJZH", "ERRJHT": "SAVNCPP", "ERRMPOT": "MEANPOT", "ERRTPOT": "TOTPOT", "ERRMSHA": "MEANSHR",
    }  # fmt: skip
    inside = np.maximum(pixels, 1.0)
    mean = total(line_of_sight) / inside
    deviation = np.sqrt(np.maximum(total(line_of_sight**2) / inside - mean**2, 0.0))
    return weather | {name: 0.005 * weather[of] for name, of in errors.items()} | {
        "R_VALUE": np.log10(np.maximum(flux / 1e18, 1.0)), "CMASK": strong, "NPIX": pixels.astype(int),
        "NACR": strong.astype(int), "SIZE": total(on * projected) * 2 * part, "AREA": total(on * cells) * part,
        "SIZE_ACR": total(active * projected) * 2 * part, "AREA_ACR": total(active * cells) * part,
        "MTOT": positive + negative, "MNET": positive - negative, "MPOS_TOT": positive, "MNEG_TOT": negative,
        "MMEAN": mean, "MSTDEV": deviation,
        # What the two series call the flux, the gradient and the pixels of the line of sight field.
        "INVKEYI3": strong.astype(int), "INVKEYD1": 0.7 * flux, "INVKEYD2": 0.6 * weather["MEANGBT"],
        "INVNPRCS": strong.astype(int), "INVVLAVE": 0.7 * flux, "INVBLAVE": 0.6 * weather["MEANGBT"],
    }  # fmt: skip
