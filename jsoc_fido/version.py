"""
The version of the installed package; a source tree that is not installed has none.
"""

from importlib import metadata

__all__ = ["version"]

try:
    version = metadata.version("jsoc_fido")
except metadata.PackageNotFoundError:
    version = "0+unknown"
