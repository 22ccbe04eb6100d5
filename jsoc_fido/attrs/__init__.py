"""
The words of a JSOC search.

They are what ``a.jsoc.`` completes to once `jsoc_fido` is imported, next to sunpy's own `~sunpy.net.attrs.Time` and
`~sunpy.net.attrs.Wavelength`. A word checks its own value when it is made and asks nobody; whether a series knows
a prime key or a segment is checked when the search is made.
"""

from sunpy.net._attrs import Sample

from jsoc_fido.attrs.cutout import Cutout
from jsoc_fido.attrs.keywords import Keyword, KeywordComparison, KeywordCondition
from jsoc_fido.attrs.words import Keys, Notify, PrimeKey, Process, Protocol, RecordSet, Segment, Series, Site

__all__ = [
    "Cutout",
    "Keys",
    "Keyword",
    "KeywordComparison",
    "KeywordCondition",
    "Notify",
    "PrimeKey",
    "Process",
    "Protocol",
    "RecordSet",
    "Sample",
    "Segment",
    "Series",
    "Site",
]


# They are printed, pickled and documented by the place where they are found.
for name in set(__all__) - {"Sample"}:
    globals()[name].__module__ = __name__


def __dir__() -> list[str]:
    # ``a.jsoc.<TAB>`` shows the words and nothing else.
    return sorted(__all__)
