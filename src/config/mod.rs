#![forbid(unsafe_code)]
//! The configuration: directives, typed values, merging, and the settings that
//! are in force for a request or a process.
//!
//! One directive is one row in [`directives`], one field in [`settings`] (or
//! [`server`]), and one default. Knows `apache/`, never Python.

pub(crate) mod account;
pub(crate) mod alias;
pub(crate) mod control_script;
pub(crate) mod control_socket;
pub(crate) mod directives;
pub(crate) mod group_name;
pub(crate) mod handler_script;
pub(crate) mod import_script;
pub(crate) mod inert;
pub(crate) mod interpreter_options;
pub(crate) mod process_group;
pub(crate) mod python_home;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod telemetry;
pub(crate) mod trusted_proxies;
pub(crate) mod values;

use crate::apache::directive::{Arguments, Configuration, Merged};
use crate::apache::pool::Pool;
use server::ServerSettings;
use settings::DirectorySettings;

/// The configuration of this module, for `apache/directive`.
pub(crate) struct WsgiConfiguration;

impl Configuration for WsgiConfiguration {
    type Server = ServerSettings;
    type Directory<'p> = DirectorySettings<'p>;

    type SetDirectory = for<'p> fn(&mut DirectorySettings<'p>, &Arguments<'p>) -> Result<(), String>;

    fn set_directory<'p>(
        set: Self::SetDirectory,
        settings: &mut DirectorySettings<'p>,
        arguments: &Arguments<'p>,
    ) -> Result<(), String> {
        set(settings, arguments)
    }

    fn merge_server(main: &ServerSettings, host: &ServerSettings) -> ServerSettings {
        host.over(main)
    }

    /// Most sections say nothing, which makes most merges free.
    fn merge_directory<'p>(
        pool: Pool<'p>,
        outer: &DirectorySettings<'p>,
        inner: &DirectorySettings<'p>,
    ) -> Merged<DirectorySettings<'p>> {
        if inner.is_unset() {
            Merged::Outer
        } else if outer.is_unset() {
            Merged::Inner
        } else {
            let handler_scripts = handler_script::merge(pool, inner.handler_scripts, outer.handler_scripts);
            Merged::Both(DirectorySettings { handler_scripts, ..inner.over(outer) })
        }
    }
}
