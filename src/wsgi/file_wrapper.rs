//! `wsgi.file_wrapper`: the class, and the question whether a result of it can be sent as a file.

use super::gateway::FileRange;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::fs::{File, metadata};
use std::os::unix::fs::{FileExt, MetadataExt};

/// What an interpreter has for it.
pub(crate) struct FileWrapper {
    pub(crate) class: Py<PyType>,
    /// `place_of()` of the Python source.
    place_of: Py<PyAny>,
}

impl FileWrapper {
    /// Makes the class in the interpreter attached to.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        const SOURCE: &str = include_str!("file_wrapper.py");
        let source = std::ffi::CString::new(SOURCE)?;
        let namespace = PyDict::new(py);
        namespace.set_item("__name__", "mod_wsgi")?;
        py.run(&source, Some(&namespace), None)?;
        let namespace = namespace.as_any();
        let class = namespace.get_item("FileWrapper")?.cast_into::<PyType>()?.unbind();
        Ok(Self { class, place_of: namespace.get_item("place_of")?.unbind() })
    }

    /// The rest of the file that `result` wraps, if it is a wrapper and if reading that file, from where it stands, gives
    /// the bytes of a regular file. A descriptor of its own lets the server send it after the application has closed its
    /// file.
    ///
    /// # Errors
    /// What the application's own file raises, if it is neither OSError nor ValueError.
    pub(super) fn file_of(&self, result: &Bound<'_, PyAny>) -> PyResult<Option<FileRange>> {
        let py = result.py();
        if !result.is_instance(self.class.bind(py))? {
            return Ok(None);
        }
        let place: Option<(i32, u64)> = self.place_of.bind(py).call1((result,))?.extract()?;
        Ok(place.and_then(|(descriptor, offset)| range(descriptor, offset)))
    }
}

fn range(descriptor: i32, offset: u64) -> Option<FileRange> {
    let path = format!("/proc/self/fd/{descriptor}");
    if !metadata(&path).ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).ok()?;
    let length = length_of(&file)?;
    Some(FileRange { descriptor: file.into(), offset, length: length.saturating_sub(offset) })
}

/// The length of a regular file, unless the file system makes it up: files of /proc are 0 bytes long, those of /sys a page,
/// whatever is read from them. Neither occupies blocks, as few other files do: those are looked at where they should end.
fn length_of(file: &File) -> Option<u64> {
    let facts = file.metadata().ok()?;
    let length = facts.len();
    if facts.blocks() > 0 {
        return Some(length);
    }
    let is_there = |offset: u64| file.read_at(&mut [0], offset).map(|count| count == 1).ok();
    let has_last = length == 0 || is_there(length - 1)?;
    (has_last && !is_there(length)?).then_some(length)
}
