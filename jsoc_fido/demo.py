"""
``jsoc-fido demo``: the main job from words to a picture, on a site of its own.

The site is real (a DRMS site that answers on a port of this machine), and so is the AIA image that sunpy ships for its
tests; all other images are computed from the ephemeris.
"""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import astropy.units as u
import click
import numpy as np
import sunpy.map
from astropy.utils import iers
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from parfive import Results
from sunpy.data.test import get_test_filepath
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import attrs, localsite
from jsoc_fido.exceptions import DataError
from jsoc_fido.response import JSOCResponse

__all__ = ["build", "run"]

#: What the site holds: series, from, to, pixels along an edge. The first three are what sunpy's guide searches.
HOLDINGS = (
    ("hmi.v_45s", "2014-01-01T00:00", "2014-01-01T01:00", 64),
    ("hmi.v_45s", "2014-01-02T00:00", "2014-01-02T01:00", 64),
    ("aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T01:00", 32),
    ("hmi.v_720s", "2011-02-15T00:00", "2011-02-15T00:12", 256),
    ("hmi.m_720s", "2011-02-15T00:00", "2011-02-15T00:12", 256),
)

#: The real image of this series, with everything that was measured when it was taken.
REAL_SERIES = "aia.lev1"

PICTURE = "jsoc-fido-demo.png"

#: How images are drawn, by a word of their CONTENT: title, colours, scale, ticks.
LOOKS = {
    "DOPPLERGRAM": ("SDO/HMI velocity less the orbit's, computed", "RdBu_r", Normalize(-2500, 2500), (-2000, 0, 2000)),
    "MAGNETOGRAM": ("SDO/HMI line-of-sight field, computed", "gray", Normalize(-500, 500), (-500, 0, 500)),
}
OBSERVED = ("SDO/AIA 171 \u00c5, as observed", "sdoaia171", PowerNorm(0.35, 0, 2000), (0, 200, 2000))

FIRST_DAY = ("2014-01-01T00:00:00", "2014-01-01T01:00:00")
SECOND_DAY = ("2014-01-02T00:00:00", "2014-01-02T01:00:00")

#: Every address is good enough for a site of one's own.
NOTIFY = attrs.Notify("demo@example.com")


def build(directory: Path) -> None:
    """
    Make the demo's site, or complete one that is there.

    Parameters
    ----------
    directory
        Folder of the site.

    Raises
    ------
    DataError
        If the folder holds something else, or cannot be written.
    """
    localsite.init(directory)
    for series, start, end, size in HOLDINGS:
        localsite.synthesize(directory, series, start, end, size=size)
    localsite.ingest(directory, [Path(get_test_filepath("aia_171_level1.fits"))], series=REAL_SERIES)


def run(directory: Path) -> Path:
    """
    Show the main job, and say what is done.

    Parameters
    ----------
    directory
        Folder for the site, the files and the picture; it is made if it does not exist.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    DataError
        If the folder cannot be used, or a search or a download does not bring what it should.
    """
    began = time.monotonic()
    directory = directory.absolute()
    logging.getLogger("drms").setLevel(logging.WARNING)  # it tells every look at a request
    _heading("A DRMS site of its own")
    with iers.conf.set_temp("auto_download", False):  # everything is on this machine
        build(directory / "site")
        with localsite.running(directory / "site") as site, _asked(site.url):
            click.echo(f"{directory / 'site'} answers at {site.url}; {time.monotonic() - began:.1f} s.")
            counts = _search()
            files = _fetch(directory / "files")
    picture = directory / PICTURE
    _heading("Picture")
    _draw(files, picture)
    _heading("Done")
    click.echo(
        f"Found {' + '.join(map(str, counts))} records, downloaded {len(files)} files, "
        f"opened them with sunpy.map and drew them, in {time.monotonic() - began:.0f} s.\n"
        f"  picture  {picture}\n"
        f"  files    {directory / 'files'}\n"
        f"  site     jsoc-fido site serve {directory / 'site'}"
    )
    return picture


