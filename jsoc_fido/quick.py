"""
The quick way to a file: from the site's storage, with its header completed here.

No export, no queue and no e-mail are needed: the search told where the files lie, and the keywords that an export
would write into them come by ``rs_list``, with all their digits (contract B.3, E).
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from jsoc_fido import fitsfiles, headers, subsets
from jsoc_fido.exceptions import DataError, UnsupportedError
from jsoc_fido.files import SegmentFile, State
from jsoc_fido.printed import from_printed
from jsoc_fido.response import NO_FILE
from jsoc_fido.series import Series
from jsoc_fido.site import Site
from jsoc_fido.version import version

__all__ = ["ExactKeywords", "arrival", "is_fits", "located", "url"]

#: Records whose keywords are asked for together, and kept until their files have arrived.
TOGETHER = 2000

#: Keywords of a record, and paths of its files by segment.
_Record = tuple[Mapping[str, object], Mapping[str, str]]


class ExactKeywords:
    """
    Keywords of records with all their digits, and the paths of their files, asked for when first needed.

    Parameters
    ----------
    where
        The site.
    series
        Definition of the series.
    numbers
        Numbers of all records whose keywords will be wanted, in the order in which they will be.
    segments
        Segments whose paths are wanted too.
    """

    def __init__(self, where: Site, series: Series, numbers: Iterable[int], segments: tuple[str, ...] = ()) -> None:
        self.where = where
        self.series = series
        self.segments = segments
        distinct = list(dict.fromkeys(numbers))
        self._batches = [distinct[start : start + TOGETHER] for start in range(0, len(distinct), TOGETHER)]
        self._batch_of = {number: place for place, batch in enumerate(self._batches) for number in batch}
        self._known: dict[int, dict[int, _Record]] = {}
        self._asking = threading.Lock()

    def values(self, number: int) -> Mapping[str, object]:
        """
        Keywords of a record, as `jsoc_fido.headers.header` takes them.

        Raises
        ------
        DataError
            If there is no such record any more.
        SiteError
            If the site does not tell.
        """
        return self._record(number)[0]

    def path(self, number: int, segment: str) -> str:
        """
        Path of a file in the site's storage; empty if it is not online.

        Raises
        ------
        DataError
            If there is no such record any more.
        SiteError
            If the site does not tell.
        """
        return self._record(number)[1].get(segment, "")

    def _record(self, number: int) -> _Record:
        place = self._batch_of[number]
        with self._asking:
            if place not in self._known:
                # Files arrive in the order of the rows, several at a time: what came long ago is not needed again.
                self._known = {**dict(list(self._known.items())[-1:]), place: self._ask(self._batches[place])}
            known = self._known[place]
        if number not in known:
            raise DataError(
                f"{self.series.name}[:#{number}] is no longer at {self.where.name}; search again to see what has "
                "taken its place."
            )
        return known[number]

    def _ask(self, batch: Iterable[int]) -> dict[int, _Record]:
        found: dict[int, _Record] = {}
        for part in subsets.by_numbers(self.series.name, batch, self.segments):
            reply = self.where.exact_keywords(str(part), self.segments)
            columns = {item["name"]: item["values"] for item in reply.get("keywords", ())}
            paths = {item["name"]: item["values"] for item in reply.get("segments", ())}
            numbers = columns.pop("*recnum*", ())
            for place, (number, values) in enumerate(zip(numbers, from_printed(self.series, columns), strict=True)):
                # Segments that no record has are cut short (contract B.5).
                there = {name: listed[place] for name, listed in paths.items() if place < len(listed)}
                found[int(number)] = values, {name: path for name, path in there.items() if path not in NO_FILE}
        return found


def url(where: Site, path: str) -> str:
    """
    Address of a file in a site's storage.

    Raises
    ------
    DataError
        If the path would lead to another site.
    UnsupportedError
        If the site answers searches only.

    Examples
    --------
    >>> from jsoc_fido.site import site
    >>> url(site("jsoc"), "/SUM1/D2/S00000/image_lev1.fits")
    'http://jsoc.stanford.edu/SUM1/D2/S00000/image_lev1.fits'
    """
    if not where.server.http_download_baseurl:
        raise UnsupportedError(f"{where.name} answers searches only; it offers no files.")
    if not path.startswith("/") or path.startswith("//") or ".." in PurePosixPath(path).parts:
        raise DataError(f"{where.name} offers a file at {path!r}, which is no path in its storage.")
    return where.url + quote(path)


def is_fits(series: Series, segment: str, path: str) -> bool:
    """
    Whether a segment is an image that gets a header; what is generic comes as it is (contract E.1).
    """
    known = series.segments.get(segment)
    if known is None or known.link is not None:
        # What the series at the end of a link calls it, this one does not know.
        return PurePosixPath(path).suffix.lower() in {".fits", ".fz"}
    return known.protocol != "generic"


def arrival(file: SegmentFile, keywords: ExactKeywords) -> Callable[[Path, Path], None]:
    """
    What to do with a stored file when it has come: check it, complete its header, and give it its name.

    Parameters
    ----------
    file
        The file.
    keywords
        Gives the keywords of its record.

    Returns
    -------
    callable
        Takes the path of the stored file and the path it shall have; raises `~jsoc_fido.exceptions.JSOCError`.
    """

    def finish(stored: Path, target: Path) -> None:
        if not is_fits(keywords.series, file.segment, file.stored):
            stored.replace(target)
            return
        fitsfiles.check(stored)
        values = keywords.values(file.recnum)
        cards = headers.cards(keywords.series, values, segment=file.segment, recnum=file.recnum)
        fitsfiles.write_fits(stored, target, cards + headers.history(_history(file, keywords.where)))

    return finish


def located(file: SegmentFile, keywords: ExactKeywords) -> str:
    """
    Path of a file in the site's storage, which the site is asked for if the table does not tell.

    Raises
    ------
    DataError
        If it has none.
    """
    path = file.stored if file.state is not State.UNKNOWN else keywords.path(file.recnum, file.segment)
    if not path:
        raise DataError(f"{file.label} is not online at {keywords.where.name}.")
    return path


def _history(file: SegmentFile, where: Site) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"Header completed by jsoc_fido {version} at {now} from the DRMS keywords of "
        f"{file.question.series}[:#{file.recnum}] at {where.name}; pixels as stored."
    )
