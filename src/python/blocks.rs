//! Bytes out of a list or tuple that Python code may change meanwhile. `wsgi/iteration` sends responses from them.
//!
//! No reference is counted: the list is locked while it is looked at, against other threads of a free-threaded Python, and
//! nothing in between runs Python code or detaches, which would give that lock away.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// A list or tuple whose items are to be bytes.
pub(crate) struct Blocks<'a, 'py>(&'a Bound<'py, PyAny>);

/// The item at this index is no bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotBytes(pub(crate) usize);

/// How far [`Blocks::gather`] has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The index of the first block that was not copied.
    pub(crate) next: usize,
    /// How many of those that were copied are not empty.
    pub(crate) blocks: u64,
}

impl<'a, 'py> Blocks<'a, 'py> {
    /// `None` for anything but a list or a tuple; a class derived from one of them may iterate in another way.
    pub(crate) fn of(object: &'a Bound<'py, PyAny>) -> Option<Self> {
        let is_one = object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyTuple>();
        is_one.then_some(Self(object))
    }

    /// The item, where there is exactly one.
    pub(crate) fn only(&self) -> Option<Bound<'py, PyAny>> {
        if self.length() == 1 { self.item(0) } else { None }
    }

    /// The length of all blocks together.
    ///
    /// # Errors
    /// The first item that is no bytes.
    pub(crate) fn total(&self) -> Result<usize, NotBytes> {
        let mut total = 0;
        self.visit(0, |block| {
            total += block.len();
            true
        })?;
        Ok(total)
    }

    /// Appends blocks to `piece`, from the index `from` on, as long as it holds no more than `limit` bytes.
    ///
    /// # Errors
    /// The first item that is no bytes. Those before it are in `piece`.
    pub(crate) fn gather(&self, from: usize, piece: &mut Vec<u8>, limit: usize) -> Result<Gathered, NotBytes> {
        let mut gathered = Gathered { next: from, blocks: 0 };
        self.visit(from, |block| {
            let fits = piece.len() + block.len() <= limit;
            if fits {
                piece.extend_from_slice(block);
                gathered.next += 1;
                gathered.blocks += u64::from(!block.is_empty());
            }
            fits
        })?;
        Ok(gathered)
    }

    /// The item at an index, if there still is one.
    pub(crate) fn item(&self, index: usize) -> Option<Bound<'py, PyAny>> {
        match self.0.cast_exact::<PyList>() {
            Ok(list) => list.get_item(index).ok(),
            Err(_) => self.0.cast_exact::<PyTuple>().ok()?.get_item(index).ok(),
        }
    }

    /// Calls `each` with one block after another until it returns false. It must not use Python, which a closure of this
    /// file can be seen not to do.
    fn visit(&self, from: usize, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), NotBytes> {
        with_critical_section(self.0, || {
            let length = self.length();
            for index in from..length {
                let item = self.item_at(index).ok_or(NotBytes(index))?;
                let block = item.cast::<PyBytes>().map_err(|_| NotBytes(index))?;
                if !each(block.as_bytes()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn length(&self) -> usize {
        // SAFETY: ATTACHED: the object is proof, and a list or a tuple: both begin with their size.
        let length = unsafe { ffi::Py_SIZE(self.0.as_ptr()) };
        usize::try_from(length).unwrap_or(0)
    }

    /// The item at an index below the length. Called with the object locked, for which alone the answer is good.
    fn item_at(&self, index: usize) -> Option<Borrowed<'_, 'py, PyAny>> {
        let (object, index) = (self.0.as_ptr(), index as ffi::Py_ssize_t);
        let item = if self.0.is_exact_instance_of::<PyList>() {
            // SAFETY: ATTACHED: the list is locked, and the index is below its length, which was read under the same lock.
            unsafe { ffi::PyList_GET_ITEM(object, index) }
        } else {
            // SAFETY: ATTACHED: a tuple does not change, and the index is below its length.
            unsafe { ffi::PyTuple_GET_ITEM(object, index) }
        };
        // SAFETY: ATTACHED: the list or tuple holds a reference, and nobody takes the item out while it is locked.
        unsafe { Borrowed::from_ptr_or_opt(self.0.py(), item) }
    }
}
