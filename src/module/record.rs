//! The module record that httpd looks up by name, and its command table.

use crate::apache;
use crate::apache::auth::{self, PasswordRecord, RequireRecord};
use crate::apache::directive::{self, END, command};
use crate::apache::hook::{self, ModuleNames, Registration};
use crate::apache::passage;
use crate::apache::pool::Pool;
use crate::config::WsgiConfiguration;
use crate::config::directives::{COUNT, DIRECTIVES};
use crate::daemon::generation;
use crate::ffi;
use crate::module::child;
use crate::module::handler;
use crate::module::health;
use crate::module::home_access;
use crate::module::start;
use crate::module::status;
use crate::request::counting;
use crate::request::{trace, translate};
use crate::scripts::access::Access;
use crate::scripts::authn::UserScript;
use crate::scripts::authz::GroupScript;

/// The command table: the rows, and the one that ends it.
struct Commands([ffi::command_rec; COUNT + 1]);

// SAFETY: CONSTANT: constants; httpd only reads them.
unsafe impl Sync for Commands {}

static COMMANDS: Commands = {
    let mut table = [END; COUNT + 1];
    let mut row = 0;
    while row < COUNT {
        table[row] = command(&DIRECTIVES[row]);
        row += 1;
    }
    Commands(table)
};

/// `wsgi_module`, as `LoadModule wsgi_module .../mod_wsgi.so` names it. httpd writes the
/// index, the name and the list pointer into it, which is why it is mutable; nothing here does.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported by its C name")]
#[allow(non_upper_case_globals, reason = "the name that LoadModule is given")]
pub static mut wsgi_module: ffi::module = ffi::module {
    version: ffi::MODULE_MAGIC_NUMBER_MAJOR as i32,
    minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR as i32,
    module_index: -1,
    name: c"mod_wsgi.c".as_ptr(),
    dynamic_load_handle: core::ptr::null_mut(),
    next: core::ptr::null_mut(),
    magic: ffi::MODULE_MAGIC_COOKIE as core::ffi::c_ulong,
    rewrite_args: None,
    create_dir_config: Some(directive::create_directory::<WsgiConfiguration>),
    merge_dir_config: Some(directive::merge_directory::<WsgiConfiguration>),
    create_server_config: Some(directive::create_server::<WsgiConfiguration>),
    merge_server_config: Some(directive::merge_server::<WsgiConfiguration>),
    cmds: COMMANDS.0.as_ptr(),
    register_hooks: Some(hook::register_hooks::<Hooks>),
    flags: 0,
};

/// A core Alias outranks a script alias ...
static TRANSLATE_AFTER: ModuleNames<2> = ModuleNames([c"mod_alias.c".as_ptr(), core::ptr::null()]);
/// ... which outranks what is derived from users and hosts.
static TRANSLATE_BEFORE: ModuleNames<3> =
    ModuleNames([c"mod_userdir.c".as_ptr(), c"mod_vhost_alias.c".as_ptr(), core::ptr::null()]);

/// What comes over TLS must have proved itself before the script is asked ...
static ACCESS_AFTER: ModuleNames<2> = ModuleNames([c"mod_ssl.c".as_ptr(), core::ptr::null()]);
/// ... which comes before what httpd itself knows of hosts.
static ACCESS_BEFORE: ModuleNames<2> = ModuleNames([c"mod_authz_host.c".as_ptr(), core::ptr::null()]);

static PASSWORDS: PasswordRecord = PasswordRecord::of::<UserScript>();
static GROUPS: RequireRecord = RequireRecord::of::<GroupScript>();

struct Hooks;

impl Registration for Hooks {
    fn run(pool: Pool<'_>) {
        apache::speak_for(&raw mut wsgi_module);
        hook::check_config::<home_access::HomeAccess>();
        hook::post_config::<start::Start>();
        hook::before_children::<generation::BeforeChildren>();
        hook::child_init::<child::Child>();
        hook::children::<counting::Children>();
        hook::monitor::<generation::Look>();
        hook::post_read_request::<trace::Check>();
        hook::translate_name::<translate::Translate>(&TRANSLATE_AFTER, &TRANSLATE_BEFORE);
        hook::fixups::<translate::FileOfAlias>();
        hook::access_checker::<Access>(&ACCESS_AFTER, &ACCESS_BEFORE);
        hook::handler::<handler::Handler>();
        hook::handler::<health::Health>();
        hook::handler::<status::StatusPage>();
        apache::refusal::register();
        passage::register();
        auth::provide_passwords(pool, c"wsgi", &PASSWORDS);
        auth::provide_requirement(pool, c"wsgi-group", &GROUPS);
    }
}
