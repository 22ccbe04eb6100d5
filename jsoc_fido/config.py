"""
Where settings come from: an argument, else the environment, else sunpy's configuration.
"""

import os
from pathlib import Path

import platformdirs
import sunpy

__all__ = ["default_email", "default_site", "download_folder", "enabled_on_import", "state_folder"]


def default_site() -> str:
    """
    Name or URL of the site to ask when nobody said: ``JSOC_FIDO_SITE``, else JSOC.
    """
    return os.environ.get("JSOC_FIDO_SITE", "").strip() or "jsoc"


def default_email() -> str | None:
    """
    E-mail address for staging when nobody said: ``JSOC_EMAIL``, else ``email`` in section ``jsoc`` of ``sunpyrc``.
    """
    address = os.environ.get("JSOC_EMAIL", "").strip() or sunpy.config.get("jsoc", "email", fallback="").strip()
    return address or None


def download_folder() -> Path:
    """
    Folder for files when nobody said: sunpy's ``download_dir``.
    """
    return Path(sunpy.config.get("downloads", "download_dir"))


def state_folder() -> Path:
    """
    Folder for what must survive a crash: ``JSOC_FIDO_STATE``, else the place that the system has for it.
    """
    said = os.environ.get("JSOC_FIDO_STATE", "").strip()
    return Path(said).expanduser() if said else platformdirs.user_state_path("jsoc_fido", appauthor=False)


def enabled_on_import() -> bool:
    """
    Whether importing the package lets it answer ``a.jsoc.*``; ``JSOC_FIDO_ENABLE=0`` says no.
    """
    return os.environ.get("JSOC_FIDO_ENABLE", "1").strip().lower() not in {"0", "no", "false", "off"}
