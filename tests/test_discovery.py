"""
What there is: series, their descriptions, patches of active regions, sites, and the catalogue behind tab completion.
"""

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import astropy.units as u
import pytest
from astropy.table import vstack
from click.testing import CliRunner
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import JSOCClient, cli, localsite
from jsoc_fido.exceptions import QueryError, UnsupportedError
from jsoc_fido.series import Keyword, Link, NameMap, Segment, Series

HOUR = a.Time("2014-01-01T00:00", "2014-01-01T01:00")
TOOL = Path(__file__).parents[1] / "tools" / "refresh_catalogue.py"


@pytest.fixture
def client(local_site):
    return JSOCClient()


# Series


def test_series_are_listed_and_described_with_one_question_each(local_site, client):
    assert client.series(r"hmi\.v_45s$") == ["hmi.V_45s"]
    client.info("hmi.sharp_720s")
    client.info("hmi.SHARP_720s")
    assert local_site.count("show_series") == 1
    assert local_site.count("series_struct") <= 1


@pytest.mark.parametrize("name", ["", " ", "hmi.v_45s[2014.01.01_TAI]", "hmi v", "1hmi"])
def test_what_is_no_name_is_not_asked_for(local_site, client, name):
    with pytest.raises(QueryError, match=f"{re.escape(repr(name))} is no name of a series"):
        client.info(name)
    assert not local_site.requests


def test_a_description_says_all_of_it(client):
    text = str(client.info("hmi.sharp_720s"))
    lines = text.splitlines()
    assert lines[0].startswith("hmi.sharp_720s: ")
    assert lines[1] == "Prime keys: HARPNUM, T_REC"
    assert re.fullmatch(r"First record: hmi\.sharp_720s\[\d+\]\[2014\.01\.01_00:00:00_TAI\]", lines[2])
    assert re.fullmatch(r"Last record: hmi\.sharp_720s\[\d+\]\[2014\.01\.01_01:00:00_TAI\]", lines[3])
    assert re.search(r"^  T_REC +time +TAI +every 720\.0 secs from 1993\.01\.01_00:00:00_TAI +\S", text, re.MULTILINE)
    assert re.search(r"^  magnetogram +int +Gauss +fits +VARxVAR +\S", text, re.MULTILINE)
    assert re.search(r"^  USFLUX +float +Maxwell +unsigned magnetic flux$", text, re.MULTILINE)
    assert re.search(r"^  MHARP +hmi\.Mharp_720s +DYNAMIC ", text, re.MULTILINE)
    assert "\n\n  " not in text


class Tables(HTMLParser):
    """
    The cells of all tables, and what stands open.
    """

    def __init__(self):
        super().__init__()
        self.cells, self.stack = [], []

    def handle_starttag(self, tag, attrs):
        self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "td":
            self.cells.append(data)


def test_a_notebook_shows_the_same(client):
    definition = client.info("hmi.sharp_720s")
    page = Tables()
    page.feed(definition._repr_html_())
    assert page.stack == []
    assert {*definition.keywords, *definition.segments, *definition.links} <= set(page.cells)


def test_what_a_site_says_is_no_html():
    evil = "<script>alert(1)</script>"
    series = Series(
        f"x.{evil}",
        note=evil,
        prime_keys=(evil,),
        keywords=NameMap([Keyword(evil, evil, units=evil, note=evil)]),
        segments=NameMap([Segment(evil, note=evil)]),
        links=NameMap([Link(evil, evil)]),
        interval={"FirstRecord": evil},
    )
    assert "<script" not in series._repr_html_()


def test_links_and_constants_show():
    keywords = [
        Keyword("K", "float", link="L->K"),
        Keyword("C", "string", scope="constant", default="here"),
    ]
    text = str(Series("x.y", keywords=NameMap(keywords)))
    assert "float L->K" in text
    assert "string = here" in text
    assert text.startswith("x.y\nPrime keys: none\n")


def test_the_command_prints_the_same(client):
    done = CliRunner().invoke(cli.main, ["info", "hmi.sharp_720s"], catch_exceptions=False)
    assert done.output == f"{client.info('hmi.sharp_720s')}\n"


# More keywords for some rows


def test_keywords_are_asked_for_chosen_records_only(local_site, client):
    few = client.search(HOUR, a.jsoc.Series("hmi.v_45s"), a.jsoc.Keys("T_REC"))
    whole = client.search(HOUR, a.jsoc.Series("hmi.v_45s"))
    chosen = few[[7, 3, 7]]
    local_site.requests.clear()
    more = client.with_keywords(chosen, "obs_vr", "T_OBS")
    assert local_site.requests == [("GET", "rs_list")]
    assert (more["OBS_VR"] == whole["OBS_VR"][[7, 3, 7]]).all()
    assert (more["T_OBS"] == whole["T_OBS"][[7, 3, 7]]).all()
    assert more.show("OBS_VR").colnames == ["OBS_VR"]
    assert "OBS_VR" not in few.colnames


