"""
What the site can be asked, as an OpenAPI description: the CGIs and their parameters (contract B.1 to B.9).

The description changes nothing: the CGIs read their parameters themselves, as DRMS does, from the URL and from the
body, and ignore those that they do not know (contract B.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PROGRAMS", "Parameter", "Program"]

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Parameter:
    """
    A parameter of a CGI.

    Parameters
    ----------
    name, description
        What it is called, and what it does.
    type
        Its type in a JSON schema.
    choices
        Its values, if they are few.
    example
        One of its values.
    """

    name: str
    description: str
    type: str = "string"
    choices: tuple[str, ...] = ()
    example: str | int | None = None

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": self.type}
        if self.choices:
            found["enum"] = list(self.choices)
        return found

    def in_query(self) -> dict[str, Any]:
        described = {"name": self.name, "in": "query", "description": self.description, "schema": self.schema()}
        return described if self.example is None else {**described, "example": self.example}


@dataclass(frozen=True)
class Program:
    """
    A CGI.

    Parameters
    ----------
    name, summary, description
        What it is called, and what it does.
    parameters
        What it reads.
    reply
        JSON schema of its reply.
    in_text
        Whether it may also reply in plain text.
    """

    name: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    reply: Mapping[str, Any] = field(default_factory=dict)
    in_text: bool = False

    @property
    def operations(self) -> tuple[str, ...]:
        """
        What its parameter ``op`` may be.
        """
        return next((parameter.choices for parameter in self.parameters if parameter.name == "op"), ())

    def operation(self, method: str) -> dict[str, Any]:
        """
        Describe asking it with GET or with POST.
        """
        content: dict[str, Any] = {"application/json": {"schema": dict(self.reply)}}
        if self.in_text:
            content["text/plain"] = {"schema": _TEXT}
        described: dict[str, Any] = {
            "operationId": f"{method.lower()}_{self.name}",
            "summary": self.summary,
            "description": self.description,
            "tags": ["DRMS"],
            "responses": {
                "200": {
                    "description": "The answer, also if it is that something is wrong.",
                    "content": content,
                }
            },
        }
        if method == "GET":
            return {**described, "parameters": [parameter.in_query() for parameter in self.parameters]}
        properties = {
            parameter.name: {**parameter.schema(), "description": parameter.description}
            for parameter in self.parameters
        }
        form = {"schema": {"type": "object", "properties": properties}}
        return {**described, "requestBody": {"content": dict.fromkeys(FORMS, form)}}


_DS = Parameter(
    "ds", "A record set, such as `hmi.m_45s[2014.01.01_00:00:45_TAI/3m]`, or several.", example="hmi.m_45s[$]"
)
_STATUS = {"type": "integer", "description": "0 if all is well."}
_TEXT = {"type": "string"}
_SERIES = {
    "type": "object",
    "properties": {"name": _TEXT, "primekeys": _TEXT, "note": _TEXT},
    "required": ["name", "primekeys", "note"],
}
_ANSWER = {"type": "object", "properties": {"status": _STATUS, "error": _TEXT}, "required": ["status"]}


def _flag(name: str, description: str) -> Parameter:
    return Parameter(name, description, choices=("0", "1"))


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "show_series",
            "List series",
            "Series with their prime keys and descriptions, sorted by name.",
            (
                Parameter(
                    "filter",
                    "Regular expression that a name must fit somewhere, in any case; behind `NOT ` one that it must "
                    "not fit. It is all that is behind the first equals sign of the URL. A plus sign is no blank.",
                    example="hmi",
                ),
                _flag("v", "1 to tell how series are kept, and whose they are."),
            ),
            {
                "type": "object",
                "properties": {
                    "status": _STATUS,
                    "names": {"type": "array", "items": _SERIES},
                    "n": {"type": "integer"},
                    "errmsg": _TEXT,
                },
                "required": ["status"],
            },
        ),
        Program(
            "showextseries",
            "List series by name",
            "Names of series, as the public site's wrapper of `show_series` tells them.",
            (
                Parameter("filter", "Regular expression, as for `show_series`.", example="aia"),
                _flag("info", "1 to add the descriptions."),
                Parameter("dbhost", "Accepted and ignored."),
            ),
            {
                "type": "object",
                "properties": {"errMsg": _TEXT, "seriesList": {"type": "array"}},
                "required": ["errMsg", "seriesList"],
            },
        ),
        Program(
            "jsoc_info",
            "Ask about series and records",
            "`series_struct` describes a series, `rs_summary` counts records, `rs_list` tells their keywords, segments "
            "and links.",
            (
                Parameter("op", "What to do.", choices=("series_struct", "rs_summary", "rs_list"), example="rs_list"),
                _DS,
                Parameter(
                    "key", "Names of keywords, joined by commas, or `**ALL**`.", example="T_REC,QUALITY,*recnum*"
                ),
                Parameter("seg", "Names of segments, joined by commas, or `**ALL**`.", example="**ALL**"),
                Parameter("link", "Names of links, joined by commas, or `**ALL**`."),
                Parameter("n", "Only so many of the first records, or of the last if negative.", "integer", example=5),
                _flag("R", "1 to add the names of the records."),
                _flag("M", "1 to print numbers and times with all their digits."),
                _flag("B", "1 to print them as patterns of bits, together with `M`."),
                _flag("f", "1 for the words of FITS: records row by row, or keywords with the names of their cards."),
                _flag("l", "1 to describe segments of linked series as those have them."),
                _flag("o", "1 to tell who owns the series."),
                _flag("r", "1 to leave out how long it took."),
                Parameter("processing", "Steps as JSON, to tell how large their results are."),
            ),
            _ANSWER,
        ),
        Program(
            "jsoc_fetch",
            "Have files staged",
            "`exp_request` asks for files of records, `exp_status` how far that is, `exp_su` for storage units.",
            (
                Parameter(
                    "op",
                    "What to do.",
                    choices=("exp_request", "exp_status", "exp_su", "exp_repeat"),
                    example="exp_request",
                ),
                _DS,
                Parameter("requestid", "The request, for `exp_status`.", example="JSOC_20140101_001"),
                Parameter("notify", "Registered e-mail address, for `exp_request`.", example="solar@example.com"),
                Parameter(
                    "method",
                    "How the files are given out; `url_quick` needs no staging.",
                    choices=("url", "url_quick", "url-tar", "ftp", "ftp-tar"),
                ),
                Parameter("protocol", "What the files are, `as-is` (the default) or `fits`.", example="fits"),
                Parameter("seg", "Names of segments, joined by commas, if the record set has none."),
                Parameter("filenamefmt", "How files are named.", example="{seriesname}.{recnum:%d}.{segment}"),
                Parameter("process", "Most records, and steps: `n=0|step,argument=value|...`.", example="n=0|no_op"),
                Parameter("process=n", "The same, as drms spells it: `0|step,argument=value|...`."),
                Parameter("processing", "Steps as JSON; they count instead of those in `process`."),
                _flag("q", "Given with any value, records without an image are asked for too."),
                _flag("o", "0 to have the files that are on disk, even if others are not."),
                _flag("t", "1 for a test, which is told as status 12."),
                Parameter("sunum", "Storage units, joined by commas, for `exp_su`.", example="1,2"),
                Parameter("format", "Form of the reply.", choices=("json", "txt")),
                Parameter("formatvar", "`dataobj`: storage units by their numbers.", choices=("dataobj",)),
                Parameter("sizeratio", "How large what processing makes is, compared with the files.", "number"),
                Parameter("file", "List of record sets, one in a line, if `ds` is `*file*`."),
            ),
            _ANSWER,
            in_text=True,
        ),
        Program(
            "checkAddress.sh",
            "Look up an e-mail address",
            "Tells whether an address may have files staged: status 2 if it may, 1 or 3 while it is being registered.",
            (
                Parameter("address", "The address.", example="solar@example.com"),
                _flag("checkonly", "Without it, the registration of an unknown address begins."),
            ),
            {
                "type": "object",
                "properties": {"status": _STATUS, "msg": _TEXT, "user_id": {"type": ["integer", "null"]}},
                "required": ["status", "msg", "user_id"],
            },
        ),
        Program(
            "manage-request",
            "Look up or cancel requests that wait",
            "Status 1 if there are none, 2 if there are, 3 if they were cancelled.",
            (
                Parameter("address", "The address they were made with.", example="solar@example.com"),
                Parameter("operation", "What to do.", choices=("check", "cancel"), example="check"),
            ),
            {"type": "object", "properties": {"status": _TEXT, "msg": _TEXT}, "required": ["status", "msg"]},
        ),
    )
}
