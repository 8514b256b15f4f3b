//! `sys.path`, extended by `WSGIPythonPath`.

use pyo3::prelude::*;
use pyo3::types::PyList;

/// Sets the directory that eggs are unpacked into.
///
/// # Errors
/// What CPython raises.
pub(crate) fn set_egg_cache(py: Python<'_>, directory: &str) -> PyResult<()> {
    py.import("os")?.getattr("environ")?.set_item("PYTHON_EGG_CACHE", directory)
}

/// Makes `directory` the first of `sys.path`.
///
/// # Errors
/// What CPython raises.
pub(crate) fn put_first(py: Python<'_>, directory: &str) -> PyResult<()> {
    py.import("sys")?.getattr("path")?.call_method1("insert", (0, directory)).map(drop)
}

/// Adds directories, separated by colons, as `site.addsitedir` does (so `.pth` files
/// count), and moves what is new to the front.
///
/// # Errors
/// What a directory's `.pth` files raise; the directories after it are not added.
pub(crate) fn extend(py: Python<'_>, directories: &str) -> PyResult<()> {
    let path = py.import("sys")?.getattr("path")?.cast_into::<PyList>()?;
    let before = path.len();
    let add = py.import("site")?.getattr("addsitedir")?;
    let outcome = directories
        .split(':')
        .filter(|directory| !directory.is_empty())
        .try_for_each(|directory| add.call1((directory,)).map(drop));
    let added = path.get_slice(before, path.len());
    let old = path.get_slice(0, before);
    path.set_slice(0, path.len(), added.call_method1("__add__", (old,))?.as_any())?;
    outcome
}
