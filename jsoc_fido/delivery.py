"""
From a plan to what has to be downloaded: stored files, files of staged requests, and those that cannot come.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from astropy.table import MaskedColumn

from jsoc_fido import download, names, quick, recordset
from jsoc_fido.download import Delivery
from jsoc_fido.exceptions import DataError, JSOCError, QueryError
from jsoc_fido.exports import Order
from jsoc_fido.files import Definitions, Identity, SegmentFile, State
from jsoc_fido.plan import Plan
from jsoc_fido.remote import RemoteFile, remote_files
from jsoc_fido.response import JSOCResponse
from jsoc_fido.site import site
from jsoc_fido.staging import Staging, digest
from jsoc_fido.steps import MOVIES, read_protocol

__all__ = ["Deliveries", "prepare", "with_paths"]

log = logging.getLogger(__name__)

Paths = Mapping[Identity, Path]


@dataclass
class Deliveries:
    """
    What has to be downloaded for a plan.

    Attributes
    ----------
    by_file
        What brings each file, by `jsoc_fido.files.SegmentFile.identity`: first what can come at once, then what has to
        be staged, in the order in which that is done; apart from that in the order of the rows.
    others
        What comes besides, such as a tar of all files.
    staging
        The staged requests.
    by_order
        Where the files of each order go.
    """

    staging: Staging
    by_file: dict[Identity, Delivery] = field(default_factory=dict)
    others: list[Delivery] = field(default_factory=list)
    by_order: dict[Order, list[Path]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Delivery]:
        yield from self.by_file.values()
        yield from self.others


def prepare(plan: Plan, paths: Paths, template: str, definition: Definitions, staging: Staging) -> Deliveries:
    """
    Say what brings each file.

    Nothing is staged yet: that begins with the first file that is wanted, and goes on while files are downloaded.

    Parameters
    ----------
    plan
        What to do.
    paths
        Where the files go.
    template
        Where a file goes that belongs to no row.
    definition
        Gives the definition of a question's series.
    staging
        Stages the plan's orders.
    """
    found = dict(_quick(plan, paths, definition))
    for file, reason in plan.undeliverable:
        found[file.identity] = _failed(file, paths, DataError(f"{file.label} {reason}."))
    result = Deliveries(staging, dict(found))
    left: dict[tuple[str, str, int], dict[Identity, SegmentFile]] = {}
    for file in plan.files:
        if file.identity not in found:
            left.setdefault(file.identity[:3], {})[file.identity] = file
    for order in (*plan.orders, *plan.fallbacks):
        segments = recordset.parse(order.record_set).segments
        mine = {
            identity: file
            for number in order.numbers
            for identity, file in left.get((order.site, order.series, number), {}).items()
            if (not segments or file.segment in segments)
            and file.form == names.form(order.steps, order.protocol)
            and identity not in result.by_file
        }
        where = site(order.site)
        claims = _Claims(order, staging, mine.values())
        protocol, _ = read_protocol(order.protocol)
        if order.method.endswith("-tar") or protocol in MOVIES or not where.definition(order.series).segments:
            # One file for all records: of a movie the frames stay at the site, and what has no files comes as a table
            # of its keywords (contract E.1).
            label = f"{where.url}/#{order.record_set}"
            ending = "tar" if order.method.endswith("-tar") else protocol
            name = f"{order.series.lower()}.{digest(order)[:8]}.{ending}"
            path = _beside(template, name)
            result.by_order[order] = [path]
            result.others.append(Delivery(where, label, path, locate=claims.archive, gone=claims.gone))
            continue
        result.by_order[order] = [paths[identity] for identity in mine]
        for identity, file in sorted(mine.items(), key=lambda item: item[1].row):
            label = f"{where.url}/#{file.label}"
            # A site stages what has taken the place of a record, if something did; what processing makes is a record of
            # its own.
            is_fits = quick.is_fits(where.definition(order.series), file.segment, file.name)
            recnum = file.recnum if is_fits and not file.form else None
            result.by_file[identity] = Delivery(
                where,
                label,
                paths[identity],
                partial(download.keep, recnum=recnum),
                locate=partial(claims.url, file),
                gone=claims.gone,
                recnum=recnum,
            )
    return result


class _Claims:
    """
    Which staged file is which.

    Parameters
    ----------
    order
        What is staged.
    staging
        Stages it.
    files
        What it is staged for.
    """

    def __init__(self, order: Order, staging: Staging, files: Iterable[SegmentFile]) -> None:
        self._order = order
        self._staging = staging
        self._files = _by_prime_keys(files)
        self._urls: dict[Identity, str] | None = None
        self._sorting = threading.Lock()

    def url(self, file: SegmentFile) -> str:
        """
        Where a file is, when it is staged.

        Raises
        ------
        JSOCError
            If it could not be staged.
        """
        requests = self._staging.requests(self._order)
        with self._sorting:
            if self._urls is None:
                remotes = [remote for request in requests for remote in remote_files(request)]
                claimed = ((_claimed(remote, self._files), remote.url) for remote in remotes)
                self._urls = {file.identity: url for file, url in claimed if file is not None}
        if file.identity not in self._urls:
            raise DataError(f"{site(self._order.site).name} staged no file for {file.label}.")
        return self._urls[file.identity]

    def gone(self) -> None:
        """
        Note that the site no longer has the files, so that the next fetch asks for them anew.
        """
        self._staging.forget(self._order)

    def archive(self) -> str:
        """
        Where the one file with all files is.

        Raises
        ------
        JSOCError
            If it could not be staged.
        """
        requests = self._staging.requests(self._order)
        if len(requests) > 1:
            names_of_all = [request.id for request in requests]
            raise DataError(
                f"The site made {len(requests)} archives; get them with client.get_request({names_of_all})."
            )
        return remote_files(requests[0])[0].url


def with_paths(response: JSOCResponse, plan: Plan, paths: Paths, came: Mapping[Path, Path]) -> JSOCResponse:
    """
    The table of the files: rows with a column for the segment and one for the path, which is masked if it did not come.

    Parameters
    ----------
    response
        The rows.
    plan, paths
        What was done for them.
    came
        Where the files are that came (`jsoc_fido.download.enqueue`).
    """
    files = [(came.get(paths[file.identity]), file) for file in plan.files]
    table = response[[file.row for _, file in files]]
    table["Segment"] = [file.segment for _, file in files]
    table["Path"] = MaskedColumn([str(path or "") for path, _ in files], mask=[path is None for path, _ in files])
    table.show_also("Segment", "Path")
    return table


def _quick(plan: Plan, paths: Paths, definition: Definitions) -> Iterator[tuple[Identity, Delivery]]:
    groups: dict[tuple[str, str], dict[Identity, SegmentFile]] = {}
    taken = set(paths.values())
    for file in plan.quick:
        groups.setdefault((file.question.site, file.question.series), {})[file.identity] = file
    for (name, _), group in groups.items():
        where = site(name)
        files = list(group.values())
        lost = tuple(dict.fromkeys(file.segment for file in files if file.state is State.UNKNOWN))
        keywords = quick.ExactKeywords(where, definition(files[0].question), (file.recnum for file in files), lost)
        for file in files:
            try:
                url = quick.url(where, quick.located(file, keywords))
                path = paths[file.identity]
                if where.has_finished_files:
                    yield file.identity, Delivery(where, url, path, rename=partial(_renamed, path, file.name, taken))
                else:
                    is_fits = quick.is_fits(keywords.series, file.segment, file.stored)
                    recnum = file.recnum if is_fits else None
                    yield file.identity, Delivery(where, url, path, quick.arrival(file, keywords), recnum=recnum)
            except JSOCError as err:
                yield file.identity, _failed(file, paths, err)


def _renamed(path: Path, name: str, taken: set[Path], told: str) -> Path:
    """
    Where a file goes that the site calls otherwise than was thought: beside its place, unless another file is there.
    """
    place = path.with_name(names.safe_name(told)) if path.name == name else path
    if place in taken or place.exists():
        return path
    taken.add(place)
    return place


def _failed(file: SegmentFile, paths: Paths, problem: Exception) -> Delivery:
    # The record is no address, but it is what a person looks for among the errors.
    where = site(file.question.site)
    return Delivery(where, f"{where.url}/#{file.label}", paths[file.identity], problem=problem)


def _by_prime_keys(files: Iterable[SegmentFile]) -> dict[tuple[str, ...], list[SegmentFile]]:
    result: dict[tuple[str, ...], list[SegmentFile]] = {}
    for file in files:
        result.setdefault(names.prime_key_texts(file.record), []).append(file)
    return result


def _claimed(remote: RemoteFile, files: Mapping[tuple[str, ...], Sequence[SegmentFile]]) -> SegmentFile | None:
    """
    The file of a row that a staged file is, None if it is none of them.
    """
    texts = names.prime_key_texts(remote.record)
    # A processed record has the request's identifier besides (contract D.2).
    candidates = files.get(texts) or files.get(texts[:-1]) or ()
    if len(candidates) == 1:
        return candidates[0]
    for file in candidates:
        if remote.name == file.name or remote.record.endswith(f"{{{file.segment}}}"):
            return file
    # Of a file that is offline the stored name is not known.
    return next((file for file in candidates if f".{file.segment}." in remote.name), None)


def _beside(template: str, name: str) -> Path:
    try:
        return names.fill(template, name, {})
    except QueryError:
        # Without a row there are no values of a row: the folder in front of the first of them has to do.
        folder = template.partition("{")[0]
        return Path(folder if folder.endswith("/") else Path(folder).parent).expanduser() / name
