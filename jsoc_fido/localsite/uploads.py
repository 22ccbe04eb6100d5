"""
Record sets that come as a file (contract A.2).
"""

from collections.abc import Mapping

from jsoc_fido.exceptions import QueryError

__all__ = ["is_upload", "with_upload"]

#: What stands for the file at the beginning of ``ds``.
UPLOADED = "*file*"

#: Bytes that are read of one.
MOST = 8192


def is_upload(parameters: Mapping[str, str]) -> bool:
    """
    Whether a request has its record sets in a file.
    """
    return parameters.get("ds", "").startswith(UPLOADED)


def with_upload(parameters: Mapping[str, str]) -> Mapping[str, str]:
    r"""
    Put the record sets of an uploaded list in their place: one in a line, those after ``#`` left out.

    Parameters
    ----------
    parameters
        The request, the file's text in ``file``.

    Returns
    -------
    dict
        The request with the record sets in ``ds``; as it is if it has no file.

    Raises
    ------
    QueryError
        If the file is missing, empty or too long.

    Examples
    --------
    >>> with_upload({"ds": "*file*", "file": "# two\nhmi.m_45s[:#1]\nhmi.m_45s[:#2]\n"})
    {'ds': 'hmi.m_45s[:#1],hmi.m_45s[:#2]'}
    """
    if not is_upload(parameters):
        return parameters
    text = parameters.get("file", "")
    if len(text) > MOST:
        raise QueryError(f"The uploaded list has {len(text)} bytes; at most {MOST} can be read.")
    lines = [line.strip() for line in text.splitlines()]
    sets = [line for line in lines if line and not line.startswith("#")]
    if not sets:
        raise QueryError("No record set was uploaded; the field file has one in each line.")
    return {**{name: value for name, value in parameters.items() if name != "file"}, "ds": ",".join(sets)}
