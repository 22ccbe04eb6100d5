"""
===========================================
The short exposures of a flare, and no more
===========================================

In a flare AIA shortens the exposures of every other frame, so that some frames are not saturated. Those frames are
what one wants to have, and they are best recognised by their keywords. Here a search brings the keywords, ordinary
table operations choose some rows, and exactly the files of those rows are fetched.
"""

# sphinx_gallery_thumbnail_number = 2  # noqa: ERA001

import astropy.units as u
import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.visualization import ImageNormalize, LogStretch
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido

###############################################################################
# This page was made on an embedded site, which ``JSOC_FIDO_SITE`` names and whose images are computed; without that
# variable the same code asks JSOC.
#
# What do the keywords mean that we are going to look at? The definition of the series says it.

keys = ["EXPTIME", "QUALITY", "T_OBS", "T_REC", "WAVELNTH"]
definition = jsoc_fido.JSOCClient().info("aia.lev1_euv_12s")
for key in keys:
    print(f"{key:>10} : {definition.keywords[key].note}")

###############################################################################
# An X-class flare peaked at about 14:30 on 2021 July 3. We search the five minutes before and after that, and ask for
# these keywords only. Nothing is downloaded yet but the table.

flare = a.Time("2021-07-03T14:25:00", "2021-07-03T14:35:00")
series = a.jsoc.Series("aia.lev1_euv_12s")
found = Fido.search(flare, series, a.jsoc.Keys(*keys))[0]
print(f"{len(found)} records")
print(found)

###############################################################################
# The exposure times tell the story of the flare: the exposure control cuts the exposures of a channel that has become
# too bright, and then lets them grow again, but only in every other frame.

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for wavelength in np.unique(found["WAVELNTH"]):
    channel = found[found["WAVELNTH"] == wavelength]
    axes.plot(channel["T_OBS"].utc.datetime, channel["EXPTIME"].to_value(u.s), ".", label=f"{wavelength} Å")
axes.axhline(2, color="0.5", linewidth=0.8)
axes.set(yscale="log", xlabel="UTC on 2021 July 3", ylabel="Exposure time [s]")
axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
axes.legend(ncols=4, loc="lower left")
plt.show()

###############################################################################
# Rows are chosen as in any `astropy.table.QTable`. First those of all channels that are shorter than two seconds:

short = found[found["EXPTIME"] < 2 * u.s]
print(f"{len(short)} of {len(found)} records are shorter than 2 s")

###############################################################################
# and of those the ones of 211 Å:

chosen = short[short["WAVELNTH"] == 211]
print(f"{len(chosen)} of them are of 211 Å")
print(chosen)

###############################################################################
# A row knows its record, also after it has been filtered, so a fetch of these rows brings their files and no others.
# No e-mail address is needed: nothing has to be prepared by the archive, the files come straight from where it stores
# them, and their headers are completed here from the keywords.

files = Fido.fetch(chosen)
print(f"{len(files)} files")

###############################################################################
# Who knows beforehand which rows are wanted can put that into the question. The archive then finds the same records:

asked = Fido.search(flare, series, a.jsoc.Keys(*keys), a.jsoc.Keyword("EXPTIME") < 2, a.Wavelength(211 * u.AA))[0]
print("The same records:", list(asked["Record"]) == list(chosen["Record"]))

###############################################################################
# From here on it is sunpy. The files are in the order of the rows. They are images of level 1: this is where
# `aiapy <https://aiapy.readthedocs.io>`__ would update their pointing, register them and correct for the degradation
# of the telescope. What must be done in any case is to divide by the exposure time, or the sequence would flicker with
# the exposures instead of the Sun.

images = sunpy.map.Map(files)
sequence = sunpy.map.Map([image / image.exposure_time for image in images], sequence=True)

###############################################################################
# The sequence, on one scale: the flare over the north-western limb.

norm = ImageNormalize(vmin=10, vmax=max(image.max() for image in sequence), stretch=LogStretch())
figure = plt.figure(figsize=(9, 7.5), layout="constrained")
for place, (image, exposed) in enumerate(zip(sequence, images, strict=True), start=1):
    corners = SkyCoord([500, 1200] * u.arcsec, [0, 700] * u.arcsec, frame=image.coordinate_frame)
    part = image.submap(corners)
    axes = figure.add_subplot(4, 5, place, projection=part)
    part.plot(axes=axes, norm=norm, title=f"{exposed.date.utc.strftime('%H:%M:%S')}  {exposed.exposure_time:.2f}")
    axes.coords.grid(draw_grid=False)
    for coordinate in axes.coords:
        coordinate.set_axislabel(" ")
        coordinate.set_ticklabel_visible(False)
plt.show()
