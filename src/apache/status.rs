//! What a hook returns: httpd's own `OK`, `DECLINED`, `DONE` or an HTTP status.

use crate::ffi;
use core::ffi::c_int;

/// The result of a hook or handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) c_int);

impl Status {
    /// The hook has done its part.
    pub(crate) const OK: Self = Self(ffi::OK as c_int);
    /// Not for this module: the next one is asked.
    pub(crate) const DECLINED: Self = Self(ffi::DECLINED);
    /// httpd sent a response of its own while a filter ran (`AP_FILTER_ERROR`); nothing may follow it.
    pub(crate) const ANSWERED_BY_FILTER: Self = Self(ffi::AP_FILTER_ERROR);
    pub(crate) const HTTP_OK: Self = Self(ffi::HTTP_OK as c_int);
    pub(crate) const BAD_REQUEST: Self = Self(ffi::HTTP_BAD_REQUEST as c_int);
    pub(crate) const UNAUTHORIZED: Self = Self(ffi::HTTP_UNAUTHORIZED as c_int);
    pub(crate) const FORBIDDEN: Self = Self(ffi::HTTP_FORBIDDEN as c_int);
    pub(crate) const NOT_FOUND: Self = Self(ffi::HTTP_NOT_FOUND as c_int);
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self(ffi::HTTP_METHOD_NOT_ALLOWED as c_int);
    pub(crate) const REQUEST_TIMEOUT: Self = Self(ffi::HTTP_REQUEST_TIME_OUT as c_int);
    pub(crate) const LENGTH_REQUIRED: Self = Self(ffi::HTTP_LENGTH_REQUIRED as c_int);
    pub(crate) const REQUEST_ENTITY_TOO_LARGE: Self = Self(ffi::HTTP_REQUEST_ENTITY_TOO_LARGE as c_int);
    pub(crate) const INTERNAL_SERVER_ERROR: Self = Self(ffi::HTTP_INTERNAL_SERVER_ERROR as c_int);
    pub(crate) const SERVICE_UNAVAILABLE: Self = Self(ffi::HTTP_SERVICE_UNAVAILABLE as c_int);
    pub(crate) const BAD_GATEWAY: Self = Self(ffi::HTTP_BAD_GATEWAY as c_int);
    pub(crate) const GATEWAY_TIMEOUT: Self = Self(ffi::HTTP_GATEWAY_TIME_OUT as c_int);
    pub(crate) const NOT_IMPLEMENTED: Self = Self(ffi::HTTP_NOT_IMPLEMENTED as c_int);
}

impl Status {
    /// An HTTP status.
    pub(crate) fn of(code: u16) -> Self {
        Self(code.into())
    }

    /// Whether the server has failed, and not the client.
    pub(crate) fn is_server_error(self) -> bool {
        self.0 >= ffi::HTTP_INTERNAL_SERVER_ERROR as c_int
    }

    /// The number of an HTTP status; 0 of anything else.
    pub(crate) fn code(self) -> u16 {
        u16::try_from(self.0).unwrap_or(0)
    }
}

/// `APR_EGENERAL` and its neighbours are macros too: `APR_OS_START_ERROR` of apr_errno.h.
const APR_OS_START_ERROR: ffi::apr_status_t = 20000;
/// `APR_EGENERAL`.
pub(crate) const APR_EGENERAL: ffi::apr_status_t = APR_OS_START_ERROR + 14;
/// `APR_OS_START_STATUS`: statuses that are no failures, such as end of file.
const APR_OS_START_STATUS: ffi::apr_status_t = APR_OS_START_ERROR + 50000;
/// `APR_EOF`.
pub(crate) const APR_EOF: ffi::apr_status_t = APR_OS_START_STATUS + 14;

/// `APR_EAGAIN`.
pub(crate) const APR_EAGAIN: ffi::apr_status_t = libc::EAGAIN;

/// `APR_TIMEUP`.
const APR_TIMEUP: ffi::apr_status_t = APR_OS_START_STATUS + 7;

/// A status of APR that is no success, with the text that APR has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AprError(pub(crate) ffi::apr_status_t);

impl AprError {
    /// The time is up.
    pub(crate) const TIME_UP: Self = Self(APR_TIMEUP);

    /// Whether the time was up.
    pub(crate) fn is_timeout(self) -> bool {
        self.0 == APR_TIMEUP
    }
}

impl AprError {
    /// Whether there was less to read than expected.
    pub(crate) fn is_end_of_file(self) -> bool {
        self.0 == APR_EOF
    }
}

impl core::fmt::Display for AprError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut buffer = [0u8; 160];
        // SAFETY: REQUEST: the buffer is ours and its length is given; APR always ends the text with a NUL.
        unsafe { ffi::apr_strerror(self.0, buffer.as_mut_ptr().cast(), buffer.len() as ffi::apr_size_t) };
        let text = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
        formatter.write_str(&String::from_utf8_lossy(text))
    }
}
