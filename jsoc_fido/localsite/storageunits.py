"""
Storage units by their numbers: ``exp_su`` (contract B.18).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jsoc_fido.localsite import schema
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.replies import DONE, FAILED, RefusedError

__all__ = ["SU_AS_IS", "quick_units", "stage_units", "unit_numbers"]

#: The protocol of these exports.
SU_AS_IS = "su-as-is"

#: What a request says that wants an answer at once or none.
NEVER_QUEUE = "NOASYNCREQUEST"

#: Units of one request.
MOST_UNITS = 10_000

#: States of a unit: on disk, on tape, gone for good, no such unit.
ONLINE, OFFLINE, GONE, INVALID = "Y", "N", "X", "I"

#: Protocols that may be answered at once (contract B.10).
QUICK = {"as-is", SU_AS_IS, "su"}


def unit_numbers(parameters: Mapping[str, str]) -> list[int]:
    """
    The storage units that a request is about.

    Parameters
    ----------
    parameters
        The request; they are in ``sunum`` or in ``ds``, joined by commas.

    Raises
    ------
    RefusedError
        If there are none, or no numbers.
    """
    text = parameters.get("sunum") or parameters.get("ds", "")
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError as err:
        raise RefusedError(FAILED, f"sunum={text} is no list of storage units; 12,13 is one.") from err
    if not numbers or not all(0 <= number < 1 << 63 for number in numbers):
        raise RefusedError(FAILED, f"sunum={text} names no storage units; 12,13 does.")
    if len(numbers) > MOST_UNITS:
        raise RefusedError(
            FAILED, f"{len(numbers)} storage units are too many for a request; at most {MOST_UNITS} are not."
        )
    return numbers


def quick_units(catalogue: Catalogue, parameters: Mapping[str, str]) -> dict[str, Any] | None:
    """
    Answer at once, if that is what the request wants and what can be done.

    Parameters
    ----------
    catalogue
        The site.
    parameters
        The request.

    Returns
    -------
    dict or None
        The reply; None if the request has to wait for its turn.

    Raises
    ------
    RefusedError
        If it does not want to, or names no storage units.
    """
    method, protocol = parameters.get("method") or "url", parameters.get("protocol") or "as-is"
    rows = _describe(catalogue, unit_numbers(parameters))
    as_object = parameters.get("formatvar") == "dataobj"
    # What is gone will not come by waiting.
    there = as_object or not any(row["sustatus"] in {OFFLINE, INVALID} for row in rows)
    if not (there and method == "url_quick" and protocol in QUICK):
        if parameters.get("requestid") == NEVER_QUEUE:
            raise RefusedError(FAILED, "User denies required full export")
        return None
    return {
        "count": len(rows),
        "size": sum(int(row["susize"]) for row in rows),
        "dir": "",
        "data": {row["sunum"]: row for row in rows} if as_object else rows,
        "requestid": "",
        "method": method,
        "protocol": protocol,
        "wait": 0,
        "status": DONE,
    }


def stage_units(catalogue: Catalogue, requestid: str, method: str, numbers: Sequence[int], sunum: int) -> None:
    """
    Write ``index.json`` of a request for storage units, which stay where they are (contract B.15).

    Parameters
    ----------
    catalogue
        The site.
    requestid, method, numbers
        The request.
    sunum
        The storage unit to write to.
    """
    directory = catalogue.slot_directory(sunum)
    directory.mkdir(parents=True, exist_ok=True)
    rows = _describe(catalogue, numbers)
    size = sum(int(row["susize"]) for row in rows)
    index = {
        "version": "1",
        "requestid": requestid,
        "method": method,
        "protocol": SU_AS_IS,
        "wait": "0",
        "count": str(len(rows)),
        "size": str(-(-size // (1 << 20))),
        "status": "0",
        "dir": f"/{STORAGE}/D{sunum}/S00000",
        "data": rows,
    }
    temporary = directory / "index.json.part"
    temporary.write_text(json.dumps(index).replace("/", "\\/") + "\n", "ascii")
    temporary.replace(directory / "index.json")


def _describe(catalogue: Catalogue, numbers: Sequence[int]) -> list[dict[str, str]]:
    units = schema.units
    asked = list(dict.fromkeys(numbers))
    with catalogue.engine.connect() as connection:
        found = {row.sunum: row for row in connection.execute(sa.select(units).where(units.c.sunum.in_(asked)))}
    rows = {number: _row(catalogue, number, found.get(number)) for number in asked}
    return [rows[number] for number in numbers]


def _row(catalogue: Catalogue, number: int, unit: sa.Row[Any] | None) -> dict[str, str]:
    if unit is None:
        return {"sunum": str(number), "series": "NA", "path": "NA", "sustatus": INVALID, "susize": "0"}
    directory = catalogue.directory / STORAGE / f"D{number}"
    return {
        "sunum": str(number),
        "series": unit.series,
        "path": f"/{STORAGE}/D{number}",
        "sustatus": OFFLINE if not unit.online else ONLINE if directory.is_dir() else GONE,
        "susize": str(_bytes(directory)),
    }


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
