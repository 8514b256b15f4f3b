/* PyConfig and PyInterpreterConfig as the C compiler sees them, for the test in
 * python/layout.rs: pyo3 declares them by hand. */
#include <Python.h>
#include <stddef.h>

const size_t mod_wsgi_python_layout[] = {
    sizeof(PyConfig),
    offsetof(PyConfig, install_signal_handlers),
    offsetof(PyConfig, hash_seed),
    offsetof(PyConfig, program_name),
    offsetof(PyConfig, home),
#ifdef Py_GIL_DISABLED
    offsetof(PyConfig, enable_gil),
#endif
#if PY_VERSION_HEX >= 0x030c0000
    sizeof(PyInterpreterConfig),
    offsetof(PyInterpreterConfig, check_multi_interp_extensions),
    offsetof(PyInterpreterConfig, gil),
#endif
};
const size_t mod_wsgi_python_layout_entries =
    sizeof(mod_wsgi_python_layout) / sizeof(mod_wsgi_python_layout[0]);