def test_keywords_for_rows_of_two_series_and_for_none(local_site, client):
    both = client.search(HOUR, a.jsoc.Series("hmi.v_45s") | a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Keys("T_REC"))
    mixed = both[[0, len(both) - 1]]
    local_site.requests.clear()
    more = client.with_keywords(mixed, "CRLN_OBS")
    assert local_site.count("rs_list") == 2
    assert more["CRLN_OBS"].unit == u.deg
    assert len(client.with_keywords(both[:0], "CRLN_OBS")) == 0
    with pytest.raises(QueryError, match=r"'USFLUX' is not supported by series: hmi\.V_45s"):
        client.with_keywords(mixed, "USFLUX")
    with pytest.raises(QueryError, match="does not say which records"):
        client.with_keywords(both.show("T_REC"), "CRLN_OBS")


# From active regions to patches


def test_patches_of_a_region_are_found_with_one_question(local_site, client):
    records = client.search(HOUR, a.jsoc.Series("hmi.sharp_720s"))
    local_site.requests.clear()
    patches = client.harps(HOUR)
    assert local_site.requests == [("GET", "rs_list")]
    assert sorted(patches["HARPNUM"]) == sorted(set(records["HARPNUM"].tolist()))
    region = int(next(text for text in patches["NOAA_ARS"] if text).split(",")[0])
    mine = client.harps(HOUR, region)
    assert 0 < len(mine) < len(patches)
    expected = {row["HARPNUM"] for row in records if str(region) in str(row["NOAA_ARS"])}
    assert set(mine["HARPNUM"].tolist()) == expected
    first = records["T_REC"][records["HARPNUM"] == mine["HARPNUM"][0]]
    assert (mine["First"][0], mine["Last"][0]) == (first[0], first[-1])
    # A number in a number is none.
    assert len(client.harps(HOUR, region // 10)) == 0
    assert len(client.harps(a.Time("2013-01-01", "2013-01-02"))) == 0


@pytest.mark.parametrize("noaa", ["11158", 0, -1, True, 1.5])
def test_what_is_no_region(local_site, client, noaa):
    with pytest.raises(QueryError, match="noaa is the number of an active region"):
        client.harps(HOUR, noaa)
    assert not local_site.requests


def test_several_regions_in_one_patch(tmp_path, client):
    found = client.search(HOUR, a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Keys("NOAA_ARS"))[:2]
    found["NOAA_ARS"] = ["11158,11159", "11158"]
    from jsoc_fido.lookups import patches

    assert patches(found, 11159)["HARPNUM"].tolist() == [found["HARPNUM"][0]]
    assert patches(found, 11158)["NOAA_ARS"][0] == "11158,11159"


# Sites


def test_a_registered_site_is_searched_under_its_name(local_site, monkeypatch):
    jsoc_fido.register_site("Our-Archive", f"{local_site.url}/")
    monkeypatch.setenv("JSOC_FIDO_SITE", "kis")
    found = Fido.search(HOUR, a.jsoc.Series("hmi.v_45s"), a.jsoc.Site("our-archive"))
    assert found[0].questions[0].site == "our-archive"
    assert len(JSOCClient("OUR-ARCHIVE").fetch(found[0][:1], progress=False)) == 1


def test_several_sites_in_one_search(local_site, tmp_path):
    other = tmp_path / "other"
    localsite.init(other)
    localsite.synthesize(other, "hmi.v_45s", HOUR.start, HOUR.start + 2 * u.min, size=16)
    with localsite.running(other) as running:
        where = a.jsoc.Site(local_site.url) | a.jsoc.Site(running.url)
        found = Fido.search(HOUR, a.jsoc.Series("hmi.v_45s"), a.jsoc.Segment("Dopplergram"), where)
        assert [len(table) for table in found] == [81, 3]
        assert [site.count("rs_list") for site in (local_site, running)] == [1, 1]
        files = Fido.fetch(found[0][:1], found[1][1:2], path=tmp_path / "files", progress=False)
        assert not files.errors
        assert [site.count("file") for site in (local_site, running)] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("JSOC", "http://127.0.0.1:1"), {}, "cannot be called 'JSOC'"),
        (("", "http://127.0.0.1:1"), {}, "cannot be called ''"),
        ((3, "http://127.0.0.1:1"), {}, "cannot be called 3"),
        (("mine", "ftp://127.0.0.1"), {}, "'ftp://127.0.0.1' is no URL"),
        (("mine", "http://"), {}, "no URL of a DRMS site"),
        (("mine", "http://127.0.0.1:99999"), {}, "no URL of a DRMS site"),
        (("mine",), {}, "'mine' is no URL"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), {}, "is a URL already"),
        (("mine", "http://127.0.0.1:1"), {"kind": "vso"}, "'vso' is no kind of site; there are drms, flarecast"),
    ],
)
def test_what_cannot_be_registered(arguments, options, message):
    with pytest.raises(QueryError, match=re.escape(message)):
        jsoc_fido.register_site(*arguments, **options)


