"""
A site that has what the peers' tests ask JSOC for, and a summary of how they fare on it.
"""

from importlib.metadata import version
from pathlib import Path

import astropy.units as u
import pytest
from packaging.version import Version

from jsoc_fido import localsite, times

#: Series, first and last time, and what else `jsoc_fido.localsite.synthesize` is told.
HOLDINGS = (
    # drms.tests.test_jsoc_query
    ("hmi.v_45s", "2013.07.03_08:42_TAI", "2013.07.03_08:46_TAI", {}),
    ("hmi.b_720s", "2013.07.03_08:42_TAI", "2013.07.03_09:22_TAI", {}),
    ("hmi.v_45s", "2014.01.01_00:00:35_TAI", "2014.01.01_01:00:35_TAI", {}),
    ("hmi.m_720s", "2011.04.14_00:30_TAI", "2011.04.14_06:30_TAI", {}),
    ("aia.lev1_euv_12s", "2014-01-01T00:00:01Z", "2014-12-31T00:00:01Z", {"wavelength": 335, "sample": 1 * u.day}),
    # drms.tests.test_jsoc_export
    ("hmi.v_sht_2drls", "2024.09.19_TAI", "2024.09.19_TAI", {}),
    ("hmi.sharp_720s", "2014.11.30_TAI", "2014.11.30_TAI", {"harp": 4864}),
    ("aia.lev1_euv_12s", "2025-01-01T04:33:30Z", "2025-01-01T04:34:30Z", {"size": 256, "wavelength": 171}),
    ("hmi.m_720s", "2020.10.17_22:12_TAI", "2020.10.17_22:36_TAI", {"size": 64}),
    # drms.tests.test_jsoc_basic, test_jsoc_info, test_json
    ("aia.lev1", "2014-01-01T00:00:00Z", "2014-01-01T00:00:12Z", {}),
    ("aia.response", "2014-01-01T00:00:00Z", "2014-01-01T00:00:00Z", {}),
    ("hmi.ic_720s", "2014.01.01_TAI", "2014.01.01_TAI", {}),
    ("hmi.synoptic_mr_720s", "2014.05.20_TAI", "2014.05.20_TAI", {}),
    ("mdi.fd_m_lev182", "2010.10.15_TAI", "2010.10.15_TAI", {}),
    ("mdi.fd_v", "2010.10.15_TAI", "2010.10.15_TAI", {}),
    # sunpy.net.jsoc.tests
    ("hmi.m_45s", "2012-01-01T01:00:00", "2012-01-01T01:01:00", {}),
    ("hmi.m_45s", "2020-01-01T00:00:00", "2020-01-01T00:02:00", {}),
    ("hmi.m_45s", "2020-01-01T01:00:30", "2020-01-01T01:01:00", {}),
    ("aia.lev1_euv_12s", "2020-01-01T01:00:30", "2020-01-01T01:00:40", {}),
    ("iris.lev1", "2014-01-01T00:00:00", "2014-01-01T00:01:59", {}),
    # Its cutout is 1085 pixels wide, so these have to be as fine as the real ones.
    ("aia.lev1_euv_12s", "2011-02-15T00:00:00", "2011-02-15T00:01:00", {"size": 4096, "wavelength": 171}),
)

#: How many records of HARP 3604 sunpy's test finds; JSOC has more by now than it had.
PATCHES = 1336 if Version(version("sunpy")) >= Version("8") else 1223


@pytest.fixture(scope="session")
def peer_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("peers")
    localsite.init(directory)
    for series, start, end, options in HOLDINGS:
        localsite.synthesize(directory, series, start, end, **{"size": 16, **options})
    # No patch is seen that long; this one comes twice.
    for day, count in (("2013.12.20_TAI", PATCHES // 2), ("2014.01.10_TAI", PATCHES - PATCHES // 2)):
        last = times.format(times.parse(day) + 720.0 * (count - 1))
        localsite.synthesize(directory, "hmi.sharp_cea_720s", day, last, size=8, harp=3604)
    return directory


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """
    Tell what became of the peers' tests, also when all is well.
    """
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for _, line in report.user_properties:
                    terminalreporter.write_line(line)
