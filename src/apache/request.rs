//! `request_rec`: the request that a hook or handler was called for.
//!
//! Lent by `apache/boundary`'s callers to everything below; all reads and writes
//! of its members are here, so no other file knows an offset.

use super::{bytes, pool::Pool, server::Server, status::Status, table::Table};
use crate::ffi;
use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A request that is alive for `'r`: until its handler returns.
pub(crate) struct Request<'r> {
    raw: NonNull<ffi::request_rec>,
    life: PhantomData<&'r ffi::request_rec>,
}

/// What httpd's directory walk found for the file name of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Missing,
    Regular,
    Directory,
    Other,
}

/// Whose a file is, and who else may write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileOwner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) group_writes: bool,
    pub(crate) all_write: bool,
}

/// The version of HTTP from which on clients wait for `100 Continue` (`HTTP_VERSION(1, 1)`).
const HTTP_1_1: c_int = 1001;

/// What httpd must have found out for a [`FileOwner`].
const OWNERSHIP: i32 = (ffi::APR_FINFO_OWNER | ffi::APR_FINFO_PROT) as i32;

/// Reads one member. A macro, because only the name of the member differs.
macro_rules! member {
    ($request:expr, $($path:tt)+) => {{
        let raw = $request.raw.as_ptr();
        // SAFETY: REQUEST: the record and what its members point to are alive until the handler returns.
        unsafe { (*raw).$($path)+ }
    }};
}

