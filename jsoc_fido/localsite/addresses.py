"""
Who may have files staged: e-mail addresses, and what ``checkAddress.sh`` says of them (contract B.7).
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

__all__ = ["Addresses"]

_ADDRESS = re.compile(r"\s*[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,6}")

REGISTERED = 2
UNKNOWN = 4
BAD = -2


class Addresses:
    """
    The registered addresses.

    Parameters
    ----------
    register
        The addresses, or None if every valid one counts as registered.

    Examples
    --------
    >>> Addresses(["ada@example.org"]).answer("Ada%40example.org")["status"]
    2
    >>> Addresses(["ada@example.org"]).answer("eve@example.org")["status"]
    4
    """

    def __init__(self, register: Iterable[str] | None = None) -> None:
        self._registered = None if register is None else {address.strip().lower() for address in register}

    def answer(self, address: str) -> dict[str, Any]:
        """
        Say whether an address is registered.

        Parameters
        ----------
        address
            The address; clients encode it once more than they need to.
        """
        address = unquote(address) if "%40" in address else address
        if not address.strip():
            return {"status": BAD, "msg": "Missing required argument 'address'.", "user_id": None}
        if not _ADDRESS.match(address):
            return {"status": BAD, "msg": "Not a valid email address.", "user_id": None}
        if self._registered is not None and address.strip().lower() not in self._registered:
            return {
                "status": UNKNOWN,
                "msg": "email address has been neither validated nor registered",
                "user_id": -1,
            }
        number = int(requester(address)[:6], 16)
        return {"user_id": number, "status": REGISTERED, "msg": "Email address is valid and registered."}


def requester(address: str) -> str:
    """
    What a site keeps of an address: enough to know it again, not the address itself.
    """
    return hashlib.sha256(unquote(address).strip().lower().encode()).hexdigest()