def test_an_unknown_site_names_the_known_ones():
    jsoc_fido.register_site("our-archive", "http://127.0.0.1:1")
    with pytest.raises(QueryError, match=r"'nowhere' is not known. Use 'flarecast', .*'jsoc', 'kis', .*'our-archive'"):
        JSOCClient("nowhere").series()


def test_kis_answers_searches_only_and_a_fetch_says_so(local_site, tmp_path):
    response = JSOCClient().search(HOUR, a.jsoc.Series("hmi.v_45s"))[:2]
    (question,) = response.questions
    from dataclasses import replace

    moved = replace(question, site="kis")
    kis = response.copy()
    kis["Question"] = [moved.key] * 2
    kis.questions = (moved,)
    from jsoc_fido.site import site

    # The definition is known, as it is after a search.
    site("kis")._definitions["hmi.v_45s"] = site(local_site.url).definition("hmi.v_45s")
    local_site.requests.clear()
    for options in ({}, {"notify": "solar@example.com"}, {"protocol": "fits"}):
        with pytest.raises(UnsupportedError, match="KIS answers searches only; it offers no files"):
            JSOCClient().fetch(kis, path=tmp_path, progress=False, **options)
    with pytest.raises(UnsupportedError, match="KIS answers searches only"):
        JSOCClient().fetch(vstack([response[:1], kis[1:]]), path=tmp_path, progress=False)
    assert not local_site.requests


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (a.jsoc.Process("rebin", method="boxcar", scale=0.5), "no rebin"),
        (a.jsoc.Protocol("jpg"), "no protocol 'jpg"),
        (a.jsoc.Protocol("fits"), "no protocol 'fits'"),
    ],
)
@pytest.mark.parametrize("name", ["kis", "flarecast"])
def test_what_a_site_does_not_make_is_known_before_it_is_asked(name, word, said):
    # Neither site can be reached from here, and neither is asked.
    with pytest.raises(UnsupportedError, match=f"stages nothing, so there is {said}"):
        JSOCClient().search(
            HOUR, a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Segment("magnetogram"), a.jsoc.Site(name), word
        )


# The catalogue in the package


@pytest.fixture
def refresh(local_site):
    return runpy.run_path(str(TOOL))["main"]


def test_the_catalogue_is_refreshed_from_a_site(local_site, refresh, tmp_path, capsys):
    target = tmp_path / "catalogue.json"
    refresh(["--site", local_site.url, "--pattern", r"^hmi\.", "--output", str(target)])
    found = json.loads(target.read_text("utf-8"))
    assert [name for name, _ in found["series"]] == ["hmi.sharp_720s", "hmi.v_45s"]
    segments = dict(found["segments"])
    assert segments["Dopplergram"]
    assert len(segments) == 31
    assert capsys.readouterr().out == f"2 series and 31 segments are in {target}.\n"
    assert local_site.count("show_series") == 1
    assert local_site.count("series_struct") <= 2
    lines = target.read_text("utf-8").splitlines()
    assert max(map(len, lines)) < 200


def test_the_catalogue_stays_when_a_site_has_nothing(local_site, refresh, tmp_path, capsys):
    target = tmp_path / "catalogue.json"
    with pytest.raises(SystemExit) as caught:
        refresh(["--site", local_site.url, "--pattern", "nothing", "--output", str(target)])
    assert caught.value.code == 1
    assert "is left as it is" in capsys.readouterr().err
    assert not target.exists()


def test_the_shipped_catalogue_has_the_form_of_the_tool():
    tool = runpy.run_path(str(TOOL))
    shipped = tool["CATALOGUE"].read_text("utf-8")
    found = json.loads(shipped)
    assert list(found) == ["series", "segments"]
    assert all(pairs == sorted(pairs) for pairs in found.values())
    assert json.loads(tool["text"](found)) == found