impl<'r> Request<'r> {
    /// # Safety
    /// REQUEST: `raw` is alive for `'r`, and one thread at a time uses it.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Self {
        // SAFETY: REQUEST: httpd calls hooks with a request, never with null.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Self { raw, life: PhantomData }
    }

    pub(crate) fn as_raw(&self) -> *mut ffi::request_rec {
        self.raw.as_ptr()
    }

    fn text(&self, text: *const c_char) -> &'r [u8] {
        // SAFETY: REQUEST: strings of the record live in its pool.
        unsafe { bytes(text) }.unwrap_or_default()
    }

    fn table(&self, raw: *mut ffi::apr_table_t) -> Table<'r> {
        // SAFETY: REQUEST: the tables of the record live in its pool.
        unsafe { Table::from_raw(raw) }
    }

    pub(crate) fn pool(&self) -> Pool<'r> {
        let pool = member!(self, pool);
        // SAFETY: REQUEST.
        unsafe { Pool::from_raw(pool) }
    }

    pub(crate) fn server(&self) -> Server<'r> {
        let server = member!(self, server);
        // SAFETY: REQUEST: a server outlives its requests.
        unsafe { Server::from_raw(server) }
    }

    pub(crate) fn connection(&self) -> *mut ffi::conn_rec {
        member!(self, connection)
    }

    /// Whether the connection is one that httpd has made for a stream of another connection, as HTTP/2 has it: its socket is
    /// a dummy.
    pub(crate) fn is_on_secondary_connection(&self) -> bool {
        // SAFETY: REQUEST: the connection outlives the request.
        unsafe { !(*self.connection()).master.is_null() }
    }

    // The request line, as httpd has parsed it.

    pub(crate) fn method(&self) -> &'r [u8] {
        self.text(member!(self, method))
    }

    pub(crate) fn is_head(&self) -> bool {
        member!(self, header_only) != 0
    }

    /// Whether the method is GET, or HEAD.
    pub(crate) fn is_get(&self) -> bool {
        member!(self, method_number) == ffi::M_GET as c_int
    }

    /// Says which methods there are, for the header `Allow` of an error.
    pub(crate) fn allow_get_only(&self) {
        let methods = member!(self, allowed_methods);
        // SAFETY: REQUEST: httpd makes the list with the record; one bit for each method.
        unsafe { (*methods).method_mask |= 1 << ffi::M_GET };
    }

    pub(crate) fn uri(&self) -> &'r [u8] {
        self.text(member!(self, uri))
    }

    pub(crate) fn unparsed_uri(&self) -> &'r [u8] {
        self.text(member!(self, unparsed_uri))
    }

    /// The first line of the request as the client sent it.
    pub(crate) fn the_request(&self) -> &'r [u8] {
        self.text(member!(self, the_request))
    }

    pub(crate) fn query(&self) -> &'r [u8] {
        self.text(member!(self, args))
    }

    pub(crate) fn path_info(&self) -> &'r [u8] {
        self.text(member!(self, path_info))
    }

    pub(crate) fn protocol(&self) -> &'r [u8] {
        self.text(member!(self, protocol))
    }

    pub(crate) fn host_name(&self) -> &'r [u8] {
        self.text(member!(self, hostname))
    }

    /// Microseconds since the epoch at which httpd had read the request line.
    pub(crate) fn time(&self) -> i64 {
        member!(self, request_time)
    }

    // What the earlier phases decided.

    /// The status so far. That of an error document is the status of the request that it is a page for.
    pub(crate) fn status(&self) -> i32 {
        member!(self, status)
    }

    /// Whether this is the page of an `ErrorDocument`: httpd asks for it as a GET, while the headers are those of the
    /// request that has failed, whose body nobody may read.
    pub(crate) fn is_error_document(&self) -> bool {
        self.previous().is_some() && self.status() != ffi::HTTP_OK as c_int
    }

    pub(crate) fn handler(&self) -> &'r [u8] {
        self.text(member!(self, handler))
    }

    pub(crate) fn filename(&self) -> &'r [u8] {
        self.text(member!(self, filename))
    }

    pub(crate) fn user(&self) -> Option<&'r [u8]> {
        let text = member!(self, user);
        // SAFETY: REQUEST: strings of the record live in its pool.
        unsafe { bytes(text) }
    }

    pub(crate) fn auth_type(&self) -> Option<&'r [u8]> {
        let text = member!(self, ap_auth_type);
        // SAFETY: REQUEST: strings of the record live in its pool.
        unsafe { bytes(text) }
    }

    /// The request that was redirected to this one by httpd itself.
    pub(crate) fn previous(&self) -> Option<Request<'r>> {
        let raw = NonNull::new(member!(self, prev))?;
        Some(Request { raw, life: PhantomData })
    }

    /// Whether another request asked for this one, to look at it or to include its response.
    pub(crate) fn is_sub_request(&self) -> bool {
        !member!(self, main).is_null()
    }

    pub(crate) fn accepts_path_info(&self) -> bool {
        member!(self, used_path_info) != ffi::AP_REQ_REJECT_PATH_INFO as c_int
    }

    pub(crate) fn file_kind(&self) -> FileKind {
        match member!(self, finfo.filetype) {
            ffi::APR_NOFILE => FileKind::Missing,
            ffi::APR_REG => FileKind::Regular,
            ffi::APR_DIR => FileKind::Directory,
            _ => FileKind::Other,
        }
    }

    /// When the script file changed last, in microseconds since the epoch: httpd has just looked.
    pub(crate) fn file_modified(&self) -> i64 {
        member!(self, finfo.mtime)
    }

    /// Who owns the file of the request and may write to it, if httpd has looked.
    pub(crate) fn file_owner(&self) -> Option<FileOwner> {
        let seen = self.file_kind() != FileKind::Missing && member!(self, finfo.valid) & OWNERSHIP == OWNERSHIP;
        let protection = member!(self, finfo.protection);
        seen.then(|| FileOwner {
            uid: member!(self, finfo.user),
            gid: member!(self, finfo.group),
            group_writes: protection & ffi::APR_FPROT_GWRITE as i32 != 0,
            all_write: protection & ffi::APR_FPROT_WWRITE as i32 != 0,
        })
    }

    /// Whether `Options ExecCGI` holds here.
    pub(crate) fn allows_exec_cgi(&self) -> bool {
        // SAFETY: REQUEST.
        let options = unsafe { ffi::ap_allow_options(self.as_raw()) };
        options & ffi::OPT_EXECCGI as c_int != 0
    }

    pub(crate) fn headers_in(&self) -> Table<'r> {
        self.table(member!(self, headers_in))
    }

    pub(crate) fn subprocess_env(&self) -> Table<'r> {
        self.table(member!(self, subprocess_env))
    }

    pub(crate) fn notes(&self) -> Table<'r> {
        self.table(member!(self, notes))
    }

    /// The settings of this module for the request: its slot in the merged per-directory configuration.
    pub(crate) fn directory_config(&self) -> *mut core::ffi::c_void {
        let vector = member!(self, per_dir_config);
        // SAFETY: REQUEST: the vector of a request covers every loaded module, and this one is loaded.
        unsafe { ffi::inline::ap_get_module_config(vector, super::this_module()) }
    }

    /// The status that the client has seen: that of the resource to which httpd has redirected the request itself, if it has.
    pub(crate) fn final_status(&self) -> u16 {
        let mut status = self.status();
        let mut next = NonNull::new(member!(self, next));
        while let Some(raw) = next {
            let request = Request { raw, life: self.life };
            status = request.status();
            next = NonNull::new(member!(request, next));
        }
        u16::try_from(status).unwrap_or(0)
    }

    /// Notes that the request has been counted: what httpd makes of its response is not counted again.
    pub(crate) fn note_counted(&self) {
        let (vector, mark) = (member!(self, request_config), core::ptr::without_provenance_mut(1));
        // SAFETY: REQUEST: the vector of a request covers every loaded module, and this one is loaded.
        unsafe { ffi::inline::ap_set_module_config(vector, super::this_module(), mark) };
    }

    /// Whether it has been counted, or one that was redirected to it.
    pub(crate) fn was_counted(&self) -> bool {
        let vector = member!(self, request_config);
        // SAFETY: REQUEST: the vector of a request covers every loaded module, and this one is loaded.
        let is_noted = !unsafe { ffi::inline::ap_get_module_config(vector, super::this_module()) }.is_null();
        is_noted || self.previous().is_some_and(|previous| previous.was_counted())
    }

    /// httpd's own per-directory settings.
    fn core_config(&self) -> &'r ffi::core_dir_config {
        let vector = member!(self, per_dir_config);
        // SAFETY: REQUEST: the vector of a request is whole.
        let settings = unsafe { ffi::ap_get_core_module_config(vector) };
        // SAFETY: REQUEST: the core module always has a per-directory record, which outlives the request.
        unsafe { &*settings.cast() }
    }

    /// `CGIPassAuth On`.
    pub(crate) fn cgi_pass_auth(&self) -> bool {
        self.core_config().cgi_pass_auth() == ffi::AP_CGI_PASS_AUTH_ON
    }

    /// `QualifyRedirectURL On`.
    pub(crate) fn qualify_redirect_url(&self) -> bool {
        self.core_config().qualify_redirect_url() == ffi::AP_CORE_CONFIG_ON
    }

    /// `CGIVar REQUEST_URI current-uri`.
    pub(crate) fn request_uri_is_current(&self) -> bool {
        let rules = self.core_config().cgi_var_rules;
        if rules.is_null() {
            return false;
        }
        let name = c"REQUEST_URI";
        // SAFETY: REQUEST: a hash that httpd made, keyed by C strings (APR_HASH_KEY_STRING is -1).
        let rule = unsafe { ffi::apr_hash_get(rules, name.as_ptr().cast(), -1) };
        // SAFETY: REQUEST: its values are C strings of the configuration.
        let rule = unsafe { bytes(rule.cast()) };
        rule == Some(b"current-uri")
    }

    // What httpd computes about server and client.

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

    /// The bytes `LimitRequestBody` allows; 0 is no limit.
    pub(crate) fn body_limit(&self) -> i64 {
        // SAFETY: REQUEST.
        unsafe { ffi::ap_get_limit_req_body(self.as_raw()) }
    }

    /// Whether the first output filter may change the content (its type is below that of protocol filters).
    pub(crate) fn first_filter_changes_content(&self) -> bool {
        let filters = member!(self, output_filters);
        // SAFETY: REQUEST: the chain of a request has at least the core filters.
        let record = unsafe { (*filters).frec };
        // SAFETY: REQUEST: records of filters live as long as the process.
        unsafe { (*record).ftype < ffi::AP_FTYPE_PROTOCOL }
    }

    /// Whether the first input filter works on the content of the body (its type is below that of protocol filters, and the
    /// chain is in the order of types).
    pub(crate) fn has_input_filter_for_content(&self) -> bool {
        let filters = member!(self, input_filters);
        // SAFETY: REQUEST: the chain of a request has at least the core filters.
        let record = unsafe { (*filters).frec };
        // SAFETY: REQUEST: records of filters live as long as the process.
        unsafe { (*record).ftype < ffi::AP_FTYPE_PROTOCOL }
    }

    /// Whether the end of a response has been passed to the filters, by whomever.
    pub(crate) fn has_ended(&self) -> bool {
        member!(self, eos_sent) != 0
    }

    /// Has httpd forget the end of a response that did not get past the first filter: `ap_pass_brigade` has noted it in this
    /// request and in those that were redirected to it. Where the head of a response was sent it is left alone.
    pub(crate) fn forget_end(&self) {
        if member!(self, sent_bodyct) != 0 {
            return;
        }
        let mut next = self.as_raw();
        while !next.is_null() {
            // SAFETY: REQUEST: those before are alive as long as this one is.
            unsafe { (*next).eos_sent = 0 };
            // SAFETY: REQUEST: those before are alive as long as this one is.
            next = unsafe { (*next).prev };
        }
    }

    /// Whether httpd has noticed that the client is gone.
    pub(crate) fn is_aborted(&self) -> bool {
        // SAFETY: REQUEST: the connection outlives the request.
        unsafe { (*self.connection()).aborted != 0 }
    }

    /// Whether another request has taken the place of this one (an internal redirect).
    pub(crate) fn has_successor(&self) -> bool {
        !member!(self, next).is_null()
    }

    /// The filters of the response, from the first one on.
    pub(crate) fn output_filters(&self) -> impl Iterator<Item = *mut ffi::ap_filter_t> + use<> {
        let first = member!(self, output_filters);
        let some = |filter: *mut ffi::ap_filter_t| (!filter.is_null()).then_some(filter);
        core::iter::successors(some(first), move |filter| {
            // SAFETY: REQUEST: the filters of a request live as long as it does.
            some(unsafe { (**filter).next })
        })
    }

    /// Takes the filter of that name (in lower case) out of the way of the response.
    pub(crate) fn remove_output_filter(&self, name: &CStr) {
        let found = self.output_filters().find(|filter| {
            // SAFETY: REQUEST: the filters of a request live as long as it does.
            let record = unsafe { (**filter).frec };
            // SAFETY: REQUEST: records of filters live as long as the configuration.
            let its_name = unsafe { (*record).name };
            // SAFETY: REQUEST: records of filters live as long as the configuration.
            unsafe { bytes(its_name) == Some(name.to_bytes()) }
        });
        if let Some(filter) = found {
            // SAFETY: REQUEST: a filter of this request.
            unsafe { ffi::ap_remove_output_filter(filter) };
        }
    }

    /// No further request may come over this connection.
    pub(crate) fn close_connection_afterwards(&self) {
        // SAFETY: REQUEST: the connection outlives the request.
        unsafe { (*self.connection()).keepalive = ffi::AP_CONN_CLOSE };
    }

    /// The response will not be whole: no further request may come over this connection, and no cache may store what
    /// there is of it. mod_cache looks at `no_cache` once more when it sees the end of a response.
    pub(crate) fn give_response_up(&self) {
        self.close_connection_afterwards();
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).no_cache = 1 };
        self.keep_whole_out_of_caches();
    }

    /// Keeps the responses that include this one, which has failed, out of caches: this is a sub-request of them.
    pub(crate) fn keep_whole_out_of_caches(&self) {
        let mut whole = member!(self, main);
        while let Some(record) = NonNull::new(whole) {
            // SAFETY: REQUEST: a request outlives its sub-requests, and the same thread works on both.
            unsafe { (*record.as_ptr()).no_cache = 1 };
            // SAFETY: REQUEST: a request outlives its sub-requests, and the same thread works on both.
            whole = unsafe { (*record.as_ptr()).main };
        }
    }

    // Changes that hooks and handlers make.

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
