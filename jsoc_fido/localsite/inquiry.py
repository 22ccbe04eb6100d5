"""
The program ``jsoc_info``: what its parameters mean (contract B.3).
"""

from collections.abc import Mapping

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import info
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.listing import rs_list
from jsoc_fido.localsite.rowform import rs_rows

__all__ = ["answer", "flag"]


def answer(catalogue: Catalogue, parameters: Mapping[str, str]) -> object:
    """
    Answer a request.

    Parameters
    ----------
    catalogue
        The site.
    parameters
        The parameters of the request; those that are not known are ignored.

    Returns
    -------
    object
        What is to become JSON, or JSON already.

    Raises
    ------
    QueryError
        If the request cannot be answered.
    """
    operation, ds = parameters.get("op", ""), parameters.get("ds", "")
    if operation == "series_struct":
        reply = info.series_struct(
            catalogue,
            ds,
            fits_names=flag(parameters, "f"),
            follow_links=flag(parameters, "l"),
            owner=flag(parameters, "o"),
            processing=parameters.get("processing", ""),
        )
        return _timed(reply, parameters)
    limit = _integer(parameters, "n")
    if operation == "rs_summary":
        return _timed(info.rs_summary(catalogue, ds, limit=limit), parameters)
    if operation != "rs_list":
        raise QueryError(
            f"{operation!r} is no operation of jsoc_info; there are series_struct, rs_summary and rs_list."
        )
    lists = {name: parameters.get(name, "") for name in ("key", "seg", "link")}
    if flag(parameters, "f"):
        recinfo, timed = flag(parameters, "R"), not flag(parameters, "r")
        return rs_rows(catalogue, ds, **lists, limit=limit, recinfo=recinfo, timed=timed)
    exact = flag(parameters, "M")
    return rs_list(
        catalogue,
        ds,
        **lists,
        limit=limit,
        recinfo=flag(parameters, "R"),
        exact=exact,
        bits=exact and flag(parameters, "B"),
    )


def _timed(reply: dict[str, object], parameters: Mapping[str, str]) -> dict[str, object]:
    """
    The reply without the time that it took, if that is not wanted.
    """
    return {name: value for name, value in reply.items() if name != "runtime" or not flag(parameters, "r")}


def flag(parameters: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """
    Whether a parameter that is 0 or 1 is set.

    Examples
    --------
    >>> flag({"R": "1"}, "R"), flag({"R": "0"}, "R"), flag({}, "R")
    (True, False, False)
    """
    text = parameters.get(name)
    return default if text is None else text not in {"", "0"}


def _integer(parameters: Mapping[str, str], name: str) -> int:
    text = parameters.get(name) or "0"
    try:
        return int(text)
    except ValueError as err:
        raise QueryError(f"Bad QUERY_STRING: {name}={text} is no integer.") from err
