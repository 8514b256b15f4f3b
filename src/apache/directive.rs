//! Directives as rows of a table: name, where it may stand, how many words it
//! takes, and a closure that sets one field.
//!
//! One C function serves every row: `command_rec.cmd_data` points back to it.

use super::{
    arguments,
    boundary::guard,
    pool::Pool,
    request::Request,
    server::{Server, ServerPlace},
};
use crate::ffi;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;

/// A module's two kinds of settings, and how they are merged.
pub(crate) trait Configuration: 'static {
    /// Settings of a server or virtual host. They own what they hold, as they have something to drop.
    type Server: Default + Sync + 'static;
    /// Settings that directories, locations and `.htaccess` files refine. `Copy`: they live in a pool, as do the texts that
    /// they hold, and have nothing to drop.
    type Directory<'p>: Copy + Default + Sync;
    /// A function that sets what a directive says in a section.
    type SetDirectory: Copy + Sync;

    /// Calls `set`. The texts of the arguments live as long as the settings.
    ///
    /// # Errors
    /// What is wrong with the directive, in words.
    fn set_directory<'p>(
        set: Self::SetDirectory,
        settings: &mut Self::Directory<'p>,
        arguments: &Arguments<'p>,
    ) -> Result<(), String>;
    /// What a virtual host gets: its own settings over those of the main server.
    fn merge_server(main: &Self::Server, host: &Self::Server) -> Self::Server;
    /// What the inner section gets. It lives in `pool`: the configuration's, or the request's.
    fn merge_directory<'p>(
        pool: Pool<'p>,
        outer: &Self::Directory<'p>,
        inner: &Self::Directory<'p>,
    ) -> Merged<Self::Directory<'p>>;
}

/// The result of a merge that often needs no new record.
pub(crate) enum Merged<T> {
    Outer,
    Inner,
    Both(T),
}

/// Where a directive may stand: the context classes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The main server only.
    Global,
    /// The main server and virtual hosts.
    Server,
    /// Also directory sections.
    Directory,
    /// Also `.htaccess` files under `AllowOverride FileInfo`.
    FileInfo,
    /// Directory sections, and `.htaccess` files under `AllowOverride AuthConfig`, alone.
    AuthConfig,
}

impl Scope {
    const fn overrides(self) -> c_int {
        (match self {
            Self::Global | Self::Server => ffi::RSRC_CONF,
            Self::Directory => ffi::RSRC_CONF | ffi::ACCESS_CONF,
            Self::FileInfo => ffi::OR_FILEINFO,
            Self::AuthConfig => ffi::OR_AUTHCFG,
        }) as c_int
    }
}

/// How many words a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    One,
    AtLeast(usize),
}

/// The words of one use of a directive.
pub(crate) struct Arguments<'p> {
    words: Vec<&'p str>,
    pub(crate) pool: Pool<'p>,
}

impl<'p> Arguments<'p> {
    /// The first word.
    pub(crate) fn first(&self) -> &'p str {
        self.words.first().copied().unwrap_or_default()
    }

    pub(crate) fn words(&self) -> &[&'p str] {
        &self.words
    }
}

/// The settings of the servers that have been read so far, but for the one that is being read.
pub(crate) struct Others<'s, C> {
    /// Never handed out, because its settings are borrowed.
    here: Server<'s>,
    kind: PhantomData<C>,
}

impl<'s, C: Configuration> Others<'s, C> {
    /// Where the directive stands.
    pub(crate) fn here(&self) -> ServerPlace<'s> {
        self.here.place()
    }

    /// The other servers, and their settings.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (ServerPlace<'s>, &'s C::Server)> {
        let servers = self.here.main().into_iter().flat_map(Server::and_following);
        let others = servers.filter(|server| server.as_raw() != self.here.as_raw());
        others.filter_map(|server| Some((server.place(), server_settings::<C>(server)?)))
    }
}

