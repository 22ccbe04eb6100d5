"""
Settings of Sphinx, which builds the documentation.
"""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# What starts the site that the examples of the gallery run on lies beside this file.
sys.path.insert(0, str(Path(__file__).parent))

project = "jsoc_fido"
author = "The jsoc_fido developers"
copyright = f"2026, {author}"
release = metadata.version("jsoc_fido")
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.inheritance_diagram",
    "sphinx.ext.napoleon",
    "sphinx_automodapi.automodapi",
    "sphinx_automodapi.smart_resolver",
    "sphinx_gallery.gen_gallery",
]
# What the gallery is made of; its pages are in the folder that it generates.
exclude_patterns = ["_build", "api/README.rst", "gallery"]
default_role = "obj"


html_theme = "sunpy"
html_title = "jsoc_fido"
html_theme_options = {"sst_logo": None}

automodapi_inheritance_diagram = False
automodapi_toctreedirnm = "api"
automodsumm_inherited_members = False
autodoc_typehints = "description"
napoleon_use_rtype = False
napoleon_google_docstring = False
napoleon_use_ivar = True

# The examples are run, offline, on a site that is there for as long as the build takes.
os.environ.setdefault("MPLBACKEND", "agg")
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "reset_modules": ("matplotlib", "gallery_site.before_example"),
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
}

# Every name that is written as code must lead somewhere in these pages. The documentation builds without the internet,
# so names of other projects lead nowhere, and constants and type variables have no entries of their own.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(sunpy|astropy|drms|parfive|numpy|np|u|sqlalchemy|sa|starlette|fastapi|requests|tqdm|aiohttp)(\..*)?"),
    (r"py:.*", r"(collections|datetime|enum|filelock|json|pathlib|threading|time|typing)(\..*)?"),
    (r"py:class", r"(Unit|\"\w+\")"),
    (r"py:obj", r"[A-Z_]+"),
    (r"py:(obj|class)", r"jsoc_fido\.series\.Item"),
    (r"py:class", r"jsoc_fido\.attrs\.checks\.TypedEquality"),
]
# Several dataclasses have a member called ``type``, and annotations mean the built-in one.
suppress_warnings = ["ref.python"]


def setup(app: Any) -> None:
    """
    Stop that site when the build is over.
    """
    import gallery_site

    app.connect("build-finished", lambda app, exception: gallery_site.close())
