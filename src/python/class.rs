//! Classes written in Rust, one heap type per interpreter.
//!
//! pyo3's `#[pyclass]` keeps its type object in a static of the process, which
//! sub-interpreters may not share. This builder makes the type anew for each
//! interpreter; instances are immutable from Python, and their Rust side is
//! `Sync`, so nothing relies on a GIL for exclusion.

use super::exhaustion;
use core::ffi::{CStr, c_int, c_void};
use core::marker::PhantomData;
use core::ops::Deref;
use pyo3::exceptions::{PyMemoryError, PySystemError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString, PyType};
use pyo3::{Borrowed, ffi};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The Rust side of instances of a class.
pub(crate) trait Class: Send + Sync + Sized + 'static {
    /// The qualified name, e.g. `mod_wsgi.Input`.
    const NAME: &'static CStr;
    /// The methods; the last row is [`Method::END`].
    const METHODS: &'static [Method];
    /// The read-only attributes; the last row is [`Attribute::END`].
    const ATTRIBUTES: &'static [Attribute] = &[Attribute::END];
    /// The next item, for classes that are their own iterator.
    const NEXT: Option<Next<Self>> = None;
}

/// `__next__`: `Ok(None)` is the end.
pub(crate) type Next<T> = for<'py> fn(&Object<'py, T>) -> PyResult<Option<Bound<'py, PyAny>>>;

/// What a method returns.
pub(crate) type Returns<'py> = PyResult<Bound<'py, PyAny>>;

/// The positional arguments of a call, borrowed from the caller.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    values: &'a [*mut ffi::PyObject],
}

impl<'a, 'py> Arguments<'a, 'py> {
    pub(crate) fn len(self) -> usize {
        self.values.len()
    }

    /// For methods that take none.
    ///
    /// # Errors
    /// TypeError if there are any.
    pub(crate) fn expect_none(self) -> PyResult<()> {
        match self.values {
            [] => Ok(()),
            values => Err(PyTypeError::new_err(format!("takes no arguments ({} given)", values.len()))),
        }
    }

    /// The argument at `index`, or `None` if there are fewer.
    pub(crate) fn get(self, index: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        let raw = *self.values.get(index)?;
        // SAFETY: ATTACHED; the caller of the method keeps its arguments alive for the call.
        Some(unsafe { Borrowed::from_ptr(self.py, raw) })
    }
}

/// One method of a class: its name and a plain function.
#[repr(transparent)]
pub(crate) struct Method(ffi::PyMethodDef);

// SAFETY: OBJECT: a row of constants.
unsafe impl Sync for Method {}

impl Method {
    /// Ends a table.
    pub(crate) const END: Self = Self(ffi::PyMethodDef::zeroed());

    /// A method with positional arguments only.
    pub(crate) const fn positional<T: Class, F>(name: &'static CStr, _function: F) -> Self
    where
        F: for<'a, 'py> Fn(&Object<'py, T>, Arguments<'a, 'py>) -> Returns<'py> + Copy + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a plain function, not a closure that captures") };
        Self(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: call_method::<T, F> },
            ml_flags: ffi::METH_FASTCALL,
            ml_doc: core::ptr::null(),
        })
    }
}

/// One read-only attribute of a class.
#[repr(transparent)]
pub(crate) struct Attribute(ffi::PyGetSetDef);

// SAFETY: OBJECT: a row of constants.
unsafe impl Sync for Attribute {}

impl Attribute {
    /// Ends a table.
    pub(crate) const END: Self = Self(ffi::PyGetSetDef {
        name: core::ptr::null(),
        get: None,
        set: None,
        doc: core::ptr::null(),
        closure: core::ptr::null_mut(),
    });

    pub(crate) const fn read_only<T: Class, F>(name: &'static CStr, _function: F) -> Self
    where
        F: for<'py> Fn(&Object<'py, T>) -> Returns<'py> + Copy + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a plain function, not a closure that captures") };
        Self(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get_attribute::<T, F>),
            set: None,
            doc: core::ptr::null(),
            closure: core::ptr::null_mut(),
        })
    }
}

/// An instance as CPython sees it: the object's header and the Rust side behind it.
#[repr(C)]
struct Layout<T> {
    header: ffi::PyObject,
    rust: T,
}

/// An instance of `T` that is known to be one.
pub(crate) struct Object<'py, T: Class> {
    object: Bound<'py, PyAny>,
    class: PhantomData<T>,
}

