"""
The embedded site on which the examples of the gallery run, at build time and in the tests.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import astropy.units as u
import sunpy
from astropy.config.paths import set_temp_cache
from astropy.utils import iers

from jsoc_fido import localsite

__all__ = ["before_example", "close", "running"]


def build(directory: Path) -> None:
    """
    Make a site with what the examples search.
    """
    localsite.init(directory)
    localsite.synthesize(directory, "aia.lev1_euv_12s", "2021-07-03T14:25:00", "2021-07-03T14:35:00", size=256)
    localsite.synthesize(
        directory,
        "hmi.sharp_cea_720s",
        "2014.07.02_03:00:00_TAI",
        "2014.07.12_11:00:00_TAI",
        size=256,
        harp=4315,
        sample=6 * u.hour,
    )


@contextmanager
def running(directory: Path) -> Iterator[localsite.RunningSite]:
    """
    Run that site in a folder, and let searches that name no site ask it; downloads stay in the folder, too.
    """
    site_directory, downloads, cache = (directory / name for name in ("site", "downloads", "cache"))
    for folder in (downloads, cache):
        folder.mkdir(parents=True)
    build(site_directory)
    before = sunpy.config.get("downloads", "download_dir")
    with (
        iers.conf.set_temp("auto_download", False),  # everything is on this machine
        set_temp_cache(cache),
        localsite.running(site_directory) as site,
        patch.dict(os.environ, JSOC_FIDO_SITE=site.url, PARFIVE_HIDE_PROGRESS="1"),
    ):
        sunpy.config.set("downloads", "download_dir", str(downloads))
        try:
            yield site
        finally:
            sunpy.config.set("downloads", "download_dir", before)


@cache
def _started() -> ExitStack:
    stack = ExitStack()
    directory = stack.enter_context(TemporaryDirectory(prefix="gallery-"))
    stack.enter_context(running(Path(directory)))
    return stack


def before_example(gallery_conf: dict[str, Any], file_name: str) -> None:
    """
    Have the site running when sphinx-gallery runs an example, from the first one on.
    """
    _started()


def close() -> None:
    """
    Stop the site, if an example has needed it.
    """
    if _started.cache_info().currsize:
        _started().close()
        _started.cache_clear()
