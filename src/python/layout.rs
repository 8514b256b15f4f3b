//! pyo3 declares CPython's configuration structures by hand; they must be those of the headers.

use core::mem::{offset_of, size_of};
use pyo3::ffi;

unsafe extern "C" {
    static mod_wsgi_python_layout: [usize; 0];
    static mod_wsgi_python_layout_entries: usize;
}

#[test]
fn configuration_structures_have_the_layout_that_c_gives_them() {
    let rust = [
        size_of::<ffi::PyConfig>(),
        offset_of!(ffi::PyConfig, install_signal_handlers),
        offset_of!(ffi::PyConfig, hash_seed),
        offset_of!(ffi::PyConfig, program_name),
        offset_of!(ffi::PyConfig, home),
        #[cfg(Py_GIL_DISABLED)]
        offset_of!(ffi::PyConfig, enable_gil),
        #[cfg(Py_3_12)]
        size_of::<ffi::PyInterpreterConfig>(),
        #[cfg(Py_3_12)]
        offset_of!(ffi::PyInterpreterConfig, check_multi_interp_extensions),
        #[cfg(Py_3_12)]
        offset_of!(ffi::PyInterpreterConfig, gil),
    ];
    // SAFETY: CONSTANT: a constant of layout.c, which is linked into this test.
    let entries = unsafe { mod_wsgi_python_layout_entries };
    assert_eq!(rust.len(), entries, "layout.c and layout.rs list different members");
    // SAFETY: CONSTANT: layout.c defines that many values.
    let c = unsafe { core::slice::from_raw_parts((&raw const mod_wsgi_python_layout).cast::<usize>(), entries) };
    assert_eq!(rust, c);
}
