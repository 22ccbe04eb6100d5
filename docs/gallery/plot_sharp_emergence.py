"""
=========================================
An active region emerges, in its metadata
=========================================

The archive knows much of an active region before any image is looked at: each record of a *Space-weather HMI Active
Region Patch* (SHARP) has keywords that sum it up. This example follows one patch, HARP 4315, while it crosses the disk
in July 2014, from its keywords alone, and then gets the two images that go with one moment of it. It makes the figure
of `Glogowski et al. (2019) <https://doi.org/10.21105/joss.01614>`__.
"""

import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido

###############################################################################
# This page was made on an embedded site, which ``JSOC_FIDO_SITE`` names and whose records, one every six hours, are
# computed; without that variable the same code asks JSOC, which has one every twelve minutes.
#
# Two of the keywords are the quantities of the figure:

definition = jsoc_fido.JSOCClient().info("hmi.sharp_cea_720s")
for key in ("USFLUX", "MEANJZH"):
    print(f"{key:>10} : {definition.keywords[key].note} [{definition.keywords[key].units}]")

###############################################################################
# A patch is named by its number, so no time is needed. ``Segment`` says which images we shall want; none is downloaded
# by a search.

patch = Fido.search(
    a.jsoc.Series("hmi.sharp_cea_720s"),
    a.jsoc.PrimeKey("HARPNUM", 4315),
    a.jsoc.Keys("T_REC", "USFLUX", "ERRVF", "MEANJZH", "ERRMIH", "LON_FWT"),
    a.jsoc.Segment("continuum") & a.jsoc.Segment("magnetogram"),
)[0]
print(f"{len(patch)} records")
print(patch.show("T_REC", "USFLUX", "MEANJZH"))

###############################################################################
# ``LON_FWT`` is the longitude of the patch, weighted by its flux and counted from the central meridian. It crosses the
# meridian where that is nearest to zero.

crossing = patch[np.argmin(np.abs(patch["LON_FWT"]))]
print(crossing["T_REC"], crossing["LON_FWT"])

###############################################################################
# Only now are files fetched, and only those of this row: two.

files = Fido.fetch(crossing)
continuum, magnetogram = (
    next(sunpy.map.Map(file) for file in files if name in file) for name in ("continuum", "magnetogram")
)

###############################################################################
# On the left what the metadata say, with the crossing of the central meridian as a dashed line; on the right what the
# region looked like then.

figure = plt.figure(figsize=(11, 5.5), layout="constrained")
grid = figure.add_gridspec(2, 2, width_ratios=(1.2, 1))
when = patch["T_REC"].utc.datetime
for row, (name, error) in enumerate({"USFLUX": "ERRVF", "MEANJZH": "ERRMIH"}.items()):
    axes = figure.add_subplot(grid[row, 0])
    axes.errorbar(when, np.asarray(patch[name]), np.asarray(patch[error]), fmt=".", color="C0", ecolor="0.7")
    axes.axvline(crossing["T_REC"].utc.datetime, color="tab:orange", linestyle="--")
    axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_title(definition.keywords[name].note)
    axes.set_ylabel(f"{name} [{definition.keywords[name].units}]")
looks = ((continuum, "Continuum intensity", None), (magnetogram, "Magnetic field", plt.Normalize(-1500, 1500)))
for row, (image, title, norm) in enumerate(looks):
    axes = figure.add_subplot(grid[row, 1], projection=image)
    drawn = image.plot(axes=axes, title=title, cmap="gray", norm=norm)
    axes.coords.grid(draw_grid=False)
    figure.colorbar(drawn, ax=axes, label=str(image.unit), shrink=0.8)
plt.show()
