"""
The FLARECAST gateway as a kind of site: HMI's patches by time, over REST instead of DRMS's CGIs.

What is asked is the record set that a search or a reload would ask of a DRMS site, and what comes back has the form of
a DRMS site's answer; so all else in the package goes on as it does with other sites. Files are finished there: they
come with a complete header, under the name that the gateway gives them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from drms.config import ServerConfig

from jsoc_fido import recordset, subsets, times
from jsoc_fido.connection import LONGEST_URL, Limits
from jsoc_fido.exceptions import QueryError, TransportError, UnsupportedError
from jsoc_fido.recordset import Between, Condition, HalfOpen, IndexBetween, RecordNumbers, RecordSet
from jsoc_fido.series import Series
from jsoc_fido.site import LOCAL, Site, add_kind, host_of, is_local, register_site

__all__ = ["ADDRESS", "LISTED", "FlarecastSite"]

#: Where the gateway is, for those in its network.
ADDRESS = "http://cluster-r730-1:8001"

#: Keywords that a list has, by the names that the gateway has for them.
LISTED = {
    "harpnum": "HARPNUM",
    "t_rec_index": "T_REC_index",
    "date__obs": "DATE__OBS",
    "quality": "QUALITY",
    "wavelnth": "WAVELNTH",
    "exptime": "EXPTIME",
    "mask_cadence": "MASK_CADENCE",
    "nbr_update": "NBR_UPDATE",
    "recnum_init": "RECNUM_INIT",
    "type": "TYPE",
    "time": "TIME",
    "download_time": "DOWNLOAD_TIME",
}

TIME_KEY = "T_REC"
EVERYTHING = "**ALL**"
MISSING = "MISSING"

#: Decimals of a second in the times that are asked for; slots are much longer.
DECIMALS = 3


@cache
def _definitions() -> Mapping[str, Series]:
    text = resources.files("jsoc_fido").joinpath("data", "flarecast.json").read_text("utf-8")
    return {name: Series.from_struct(struct, name) for name, struct in json.loads(text).items()}


class FlarecastSite(Site):
    """
    A FLARECAST gateway.

    It can be asked for a series and a time; all else is chosen from the table.

    Parameters
    ----------
    name
        The name under which `jsoc_fido.site.site` finds it.
    url
        Its address.
    """

    has_finished_files = True

    def __init__(self, name: str, url: str) -> None:
        host = host_of(url)
        super().__init__(
            ServerConfig(name=name, http_download_baseurl=f"{url}/"), LOCAL if is_local(host) else Limits()
        )

    def definition(self, series: str) -> Series:
        """
        Definition of a series, which the package knows, because the gateway does not tell.

        Raises
        ------
        QueryError
            If there is no such series.
        """
        known = _definitions().get(series.lower())
        if known is None:
            raise QueryError(f"Series {series!r} is not known to {self.name}; it has {', '.join(_definitions())}.")
        return known

    def series(self, pattern: str | None = None) -> list[str]:
        """
        Names of the series whose name fits a regular expression.
        """
        return [name for name in _definitions() if re.search(pattern or "", name, re.IGNORECASE)]

    def records(self, record_set: str, *, keys: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, Any]:
        """
        Keywords and files of the records of a time range, or of some records, in the form of ``rs_list``.

        Keywords that a list lacks are asked for only if they are named.

        Raises
        ------
        QueryError
            If the record set says what the gateway cannot be asked.
        TransportError
            If it does not answer.
        """
        asked = recordset.parse(record_set)
        series = self.definition(asked.series)
        wanted = () if EVERYTHING in keys else tuple(key for key in keys if not key.startswith("*"))
        fields = [name for key in wanted if (name := self._field(series, key)) is not None]
        if any(isinstance(part, RecordNumbers) for part in asked.filters):
            items = [*self._reloaded(series, subsets.numbers_of(asked), fields or ["harpnum"])]
        else:
            start, end = self._time_range(asked, series)
            said = {"start": start, "end": end, "meta": "true" if fields else "false"}
            items = _listed(self.connection.ask_other(f"{self._address(series)}?{urlencode(said)}"), self.url)
        return self._reply(series, items, wanted or tuple(LISTED.values()), segments)

    def exact_keywords(self, record_set: str, segments: tuple[str, ...] = ()) -> dict[str, Any]:
        """
        Addresses of the files of some records; their keywords are in the files.
        """
        asked = recordset.parse(record_set)
        numbers = subsets.numbers_of(asked)
        paths = [{"name": name, "values": [_path(asked.series, number, name) for number in numbers]}
                 for name in segments]  # fmt: skip
        return {"status": 0, "keywords": [{"name": "*recnum*", "values": numbers}], "segments": paths}

    def _address(self, series: Series) -> str:
        return f"{self.url}/HMI/{quote(series.name)}"

    def _field(self, series: Series, key: str) -> str | None:
        """
        What the gateway calls a keyword that a list lacks; None for one that a list has.
        """
        keyword = series.keyword(key)
        if keyword is None:
            raise QueryError(f"Keyword: {key!r} is not supported by series: {series.name}")
        # The gateway knows no name that is one for FITS only.
        name = series.meant(keyword).name
        return None if name in LISTED.values() or name in series.prime_keys else name.lower()

    def _time_range(self, asked: RecordSet, series: Series) -> tuple[str, str]:
        conditions = recordset.bind(asked, series.prime_key_types)
        for condition in conditions:
            if not isinstance(condition, Condition) or condition.key.name != TIME_KEY or len(condition.terms) != 1:
                self._refuse(asked)
        if not conditions:
            self._refuse(asked)
        slot = series.slot(TIME_KEY)
        (term,) = conditions[0].terms  # type: ignore[union-attr]  # checked above
        match term:
            case IndexBetween(low=int(low), high=int(high), skip=None) if slot is not None:
                first, last = slot.value(low), slot.value(high)
            case Between(low=float(first), high=float(last), skip=None):
                pass
            case HalfOpen(start=first, extent=extent, skip=None):
                last = first + extent
            case _:
                self._refuse(asked)
        return times.format(first, "ISO", DECIMALS), times.format(last, "ISO", DECIMALS)

    def _refuse(self, asked: RecordSet) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} can be asked for a Series and one Time only, not for {asked}; choose the rest from the table."
        )

    def _reloaded(self, series: Series, numbers: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        query = urlencode({"fields": ",".join(fields)}, safe=",")
        longest = max(map(len, map(str, numbers)), default=1) + 1
        address = f"{self._address(series)}/meta/"
        # The gateway takes no POST, so that an address must not become too long.
        together = max(1, (LONGEST_URL - len(address) - len(query) - 1) // longest)
        for start in range(0, len(numbers), together):
            part = ",".join(map(str, numbers[start : start + together]))
            reply = self.connection.ask_other(f"{address}{part}?{query}")
            found = reply["data"] if isinstance(reply.get("data"), dict) else reply
            yield from (item for item in found.values() if isinstance(item, dict))

    def _reply(
        self, series: Series, items: Iterable[dict[str, Any]], names: Sequence[str], segments: Sequence[str]
    ) -> dict[str, Any]:
        try:
            found = (_Record.of(series, item) for item in items)
            records = sorted(found, key=lambda record: (record.harp, record.slot))
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise TransportError(
                f"{self.url} listed a record that is none of FLARECAST's: {type(err).__name__} {err}.", url=self.url
            ) from err
        keys = dict.fromkeys((*series.prime_keys, *(series.keywords[name].name for name in names)))
        told = {key: series.meant(series.keywords[key]).name for key in keys}
        columns: dict[str, list[Any]] = {
            key: [record.texts.get(name, MISSING) for record in records] for key, name in told.items()
        }
        columns["*recnum*"] = [record.number for record in records]
        columns["*online*"] = ["Y"] * len(records)
        return {
            "status": 0,
            "count": len(records),
            "keywords": [{"name": name, "values": values} for name, values in columns.items()],
            "segments": [
                {"name": name, "values": [record.paths.get(name, "NoDataFile") for record in records]}
                for name in segments
            ],
            "recinfo": [{"name": record.name} for record in records],
        }


@dataclass(frozen=True, slots=True)
class _Record:
    """
    A record that a gateway told of, in the words of DRMS.
    """

    number: int
    harp: int
    slot: int
    name: str
    texts: Mapping[str, str]
    paths: Mapping[str, str]

    @classmethod
    def of(cls, series: Series, item: Mapping[str, Any]) -> "_Record":
        number, harp, index = int(item["recnum"]), int(item["harpnum"]), int(item["t_rec_index"])
        grid = series.slot(TIME_KEY)
        time = times.format(grid.value(index), "TAI", 0) if grid else MISSING
        meta = {
            series.keywords[name].name: _text(value)
            for name, value in (item.get("meta") or {}).items()
            if name in series.keywords
        }
        listed = {keyword: _text(item.get(name)) for name, keyword in LISTED.items()}
        offered = {url.rpartition("/")[2].removesuffix(".fits").lower() for url in item.get("urls") or ()}
        return cls(
            number=number,
            harp=harp,
            slot=index,
            name=f"{series.name}[{harp}][{time}]",
            texts={**meta, **listed, TIME_KEY: time},
            paths={name: _path(series.name, number, name) for name in series.segments if name.lower() in offered},
        )


def _path(series: str, number: int, segment: str) -> str:
    # Built here: what stands in a list may name a host that only the gateway itself knows.
    return f"/HMI/{series}/{number}/{segment}.fits"


def _text(value: object) -> str:
    return MISSING if value is None else str(value)


def _listed(reply: Mapping[str, Any], url: str) -> list[dict[str, Any]]:
    items = reply.get("data")
    if not isinstance(items, list):
        raise TransportError(f"{url} answered no list of records; it seems to be no FLARECAST gateway.", url=url)
    return items


add_kind("flarecast", FlarecastSite)
register_site("flarecast", ADDRESS, kind="flarecast")
