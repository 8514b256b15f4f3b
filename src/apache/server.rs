//! `server_rec`: the main server or a virtual host.

use super::bytes;
use super::pool::Pool;
use crate::ffi;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::os::fd::BorrowedFd;

/// A server that is alive for `'s`: as long as its configuration, or as the request that it is asked of.
#[derive(Clone, Copy)]
pub(crate) struct Server<'s> {
    raw: NonNull<ffi::server_rec>,
    life: PhantomData<&'s ffi::server_rec>,
}

/// Where something stands: in the main server, or in which virtual host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerPlace<'s> {
    pub(crate) is_virtual: bool,
    /// `ServerName`; none as long as a section being read has not named it.
    pub(crate) name: Option<&'s [u8]>,
}

// SAFETY: CONFIGURATION: httpd does not change a server once it is configured.
unsafe impl Send for Server<'_> {}
// SAFETY: CONFIGURATION: httpd does not change a server once it is configured.
unsafe impl Sync for Server<'_> {}

impl<'s> Server<'s> {
    /// The main server of the configuration that this one is part of.
    pub(super) fn main(self) -> Option<Self> {
        // SAFETY: HTTPD: httpd sets this before it applies directives, and as long as it has only one thread.
        let raw = NonNull::new(unsafe { ffi::ap_server_conf })?;
        Some(Self { raw, life: PhantomData })
    }

    /// # Safety
    /// CONFIGURATION: `raw` is a server of a configuration that outlives `'s`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::server_rec) -> Self {
        // SAFETY: CONFIGURATION: httpd never hands out a null server.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Self { raw, life: PhantomData }
    }

    pub(crate) fn as_raw(self) -> *mut ffi::server_rec {
        self.raw.as_ptr()
    }

    /// This module's slot in the configuration of this server.
    pub(crate) fn config(self) -> *mut c_void {
        // SAFETY: CONFIGURATION: the server is alive.
        let vector = unsafe { (*self.as_raw()).module_config };
        // SAFETY: CONFIGURATION: the vector of a server covers every loaded module, and this one is loaded.
        unsafe { ffi::inline::ap_get_module_config(vector, super::this_module()) }
    }

    /// This server and those that follow it in the configuration: from the main server, all of them.
    pub(crate) fn and_following(self) -> impl Iterator<Item = Server<'s>> {
        core::iter::successors(Some(self), |server| {
            // SAFETY: CONFIGURATION: the server is alive.
            let next = NonNull::new(unsafe { (*server.as_raw()).next })?;
            Some(Server { raw: next, life: PhantomData })
        })
    }

    /// `ServerName`.
    pub(crate) fn host_name(self) -> &'s [u8] {
        self.place().name.unwrap_or_default()
    }

    /// Which server of the configuration this is.
    pub(crate) fn place(self) -> ServerPlace<'s> {
        // SAFETY: CONFIGURATION: the server is alive.
        let is_virtual = unsafe { (*self.as_raw()).is_virtual } != 0;
        // SAFETY: CONFIGURATION: the server is alive.
        let name = unsafe { (*self.as_raw()).server_hostname };
        // SAFETY: CONFIGURATION: its strings live as long.
        ServerPlace { is_virtual, name: unsafe { bytes(name) } }
    }

    /// The port of `ServerName`; 0 if it names none.
    pub(crate) fn port(self) -> u16 {
        // SAFETY: CONFIGURATION: the server is alive.
        unsafe { (*self.as_raw()).port }
    }

    /// `Timeout`: how long httpd waits for a client, or for whoever answers in its place.
    pub(crate) fn timeout(self) -> core::time::Duration {
        // SAFETY: CONFIGURATION: the server is alive.
        let microseconds = unsafe { (*self.as_raw()).timeout };
        core::time::Duration::from_micros(microseconds.try_into().unwrap_or(0))
    }

    /// The file or pipe of `ErrorLog`; none if that is syslog.
    pub(crate) fn error_log(self) -> Option<BorrowedFd<'s>> {
        // SAFETY: CONFIGURATION: the server is alive.
        let file = NonNull::new(unsafe { (*self.as_raw()).error_log })?;
        let mut descriptor = -1;
        // SAFETY: CONFIGURATION: the log is open as long as the server is in use.
        let status = unsafe { ffi::apr_os_file_get(&mut descriptor, file.as_ptr()) };
        // SAFETY: CONFIGURATION: the log is open as long as the server is in use.
        (status == 0 && descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) })
    }

    /// Has the lines about `other` go to the log of this server, in this process.
    pub(super) fn log_for(self, other: Server<'_>) {
        // SAFETY: CONFIGURATION: the server is alive.
        let log = unsafe { (*self.as_raw()).error_log };
        // SAFETY: FORKED: the record is this process's copy, and no other thread reads it yet.
        unsafe { (*other.as_raw()).error_log = log };
    }

    /// The text of the `Server` header, by `ServerTokens`.
    pub(crate) fn banner(self) -> &'s [u8] {
        // SAFETY: HTTPD: a plain query.
        let text = unsafe { ffi::ap_get_server_banner() };
        // SAFETY: CONFIGURATION: kept by httpd for the life of the configuration, which this server is part of.
        unsafe { bytes(text) }.unwrap_or_default()
    }

    /// `ServerAdmin`.
    pub(crate) fn admin(self) -> Option<&'s [u8]> {
        // SAFETY: CONFIGURATION: the server is alive.
        let admin = unsafe { (*self.as_raw()).server_admin };
        // SAFETY: CONFIGURATION: its strings live as long.
        unsafe { bytes(admin) }
    }
}

/// `path` as a path from the root: what is relative begins at `ServerRoot`. `None` if httpd makes no path of it.
pub(crate) fn below_root(pool: Pool<'_>, path: &str) -> Option<String> {
    let path = pool.c_string(path.as_bytes());
    // SAFETY: POOL; a C string.
    let found = unsafe { ffi::ap_server_root_relative(pool.as_raw(), path) };
    // SAFETY: POOL: null, or a C string in the pool.
    let found = unsafe { bytes(found) }?;
    core::str::from_utf8(found).ok().map(str::to_owned)
}

/// The full description of the server, whatever `ServerTokens` says.
pub(crate) fn description() -> String {
    // SAFETY: HTTPD: a plain query.
    let text = unsafe { ffi::ap_get_server_description() };
    // SAFETY: CONFIGURATION: kept by httpd for the life of the configuration, and copied at once.
    let text = unsafe { bytes(text) }.unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// When httpd was built.
pub(crate) fn built() -> &'static [u8] {
    // SAFETY: HTTPD: a plain query.
    let text = unsafe { ffi::ap_get_server_built() };
    // SAFETY: HTTPD: a constant of httpd.
    unsafe { bytes(text) }.unwrap_or_default()
}

/// The httpd version of the headers that this module was compiled with.
pub(crate) const VERSION: (u32, u32, u32) =
    (ffi::AP_SERVER_MAJORVERSION_NUMBER, ffi::AP_SERVER_MINORVERSION_NUMBER, ffi::AP_SERVER_PATCHLEVEL_NUMBER);
