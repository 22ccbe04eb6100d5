"""
Keywords of the records of a table as values, links followed, and the headers that they make.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from astropy.io import fits

from jsoc_fido import headers
from jsoc_fido.localsite.fields import Field
from jsoc_fido.localsite.table import Maker, Table
from jsoc_fido.printed import NO_CARD
from jsoc_fido.series import NameMap, Series

__all__ = ["Keywords"]


class Keywords:
    """
    Headers for the records of a table.

    Parameters
    ----------
    table
        The records, which need not be read yet.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._makers: dict[str, Maker] = {}
        self._constants: dict[str, object] = {}
        keywords = []
        series = table.fields.series
        for keyword in series.keywords.values():
            if series.is_implicit(keyword.name):
                continue
            names = [keyword.name]
            if keyword.is_per_segment:
                names = [f"{keyword.name}_{number:03d}" for number in range(len(series.segments))]
            fields = {name: known for name in names if (known := table.fields.find(name)) is not None}
            for name, known in fields.items():
                if known.column is None and known.target is None:
                    self._constants[name] = known.constant
                else:
                    self._makers[name] = self._maker(known)
            if keyword.link is None:
                keywords.append(keyword)
            elif fields:
                keywords.append(replace(fields[keyword.name].keyword, link=None))
        #: The series, with keywords of its own in the place of linked ones, and without the implicit ones.
        self.series: Series = replace(series, keywords=NameMap(keywords))
        self._columns: dict[str, Sequence[object]] = {}
        #: Those that are times, as their cards have them.
        self._times: dict[str, list[object]] | None = None

    def is_image(self, segment: str) -> bool:
        """
        Whether the files of a segment are images.
        """
        known = self.table.fields.find_segment(segment)
        return known is not None and known.segment.protocol != "generic"

    def values(self, place: int) -> dict[str, object]:
        """
        The keywords of a record, as `jsoc_fido.headers.header` takes them.
        """
        if not self._columns:
            self._columns = {name: maker() for name, maker in self._makers.items()}
        return {**self._constants, **{name: column[place] for name, column in self._columns.items()}}

    def cards(self, place: int, segment: str, recnum: int) -> str:
        """
        The cards of a record for the file of a segment, as they stand in the file.
        """
        values = self.values(place)
        if self._times is None:
            columns = {name: [value] for name, value in self._constants.items()} | self._columns
            known = {name: self.series.keywords[name] for name in columns if name in self.series.keywords}
            self._times = {
                name: headers.clock_texts(keyword, columns[name]) for name, keyword in known.items() if keyword.is_time
            }
        times = {name: texts[0 if name in self._constants else place] for name, texts in self._times.items()}
        return headers.cards(self.series, values | times, segment=segment, recnum=recnum)

    def header(self, place: int, segment: str | None, recnum: int) -> fits.Header:
        """
        The cards of a record for the file of a segment, or for no file at all.
        """
        return self.header_of(self.values(place), segment, recnum)

    def header_of(self, values: Mapping[str, object], segment: str | None, recnum: int) -> fits.Header:
        """
        The cards of a record with other values than its own.
        """
        return headers.header(self.series, values, segment=segment, recnum=recnum)

    def _maker(self, field: Field) -> Maker:
        values = self.table.native(field)
        if field.target is None:
            return values
        # A record without the link's target has no card (contract E.4).
        target = self.table.column(field.target)
        return lambda: [NO_CARD if number is None else value for number, value in zip(target(), values(), strict=True)]
