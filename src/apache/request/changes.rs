//! What hooks and handlers change of a request and of its response.

use super::{HTTP_1_1, Request, member};
use crate::apache::status::Status;
use crate::apache::table::Table;
use crate::ffi;
use core::ffi::{CStr, c_int};

impl<'r> Request<'r> {
    pub(crate) fn set_filename(&self, filename: &[u8]) {
        let filename = self.pool().c_string(filename);
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { (*self.as_raw()).filename = filename.cast_mut() };
    }

    pub(crate) fn set_path_info(&self, path_info: &[u8]) {
        let path_info = self.pool().c_string(path_info);
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { (*self.as_raw()).path_info = path_info.cast_mut() };
    }

    /// Looks at `path` on disk and, if it is a regular file, makes it the file of this
    /// request: httpd's directory walk then need not look for where the file name ends
    /// and the path info begins, which costs one `lstat` per directory.
    pub(crate) fn adopt_file(&self, path: &[u8]) -> bool {
        let name = self.pool().c_string(path);
        // SAFETY: REQUEST: all zeroes is a valid apr_finfo_t, which apr_stat fills in.
        let mut found: ffi::apr_finfo_t = unsafe { core::mem::zeroed() };
        // SAFETY: POOL; the record is ours.
        let status = unsafe { ffi::apr_stat(&mut found, name, ffi::APR_FINFO_MIN as i32, self.pool().as_raw()) };
        let is_file = status == 0 && found.filetype == ffi::APR_REG;
        if is_file {
            // SAFETY: REQUEST; the name is in the pool of the request.
            unsafe { (*self.as_raw()).filename = name.cast_mut() };
            // SAFETY: REQUEST; a plain value.
            unsafe { (*self.as_raw()).finfo = found };
        }
        is_file
    }

    /// The name of the user, for whoever asks from here on.
    pub(crate) fn set_user(&self, user: &[u8]) {
        let user = self.pool().c_string(user);
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { (*self.as_raw()).user = user.cast_mut() };
    }

    pub(crate) fn set_handler(&self, handler: &'static CStr) {
        // SAFETY: REQUEST; the string is static.
        unsafe { (*self.as_raw()).handler = handler.as_ptr() };
    }

    /// The status line `code` and `line` (`200 OK`) of the response.
    pub(crate) fn set_status(&self, code: u16, line: &[u8]) {
        let line = self.pool().c_string(line);
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).status = c_int::from(code) };
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { (*self.as_raw()).status_line = line };
    }

    /// Sets the media type the way httpd wants it, so that filters by type apply.
    pub(crate) fn set_content_type(&self, value: &[u8]) {
        let value = self.pool().c_string(value);
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { ffi::ap_set_content_type(self.as_raw(), value) };
    }

    pub(crate) fn set_content_length(&self, length: i64) {
        // SAFETY: REQUEST.
        unsafe { ffi::ap_set_content_length(self.as_raw(), length) };
    }

    pub(crate) fn headers_out(&self) -> Table<'r> {
        self.table(member!(self, headers_out))
    }

    pub(crate) fn err_headers_out(&self) -> Table<'r> {
        self.table(member!(self, err_headers_out))
    }

    /// Lets httpd answer with what is at `path` on this server (`ap_internal_redirect_handler`): a GET request, which has
    /// no body. What the client still sends of its own is read first: nothing may take it for a further request.
    pub(crate) fn redirect_internally(&self, path: &[u8]) -> Status {
        // SAFETY: REQUEST.
        let status = Status(unsafe { ffi::ap_discard_request_body(self.as_raw()) });
        if status != Status::OK {
            return status;
        }
        self.headers_in().remove(c"Content-Length");
        self.headers_in().remove(c"Transfer-Encoding");
        // SAFETY: REQUEST; the string is static.
        unsafe { (*self.as_raw()).method = c"GET".as_ptr() };
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).method_number = ffi::M_GET as c_int };
        let path = self.pool().c_string(path);
        // SAFETY: REQUEST; the string is in the pool of the request.
        unsafe { ffi::ap_internal_redirect_handler(path, self.as_raw()) };
        Status::OK
    }

    /// Sends `100 Continue` to a client that waits for it, on the terms on which httpd does so at the first read of the body:
    /// nothing of a response has been sent, and no error is to be.
    pub(crate) fn send_continue(&self) {
        let is_waited_for = member!(self, expecting_100) != 0 && member!(self, proto_num) >= HTTP_1_1;
        if !is_waited_for
            || self.refuses_to_continue()
            || member!(self, eos_sent) != 0
            || member!(self, bytes_sent) != 0
        {
            return;
        }
        let (status, line) = (member!(self, status), member!(self, status_line));
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).status = ffi::HTTP_CONTINUE as c_int };
        // SAFETY: REQUEST; httpd makes the line of a status without one.
        unsafe { (*self.as_raw()).status_line = core::ptr::null() };
        // SAFETY: REQUEST. No header of the response to come goes with it.
        unsafe { ffi::ap_send_interim_response(self.as_raw(), 0) };
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).status = status };
        // SAFETY: REQUEST; the line is in the pool of the request.
        unsafe { (*self.as_raw()).status_line = line };
    }

    /// Whether the client waits for `100 Continue` and is about to be told of an error instead: for httpd its body has ended
    /// then.
    pub(crate) fn refuses_to_continue(&self) -> bool {
        member!(self, expecting_100) != 0 && !(200..300).contains(&member!(self, status))
    }

    /// Whether there may be something to read. A HEAD request is asked about its filters (`WSGIMapHEADToGET`), and has no
    /// body.
    pub(crate) fn has_body(&self) -> bool {
        let headers = self.headers_in();
        let announced = headers.get(c"Transfer-Encoding").or_else(|| headers.get(c"Content-Length"));
        announced.is_some_and(|length| length != b"0") && !self.is_head() && !self.is_error_document()
    }

    /// Takes back a response head of which nothing was sent, so that an error page can take its place: the status is
    /// `status` again. What other modules have put into `err_headers_out` is for the error page, and stays.
    pub(crate) fn reset_response(&self, status: i32) {
        self.headers_out().clear();
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).status = status };
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).status_line = core::ptr::null() };
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).clength = 0 };
        // SAFETY: REQUEST; null is how httpd spells "no content type".
        unsafe { ffi::ap_set_content_type(self.as_raw(), core::ptr::null()) };
    }
}
