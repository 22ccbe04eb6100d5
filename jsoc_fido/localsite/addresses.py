"""
Who may have files staged: e-mail addresses, and what ``checkAddress.sh`` says of them (contract B.7).
"""

import hashlib
import re
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

__all__ = ["Addresses"]

_ADDRESS = re.compile(r"\s*[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,6}")

#: What an address is (contract B.7).
BEGUN, REGISTERED, PENDING, UNKNOWN, BAD = 1, 2, 3, 4, -2

WORDS = {
    BEGUN: (
        "Your email address has not been registered for use with the export system - starting registration process. "
        "This site sends no mail: those who run it have to register the address."
    ),
    REGISTERED: "Email address is valid and registered.",
    PENDING: "Email-address registration is pending. Please wait and try again later.",
    UNKNOWN: "email address has been neither validated nor registered",
}

#: Addresses that a site remembers to have asked for registration; the oldest are forgotten.
MOST_PENDING = 10_000


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
    >>> addresses = Addresses(["ada@example.org"])
    >>> [addresses.answer("eve@example.org", register=wanted)["status"] for wanted in (False, True, False)]
    [4, 1, 3]
    """

    def __init__(self, register: Iterable[str] | None = None) -> None:
        #: What is known of the addresses that wait, the oldest first.
        self._pending: dict[str, None] = {}
        self._lock = threading.Lock()
        self._registered = None if register is None else {address.strip().lower() for address in register}

    def answer(self, address: str, *, register: bool = False) -> dict[str, Any]:
        """
        Say whether an address is registered.

        Parameters
        ----------
        address
            The address; clients encode it once more than they need to.
        register
            Whether to begin with the registration of an address that is not. It is pending until the site is started
            anew with the address among those that are registered, or without.
        """
        address = unquote(address) if "%40" in address else address
        if not address.strip():
            return {"status": BAD, "msg": "Missing required argument 'address'.", "user_id": None}
        if not _ADDRESS.match(address):
            return {"status": BAD, "msg": "Not a valid email address.", "user_id": None}
        who = requester(address)
        if self._registered is None or address.strip().lower() in self._registered:
            return {"user_id": int(who[:6], 16), "status": REGISTERED, "msg": WORDS[REGISTERED]}
        status = PENDING if who in self._pending else BEGUN if register else UNKNOWN
        if status == BEGUN:
            self._remember(who)
        return {"status": status, "msg": WORDS[status], "user_id": -1}

    def _remember(self, who: str) -> None:
        with self._lock:
            self._pending[who] = None
            while len(self._pending) > MOST_PENDING:
                del self._pending[next(iter(self._pending))]


def requester(address: str) -> str:
    """
    What a site keeps of an address: enough to know it again, not the address itself.
    """
    return hashlib.sha256(unquote(address).strip().lower().encode()).hexdigest()
