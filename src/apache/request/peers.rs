//! What httpd computes about the server and the client of a request, and the ids that its logs have for both.

use super::{Request, member};
use crate::apache::bytes;
use crate::ffi;
use core::ffi::{CStr, c_int};

impl<'r> Request<'r> {
    pub(crate) fn scheme(&self) -> &'r [u8] {
        // SAFETY: REQUEST.
        self.text(unsafe { ffi::ap_run_http_scheme(self.as_raw()) })
    }

    /// Whether the client's connection is encrypted: `scheme` tells what the configuration says of it.
    pub(crate) fn is_over_tls(&self) -> bool {
        // SAFETY: REQUEST.
        unsafe { ffi::ap_ssl_conn_is_ssl(self.connection()) != 0 }
    }

    /// A variable of mod_ssl; `None` without mod_ssl, or if there is no such variable.
    pub(crate) fn tls_variable(&self, name: &CStr) -> Option<&'r [u8]> {
        let (pool, server) = (self.pool().as_raw(), self.server().as_raw());
        // SAFETY: REQUEST; httpd reads the name only.
        let value = unsafe { ffi::ap_ssl_var_lookup(pool, server, self.connection(), self.as_raw(), name.as_ptr()) };
        // SAFETY: REQUEST: the value lives in the pool of the request, or longer.
        unsafe { bytes(value) }
    }

    /// The name of the client, if `HostnameLookups` has httpd look for one.
    pub(crate) fn client_name(&self) -> Option<&'r [u8]> {
        self.client_host(ffi::REMOTE_HOST)
    }

    /// The name of the client, or else its address.
    pub(crate) fn client_name_or_address(&self) -> &'r [u8] {
        self.client_host(ffi::REMOTE_NAME).unwrap_or_default()
    }

    fn client_host(&self, kind: u32) -> Option<&'r [u8]> {
        // SAFETY: REQUEST; httpd takes null for what the caller does not want to know.
        let host = unsafe { ffi::ap_get_useragent_host(self.as_raw(), kind as c_int, core::ptr::null_mut()) };
        // SAFETY: REQUEST: it lives as long as the connection.
        unsafe { bytes(host) }
    }

    /// The last line of httpd's own pages (`ServerSignature`).
    pub(crate) fn signature(&self) -> &'r [u8] {
        // SAFETY: REQUEST; the text lives in the pool of the request or is static.
        self.text(unsafe { ffi::ap_psignature(c"".as_ptr(), self.as_raw()) })
    }

    pub(crate) fn server_port(&self) -> u16 {
        // SAFETY: REQUEST.
        unsafe { ffi::ap_get_server_port(self.as_raw()) }
    }

    /// The canonical server name as it may stand in a URL (IPv6 in brackets).
    pub(crate) fn server_name_for_url(&self) -> &'r [u8] {
        // SAFETY: REQUEST.
        self.text(unsafe { ffi::ap_get_server_name_for_url(self.as_raw()) })
    }

    pub(crate) fn document_root(&self) -> &'r [u8] {
        // SAFETY: REQUEST.
        self.text(unsafe { ffi::ap_document_root(self.as_raw()) })
    }

    pub(crate) fn context_prefix(&self) -> &'r [u8] {
        // SAFETY: REQUEST.
        self.text(unsafe { ffi::ap_context_prefix(self.as_raw()) })
    }

    pub(crate) fn context_document_root(&self) -> &'r [u8] {
        // SAFETY: REQUEST.
        self.text(unsafe { ffi::ap_context_document_root(self.as_raw()) })
    }

    /// `path` as an absolute URL of this server.
    pub(crate) fn qualify_url(&self, path: &[u8]) -> &'r [u8] {
        let path = self.pool().c_string(path);
        // SAFETY: REQUEST; the pool is that of the request.
        self.text(unsafe { ffi::ap_construct_url(self.pool().as_raw(), path, self.as_raw()) })
    }

    pub(crate) fn client_address(&self) -> &'r [u8] {
        self.text(member!(self, useragent_ip))
    }

    pub(crate) fn client_port(&self) -> u16 {
        let address = member!(self, useragent_addr);
        // SAFETY: REQUEST: the address of a connected client is set.
        unsafe { (*address).port }
    }

    pub(crate) fn local_address(&self) -> &'r [u8] {
        // SAFETY: REQUEST: the connection outlives the request.
        self.text(unsafe { (*self.connection()).local_ip })
    }

    pub(crate) fn local_port(&self) -> u16 {
        // SAFETY: REQUEST: the connection outlives the request.
        let address = unsafe { (*self.connection()).local_addr };
        // SAFETY: REQUEST: the local address of a connection is set.
        unsafe { (*address).port }
    }

    /// The host of the `Listen` line that the connection came by, as it stands there; empty if it names none.
    pub(crate) fn listener_host(&self) -> &'r [u8] {
        // SAFETY: REQUEST: the connection outlives the request.
        let address = unsafe { (*self.connection()).local_addr };
        // SAFETY: REQUEST: the local address of a connection is set.
        self.text(unsafe { (*address).hostname })
    }

    pub(crate) fn connection_log_id(&self) -> Option<&'r [u8]> {
        // SAFETY: REQUEST: the connection outlives the request.
        let id = unsafe { (*self.connection()).log_id };
        // SAFETY: REQUEST: the id lives as long as the connection.
        unsafe { bytes(id) }
    }

    /// The id that `%L` of the error log shows, made now if no one has asked for it yet.
    pub(crate) fn log_id(&self) -> Option<&'r [u8]> {
        if member!(self, log_id).is_null() {
            let mut id = core::ptr::null();
            // SAFETY: REQUEST; the hook leaves `id` null or sets it to a string of the request's pool.
            unsafe { ffi::ap_run_generate_log_id(self.connection(), self.as_raw(), &mut id) };
            // SAFETY: REQUEST; httpd itself keeps the id here.
            unsafe { (*self.as_raw()).log_id = id };
        }
        let id = member!(self, log_id);
        // SAFETY: REQUEST: the id lives in the pool of the request.
        unsafe { bytes(id) }
    }
}
