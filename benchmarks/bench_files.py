"""
Files: how fast they come, and how long it takes to complete the header of one.
"""

import shutil
import subprocess
import sys
import time

import numpy as np
import parfive
import pytest
from astropy.io import fits
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, fitsfiles, headers, localsite, quick
from jsoc_fido.attrs import Series
from jsoc_fido.site import site

COUNT, MEGABYTES = 20, 8
#: An image of 8 MiB.
SHAPE = (2048, 2048)

#: A site in a process of its own, so that it does not wait for the client.
SERVE = "import sys; from jsoc_fido import localsite; localsite.serve(sys.argv[1])"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """
    A site with twenty files of 8 MiB; its address.
    """
    directory = tmp_path_factory.mktemp("files") / "site"
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.v_45s", "2014-01-01T00:00", "2014-01-01T00:14:30", size=16)
    pixels = np.random.default_rng(0).integers(-9000, 9000, SHAPE, dtype=np.int16)
    stored = sorted(directory.rglob("*.fits"))
    assert len(stored) == COUNT
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels)]).writeto(stored[0], overwrite=True)
    for path in stored[1:]:
        shutil.copyfile(stored[0], path)
    with subprocess.Popen([sys.executable, "-c", SERVE, directory], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), [path.relative_to(directory).as_posix() for path in stored]
        finally:
            process.terminate()


def rate(bring, folder):
    """
    Megabytes in a second, the best of three.
    """
    seconds = []
    for run in range(3):
        target = folder / str(run)
        target.mkdir(parents=True)
        began = time.perf_counter()
        bring(target)
        seconds.append(time.perf_counter() - began)
        assert sum(path.stat().st_size >= MEGABYTES << 20 for path in target.iterdir()) == COUNT
        shutil.rmtree(target)
    return COUNT * MEGABYTES * 1.048576 / min(seconds)


def bench_download(archive, report, tmp_path):
    """
    Twenty files over loopback: parfive as it comes, and a fetch that also checks the files and completes their headers.
    """
    url, paths = archive
    client = JSOCClient(url)
    response = client.search(a.Time("2014-01-01", "2014-01-01T00:20"), Series("hmi.v_45s"))
    assert len(response) == COUNT

    def plain(folder):
        downloader = parfive.Downloader(max_conn=site(url).limits.connections, progress=False)
        for path in paths:
            downloader.enqueue_file(f"{url}/{path}", path=folder, filename=path.replace("/", "_"), max_splits=1)
        assert not downloader.download().errors

    def fetch(folder):
        assert not client.fetch(response, path=folder, progress=False).errors

    title = "fetch 20 files of 8 MiB, beside parfive alone"
    report(title, rate(fetch, tmp_path / "fetch"), rate(plain, tmp_path / "plain"), "MB/s")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """
    An image of 4096 x 4096 pixels, Rice-compressed as JSOC stores it.
    """
    path = tmp_path_factory.mktemp("stored") / "Dopplergram.fits"
    pixels = np.random.default_rng(0).normal(0, 30, (4096, 4096)).astype(np.int32)
    image = fits.CompImageHDU(pixels, compression_type="RICE_1", tile_shape=(1, 4096))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    return path


def bench_header(archive, stored, report, tmp_path):
    """
    Complete the header of a stored file, beside a plain copy of it.
    """
    where = site(archive[0])
    series = where.definition("hmi.v_45s")
    values = quick.ExactKeywords(where, series, [1]).values(1)

    def complete(target):
        cards = headers.header(series, values, segment="Dopplergram", recnum=1)
        fitsfiles.write_fits(stored, target, cards)

    def copy(target):
        shutil.copyfile(stored, target)

    title = f"complete the header of {stored.stat().st_size >> 20} MiB, beside a copy"
    report(title, best(complete, tmp_path / "ours.fits"), best(copy, tmp_path / "copy.fits"), "s")
    assert fits.getheader(tmp_path / "ours.fits", 1)["T_REC"].startswith("2014.01.01_00:00:")


def best(write, target):
    """
    Seconds to write a file that is not there yet, the best of nine.
    """
    seconds = []
    for _ in range(9):
        target.unlink(missing_ok=True)
        began = time.perf_counter()
        write(target)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
