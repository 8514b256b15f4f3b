"""The build backend of pyproject.toml: setuptools', with the environment that cargo needs for this Python.

Called by pip and by `python -m build`. It builds with the settings of setup/cargo.sh for a release, so that a wheel from
pip holds the same module as one from `make wheel`.
"""

import os
import sys
import sysconfig

from setuptools.build_meta import *  # noqa: F403

# See setup/cargo.sh: there is no pool of references that were dropped while detached.
FLAGS = "--cfg pyo3_disable_reference_pool --cfg pyo3_leak_on_drop_without_reference_pool"
if FLAGS not in os.environ.get("RUSTFLAGS", ""):
    os.environ["RUSTFLAGS"] = f"{os.environ.get('RUSTFLAGS', '')} {FLAGS}".strip()
if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info[:2] == (3, 13):
    # See setup/cargo.sh: pyo3 refuses this Python in a check of its build script, and nowhere else.
    os.environ["UNSAFE_PYO3_SKIP_VERSION_CHECK"] = "1"
