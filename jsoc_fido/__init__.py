"""
The way to solar data from JSOC through sunpy's Fido.

Importing this package lets it answer ``a.jsoc.*`` in place of sunpy's own JSOC client; ``JSOC_FIDO_ENABLE=0`` in the
environment prevents that, and `disable` undoes it.
"""

from jsoc_fido import config
from jsoc_fido.client import JSOCClient
from jsoc_fido.exceptions import JSOCError
from jsoc_fido.response import JSOCResponse, vstack
from jsoc_fido.site import register_site
from jsoc_fido.takeover import disable, enable, is_enabled
from jsoc_fido.version import version as __version__

__all__ = [
    "JSOCClient",
    "JSOCError",
    "JSOCResponse",
    "__version__",
    "disable",
    "enable",
    "is_enabled",
    "register_site",
    "vstack",
]

if config.enabled_on_import():
    enable()
