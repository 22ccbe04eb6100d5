"""
A pytest plugin for the peers' processes: what they know as JSOC is the site at ``PEER_SITE``.
"""

import os


def pytest_configure() -> None:
    from drms import config
    from drms.tests import conftest

    site = os.environ["PEER_SITE"]
    # All the rest stays as drms has it for JSOC, such as the names of the CGIs.
    entries = config._server_configs.pop("jsoc").to_dict()
    kept = {name: value for name, value in entries.items() if not name.startswith("url_")}
    moved = {"cgi_baseurl": f"{site}/cgi-bin/ajax/", "http_download_baseurl": f"{site}/"}
    config.register_server(config.ServerConfig({**kept, **moved}))
    # Tests are skipped unless JSOC's home page answers.
    conftest.jsoc_reachable.result = True
