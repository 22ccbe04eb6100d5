"""
Settings of Sphinx, which builds the documentation.
"""

from importlib import metadata

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
]
exclude_patterns = ["_build", "api/README.rst"]
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

# Every name that is written as code must lead somewhere in these pages. The documentation builds without the internet,
# so names of other projects lead nowhere, and constants and type variables have no entries of their own.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(sunpy|astropy|drms|parfive|numpy|np|u|sqlalchemy|sa|starlette|fastapi|requests)(\..*)?"),
    (r"py:.*", r"(collections|datetime|pathlib|typing)(\..*)?"),
    (r"py:class", r"(Unit|\"\w+\")"),
    (r"py:obj", r"[A-Z_]+"),
    (r"py:(obj|class)", r"jsoc_fido\.series\.Item"),
]
# Several dataclasses have a member called ``type``, and annotations mean the built-in one.
suppress_warnings = ["ref.python"]
