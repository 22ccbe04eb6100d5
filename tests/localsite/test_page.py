import http.client
import io
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin, urlsplit

import chromium
import numpy as np
import pytest
import requests
from astropy.io import fits
from PIL import Image

from jsoc_fido import localsite
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import pages, quicklook
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord
from jsoc_fido.localsite.interface import PROGRAMS
from jsoc_fido.series import Keyword, NameMap, Segment, Series

MARKUP = "<script>window.seized = 1</script><img src=x onerror='window.seized = 2'>"

OWN_ASSETS = ("", "docs", "page/docs.js", "page/icon.svg", "page/page.css", "page/page.js", "openapi.json")
ALL_ASSETS = (*OWN_ASSETS, "page/swagger-ui.css", "page/swagger-ui-bundle.js")


@pytest.fixture(scope="module")
def server(make, tmp_path_factory):
    """
    The small site once more: what holds it makes no difference here.
    """
    directory = tmp_path_factory.mktemp("pages")
    with Catalogue.create(directory) as catalogue:
        make.add_magnetograms(catalogue)
        make.add_harps(catalogue)
        make.add_linked(catalogue)
    with localsite.running(directory) as site:
        yield site


def path_of(server, ds="hmi.m_45s[^]", segment="magnetogram"):
    parameters = {"op": "rs_list", "ds": ds, "seg": segment}
    reply = requests.get(f"{server.url}/cgi-bin/ajax/jsoc_info", params=parameters)
    return reply.json()["segments"][0]["values"][0]


# What is served


@pytest.mark.parametrize("asset", ALL_ASSETS)
def test_assets(server, asset):
    reply = requests.get(f"{server.url}/{asset}")
    assert reply.status_code == 200
    assert reply.content
    head = requests.head(f"{server.url}/{asset}")
    if asset != "openapi.json":
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(reply.content)))
        assert reply.headers["x-content-type-options"] == "nosniff"
        again = requests.get(f"{server.url}/{asset}", headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("asset", OWN_ASSETS)
def test_nothing_comes_from_elsewhere(server, asset):
    text = requests.get(f"{server.url}/{asset}").text
    # Names of vocabularies look like addresses, and lead nowhere.
    assert not re.findall(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[\w-]+\.[\w.]+", text)
    assert not re.search(r"(?:src|href|action)=\"/", text), "addresses are relative, for a proxy with a prefix"


@pytest.mark.parametrize("page", ["", "docs"])
def test_pages_keep_to_themselves(server, page):
    reply = requests.get(f"{server.url}/{page}")
    rules = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in (rules["style-src"] if page == "" else rules["script-src"])
    assert not re.search(r"<[^>]*\son\w+=|<script(?![^>]*\ssrc=)|<style|\sstyle=", reply.text)


def test_the_description_tells_all_programs(server):
    described = requests.get(f"{server.url}/openapi.json").json()
    for name, program in PROGRAMS.items():
        operations = described["paths"][f"/cgi-bin/ajax/{name}"]
        assert set(operations) == {"get", "post"}
        names = [parameter.name for parameter in program.parameters]
        assert [parameter["name"] for parameter in operations["get"]["parameters"]] == names
        for form in ("application/x-www-form-urlencoded", "multipart/form-data"):
            assert list(operations["post"]["requestBody"]["content"][form]["schema"]["properties"]) == names
    assert "/quicklook/{path}" in described["paths"]
    numbers = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(numbers) == len(set(numbers))


# Quick looks


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def image(tmp_path):
    """
    Writes an image and tells where it is.
    """

    def write(pixels, hdu=fits.PrimaryHDU):
        path = tmp_path / "image.fits"
        hdus = [hdu(pixels)] if hdu is fits.PrimaryHDU else [fits.PrimaryHDU(), hdu(pixels)]
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return write


@pytest.mark.parametrize("hdu", [fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU])
def test_a_picture_is_upright_and_scaled(image, hdu):
    pixels = np.zeros((40, 60), np.int32)
    pixels[:20] = 1000  # below, in FITS
    picture = opened(quicklook.picture(image(pixels, hdu), 512))
    assert picture.shape == (40, 60, 2)
    assert (picture[20:, :, 0] == 255).all()
    assert (picture[:20, :, 0] == 0).all()
    assert (picture[..., 1] == 255).all()


def test_zero_is_grey_where_values_have_a_sign(image):
    pixels = np.zeros((60, 60), np.float32)
    pixels[:10], pixels[-20:] = 900, -500
    picture = opened(quicklook.picture(image(pixels), 512))[..., 0]
    assert abs(int(picture[30, 30]) - 128) <= 1
    assert picture[-1, 0] == 255
    assert picture[0, 0] == round(255 * (1 - 500 / 900) / 2)


def test_missing_pixels_are_transparent(image):
    pixels = np.ones((32, 32), np.float32)
    pixels[0, 0] = np.nan
    picture = opened(quicklook.picture(image(pixels), 512))
    assert picture[-1, 0, 1] == 0
    assert np.count_nonzero(picture[..., 1] == 0) == 1
    assert not opened(quicklook.picture(image(np.full((32, 32), np.nan)), 512)).any()


@pytest.mark.parametrize("size", [16, 100, 2048])
def test_a_picture_has_the_size_that_was_asked_for(image, size):
    picture = Image.open(io.BytesIO(quicklook.picture(image(np.ones((900, 1200), np.int16)), size)))
    assert max(picture.size) == min(size, 1200)
    assert picture.size[0] / picture.size[1] == pytest.approx(4 / 3, rel=0.05)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_what_has_not_two_axes_is_no_picture(image, shape):
    with pytest.raises(DataError, match="cannot be shown"):
        quicklook.picture(image(np.ones(shape, np.int16)), 100)


def test_what_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "huge.fits"
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 100_000), ("NAXIS2", 100_000)])
    path.write_text(header.tostring())
    with pytest.raises(DataError, match="too large"):
        quicklook.picture(path, 100)