impl<'py, T: Class> Object<'py, T> {
    pub(crate) fn py(&self) -> Python<'py> {
        self.object.py()
    }

    pub(crate) fn as_any(&self) -> &Bound<'py, PyAny> {
        &self.object
    }

    /// # Safety
    /// `object` is a borrowed reference to an instance of the type that [`ClassType::<T>::new`] made.
    unsafe fn borrow(py: Python<'py>, object: *mut ffi::PyObject) -> Self {
        // SAFETY: ATTACHED; a reference.
        let object = unsafe { Bound::from_borrowed_ptr(py, object) };
        // SAFETY: CONTRACT: of the class.
        unsafe { Self::assume(object) }
    }

    /// # Safety
    /// `object` is an instance of the type that [`ClassType::<T>::new`] made, in the interpreter attached to.
    unsafe fn assume(object: Bound<'py, PyAny>) -> Self {
        Self { object, class: PhantomData }
    }

    /// The method in `T`'s table at `index`, bound to this instance: cheaper than looking it up by name.
    pub(crate) fn bound_method(&self, index: usize) -> Returns<'py> {
        let method = &raw const T::METHODS[index].0;
        // SAFETY: ATTACHED; the table is static, and CPython takes a reference to the instance.
        let raw = unsafe { ffi::PyCFunction_NewEx(method.cast_mut(), self.object.as_ptr(), core::ptr::null_mut()) };
        // SAFETY: ATTACHED; an owned reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(self.py(), raw) }
    }
}

impl<T: Class> Deref for Object<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let layout = self.object.as_ptr().cast::<Layout<T>>();
        // SAFETY: OBJECT: an instance of the class holds a `T`, which lives as long as this reference to it.
        unsafe { &(*layout).rust }
    }
}

/// The type object of `T` in one interpreter.
pub(crate) struct ClassType<T: Class> {
    object: Py<PyType>,
    class: PhantomData<T>,
}

impl<T: Class> ClassType<T> {
    /// Makes the type in the interpreter attached to.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        let mut slots = vec![
            slot(ffi::Py_tp_dealloc, deallocate::<T> as *const () as *mut c_void),
            slot(ffi::Py_tp_methods, T::METHODS.as_ptr().cast_mut().cast()),
            slot(ffi::Py_tp_getset, T::ATTRIBUTES.as_ptr().cast_mut().cast()),
        ];
        if T::NEXT.is_some() {
            slots.push(slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *const () as *mut c_void));
            slots.push(slot(ffi::Py_tp_iternext, next::<T> as *const () as *mut c_void));
        }
        slots.push(slot(0, core::ptr::null_mut()));
        let mut spec = ffi::PyType_Spec {
            name: T::NAME.as_ptr(),
            basicsize: size_of::<Layout<T>>() as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE)
                as u32,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: ATTACHED; CPython copies spec and slots, and the tables they point to are static.
        let raw = unsafe { ffi::PyType_FromSpec(&mut spec) };
        // SAFETY: ATTACHED; an owned reference, or null with an exception set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        Ok(Self { object: object.cast_into::<PyType>()?.unbind(), class: PhantomData })
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// MemoryError.
    pub(crate) fn instance<'py>(&self, py: Python<'py>, rust: T) -> PyResult<Object<'py, T>> {
        let class = self.object.as_ptr().cast::<ffi::PyTypeObject>();
        // SAFETY: ATTACHED; the type is alive.
        let raw = unsafe { ffi::PyType_GenericAlloc(class, 0) };
        // SAFETY: ATTACHED; an owned reference, or null with an exception set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        let layout = object.as_ptr().cast::<Layout<T>>();
        // SAFETY: OBJECT: the new object has room for a `T` behind its header.
        let place = unsafe { &raw mut (*layout).rust };
        // SAFETY: OBJECT: the place is aligned, and not initialised yet.
        unsafe { place.write(rust) };
        // SAFETY: OBJECT: an instance of the class, complete now.
        Ok(unsafe { Object::assume(object) })
    }
}

fn slot(number: c_int, value: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: value }
}

/// The function itself, from its type alone.
fn conjure<F: Copy + 'static>() -> F {
    const { assert!(size_of::<F>() == 0) };
    // SAFETY: OBJECT: a function item has one value and no bytes.
    unsafe { core::mem::zeroed() }
}

