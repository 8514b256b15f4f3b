"""mod_wsgi in Rust, as a Python distribution: the module that httpd loads, and the command wsgi-express.

`module_path()` says where the module is. Applications under httpd import `mod_wsgi`, which the module itself provides.
"""

import sysconfig
from pathlib import Path

VERSION = "0.1.0"

__all__ = ["VERSION", "module_path"]


def module_path() -> Path:
    """The module for httpd that belongs to the Python that runs this. It may be missing in a source checkout."""
    return Path(__file__).resolve().parent / ("mod_wsgi" + sysconfig.get_config_var("EXT_SUFFIX"))
