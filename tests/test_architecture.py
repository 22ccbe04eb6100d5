"""
Imports point down, only one module talks to a network, and ``__all__`` says what a module is for.
"""

import ast
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import jsoc_fido

PACKAGE = Path(jsoc_fido.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)

#: What knows neither sunpy nor the world outside.
PURE = ["jsoc_fido.conditions", "jsoc_fido.exceptions", "jsoc_fido.query", "jsoc_fido.recordset", "jsoc_fido.times"]

IMPURE = {
    "sunpy",
    "pandas",
    "drms",
    "parfive",
    "requests",
    "urllib3",
    "urllib",
    "http",
    "socket",
    "sqlite3",
    "sqlalchemy",
}
NETWORK = {"requests", "urllib3", "http", "socket", "httpx", "aiohttp", "urllib.request"}
SITE_EXTRA = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "sqlglot", "psycopg"}

#: From the top down: a module may import those of lower lines, and of its own line as long as there is no circle.
LAYERS = [
    {"cli", "demo"},
    {"__init__", "takeover"},
    {"client"},
    {"fetching", "lookups", "flarecast"},
    {"downloaders"},
    {"delivery", "plan"},
    {"quick", "download", "staging"},
    {"transfer"},
    {"remote"},
    {"exports", "waiting", "turns", "growing"},
    {"files", "walker", "compose", "clauses", "attrs", "attrs.words", "attrs.keywords", "attrs.cutout"},
    {"attrs.checks"},
    {"response", "site"},
    {"connection"},
    {"headers", "columns", "saved", "names", "journal", "matching", "steps"},
    {"printed"},
    {"config", "version"},
    {"series", "fitsfiles", "subsets"},
    {"checksums"},
    {"fitscards"},
    {"recordset", "binding", "filters", "tokens"},
    {"times", "slots", "timetext", "clocks", "query", "conditions"},
    {"exceptions"},
]


def source(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imported(module: str) -> frozenset[str]:
    """
    Full names of the modules that a module imports, wherever in its text.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source(module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else str(node.module))
    return frozenset(names)


def reached(module: str) -> set[str]:
    """
    All modules that come along when a module is imported, as far as they can be followed in the package.
    """
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        for name in imported(ahead.pop()) - seen:
            seen.add(name)
            if name in MODULES and name != "jsoc_fido":
                ahead.append(name)
    return seen


def layer(module: str) -> int | None:
    short = module.removeprefix("jsoc_fido").removeprefix(".") or "__init__"
    return next((number for number, names in enumerate(LAYERS) if short in names), None)


def test_modules_are_found():
    assert "jsoc_fido" in MODULES
    assert set(PURE) <= set(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("jsoc_fido.localsite")])
def test_imports_point_down(module):
    own = layer(module)
    assert own is not None, f"{module} is new: give it a place in LAYERS"
    for name in imported(module):
        if name in MODULES and not name.startswith("jsoc_fido.localsite"):
            assert layer(name) >= own, f"{module} imports {name}, which stands above it"


@pytest.mark.parametrize("module", MODULES)
def test_no_circles(module):
    assert module not in reached(module)


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_no_io(module):
    roots = {name.partition(".")[0] for name in reached(module)}
    assert not roots & IMPURE


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("jsoc_fido.localsite")])
def test_the_site_never_uses_the_client(module):
    forbidden = {"attrs", "client", "compose", "download", "exports", "response", "site", "takeover", "walker"}
    assert not {name.removeprefix("jsoc_fido.") for name in reached(module)} & forbidden


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("jsoc_fido.localsite")])
def test_the_extra_is_optional(module):
    if module not in {"jsoc_fido.cli", "jsoc_fido.demo"}:
        assert not any(name.startswith("jsoc_fido.localsite") for name in imported(module))
    assert not {name.partition(".")[0] for name in imported(module)} & SITE_EXTRA


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("jsoc_fido.localsite")])
def test_one_module_talks_to_the_network(module):
    # One asks the site, one brings bytes over parfive's connections.
    if module not in {"jsoc_fido.connection", "jsoc_fido.transfer"}:
        names = imported(module)
        assert not (names | {name.partition(".")[0] for name in names}) & NETWORK


@pytest.mark.parametrize("module", MODULES)
def test_all_says_what_there_is(module):
    loaded = importlib.import_module(module)
    names = loaded.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(loaded, name), f"{module}.__all__ names {name}, which does not exist"


def test_the_package_exports_its_all():
    public = {
        name
        for name, value in vars(jsoc_fido).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(jsoc_fido.__all__) - {"__version__"}