@pytest.mark.parametrize("content", [b"", b"no FITS", b"SIMPLE  =                    T" + b" " * 2850])
def test_what_is_no_fits_file_is_no_picture(tmp_path, content):
    path = tmp_path / "file.fits"
    path.write_bytes(content)
    with pytest.raises(DataError):
        quicklook.picture(path, 100)


def test_quicklook(server):
    url = f"{server.url}/quicklook{path_of(server)}"
    reply = requests.get(url, params={"size": 64})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert opened(reply.content).shape == (12, 8, 2)
    again = requests.get(url, params={"size": 64}, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert requests.get(url, headers={"If-None-Match": reply.headers["etag"]}).status_code == 200
    assert requests.get(url, params={"size": 10**9}).status_code == 422


@pytest.mark.parametrize(
    "path", ["site.sqlite", "SUM0/../site.sqlite", "SUM0/%2e%2e/site.sqlite", "SUM0//etc/passwd", "SUM0/D1", "", "%00"]
)
def test_quicklooks_stay_in_the_storage(server, path):
    request = requests.Request("GET", server.url).prepare()
    request.url = f"{server.url}/quicklook/{path}"
    with requests.Session() as session:
        assert session.send(request).status_code == 404


def test_nobody_waits_for_a_picture_for_ever(server, monkeypatch):
    monkeypatch.setattr(pages, "PATIENCE", 0)
    assert requests.get(f"{server.url}/quicklook{path_of(server)}").status_code == 503


def test_what_is_no_image_has_no_quicklook(server):
    reply = requests.get(f"{server.url}/quicklook{path_of(server, 'test.harp_720s[101]', 'notes')}")
    assert reply.status_code == 415
    assert "notes.txt" in reply.json()["detail"]


# The page in a browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = chromium.program()
    if program is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install chromium)")
    with chromium.running(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def tab(browser):
    """
    A tab, of which all is well at the end: no errors, and nothing from elsewhere.
    """
    tab = browser.page()
    tab.resize(1280)
    yield tab
    assert tab.complaints == []
    hosts = {urlsplit(address).hostname for address in tab.addresses if address.startswith("http")}
    assert hosts <= {"127.0.0.1"}


def rows(tab):
    return tab.run("[...document.querySelectorAll('#table tbody tr')].map(row => row.innerText)")


def ask(tab, ds, words="record"):
    """
    Type a record set, and wait for what the page says.
    """
    tab.run("document.querySelector('#message').textContent = ''")
    tab.retype("#ds", ds)
    tab.wait(f"/{words}/.test(document.querySelector('#message').innerText)")
    return tab.text("#message")


def started(tab, server, fragment=""):
    tab.open(f"{server.url}/{fragment}")
    tab.wait("document.querySelectorAll('#series li').length")


def test_series_are_listed_and_searched(tab, server):
    started(tab, server)
    names = "[...document.querySelectorAll('#series button')].map(button => button.dataset.name)"
    assert tab.run(names) == ["hmi.M_45s", "test.Harp_720s", "test.linked"]
    tab.focus("#search")
    tab.type("PATCH test")
    assert tab.run(names) == ["test.Harp_720s", "test.linked"]
    assert tab.text("#series-count") == "2 of 3"
    tab.type(" linked")
    assert tab.run(names) == ["test.linked"]


def test_a_series_is_described(tab, server):
    started(tab, server)
    tab.click("#series li:nth-child(2) button")
    tab.wait("!document.querySelector('#about').hidden")
    assert tab.text("#about-title") == "test.Harp_720s"
    assert tab.text("#note") == "patches"
    assert "HARPNUM, T_REC" in tab.text("#facts")
    assert re.search(r"USFLUX\s+float\s+Maxwell", tab.text("#keywords"))
    assert re.search(r"continuum\s+int\s+DN/s\s+fits\s+VARxVAR\s+brightness", tab.text("#segments"))
    tab.wait("document.querySelectorAll('#table tbody tr').length")
    assert tab.text("#message") == "9 records."


def test_a_record_set_is_looked_up_as_one_types(tab, server):
    started(tab, server)
    assert ask(tab, "hmi.m_45s[2014.01.01_00:00:45_TAI/3m]") == "4 records."
    assert [row.split("\t")[1:3] for row in rows(tab)][:2] == [
        ["2014.01.01_00:00:45_TAI", "2"],
        ["2014.01.01_00:01:30_TAI", "2"],
    ]
    assert ask(tab, "hmi.m_45s[2013.01.01_TAI]") == "0 records."
    assert rows(tab) == []
    assert ask(tab, "hmi.m_45s[^]") == "1 record."


def test_typing_asks_once(tab, server):
    started(tab, server)
    ask(tab, "hmi.m_45s")
    server.requests.clear()
    tab.run("document.querySelector('#message').textContent = ''")
    for letter in "[2014.01.01_TAI/1d]":
        tab.type(letter)
    tab.wait("/record/.test(document.querySelector('#message').innerText)")
    asked = [what for _, what in server.requests if what.startswith("rs_")]
    assert sorted(asked) == ["rs_list", "rs_summary"]


@pytest.mark.parametrize(
    ("ds", "words"),
    [
        ("nonsense.series", "series not found"),
        ("hmi.m_45s[2014.01.01_TAI", "not closed"),
        ("hmi.m_45s[? QUALITY < (SELECT 1) ?]", "."),
    ],
)
def test_errors_are_told_in_words(tab, server, ds, words):
    started(tab, server)
    ask(tab, "hmi.m_45s")
    said = ask(tab, ds, r"[a-z]{4,}(?! …)")
    tab.wait("document.querySelector('#ds').getAttribute('aria-invalid') === 'true'")
    said = tab.text("#message")
    assert words in said
    assert tab.run("document.querySelector('#table').hidden")
    assert ask(tab, "hmi.m_45s", "records") == "14 records."
    assert tab.run("document.querySelector('#ds').getAttribute('aria-invalid')") == "false"


def test_a_large_set_stays_quick(tab, server):
    started(tab, server)
    ask(tab, "hmi.m_45s")
    tab.retype("#limit", "3")
    tab.wait("document.querySelectorAll('#table tbody tr').length === 3")
    tab.wait("document.querySelector('#message').innerText === '14 records; the first 3 are shown.'")
    first = rows(tab)
    tab.run("which.value = '-1'; which.dispatchEvent(new Event('change'))")
    tab.wait("document.querySelector('#message').innerText === '14 records; the last 3 are shown.'")
    assert len(rows(tab)) == 3
    assert not set(rows(tab)) & set(first)


def test_columns_are_chosen(tab, server):
    started(tab, server)
    ask(tab, "hmi.m_45s[^]")
    heads = "[...document.querySelectorAll('#table thead th')].map(head => head.innerText)"
    assert tab.run(heads) == ["Picture", "T_REC", "CAMERA", "Files"]
    box = "[...document.querySelectorAll('#keywords label')].find(label => label.innerText.trim() === 'QUALITY')"
    tab.run(f"{box}.click()")
    tab.wait(f"{heads}.includes('QUALITY')")
    assert tab.run(heads) == ["Picture", "T_REC", "CAMERA", "QUALITY", "Files"]


def test_pictures(tab, server):
    started(tab, server)
    ask(tab, "hmi.m_45s[^]")
    tab.wait("document.querySelector('#table img')?.naturalWidth")
    tab.click(".thumbnail")
    tab.wait("document.querySelector('dialog').open && document.querySelector('dialog img').naturalWidth")
    assert tab.text("#picture-title") == "hmi.M_45s[2014.01.01_00:00:45_TAI][2]{magnetogram}"
    stored = requests.get(tab.run("document.querySelector('dialog a').href"))
    assert stored.content.startswith(b"SIMPLE")
    tab.press("Escape")
    tab.wait("!document.querySelector('dialog').open")


def test_an_address_leads_to_a_record_set(tab, server):
    started(tab, server)
    ask(tab, "test.harp_720s[102]")
    address = tab.run("location.href")
    assert "102" in address
    tab.open(address)
    tab.wait("document.querySelector('#message').innerText === '3 records.'")
    assert tab.run("document.querySelector('#ds').value") == "test.harp_720s[102]"


def test_the_keyboard_is_enough(tab, server):
    started(tab, server)
    active = "document.activeElement.id || document.activeElement.dataset.name || document.activeElement.className"
    seen = []
    for _ in range(6):
        tab.press("Tab")
        seen.append(tab.run(active))
    assert seen[0] == "skip"
    assert seen[2:] == ["search", "hmi.M_45s", "test.Harp_720s", "test.linked"]
    tab.press("Enter")
    tab.wait("document.querySelector('#message').innerText === '4 records.'")


def test_every_control_has_a_name(tab, server):
    started(tab, server)
    ask(tab, "test.harp_720s")
    tab.wait("document.querySelector('#table img')?.naturalWidth")
    roles = {"button", "checkbox", "combobox", "image", "link", "searchbox", "spinbutton", "textbox"}
    controls = [
        (node["role"]["value"], node["name"]["value"])
        for node in tab.send("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"] and node["role"]["value"] in roles
    ]
    assert {"button", "checkbox", "combobox", "link", "searchbox", "spinbutton", "textbox"} <= dict(controls).keys()
    assert [role for role, name in controls if not name.strip()] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_and_can_be_read(tab, server, scheme, width):
    tab.prefer(scheme)
    tab.resize(width)
    started(tab, server)
    ask(tab, "nonsense.series", "not found")
    assert tab.run("document.documentElement.scrollWidth") <= width
    ask(tab, "test.harp_720s")
    assert tab.run("document.documentElement.scrollWidth") <= width
    paper = luminance(tab.run("getComputedStyle(document.body).backgroundColor"))
    assert (paper > 0.5) is (scheme == "light")
    tab.run("document.querySelector('#message').className = 'error'")
    for selector in ("body", "label", ".quiet", "a[href='docs']", "#message", "#series small"):
        ink = luminance(tab.run(f'getComputedStyle(document.querySelector("{selector}")).color'))
        # What guidelines for accessible pages ask for.
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, selector


def luminance(colour):
    parts = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def hostile(directory):
    """
    A site of which every text is markup.
    """
    series = Series(
        "test.hostile",
        MARKUP,
        ("NAME",),
        NameMap([Keyword("NAME", "string", note=MARKUP, units=MARKUP)]),
        NameMap([Segment("notes", "", MARKUP, "generic", "", MARKUP, file="notes.txt")]),
    )
    with Catalogue.create(directory) as catalogue:
        catalogue.add_series(series)
        catalogue.add_records("test.hostile", [NewRecord({"NAME": MARKUP})])


def test_markup_is_text(tab, tmp_path):
    hostile(tmp_path)
    with localsite.running(tmp_path) as site:
        started(tab, site)
        assert "<script>" in tab.text("#series")
        assert ask(tab, "test.hostile") == "1 record."
        assert MARKUP in tab.text("#note")
        assert MARKUP in rows(tab)[0]
        assert tab.text("#keywords").count(MARKUP) == 2
        assert tab.text("#segments").count(MARKUP) == 2
        assert "window.seized" in ask(tab, f"test.hostile[{MARKUP}]", "seized")
        tab.open(f"{site.url}/#{MARKUP}")
        tab.wait("document.querySelector('#message').className === 'error'")
        assert tab.run("document.querySelectorAll('main script, nav script, img[src=x]').length") == 0
        assert tab.run("window.seized") is None


@pytest.fixture
def proxied(server):
    """
    Address of the site behind a proxy that knows it under a prefix.
    """

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith("/sun/drms/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection(urlsplit(server.url).netloc)
            upstream.request("GET", self.path.removeprefix("/sun/drms"))
            reply = upstream.getresponse()
            body = reply.read()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in {"connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            upstream.close()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_port}/sun/drms/"
        proxy.shutdown()
        thread.join()


def test_behind_a_prefix(tab, proxied):
    tab.open(proxied)
    tab.wait("document.querySelectorAll('#series li').length")
    ask(tab, "hmi.m_45s[^]")
    tab.wait("document.querySelector('#table img')?.naturalWidth")
    assert requests.get(tab.run("document.querySelector('#table a').href")).content.startswith(b"SIMPLE")
    tab.open(urljoin(proxied, "docs"))
    tab.wait("document.querySelectorAll('.opblock').length")
    assert all(address.startswith((proxied, "data:", "about:")) for address in tab.addresses)


def test_below_a_path(tab, server):
    with localsite.running(server.catalogue.directory, root_path="/sun/drms") as site:
        tab.open(site.url)
        tab.wait("document.querySelectorAll('#series li').length")
        ask(tab, "hmi.m_45s[^]")
        tab.wait("document.querySelector('#table img')?.naturalWidth")
        assert all(address.startswith((site.url, "about:")) for address in tab.addresses)


def test_the_description_can_be_tried(tab, server):
    tab.open(f"{server.url}/docs")
    tab.wait("document.querySelectorAll('.opblock').length >= 11")
    tab.run("document.querySelector('#operations-DRMS-get_show_series button').click()")
    tab.wait("document.querySelector('#operations-DRMS-get_show_series .try-out__btn')")
    tab.run("document.querySelector('#operations-DRMS-get_show_series .try-out__btn').click()")
    tab.wait("document.querySelector('#operations-DRMS-get_show_series .execute')")
    tab.run("document.querySelector('#operations-DRMS-get_show_series .execute').click()")
    tab.wait("document.querySelector('#operations-DRMS-get_show_series .live-responses-table')")
    assert "hmi.M_45s" in tab.text("#operations-DRMS-get_show_series .live-responses-table")
