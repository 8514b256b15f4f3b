//! The socket of the client, as far as a request may change it.

use super::request::Request;
use crate::ffi;
use core::time::Duration;

/// Another time limit for reads and writes of the client's socket, until it is dropped.
pub(crate) struct SocketTimeout<'r> {
    request: Request<'r>,
    before: ffi::apr_interval_time_t,
}

impl<'r> SocketTimeout<'r> {
    /// Sets the limit; `None` if there is no socket, as there may be none below HTTP/2.
    pub(crate) fn set(request: Request<'r>, limit: Duration) -> Option<Self> {
        let socket = socket(request)?;
        let mut before = 0;
        // SAFETY: REQUEST: the socket is that of the connection.
        if unsafe { ffi::apr_socket_timeout_get(socket, &mut before) } != 0 {
            return None;
        }
        let limit = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
        // SAFETY: as above.
        let status = unsafe { ffi::apr_socket_timeout_set(socket, limit) };
        (status == 0).then_some(Self { request, before })
    }
}

impl Drop for SocketTimeout<'_> {
    fn drop(&mut self) {
        if let Some(socket) = socket(self.request) {
            // SAFETY: REQUEST: the socket is that of the connection.
            unsafe { ffi::apr_socket_timeout_set(socket, self.before) };
        }
    }
}

fn socket(request: Request<'_>) -> Option<*mut ffi::apr_socket_t> {
    // SAFETY: REQUEST: the connection outlives the request.
    let socket = unsafe { ffi::ap_get_conn_socket(request.connection()) };
    (!socket.is_null()).then_some(socket)
}