/// Sets what a directive declares in a server.
pub(crate) type Declare<C> =
    fn(&mut <C as Configuration>::Server, &Others<'_, C>, &Arguments<'_>) -> Result<(), String>;

/// Which settings a directive changes, and how.
pub(crate) enum Setter<C: Configuration> {
    Server(fn(&mut C::Server, &Arguments<'_>) -> Result<(), String>),
    /// Where what other servers have declared counts as well.
    Declaration(Declare<C>),
    Directory(C::SetDirectory),
    /// A section: `open` before the directives inside it are read, `close` after.
    Section {
        open: fn(&mut C::Server, &Arguments<'_>) -> Result<(), String>,
        close: fn(&mut C::Server),
    },
}

/// One row of a module's table.
pub(crate) struct Directive<C: Configuration> {
    pub(crate) name: &'static CStr,
    pub(crate) scope: Scope,
    pub(crate) words: Words,
    pub(crate) set: Setter<C>,
    /// What `httpd -L` shows.
    pub(crate) help: &'static CStr,
}

/// The row as httpd wants it.
pub(crate) const fn command<C: Configuration>(row: &'static Directive<C>) -> ffi::command_rec {
    ffi::command_rec {
        name: row.name.as_ptr(),
        func: ffi::cmd_func { raw_args: Some(apply::<C>) },
        cmd_data: core::ptr::from_ref(row).cast_mut().cast(),
        req_override: row.scope.overrides(),
        args_how: ffi::RAW_ARGS,
        errmsg: row.help.as_ptr(),
    }
}

/// The row that ends a table.
pub(crate) const END: ffi::command_rec = ffi::command_rec {
    name: core::ptr::null(),
    func: ffi::cmd_func { raw_args: None },
    cmd_data: core::ptr::null_mut(),
    req_override: 0,
    args_how: 0,
    errmsg: core::ptr::null(),
};

/// What httpd calls when it meets a directive of the table. Returns null, or the
/// message that stops start-up (500 from `.htaccess`).
unsafe extern "C" fn apply<C: Configuration>(
    parameters: *mut ffi::cmd_parms,
    directory: *mut c_void,
    text: *const c_char,
) -> *const c_char {
    guard(c"mod_wsgi: internal error in a directive".as_ptr(), || {
        // SAFETY: HTTPD: httpd lends the parameters for the length of the call.
        let parameters = unsafe { &*parameters };
        // SAFETY: HTTPD: the command that is being run.
        let row = unsafe { (*parameters.cmd).cmd_data }.cast::<Directive<C>>();
        // SAFETY: HTTPD: `command` made it, from a row that is static.
        let row = unsafe { &*row };
        // SAFETY: POOL: the configuration's pool, or the request's for `.htaccess`; settings made here live no longer.
        let pool = unsafe { Pool::from_raw(parameters.pool) };
        if row.scope == Scope::Global {
            // SAFETY: HTTPD: the parameters are those of this call.
            let refusal =
                unsafe { ffi::ap_check_cmd_context(core::ptr::from_ref(parameters).cast_mut(), ffi::GLOBAL_ONLY) };
            if !refusal.is_null() {
                return refusal;
            }
        }
        // SAFETY: HTTPD: raw arguments are a C string of the configuration.
        let text = unsafe { super::bytes(text) }.unwrap_or_default();
        // SAFETY: HTTPD: it lends both for the length of the call.
        let outcome =
            arguments_of(row, pool, text).and_then(|arguments| unsafe { set(row, parameters, directory, &arguments) });
        match outcome {
            Ok(message) => message,
            Err(text) => pool.c_string(format!("{}: {text}", row.name.to_string_lossy()).as_bytes()),
        }
    })
}

/// Sets what the directive says. Returns null, or the message of a directive inside of a section.
///
/// # Safety
/// HTTPD: `parameters` and `directory` are what httpd calls a directive with, and `arguments` are in the pool of these.
unsafe fn set<C: Configuration>(
    row: &Directive<C>,
    parameters: &ffi::cmd_parms,
    directory: *mut c_void,
    arguments: &Arguments<'_>,
) -> Result<*const c_char, String> {
    match row.set {
        Setter::Server(set) => {
            // SAFETY: CONFIGURATION: the server whose section is being read.
            let server = unsafe { Server::from_raw(parameters.server) };
            // SAFETY: CONFIGURATION: the slot holds what `create_server` put there, and start-up is
            // single-threaded.
            set(unsafe { &mut *server.config().cast::<C::Server>() }, arguments).map(|()| core::ptr::null())
        }
        Setter::Declaration(set) => {
            // SAFETY: CONFIGURATION: the server whose section is being read.
            let here = unsafe { Server::from_raw(parameters.server) };
            let others = Others { here, kind: PhantomData };
            // SAFETY: CONFIGURATION: the slot holds what `create_server` put there, start-up is single-threaded,
            // and `others` leaves it out.
            set(unsafe { &mut *here.config().cast::<C::Server>() }, &others, arguments).map(|()| core::ptr::null())
        }
        Setter::Section { open, close } => {
            // SAFETY: CONFIGURATION: the server whose section is being read.
            let settings = unsafe { Server::from_raw(parameters.server) }.config().cast::<C::Server>();
            // SAFETY: CONFIGURATION: the slot holds what `create_server` put there, and start-up is
            // single-threaded.
            open(unsafe { &mut *settings }, arguments)?;
            let message = walk_section(parameters);
            // SAFETY: CONFIGURATION: the slot holds what `create_server` put there; what the section's own
            // directives borrowed is given back.
            close(unsafe { &mut *settings });
            Ok(message)
        }
        Setter::Directory(set) => {
            // SAFETY: POOL: `directory` is what `create_directory` returned for this section, in the pool of the arguments;
            // only this thread reads it now.
            let settings = unsafe { &mut *directory.cast::<C::Directory<'_>>() };
            C::set_directory(set, settings, arguments).map(|()| core::ptr::null())
        }
    }
}

/// Reads the directives inside a section; the message of the first that fails, or null.
fn walk_section(parameters: &ffi::cmd_parms) -> *const c_char {
    // SAFETY: HTTPD: the directive being read; its children were parsed with it.
    let first = unsafe { (*parameters.directive).first_child };
    // SAFETY: HTTPD: httpd reads a section's directives with the parameters of the section.
    unsafe { ffi::ap_walk_config(first, core::ptr::from_ref(parameters).cast_mut(), parameters.context) }
}

/// The words of a section's opening tag end with `>`.
fn inside_of_tag<'a, C: Configuration>(row: &Directive<C>, text: &'a [u8]) -> Result<&'a [u8], String> {
    match row.set {
        Setter::Section { .. } => {
            text.trim_ascii_end().strip_suffix(b">").ok_or_else(|| "the section has no closing '>'".into())
        }
        _ => Ok(text),
    }
}

fn arguments_of<'p, C: Configuration>(
    row: &Directive<C>,
    pool: Pool<'p>,
    text: &[u8],
) -> Result<Arguments<'p>, String> {
    let mut words = Vec::new();
    for word in arguments::split(inside_of_tag(row, text)?)? {
        let word =
            core::str::from_utf8(&word).map_err(|_| format!("'{}' is not UTF-8", String::from_utf8_lossy(&word)))?;
        words.push(pool.text(word));
    }
    let enough = match row.words {
        Words::One => words.len() == 1 && !words[0].is_empty(),
        Words::AtLeast(least) => words.len() >= least && !words.iter().take(least).any(|word| word.is_empty()),
    };
    if enough {
        return Ok(Arguments { words, pool });
    }
    let got = String::from_utf8_lossy(text.trim_ascii()).into_owned();
    let expected = row.help.to_string_lossy();
    Err(format!("'{got}' is not what it takes; expected {expected}"))
}

