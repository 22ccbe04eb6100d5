"""
The `drms` package, as it is, talks to a site here.
"""

import drms
import pytest
from astropy.io import fits

DS = "hmi.m_45s[2014.01.01_00:00:45_TAI/90s]{magnetogram}"


def test_series(client):
    assert client.series() == ["hmi.M_45s", "test.Harp_720s", "test.linked"]
    assert client.series(r"HMI\.", full=True).name.tolist() == ["hmi.M_45s"]


def test_info(client):
    info = client.info("hmi.M_45s")
    assert client.pkeys("hmi.m_45s") == info.primekeys == ["T_REC", "CAMERA"]
    assert info.keywords.loc["T_REC", "type"] == "time"
    assert info.keywords.loc["QUALITY", "is_integer"]
    assert info.segments.index.tolist() == ["magnetogram"]
    assert info.segments.loc["magnetogram", "dims"] == "4096x4096"
    linked = client.info("test.linked")
    assert linked.links.loc["mag", "target"] == "hmi.M_45s"
    assert linked.keywords.loc["QUALITY", "linkinfo"] == "mag->QUALITY"


def test_info_of_an_unknown_series(client):
    with pytest.raises(drms.DrmsQueryError, match="series not found"):
        client.info("bob.bob")


def test_query(client):
    # Not converted: drms reads hexadecimal numbers with some versions of pandas only.
    keys, segments, links = client.query(
        "test.linked[1-3]",
        key="FSN, QUALITY, WAVELNTH",
        seg="magnetogram",
        link="mag",
        rec_index=True,
        skip_conversion="QUALITY",
    )
    assert keys.index.tolist() == ["test.linked[1]", "test.linked[2]", "test.linked[3]"]
    assert keys.QUALITY.tolist() == ["0x00000001", "0x00000000", "0x00000001"]
    assert keys.WAVELNTH.tolist() == [6173.0] * 3
    assert segments.magnetogram.str.startswith("/SUM0/D").all()
    assert links.mag.iloc[0] == "hmi.M_45s[2014.01.01_00:01:30_TAI][2]"


def test_query_some(client):
    assert client.query("hmi.m_45s", key="*recnum*", n=2)["*recnum*"].tolist() == [1, 2]
    assert client.query("hmi.m_45s", key="*recnum*", n=-2)["*recnum*"].tolist() == [13, 14]
    assert len(client.query("hmi.m_45s[2000.01.01_TAI]", key="T_REC")) == 0
    assert client.query("hmi.m_45s", key=drms.JsocInfoConstants.all).shape[0] == 14
    with pytest.raises(drms.DrmsQueryError, match="nosuch"):
        client.query("hmi.m_45s[? NOSUCH=1 ?]", key="T_REC")


def test_unknown_things(client):
    keys, segments, links = client.query("hmi.m_45s[:#1-#3]", key="foo", seg="baz", link="bar")
    assert keys.foo.tolist() == ["Invalid KeyLink"] * 3
    assert segments.baz.tolist() == ["InvalidSegName"] * 3
    assert links.bar.tolist() == ["Invalid_Link"] * 3


def test_addresses(client):
    assert client.check_email("ada@example.org")
    assert not client.check_email("eve@example.org")


def test_quick_export(client, tmp_path):
    request = client.export(DS)
    assert (request.status, request.method, request.protocol) == (0, "url_quick", "as-is")
    assert request.urls.filename[0].startswith("magnetogram")
    downloads = request.download(str(tmp_path))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "hmi.m_45s.20140101_000045_TAI.2.magnetogram.fits",
        "hmi.m_45s.20140101_000130_TAI.2.magnetogram.fits",
    ]
    assert len(downloads) == 2


@pytest.mark.parametrize("protocol", ["fits", "as-is"])
def test_staged_export(exporting_client, tmp_path, protocol):
    request = exporting_client.export(DS, method="url", protocol=protocol)
    assert request.id.startswith("JSOC_")
    assert request.wait(sleep=0.05, timeout=30)
    assert request.has_succeeded()
    target = tmp_path / "files"
    target.mkdir()
    request.download(str(target))
    path = target / "hmi.m_45s.20140101_000130_TAI.2.magnetogram.fits"
    header = fits.getheader(path, 1)
    assert ("T_REC" in header) is (protocol == "fits")
    again = exporting_client.export_from_id(request.id)
    assert again.has_succeeded()
    assert again.urls.url.tolist() == request.urls.url.tolist()


def test_staged_tar(exporting_client, tmp_path):
    request = exporting_client.export(DS, method="url-tar", protocol="fits")
    assert request.wait(sleep=0.05, timeout=30)
    target = tmp_path / "files"
    target.mkdir()
    request.download(str(target))
    assert [path.name for path in target.iterdir()] == [f"{request.id}.tar"]


def test_refused_exports(exporting_client):
    client = exporting_client
    with pytest.raises(drms.DrmsExportError, match="series not found"):
        client.export("bob.bob[1]", method="url", protocol="fits").wait(sleep=0.05)
    with pytest.raises(drms.DrmsExportError, match="neither validated nor registered"):
        client.export(DS, email="eve@example.org").wait(sleep=0.05)
    with pytest.raises(ValueError, match="invalid or not registered"):
        client.email = "eve@example.org"
    request = client.export(DS, method="url", protocol="fits", process={"im_patch": {"t": 0}})
    with pytest.raises(drms.DrmsExportError, match="im_patch"):
        request.wait(sleep=0.05)


def test_the_oracle_of_sunpy(client):
    """
    Keyword tests with quoted numbers, as sunpy's built-in client writes them.
    """
    keys = client.query("hmi.m_45s[][][? QUALITY='0' AND DATAMEAN<'2' ?]".replace("[][][", "[]["), key="DATAMEAN")
    assert keys.DATAMEAN.tolist() == [0.0, 0.5, 1.0, 1.5]