def _search() -> list[int]:
    """
    Make the searches of sunpy's guide, and return how many records each table has.
    """
    dopplergrams = a.jsoc.Series("hmi.v_45s")
    searches = (
        ("an hour of Dopplergrams", (a.Time(*FIRST_DAY), dopplergrams), [81]),
        (
            "Dopplergrams, and EUV images",
            (a.Time(*FIRST_DAY), dopplergrams | a.jsoc.Series("aia.lev1_euv_12s")),
            [81, 2107],
        ),
        ("two days", (a.Time(*FIRST_DAY) | a.Time(*SECOND_DAY), dopplergrams), [81, 81]),
        ("one every nine minutes", (a.Time(*FIRST_DAY), dopplergrams, a.Sample(9 * u.min)), [7]),
    )
    counts = []
    for title, words, expected in searches:
        _heading(f"Search: {title}")
        found = Fido.search(*words)
        _show(*found)
        lengths = [len(table) for table in found]
        if lengths != expected:
            raise DataError(f"The search for {title} found {lengths} records instead of {expected}.")
        counts += lengths
    return counts


def _show(*tables: JSOCResponse) -> None:
    """
    Print tables as sunpy's guide shows them: the first rows and the last.
    """
    for table in tables:
        click.echo(f"{len(table)} Results from the {type(table.client).__name__}:\nSource: {table.client.info_url}\n")
        shown = table.show(*table.display_keys)
        click.echo("\n".join(shown.pformat(max_lines=16, max_width=-1, show_unit=False)) + "\n")


def _fetch(directory: Path) -> list[str]:
    """
    Download some files through Fido and some step by step, and return where they are.
    """
    half_hour = a.Time("2011-02-15T00:00", "2011-02-15T00:12")
    _heading("Fetch: the first row of two tables, straight from the storage, with headers completed here")
    found = Fido.search(half_hour, a.jsoc.Series("hmi.v_720s") | a.jsoc.Series("hmi.m_720s"))
    rows = [table[:1] for table in found]
    at_once = _complete(
        Fido.fetch(*rows, path=directory / "{instrume}" / "{file}", progress=sys.stderr.isatty(), overwrite=True)
    )

    _heading("Stage, step by step: search, stage, wait, download")
    client = jsoc_fido.JSOCClient()
    response = client.search(half_hour, a.jsoc.Series(REAL_SERIES), a.Wavelength(171 * u.AA), NOTIFY)
    _show(response)
    request: Any = client.request_data(response)  # one series is one request
    click.echo(request)
    request.wait(sleep=0.2, timeout=60)
    click.echo(request)
    step_by_step = _complete(client.get_request(request, path=directory, progress=sys.stderr.isatty(), overwrite=True))
    return [*step_by_step, *at_once]


def _complete(results: Results) -> list[str]:
    if results.errors or not len(results):
        raise DataError(f"Files did not arrive: {[str(error.exception) for error in results.errors]}")
    for file in results:
        click.echo(file)
    return list(results)


def _draw(files: list[str], picture: Path) -> None:
    """
    Draw the images next to each other, north up, each on its own coordinates.
    """
    figure = Figure(figsize=(4.6 * len(files), 5.2), layout="constrained")
    for index, file in enumerate(files, start=1):
        image = sunpy.map.Map(file)
        height, width = image.data.shape
        click.echo(f"{Path(file).name}: {width} x {height} pixels, {image.date.utc.isot}")
        content = str(image.meta.get("content", "")).upper()
        title, colours, scale, ticks = next((look for word, look in LOOKS.items() if word in content), OBSERVED)
        if "DOPPLERGRAM" in content:
            image = image - image.meta["obs_vr"] * image.unit
        image = image.rotate(order=0, missing=np.nan)  # HMI looks at the Sun upside down
        axes = figure.add_subplot(1, len(files), index, projection=image)
        drawn = image.plot(axes=axes, title=False, autoalign=False, cmap=colours, norm=scale)
        image.draw_limb(axes=axes, color="0.5", linewidth=0.8)
        image.draw_grid(axes=axes, grid_spacing=30 * u.deg, color="0.5", linewidth=0.4, annotate=False)
        axes.coords.grid(draw_grid=False)
        axes.set_title(f"{title}\n{image.date.utc.strftime('%Y-%m-%d %H:%M:%S')} UTC")
        figure.colorbar(
            drawn, ax=axes, orientation="horizontal", shrink=0.7, label=f"{image.unit or 'DN'}", ticks=ticks
        )
    figure.savefig(picture, dpi=75, bbox_inches="tight")
    click.echo(picture)


@contextmanager
def _asked(url: str) -> Iterator[None]:
    """
    Let searches that name no site ask this one.
    """
    before = dict(os.environ)
    os.environ["JSOC_FIDO_SITE"] = url
    jsoc_fido.enable()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _heading(text: str) -> None:
    click.echo(f"\n{text}\n{'-' * len(text)}")