/// The door from CPython: attaches pyo3's bookkeeping, stops panics, raises errors (SAFETY.md, NO-UNWIND).
fn enter<R>(fallback: R, body: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> R {
    // SAFETY: ATTACHED: CPython calls its slots and methods attached.
    unsafe {
        Python::attach_unchecked(|py| {
            let outcome = catch_unwind(AssertUnwindSafe(|| body(py))).unwrap_or_else(|panic| Err(of_panic(&*panic)));
            outcome.unwrap_or_else(|error| {
                error.restore(py);
                fallback
            })
        })
    }
}

/// What a panic is for Python.
fn of_panic(panic: &(dyn Any + Send)) -> PyErr {
    let is_static = panic.downcast_ref::<&str>().is_some_and(|text| exhaustion::is_named_by(text));
    if is_static || panic.downcast_ref::<String>().is_some_and(|text| exhaustion::is_named_by(text)) {
        return PyMemoryError::new_err(());
    }
    PySystemError::new_err("internal error in mod_wsgi")
}

unsafe extern "C" fn call_method<T: Class, F>(
    object: *mut ffi::PyObject,
    values: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject
where
    F: for<'a, 'py> Fn(&Object<'py, T>, Arguments<'a, 'py>) -> Returns<'py> + Copy + 'static,
{
    enter(core::ptr::null_mut(), |py| {
        // SAFETY: ATTACHED; a method descriptor checks the type of its instance.
        let object = unsafe { Object::<T>::borrow(py, object) };
        let values = if count == 0 {
            &[]
        } else {
            // SAFETY: OBJECT: vectorcall passes `count` borrowed references.
            unsafe { core::slice::from_raw_parts(values, count as usize) }
        };
        conjure::<F>()(&object, Arguments { py, values }).map(Bound::into_ptr)
    })
}

unsafe extern "C" fn get_attribute<T: Class, F>(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject
where
    F: for<'py> Fn(&Object<'py, T>) -> Returns<'py> + Copy + 'static,
{
    enter(core::ptr::null_mut(), |py| {
        // SAFETY: ATTACHED; a getset descriptor checks the type of its instance.
        let object = unsafe { Object::<T>::borrow(py, object) };
        conjure::<F>()(&object).map(Bound::into_ptr)
    })
}

unsafe extern "C" fn next<T: Class>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    enter(core::ptr::null_mut(), |py| {
        // SAFETY: ATTACHED; the slot belongs to the type.
        let object = unsafe { Object::<T>::borrow(py, object) };
        let item = T::NEXT.map_or(Ok(None), |next| next(&object))?;
        Ok(item.map_or(core::ptr::null_mut(), Bound::into_ptr))
    })
}

unsafe extern "C" fn deallocate<T: Class>(object: *mut ffi::PyObject) {
    enter((), |_| {
        let layout = object.cast::<Layout<T>>();
        // SAFETY: OBJECT: the object is whole until its memory is given back below.
        let rust = unsafe { &raw mut (*layout).rust };
        // SAFETY: OBJECT: the last reference is gone, so nothing else sees the Rust side.
        unsafe { core::ptr::drop_in_place(rust) };
        Ok(())
    });
    // SAFETY: ATTACHED; the header is still whole.
    let class = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: OBJECT: the memory came from PyType_GenericAlloc of an untracked type.
    unsafe { ffi::PyObject_Free(object.cast()) };
    // SAFETY: OBJECT: an instance of a heap type owns a reference to it.
    unsafe { ffi::Py_DECREF(class.cast()) };
}

/// `io.UnsupportedOperation`, which is OSError and ValueError at once: callers of `fileno()` fall back on either.
pub(crate) fn unsupported(py: Python<'_>, text: &str) -> PyErr {
    let class = py.import("io").and_then(|io| io.getattr("UnsupportedOperation"));
    class.and_then(|class| class.call1((text,))).map_or_else(|error| error, PyErr::from_value)
}

/// `None`, as a method returns it.
pub(crate) fn none(py: Python<'_>) -> Returns<'_> {
    Ok(py.None().into_bound(py))
}

/// A `bool` as a method returns it.
pub(crate) fn boolean(py: Python<'_>, value: bool) -> Returns<'_> {
    Ok(PyBool::new(py, value).to_owned().into_any())
}

/// A `str` as a method returns it.
pub(crate) fn text<'py>(py: Python<'py>, text: &str) -> Returns<'py> {
    Ok(PyString::new(py, text).into_any())
}
