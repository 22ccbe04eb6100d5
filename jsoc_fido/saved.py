"""
Tables on disk: what was asked goes into the metadata of the file, so that the rows can be fetched tomorrow.

E-mail addresses stay out of files; whoever fetches later gives one, if one is needed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from astropy.table import QTable

from jsoc_fido.exceptions import DataError
from jsoc_fido.query import ProcessStep, Question

__all__ = ["META", "display_keys", "pack", "questions"]

#: Name of the entry in the metadata of a file.
META = "jsoc_fido"


def pack(asked: Sequence[Question], shown: Sequence[str]) -> str:
    """
    Write down what was asked, and which columns to show.

    Parameters
    ----------
    asked
        The questions.
    shown
        Names of the columns that the table shows.
    """
    told = {question.key: asdict(replace(question, notify=None)) for question in asked}
    return json.dumps({"questions": told, "display_keys": list(shown)})


def questions(meta: Mapping[str, Any]) -> dict[str, Question]:
    """
    What was asked, by the keys that the rows carry.

    Parameters
    ----------
    meta
        Metadata of a file.

    Raises
    ------
    DataError
        If it is no metadata of a saved result.
    """
    try:
        return {key: _question(told) for key, told in json.loads(meta[META])["questions"].items()}
    except KeyError as err:
        raise DataError(
            f"The file holds no saved result: {err} is missing in its metadata. "
            "Write one with response.write('x.ecsv')."
        ) from err
    except (TypeError, ValueError, AttributeError) as err:
        raise DataError(f"The metadata of the saved result was changed and cannot be read: {err}.") from err


def display_keys(meta: Mapping[str, Any], table: QTable) -> dict[str, None]:
    """
    Names of the columns to show, of those that the table has.
    """
    names = json.loads(meta[META]).get("display_keys", ())
    return dict.fromkeys(name for name in names if name in table.colnames)


def _question(told: Mapping[str, Any]) -> Question:
    steps = tuple(
        ProcessStep(str(step["name"]), tuple((str(name), value) for name, value in step["arguments"]))
        for step in told["steps"]
    )
    return Question(
        record_set=str(told["record_set"]),
        site=str(told["site"]),
        series=str(told["series"]),
        segments=tuple(map(str, told["segments"])),
        left_out=tuple(map(str, told["left_out"])),
        count=int(told["count"]),
        asked=str(told["asked"]),
        protocol=None if told["protocol"] is None else str(told["protocol"]),
        steps=steps,
    )
