"""
``jsoc-fido demo`` from an empty folder to the picture, and again.
"""

import re

import matplotlib.image
import pytest

pytest.importorskip("jsoc_fido.localsite")
demo = pytest.importorskip("jsoc_fido.demo")


@pytest.mark.slow
def test_demo_twice(tmp_path, capsys):
    first = demo.run(tmp_path / "demo")
    output = capsys.readouterr().out
    found = re.findall(r"(\d+) Results from the JSOCClient", output)
    assert found == ["81", "81", "2107", "81", "81", "7", "1"]
    assert str(first) in output
    height, width, _ = matplotlib.image.imread(first).shape
    assert width > height > 300

    assert demo.run(tmp_path / "demo") == first
    assert "2107 Results" in capsys.readouterr().out
