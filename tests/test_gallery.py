"""
The examples of the gallery, each run as a script, on the site that their pages are built on.
"""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time

pytest.importorskip("jsoc_fido.localsite")
plt = pytest.importorskip("matplotlib.pyplot")

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "gallery"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        import gallery_site

        with gallery_site.running(tmp_path_factory.mktemp("gallery")) as running:
            yield running


@pytest.fixture
def run(site, monkeypatch):
    """
    What runs an example, and returns its variables.
    """
    monkeypatch.setattr(plt, "show", lambda: None)  # nobody looks
    site.requests.clear()
    yield lambda name: runpy.run_path(str(EXAMPLES / name))
    plt.close("all")


def test_every_example_is_tested():
    tested = re.findall(r"\brun\(\"(plot_\w+\.py)\"\)", Path(__file__).read_text("utf-8"))
    assert sorted(tested) == sorted(path.name for path in EXAMPLES.glob("plot_*.py"))


def test_short_exposures_are_fetched_and_no_others(run, site, capsys):
    names = run("plot_aia_short_exposures.py")
    # As many as the real records are, of which the gallery of aiapy tells.
    assert [len(names[name]) for name in ("found", "short", "chosen", "asked")] == [357, 101, 20, 20]
    assert "The same records: True" in capsys.readouterr().out
    assert len(names["files"]) == site.requests.count(("GET", "file")) == 20
    assert site.count("exp_request") == 0

    images = names["images"]
    # In the order of the rows, each with the keywords of its own.
    observed = Time([image.meta["t_obs"].rstrip("Z") for image in images])
    assert (abs(observed - names["chosen"]["T_OBS"]).sec < 0.01).all()
    exposures = [image.exposure_time.value for image in images]
    np.testing.assert_allclose(exposures, names["chosen"]["EXPTIME"].value, atol=1e-6)
    assert {image.wavelength.value for image in images} == {211}
    for raw, normalised in zip(images, names["sequence"], strict=True):
        np.testing.assert_allclose(normalised.data * raw.exposure_time.value, raw.data, rtol=1e-6)
        assert raw.max() < 16383  # not saturated, which is the point
    assert len(plt.gcf().axes) == 20


def test_an_active_region_emerges_and_two_images_are_fetched(run, site):
    names = run("plot_sharp_emergence.py")
    patch, crossing = names["patch"], names["crossing"]
    assert len(patch) == 42
    flux = np.asarray(patch["USFLUX"])
    assert flux[-1] > 3 * flux[0]
    assert abs(crossing["LON_FWT"].value) == np.abs(patch["LON_FWT"].value).min() < 3.4
    assert sorted(Path(file).name.split(".")[-2] for file in names["files"]) == ["continuum", "magnetogram"]
    assert site.requests.count(("GET", "file")) == 2
    for image in (names["continuum"], names["magnetogram"]):
        assert abs((image.date - crossing["T_REC"]).sec) < 720
    assert {"Continuum intensity", "Magnetic field"} <= {axes.get_title() for axes in plt.gcf().axes}
