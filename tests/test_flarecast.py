"""
FLARECAST: the local site serves the gateway's interface, and the client asks it as it asks any site.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
import requests
import sunpy.map
from astropy.io import fits
from astropy.table import vstack
from sunpy.net import Fido
from sunpy.net import attrs as a
from test_site import answering, http

import jsoc_fido
from jsoc_fido import JSOCClient, JSOCResponse, localsite
from jsoc_fido.exceptions import QueryError, TransportError, UnsupportedError
from jsoc_fido.flarecast import ADDRESS, FlarecastSite
from jsoc_fido.site import site
from jsoc_fido.walker import queries

HOUR = a.Time("2015-12-11T23:00", "2015-12-11T23:30")
SHARP, MAGNETOGRAM = a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Segment("magnetogram")
GATEWAY = a.jsoc.Site("gateway")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archive")
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.sharp_720s", HOUR.start, HOUR.end, size=16)
    localsite.synthesize(directory, "hmi.m_45s", HOUR.start, HOUR.start + 1 * u.min, size=16)
    localsite.synthesize(directory, "aia.lev1_euv_12s", HOUR.start, HOUR.start + 12 * u.s, size=16)
    return directory


@pytest.fixture(scope="module")
def _archive(directory):
    with localsite.running(directory) as running:
        jsoc_fido.register_site("gateway", running.url, kind="flarecast")
        yield running


@pytest.fixture
def archive(_archive, monkeypatch):
    monkeypatch.setenv("JSOC_FIDO_SITE", _archive.url)
    _archive.requests.clear()
    return _archive


@pytest.fixture
def client(archive):
    return JSOCClient()


def get(archive, path, **parameters):
    return requests.get(f"{archive.url}{path}", params=parameters, timeout=60)


# The gateway's interface


def test_a_list_has_what_the_tutorial_shows(archive):
    reply = get(archive, "/HMI/hmi.sharp_720s", start="2015-12-11T23:00:00Z", end="2015-12-11T23:30:00Z", meta="false")
    item = reply.json()["data"][0]
    assert list(item) == [
        "date__obs", "download_time", "exptime", "harpnum", "mask_cadence", "nbr_update", "quality", "recnum",
        "recnum_init", "series_name", "t_rec_index", "time", "type", "urls", "wavelnth",
    ]  # fmt: skip
    assert re.fullmatch(r"2015-12-11T22:5\d:\d\d\.\d{6}Z", item["date__obs"])
    assert (item["series_name"], item["wavelnth"], type(item["wavelnth"])) == ("hmi.sharp_720s", 6173, int)
    assert item["urls"][0] == f"{archive.url}/HMI/hmi.sharp_720s/{item['recnum']}/magnetogram.fits"
    assert len(item["urls"]) == 31
    # Slots of 720 seconds since 1993.01.01_00:00:00_TAI.
    assert item["t_rec_index"] == 8379 * 120 + 23 * 5


def test_a_list_with_meta(archive):
    both = [
        get(archive, "/HMI/hmi.sharp_720s", start="2015-12-11T23:00Z", end="2015-12-11T23:10Z", meta=meta).json()[
            "data"
        ]
        for meta in ("true", "false")
    ]
    assert [{name: value for name, value in item.items() if name != "meta"} for item in both[0]] == both[1]
    assert {"area", "usflux", "t_rec", "cmask"} <= set(both[0][0]["meta"])
    assert not any(name.startswith("cparms") for name in both[0][0]["meta"])


def test_meta_is_reloaded_for_some_records_and_fields(archive):
    one = get(archive, "/HMI/hmi.sharp_720s/meta/1", fields="area,cmask,distcoef").json()
    assert list(one) == ["1"]
    assert list(one["1"]["meta"]) == ["area", "cmask", "distcoef"]
    assert one["1"]["urls"] == []
    assert list(get(archive, "/HMI/hmi.sharp_720s/meta/1,3", fields="AREA").json()) == ["1", "3"]
    assert len(get(archive, "/HMI/hmi.sharp_720s/meta/2").json()["2"]["meta"]) > 100


def test_a_file_has_a_name_and_a_whole_header(archive, tmp_path):
    address = "/HMI/hmi.sharp_720s/1/magnetogram.fits"
    reply = get(archive, address)
    (name,) = re.findall("filename=(.+)", reply.headers["content-disposition"])
    assert re.fullmatch(r"hmi\.sharp_720s\.\d+\.20151211_230000_TAI\.magnetogram\.fits", name)
    (tmp_path / name).write_bytes(reply.content)
    assert sunpy.map.Map(tmp_path / name).meta["telescop"] == "SDO/HMI"
    assert requests.head(f"{archive.url}{address}", timeout=60).headers["content-length"] == str(len(reply.content))
    rest = requests.get(f"{archive.url}{address}", headers={"Range": "bytes=3000-"}, timeout=60)
    assert (rest.status_code, rest.content) == (206, reply.content[3000:])


def test_many_ask_for_the_same_file(archive):
    address = "/HMI/hmi.sharp_720s/2/continuum.fits"
    with ThreadPoolExecutor(4) as pool:
        replies = set(pool.map(lambda _: get(archive, address).content, range(8)))
    assert len(replies) == 1


def test_more_files_than_are_kept(archive):
    records = get(archive, "/HMI/hmi.sharp_720s", start="2015-12-11T23:00Z", end="2015-12-11T23:10Z").json()["data"]
    addresses = [url for record in records[:2] for url in record["urls"]]
    assert len(addresses) > 60
    assert {requests.get(url, timeout=60).status_code for url in [*addresses, addresses[0]]} == {200}


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/HMI/bob", {"start": "2015-12-11", "end": "2015-12-12"}, 404),
        ("/HMI/aia.lev1_euv_12s", {"start": "2015-12-11", "end": "2015-12-12"}, 404),
        ("/HMI/hmi.sharp_720s", {"start": "2015-12-11"}, 422),
        ("/HMI/hmi.sharp_720s", {"start": "yesterday", "end": "2015-12-12"}, 422),
        ("/HMI/hmi.sharp_720s", {"start": "0001-01-01T00:00:00+05:00", "end": "2015-12-12"}, 400),
        ("/HMI/hmi.sharp_720s/meta/1", {"fields": "area,nonsense"}, 400),
        ("/HMI/hmi.sharp_720s/meta/x", {}, 400),
        ("/HMI/hmi.sharp_720s/meta/" + "9" * 30, {}, 400),
        ("/HMI/hmi.sharp_720s/meta/" + ",".join(["1"] * 1001), {}, 400),
        ("/HMI/hmi.sharp_720s/meta/99999", {}, 404),
        ("/HMI/hmi.sharp_720s/99999/magnetogram.fits", {}, 404),
        ("/HMI/hmi.sharp_720s/1/nonsense.fits", {}, 404),
        ("/HMI/hmi.sharp_720s/one/magnetogram.fits", {}, 422),
        ("/HMI/hmi.m_45s/1/..%2f..%2fmagnetogram.fits", {}, 404),
    ],
)
def test_what_is_not_there(archive, path, parameters, status):
    reply = get(archive, path, **parameters)
    assert reply.status_code == status
    assert reply.json()["detail"]


def test_the_interface_is_described_with_local_assets(archive):
    page = get(archive, "/ui")
    assert page.status_code == 200
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    for asset in re.findall(r"(?:src|href)=\"(page/[^\"]+)\"", page.text):
        assert get(archive, f"/{asset}").status_code == 200
    described = get(archive, "/openapi.json").json()["paths"]
    names = {parameter["name"] for parameter in described["/HMI/{series}"]["get"]["parameters"]}
    assert names == {"series", "start", "end", "meta"}
    assert {"/HMI/{series}/meta/{recnums}", "/HMI/{series}/{recnum}/{segment}.fits"} <= set(described)


# The client


def test_a_search_is_one_question_and_finds_what_drms_finds(archive, client):
    found = client.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY)
    assert archive.requests == [("GET", "flarecast_list")]
    assert isinstance(found, JSOCResponse)
    same = client.search(HOUR, SHARP, MAGNETOGRAM)
    for name in ("Record", "Recnum", "HARPNUM", "T_REC", "QUALITY", "WAVELNTH"):
        assert (found[name] == same[name]).all(), name
        assert name == "T_REC" or found[name].dtype == same[name].dtype
    assert abs(found["DATE__OBS"] - same["DATE__OBS"]).max() < 10 * u.ms
    assert "USFLUX" not in found.colnames


def test_keywords_come_along_when_they_are_named(archive, client):
    found = client.search(HOUR, SHARP, GATEWAY, a.jsoc.Keys("usflux", "T_OBS"))
    assert archive.requests == [("GET", "flarecast_list")]
    same = client.search(HOUR, SHARP, a.jsoc.Keys("USFLUX", "T_OBS"))
    assert found.keyword_names == same.keyword_names == ["HARPNUM", "T_REC", "USFLUX", "T_OBS"]
    assert found["USFLUX"].unit == u.Mx
    np.testing.assert_allclose(found["USFLUX"].value, same["USFLUX"].value, rtol=1e-5)


def test_keywords_are_reloaded_for_chosen_rows(archive, client):
    found = client.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY)
    archive.requests.clear()
    chosen = client.with_keywords(found[[5, 0, 5]], "USFLUX", "noaa_ars")
    assert archive.requests == [("GET", "flarecast_meta")]
    assert (chosen["Recnum"] == found["Recnum"][[5, 0, 5]]).all()
    assert chosen["USFLUX"][0] == chosen["USFLUX"][2] != chosen["USFLUX"][1]
    assert "USFLUX" in chosen.display_keys
    assert "USFLUX" not in found.colnames
    assert not set(chosen["NOAA_ARS"].tolist()) - {"12358", "12359"}
    with pytest.raises(QueryError, match="'bob' is not supported"):
        client.with_keywords(found, "bob")


def test_a_name_for_fits_means_the_keyword(archive, client):
    found = client.search(HOUR, SHARP, GATEWAY, a.jsoc.Keys("DATE-OBS"))
    same = client.search(HOUR, SHARP, a.jsoc.Keys("DATE-OBS"))
    assert found.keyword_names == same.keyword_names
    assert abs(found["DATE-OBS"] - same["DATE-OBS"]).max() < 10 * u.ms
    more = client.with_keywords(client.search(HOUR, SHARP, GATEWAY)[:2], "DATE-OBS")
    assert (more["DATE-OBS"] == found["DATE-OBS"][:2]).all()


def test_many_records_are_reloaded_in_short_addresses(archive, client, monkeypatch):
    monkeypatch.setattr("jsoc_fido.flarecast.LONGEST_URL", 150)
    found = client.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY)
    archive.requests.clear()
    more = client.with_keywords(found, "USFLUX")
    assert 1 < archive.count("flarecast_meta") < len(found)
    assert not np.isnan(more["USFLUX"].value).any()


def test_files_come_as_they_are_and_only_once(archive, client, tmp_path):
    found = Fido.search(HOUR, SHARP, a.jsoc.Segment("magnetogram") & a.jsoc.Segment("bitmap"), GATEWAY)
    archive.requests.clear()
    files = Fido.fetch(found[0][[4, 1]], path=tmp_path, progress=False)
    assert not files.errors
    assert archive.requests == [("GET", "file")] * 4
    records = found[0]["HARPNUM"][[4, 4, 1, 1]].tolist()
    assert [int(file.split(".")[-4]) for file in files] == records
    assert [file.split(".")[-2] for file in files] == ["magnetogram", "bitmap"] * 2
    with fits.open(files[0]) as hdus:
        assert hdus[-1].header["HARPNUM"] == records[0]
        assert "jsoc_fido" not in str(hdus[-1].header.get("HISTORY", ""))
    again = Fido.fetch(found[0][[4, 1]], path=tmp_path, progress=False)
    assert list(again) == list(files)
    assert archive.count("file") == 4


def test_saved_stacked_and_mixed_tables(archive, client, tmp_path):
    found = client.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY)
    found[:2].write(tmp_path / "saved.ecsv")
    saved = JSOCResponse.read(tmp_path / "saved.ecsv")
    other = client.search(HOUR, SHARP, a.jsoc.Segment("bitmap"))
    mixed = vstack([saved, other[5:6]])
    files = client.fetch(mixed, path=tmp_path / "files", progress=False)
    assert len(files) == 3
    assert [site(question.site).name for question in mixed.questions] == ["gateway", archive.url]


def test_sites_of_several_kinds_in_one_search(archive):
    found = Fido.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY | a.jsoc.Site(archive.url))
    assert len(found) == 2
    assert [table.questions[0].site for table in found] == ["gateway", archive.url]
    # The definition of a series is asked for once in a process.
    asked = [what for _, what in archive.requests if what != "series_struct"]
    assert sorted(asked) == ["flarecast_list", "rs_list"]
    assert archive.count("series_struct") <= 1


@pytest.mark.parametrize(
    "words",
    [
        [HOUR, a.jsoc.PrimeKey("HARPNUM", 1)],
        [a.jsoc.PrimeKey("HARPNUM", 1)],
        [HOUR, a.Sample(1 * u.hour)],
        [HOUR, a.jsoc.Keyword("QUALITY") == 0],
        [a.jsoc.PrimeKey("T_REC", "$")],
    ],
)
def test_what_the_gateway_cannot_be_asked_is_refused_before_asking(archive, client, words):
    with pytest.raises(UnsupportedError, match=r"gateway can be asked for a Series and one Time only"):
        client.search(*words, SHARP, GATEWAY)
    assert not archive.requests


def test_what_the_gateway_cannot_do_is_refused_before_asking(archive, client, tmp_path):
    with pytest.raises(QueryError, match=r"'hmi.m_45s' is not known to gateway; it has hmi.sharp_720s"):
        client.search(HOUR, a.jsoc.Series("hmi.m_45s"), GATEWAY)
    found = client.search(HOUR, SHARP, MAGNETOGRAM, GATEWAY)
    archive.requests.clear()
    with pytest.raises(UnsupportedError, match="stages nothing"):
        client.fetch(found[:1], protocol="fits", notify="solar@example.com", path=tmp_path)
    with pytest.raises(UnsupportedError, match="gateway stages nothing, so there is nothing to request"):
        client.request_data(found[:1], notify="solar@example.com")
    assert not archive.requests
    # An address is of no use there, and does no harm.
    assert len(client.fetch(found[:1], notify="solar@example.com", path=tmp_path, progress=False)) == 1


def test_series_and_definition_without_asking(archive):
    client = JSOCClient("gateway")
    assert client.series("sharp") == ["hmi.sharp_720s"]
    assert client.series("aia") == []
    definition = client.info("HMI.sharp_720s")
    assert definition.prime_keys == ("HARPNUM", "T_REC")
    assert len(definition.segments) == 31
    assert not archive.requests


def test_the_definition_is_that_of_the_local_site(archive, client):
    known, told = JSOCClient("gateway").info("hmi.sharp_720s"), client.info("hmi.sharp_720s")
    assert list(known.segments) == list(told.segments)
    for keyword in told.keywords.values():
        if not told.is_implicit(keyword.name):
            assert known.keyword(keyword.name) == keyword


def test_the_gateway_has_a_name():
    assert jsoc_fido.site.site("flarecast").url == ADDRESS
    (query,) = queries(SHARP & HOUR & MAGNETOGRAM & a.jsoc.Site("flarecast"))
    assert type(site(query.site)) is FlarecastSite
    # What it cannot be asked is known without asking; it is not to be reached from here.
    with pytest.raises(UnsupportedError, match="flarecast can be asked for a Series and one Time only"):
        JSOCClient().search(SHARP, HOUR, a.jsoc.Keyword("QUALITY") == 0, a.jsoc.Site("flarecast"))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"data": {"recnum": 1}}, "no list of records"),
        ({"detail": "no"}, "no list of records"),
        ({"data": [{"recnum": 1}]}, "none of FLARECAST's: KeyError 'harpnum'"),
        ({"data": ["text"]}, "none of FLARECAST's"),
        ({"data": [{"recnum": "x", "harpnum": 1, "t_rec_index": 3}]}, "none of FLARECAST's"),
    ],
)
def test_an_answer_that_is_none(reply, message):
    with answering(http(json.dumps(reply).encode())) as (url, _):
        jsoc_fido.register_site(url, kind="flarecast")
        with pytest.raises(TransportError, match=message):
            JSOCClient(url).search(HOUR, SHARP)


def gateway_with_names(names, content):
    """
    Replies of a gateway that lists as many records as names, and calls their files so.
    """
    items = [
        {
            "recnum": 7 + place,
            "harpnum": 1 + place,
            "t_rec_index": 1005598,
            "urls": ["http://inside:1/a/magnetogram.fits"],
        }
        for place in range(len(names))
    ]
    listing = http(json.dumps({"data": items}).encode())
    files = [http(content, Content_Disposition=f"attachment; filename={name}") for name in names]
    return [listing, *files]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["one.fits", "two.fits"], ["one.fits", "two.fits"]),
        (["../../one.fits", ".two.fits"], ["one.fits", "two.fits"]),
        # What is taken already is not overwritten.
        (
            ["same.fits", "same.fits"],
            ["hmi.sharp_720s.2.20151211_233600_TAI.magnetogram.fits", "same.fits"],
        ),
    ],
)
def test_files_get_the_names_that_the_gateway_tells(archive, tmp_path, told, expected):
    content = get(archive, "/HMI/hmi.sharp_720s/1/magnetogram.fits").content
    with answering(*gateway_with_names(told, content)) as (url, asked):
        jsoc_fido.register_site(url, kind="flarecast")
        client = JSOCClient(url)
        found = client.search(HOUR, SHARP, MAGNETOGRAM)
        for row in range(2):
            files = client.fetch(found[row : row + 1], path=tmp_path, progress=False)
            assert not files.errors
        assert "GET /HMI/hmi.sharp_720s/7/magnetogram.fits" in asked[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_a_file_goes_on_where_it_broke_off(archive, tmp_path):
    content = get(archive, "/HMI/hmi.sharp_720s/1/magnetogram.fits").content
    listing, whole = gateway_with_names(["one.fits"], content)
    begun = whole[: len(whole) - len(content) + 4000]
    rest = http(
        content[4000:],
        "206 Partial Content",
        Content_Range=f"bytes 4000-{len(content) - 1}/{len(content)}",
        Content_Disposition="attachment; filename=one.fits",
    )
    with answering(listing, begun, rest) as (url, asked):
        jsoc_fido.register_site(url, kind="flarecast")
        client = JSOCClient(url)
        (file,) = client.fetch(client.search(HOUR, SHARP, MAGNETOGRAM), path=tmp_path, progress=False)
    assert "range: bytes=4000-" in asked[2].lower()
    assert (tmp_path / "one.fits").read_bytes() == content
    assert [str(path) for path in tmp_path.iterdir()] == [file]


def test_a_damaged_file_is_a_listed_failure(archive, tmp_path):
    content = get(archive, "/HMI/hmi.sharp_720s/1/magnetogram.fits").content[:-2880]
    with answering(*gateway_with_names(["one.fits"], content)) as (url, _):
        jsoc_fido.register_site(url, kind="flarecast")
        client = JSOCClient(url)
        results = client.fetch(client.search(HOUR, SHARP, MAGNETOGRAM), path=tmp_path, progress=False)
    assert not results
    assert len(results.errors) == 1
    assert not list(tmp_path.iterdir())