/// What the sections that a request passed have said.
pub(crate) fn directory_settings<'r, C: Configuration>(request: &Request<'r>) -> Option<&'r C::Directory<'r>> {
    let settings = request.directory_config().cast::<C::Directory<'r>>();
    // SAFETY: POOL: the slot is empty or holds what `create_directory` or `merge_directory` returned, which outlives the request.
    unsafe { settings.as_ref() }
}

/// The settings of a server.
pub(crate) fn server_settings<'s, C: Configuration>(server: Server<'s>) -> Option<&'s C::Server> {
    let settings = server.config().cast::<C::Server>();
    // SAFETY: CONFIGURATION: the slot is empty or holds what `create_server` or `merge_server` returned, which lives as long as the server.
    unsafe { settings.as_ref() }
}

/// The settings of the main server and of those virtual hosts that have some of their own. httpd gives a host in which no
/// directive of a server stands those of the main server, which would be met once more there.
pub(crate) fn settings_of_all<'s, C: Configuration>(
    main: Server<'s>,
) -> impl Iterator<Item = (Server<'s>, &'s C::Server)> {
    let of_main = server_settings::<C>(main).map(core::ptr::from_ref);
    let all = main.and_following().filter_map(|server| Some((server, server_settings::<C>(server)?)));
    all.filter(move |(server, settings)| {
        server.as_raw() == main.as_raw() || of_main != Some(core::ptr::from_ref(*settings))
    })
}

