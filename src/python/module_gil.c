/* Whether an extension module declared that it is safe without the GIL.
 *
 * CPython notes the declaration of both kinds of extension (the slot Py_mod_gil
 * of multi-phase initialisation, PyUnstable_Module_SetGIL of single-phase) in
 * the module object, and shows it in its internal headers only. */
#define Py_BUILD_CORE 1
#include <Python.h>

#ifdef Py_GIL_DISABLED
#include "pycore_moduleobject.h"
#endif

/* 1: declared safe; 0: not declared; -1: not a module object, nothing to say. */
int mod_wsgi_declares_gil_not_used(PyObject *module)
{
    if (!PyModule_Check(module))
        return -1;
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030f0000
    return !((PyModuleObject *)module)->md_requires_gil;
#elif defined(Py_GIL_DISABLED)
    return ((PyModuleObject *)module)->md_gil == Py_MOD_GIL_NOT_USED;
#else
    return 0;
#endif
}
