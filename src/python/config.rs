//! Start-up: `PyConfig`, and the mode of the GIL for the life of the process.
//!
//! Called once per process, in the child, after the fork (SAFETY.md, AFTER-FORK).

use core::ffi::{CStr, c_int, c_ulong};
use pyo3::ffi;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What runs in parallel in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GilMode {
    /// One thread runs Python at a time, on a free-threaded build too.
    Shared,
    /// Every thread runs Python.
    FreeThreading,
}

/// Whether the Python that is embedded can run without the GIL at all.
pub(crate) const FREE_THREADED_BUILD: bool = cfg!(Py_GIL_DISABLED);

/// The first release of 3.14 without the known crashes of free-threaded Python.
const FIRST_GOOD_3_14: (c_ulong, c_ulong, c_ulong) = (3, 14, 7);

/// The version of the libpython that is loaded, if it is a free-threaded 3.14 that is older than the one recommended.
pub(crate) fn old_free_threaded_version() -> Option<String> {
    // SAFETY: STRUCTURE: a constant of libpython, which is there once it is loaded; nothing ever writes to it.
    let version = unsafe { ffi::Py_Version };
    if FREE_THREADED_BUILD { old_version(version) } else { None }
}

/// The same of a version as `Py_Version` has it: a byte each for major, minor and patch, above one for the release level.
fn old_version(version: c_ulong) -> Option<String> {
    let [major, minor, patch] = [24, 16, 8].map(|shift| (version >> shift) & 0xff);
    let is_old = (major, minor) == (FIRST_GOOD_3_14.0, FIRST_GOOD_3_14.1) && patch < FIRST_GOOD_3_14.2;
    is_old.then(|| format!("{major}.{minor}.{patch}"))
}

/// How Python starts.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) gil: GilMode,
    /// An installation or a virtual environment; the one built against otherwise.
    pub(crate) home: Option<String>,
    /// As `python -O` counts; 0 leaves it to Python.
    pub(crate) optimize: i32,
    /// Filters as `python -W` takes them, in their order.
    pub(crate) warnings: Vec<String>,
    pub(crate) write_bytecode: bool,
    pub(crate) hash_seed: HashSeed,
}

/// How `hash()` of text is seeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashSeed {
    /// As the environment says (`PYTHONHASHSEED`), which is at random if it says nothing.
    Default,
    Random,
    Fixed(u32),
}

/// Python did not start; the process goes on without.
#[derive(Debug, thiserror::Error)]
#[error("Python does not start: {0}")]
pub(crate) struct StartError(String);

/// `PYTHON_GIL` outranks `PyConfig.enable_gil`, but the directive is to decide.
const GIL_VARIABLE: &CStr = c"PYTHON_GIL";

/// Initialises Python on this thread, which becomes its main thread, and leaves the thread attached.
///
/// # Errors
/// The text of the `PyStatus`.
///
/// # Safety
/// AFTER-FORK: no other thread of the process runs yet, and Python was not initialised before.
pub(crate) unsafe fn initialize(options: &Options) -> Result<(), StartError> {
    // SAFETY: CONTRACT: no other thread reads the environment yet.
    unsafe { libc::unsetenv(GIL_VARIABLE.as_ptr()) };
    let mut config = Config::new();
    config.set_gil(options.gil);
    config.set_program(options)?;
    config.set_hash_seed(options.hash_seed);
    config.add_warnings(&options.warnings)?;
    if options.optimize > 0 {
        config.0.optimization_level = options.optimize;
    }
    if !options.write_bytecode {
        config.0.write_bytecode = 0;
    }
    config.initialize()
}

/// A `PyConfig` that is cleared when dropped.
struct Config(Box<ffi::PyConfig>);

impl Config {
    fn new() -> Self {
        let mut config = Box::new(core::mem::MaybeUninit::<ffi::PyConfig>::uninit());
        // SAFETY: STRUCTURE: CPython fills in the whole structure.
        unsafe { ffi::PyConfig_InitPythonConfig(config.as_mut_ptr()) };
        // SAFETY: STRUCTURE: it has just been filled in.
        let mut config = Self(unsafe { config.assume_init() });
        // Signals belong to httpd, and there is no command line.
        config.0.install_signal_handlers = 0;
        config.0.parse_argv = 0;
        config
    }