/// `create_dir_config` of the module record.
pub(crate) unsafe extern "C" fn create_directory<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    _section: *mut c_char,
) -> *mut c_void {
    guard(core::ptr::null_mut(), || {
        // SAFETY: POOL.
        let pool = unsafe { Pool::from_raw(pool) };
        core::ptr::from_mut(pool.alloc(C::Directory::<'_>::default())).cast()
    })
}

/// `merge_dir_config` of the module record. Runs for every request that passes a section, so it allocates only when it must.
pub(crate) unsafe extern "C" fn merge_directory<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    guard(outer, || {
        // SAFETY: POOL: what `create_directory` or this function returned, in a pool that outlives the merged settings.
        let outer_settings = unsafe { &*outer.cast::<C::Directory<'_>>() };
        // SAFETY: POOL: what `create_directory` or this function returned, in a pool that outlives the merged settings.
        let inner_settings = unsafe { &*inner.cast::<C::Directory<'_>>() };
        // SAFETY: POOL: httpd clears the pool no earlier than it forgets the merged settings.
        let pool = unsafe { Pool::from_raw(pool) };
        match C::merge_directory(pool, outer_settings, inner_settings) {
            Merged::Outer => outer,
            Merged::Inner => inner,
            Merged::Both(both) => core::ptr::from_mut(pool.alloc(both)).cast(),
        }
    })
}

/// `create_server_config` of the module record.
pub(crate) unsafe extern "C" fn create_server<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    _server: *mut ffi::server_rec,
) -> *mut c_void {
    guard(core::ptr::null_mut(), || {
        // SAFETY: POOL.
        let pool = unsafe { Pool::from_raw(pool) };
        core::ptr::from_mut(pool.own(C::Server::default())).cast()
    })
}

/// `merge_server_config` of the module record.
pub(crate) unsafe extern "C" fn merge_server<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    main: *mut c_void,
    host: *mut c_void,
) -> *mut c_void {
    guard(main, || {
        // SAFETY: POOL.
        let pool = unsafe { Pool::from_raw(pool) };
        // SAFETY: CONFIGURATION: what `create_server` returned.
        let main = unsafe { &*main.cast::<C::Server>() };
        // SAFETY: CONFIGURATION: what `create_server` returned.
        let host = unsafe { &*host.cast::<C::Server>() };
        let merged = C::merge_server(main, host);
        core::ptr::from_mut(pool.own(merged)).cast()
    })
}
