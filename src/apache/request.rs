//! `request_rec`: the request that a hook or handler was called for.
//!
//! Lent by `apache/boundary`'s callers to everything below; all reads and writes
//! of its members are here and in the parts of this file, so no other file knows an offset.

mod changes;
mod peers;
mod progress;

use super::{bytes, pool::Pool, server::Server, table::Table};
use crate::ffi;
use core::ffi::{c_char, c_int};
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

use member;

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
}