    #[cfg(Py_GIL_DISABLED)]
    fn set_gil(&mut self, mode: GilMode) {
        self.0.enable_gil = c_int::from(mode == GilMode::Shared);
    }

    #[cfg(not(Py_GIL_DISABLED))]
    fn set_gil(&mut self, _mode: GilMode) {
        const _: c_int = 0;
    }

    /// A virtual environment is entered the way its own interpreter would, through the
    /// program's name; an installation by its home. Without either, the interpreter built
    /// against is named, so that PATH does not decide which standard library is used.
    fn set_program(&mut self, options: &Options) -> Result<(), StartError> {
        match &options.home {
            Some(home) if Path::new(home).join("pyvenv.cfg").is_file() => {
                let program = Path::new(home).join("bin/python");
                self.set_string(|config| &raw mut config.program_name, program.as_os_str().as_bytes())
            }
            Some(home) => self.set_string(|config| &raw mut config.home, home.as_bytes()),
            None => {
                let program = env!("MOD_WSGI_PYTHON_EXECUTABLE");
                self.set_string(|config| &raw mut config.program_name, program.as_bytes())
            }
        }
    }

    fn set_hash_seed(&mut self, seed: HashSeed) {
        match seed {
            HashSeed::Default => {}
            HashSeed::Random => self.0.use_hash_seed = 0,
            HashSeed::Fixed(seed) => {
                self.0.use_hash_seed = 1;
                self.0.hash_seed = seed.into();
            }
        }
    }

    fn add_warnings(&mut self, filters: &[String]) -> Result<(), StartError> {
        for filter in filters {
            let text = CString::new(filter.as_str()).map_err(|error| StartError(error.to_string()))?;
            // SAFETY: STRUCTURE: a C string; decoding needs no initialised Python beyond its pre-initialisation, which
            // a PyConfig implies.
            let wide = unsafe { ffi::Py_DecodeLocale(text.as_ptr(), core::ptr::null_mut()) };
            if wide.is_null() {
                return Err(StartError(format!("the warning filter '{filter}' cannot be decoded")));
            }
            // SAFETY: STRUCTURE: the list belongs to this configuration; CPython copies the text.
            let status = unsafe { ffi::PyWideStringList_Append(&raw mut self.0.warnoptions, wide) };
            // SAFETY: STRUCTURE: Py_DecodeLocale allocated it.
            unsafe { ffi::PyMem_RawFree(wide.cast()) };
            check(status)?;
        }
        Ok(())
    }

    fn set_string(
        &mut self,
        member: impl FnOnce(&mut ffi::PyConfig) -> *mut *mut libc::wchar_t,
        value: &[u8],
    ) -> Result<(), StartError> {
        let value = CString::new(value).map_err(|error| StartError(error.to_string()))?;
        let member = member(&mut self.0);
        // SAFETY: STRUCTURE: the member belongs to this configuration, which CPython frees it with.
        check(unsafe { ffi::PyConfig_SetBytesString(&raw mut *self.0, member, value.as_ptr()) })
    }

    fn initialize(self) -> Result<(), StartError> {
        // SAFETY: AFTER-FORK, from `initialize` above.
        check(unsafe { ffi::Py_InitializeFromConfig(&raw const *self.0) })
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: STRUCTURE: filled in by PyConfig_InitPythonConfig.
        unsafe { ffi::PyConfig_Clear(&raw mut *self.0) };
    }
}

fn check(status: ffi::PyStatus) -> Result<(), StartError> {
    // SAFETY: STRUCTURE: a status is a plain value.
    if unsafe { ffi::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    let text = |pointer: *const core::ffi::c_char| {
        if pointer.is_null() {
            return String::new();
        }
        // SAFETY: STRUCTURE: not null, so it is a constant of CPython.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
    };
    Err(StartError(format!("{} ({})", text(status.err_msg), text(status.func))))
}

#[cfg(test)]
mod tests {
    use super::old_version;

    #[test]
    fn only_the_first_releases_of_3_14_are_old() {
        assert_eq!(old_version(0x030e_06f0).as_deref(), Some("3.14.6"));
        assert_eq!(old_version(0x030e_00a1).as_deref(), Some("3.14.0"));
        for version in [0x030e_07f0, 0x030d_05f0, 0x030f_00b1] {
            assert_eq!(old_version(version), None);
        }
    }
}
