import subprocess
import sys

import pytest
import sunpy.net.attrs
import sunpy.net.jsoc.attrs as builtin
from sunpy.net import Fido
from sunpy.net import attrs as a
from sunpy.net.jsoc import JSOCClient as BuiltinClient

import jsoc_fido
from jsoc_fido import attrs

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")


def state():
    return list(Fido.registry.items()), sunpy.net.attrs.jsoc


@pytest.fixture(autouse=True)
def enabled():
    yield
    jsoc_fido.enable()


def test_enabled_on_import():
    assert jsoc_fido.is_enabled()
    assert a.jsoc is attrs


def test_disable_restores_exactly():
    taken = state()
    jsoc_fido.disable()
    given_back = state()
    assert not jsoc_fido.is_enabled()
    assert a.jsoc is builtin
    assert jsoc_fido.JSOCClient not in Fido.registry
    assert Fido.registry[BuiltinClient] == BuiltinClient._can_handle_query
    jsoc_fido.disable()
    assert state() == given_back
    jsoc_fido.enable()
    assert [list(dict(taken[0])), taken[1]] == [list(Fido.registry), a.jsoc]
    jsoc_fido.enable()
    jsoc_fido.disable()
    assert state() == given_back


@pytest.mark.parametrize("words", [attrs, builtin], ids=["ours", "sunpy's"])
def test_one_client_answers(words):
    query = (HOUR, words.Series("hmi.v_45s"), words.Notify("solar@example.com"))
    answering = [client for client, can in Fido.registry.items() if can(*query)]
    assert answering == [jsoc_fido.JSOCClient]
    jsoc_fido.disable()
    answering = [client for client, can in Fido.registry.items() if can(*query)]
    assert answering == ([BuiltinClient] if words is builtin else [])


def test_other_archives_are_left_alone():
    query = (HOUR, a.Instrument("aia"))
    before = [client for client, can in Fido.registry.items() if can(*query)]
    assert jsoc_fido.JSOCClient not in before
    jsoc_fido.disable()
    assert [client for client, can in Fido.registry.items() if can(*query)] == before


def test_time_alone_is_not_ours():
    assert not jsoc_fido.JSOCClient._can_handle_query(HOUR)
    assert jsoc_fido.JSOCClient._can_handle_query(HOUR, attrs.PrimeKey("HARPNUM", 1))


ORDERS = {
    "attrs first": "from sunpy.net import Fido, attrs as a; import jsoc_fido",
    "package first": "import jsoc_fido; from sunpy.net import Fido, attrs as a",
    "sunpy's client first": "import sunpy.net.jsoc; import jsoc_fido; from sunpy.net import Fido, attrs as a",
}
CHECK = """
assert a.jsoc.__name__ == "jsoc_fido.attrs", a.jsoc
query = (a.Time("2014-01-01", "2014-01-02"), a.jsoc.Series("hmi.v_45s"))
print([client.__module__ for client, can in Fido.registry.items() if can(*query)])
"""


@pytest.mark.parametrize("imports", ORDERS.values(), ids=ORDERS)
def test_any_import_order(imports):
    done = subprocess.run([sys.executable, "-c", imports + CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['jsoc_fido.client']"


def test_environment_prevents(monkeypatch):
    monkeypatch.setenv("JSOC_FIDO_ENABLE", "0")
    code = (
        "import jsoc_fido; from sunpy.net import Fido, attrs as a; "
        "print(a.jsoc.__name__, jsoc_fido.is_enabled(), jsoc_fido.JSOCClient in Fido.registry)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sunpy.net.jsoc.attrs", "False", "False"]


def test_fido_can_be_printed():
    assert "JSOCClient" in str(Fido)
    assert "JSOCClient" in repr(jsoc_fido.JSOCClient())
