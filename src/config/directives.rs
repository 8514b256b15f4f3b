//! The directives: one row each. `httpd -L` prints the help texts, and error
//! messages quote them as what was expected.

use super::WsgiConfiguration;
use super::alias::ScriptAlias;
use super::group_name::{CallableName, GroupName};
use super::python_home;
use super::server::ServerSettings;
use super::settings::DirectorySettings;
use super::values::{Audit, HeadToGet, flag};
use crate::apache::directive::{Arguments, Directive, Scope, Setter, Words};
use core::ffi::CStr;

type SetDirectory = fn(&mut DirectorySettings, &Arguments<'_>) -> Result<(), String>;
type SetServer = fn(&mut ServerSettings, &Arguments<'_>) -> Result<(), String>;

const fn directory(name: &'static CStr, scope: Scope, set: SetDirectory, help: &'static CStr) -> Directive<WsgiConfiguration> {
    Directive { name, scope, words: Words::One, set: Setter::Directory(set), help }
}

const fn global(name: &'static CStr, set: SetServer, help: &'static CStr) -> Directive<WsgiConfiguration> {
    Directive { name, scope: Scope::Global, words: Words::One, set: Setter::Server(set), help }
}

const fn alias(name: &'static CStr, set: SetServer, help: &'static CStr) -> Directive<WsgiConfiguration> {
    Directive { name, scope: Scope::Server, words: Words::AtLeast(2), set: Setter::Server(set), help }
}

/// How many directives there are.
pub(crate) const COUNT: usize = DIRECTIVES.len();

/// Every directive of the module.
#[rustfmt::skip]
pub(crate) static DIRECTIVES: [Directive<WsgiConfiguration>; 13] = [
    alias(c"WSGIScriptAlias", |s, a| { s.aliases.push(ScriptAlias::prefix(a)?); Ok(()) },
        c"a URL path, a script or folder of scripts, and options (process-group=, application-group=, callable-object=, pass-authorization=)"),
    alias(c"WSGIScriptAliasMatch", |s, a| { s.aliases.push(ScriptAlias::expression(a)?); Ok(()) },
        c"a regular expression, a script, and options as for WSGIScriptAlias"),

    global(c"WSGIFreeThreading", |s, a| { s.start_up.free_threading = flag(&a.first())?; Ok(()) },
        c"On or Off: whether Python runs without its GIL"),
    global(c"WSGIFreeThreadingAudit", |s, a| { s.start_up.audit = Audit::parse(&a.first())?; Ok(()) },
        c"Log, Strict or Off: what happens to extension modules that are not declared safe without the GIL"),
    global(c"WSGIPythonHome", |s, a| { python_home::check(&a.first())?; s.start_up.python_home = Some(a.first()); Ok(()) },
        c"the root of a Python installation or virtual environment"),
    global(c"WSGIPythonPath", |s, a| { s.start_up.python_path = Some(a.first()); Ok(()) },
        c"folders for sys.path, separated by colons"),

    directory(c"WSGIApplicationGroup", Scope::Directory, |s, a| { s.application_group = Some(GroupName::parse(a.first())); Ok(()) },
        c"the name of an interpreter, or %{GLOBAL}, %{SERVER}, %{HOST}, %{RESOURCE}, %{ENV:NAME}"),
    directory(c"WSGICallableObject", Scope::FileInfo, |s, a| { s.callable_object = Some(CallableName::parse(a.first())); Ok(()) },
        c"the name of the callable in the script, or %{ENV:NAME}"),
    directory(c"WSGIPassAuthorization", Scope::FileInfo, |s, a| { s.pass_authorization = Some(flag(&a.first())?); Ok(()) },
        c"On or Off: whether the application sees the Authorization header"),
    directory(c"WSGIScriptReloading", Scope::FileInfo, |s, a| { s.script_reloading = Some(flag(&a.first())?); Ok(()) },
        c"On or Off: whether a changed script is loaded anew"),
    directory(c"WSGIChunkedRequest", Scope::FileInfo, |s, a| { s.chunked_request = Some(flag(&a.first())?); Ok(()) },
        c"On or Off: whether request bodies without a length are accepted"),
    directory(c"WSGIMapHEADToGET", Scope::FileInfo, |s, a| { s.map_head_to_get = Some(HeadToGet::parse(&a.first())?); Ok(()) },
        c"On, Off or Auto: whether the application sees GET for a HEAD request"),
    directory(c"WSGIEnableSendfile", Scope::FileInfo, |s, a| { s.enable_sendfile = Some(flag(&a.first())?); Ok(()) },
        c"On or Off: whether files of wsgi.file_wrapper may be sent by the kernel (sendfile)"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_there_once() {
        let names: HashSet<_> = DIRECTIVES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), COUNT);
    }

    #[test]
    fn every_help_text_fits_in_the_message_that_quotes_it() {
        for row in &DIRECTIVES {
            let help = row.help.to_str().expect("UTF-8");
            assert!(help.chars().next().is_some_and(|first| !first.is_whitespace()), "{help}");
            assert!(!help.ends_with('.'), "{help}");
        }
    }
}
