"""
Which client answers ``a.jsoc.*``.

Fido asks every registered client that says it can answer, and the attrs of an archive are a module that hangs on
`sunpy.net.attrs`. To take over is to put ours in both places, and to let sunpy's own JSOC client say no to what ours
answers; to give back is to put everything where it was.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import sunpy.net.attrs
from sunpy.net import Fido
from sunpy.net.jsoc import JSOCClient as BuiltinClient

from jsoc_fido import attrs
from jsoc_fido.client import JSOCClient

__all__ = ["disable", "enable", "is_enabled"]

Predicate = Callable[..., bool]

#: sunpy's name for the question whether a client can answer.
_ours: Predicate = JSOCClient._can_handle_query  # noqa: SLF001

#: What stood in our places, while we stand there.
_before: tuple[Predicate | None, ModuleType] | None = None


def is_enabled() -> bool:
    """
    Whether this package answers ``a.jsoc.*``.
    """
    return _before is not None


def enable() -> None:
    """
    Let this package answer ``a.jsoc.*``; a second call changes nothing.

    Examples
    --------
    >>> import jsoc_fido
    >>> from sunpy.net import attrs as a
    >>> jsoc_fido.disable()
    >>> a.jsoc.__name__
    'sunpy.net.jsoc.attrs'
    >>> jsoc_fido.enable()
    >>> a.jsoc.__name__
    'jsoc_fido.attrs'
    """
    global _before  # noqa: PLW0603 - the registry is global, and so is what it was
    if _before is not None:
        return
    builtin = Fido.registry.get(BuiltinClient)
    _before = builtin, sunpy.net.attrs.jsoc
    if builtin is not None:
        # Assigned in place, so that the order of the registry stays.
        Fido.registry[BuiltinClient] = _unless_ours(builtin)
    Fido.registry[JSOCClient] = _ours
    sunpy.net.attrs.jsoc = attrs


def disable() -> None:
    """
    Give ``a.jsoc.*`` back to sunpy's own client; a second call changes nothing.
    """
    global _before  # noqa: PLW0603 - as above
    if _before is None:
        return
    builtin, module = _before
    _before = None
    Fido.registry.pop(JSOCClient, None)
    if builtin is not None and BuiltinClient in Fido.registry:
        Fido.registry[BuiltinClient] = builtin
    sunpy.net.attrs.jsoc = module


def _unless_ours(predicate: Predicate) -> Predicate:
    def unless_ours(*query: Any) -> bool:
        return not _ours(*query) and predicate(*query)

    return unless_ours
