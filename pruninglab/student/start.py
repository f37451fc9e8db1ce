"""Open JupyterLab on a start page: `python -m pruninglab start` (`make lab`).

The page, labs/START.md, shows the labs, what each is about, how long it takes, and what is done so
far. It is rewritten at each start and after each check that runs in a lab. What follows on the
command line goes to JupyterLab (`python -m pruninglab start --no-browser`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pruninglab.overview.manifest import find_labs
from pruninglab.overview.page import write_page
from pruninglab.terminal import accept_any_text

CONFIG = Path(__file__).parents[1] / "assets" / "jupyter"  # JupyterLab's settings for the course


def main() -> None:
    """Write the page, and become JupyterLab."""
    accept_any_text()
    try:
        labs = find_labs()
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    write_page(labs)
    os.chdir(labs.parent)
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(CONFIG), others]))
    options = ["--LabApp.default_url=/lab/tree/labs/START.md", *sys.argv[1:]]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # a container: there is nobody else
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(options)


if __name__ == "__main__":
    main()
