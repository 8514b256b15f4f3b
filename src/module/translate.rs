//! From a URL to a script: the script aliases, in httpd's translate-name phase.

use crate::apache::directive::server_settings;
use crate::apache::hook::RequestHook;
use crate::apache::request::Request;
use crate::apache::status::Status;
use crate::config::WsgiConfiguration;
use crate::config::alias::ScriptAlias;

/// The handler name of scripts.
pub(crate) const HANDLER: &core::ffi::CStr = c"wsgi-script";

/// The hook that maps URLs to files.
pub(crate) struct Translate;

impl RequestHook for Translate {
    fn run(request: Request<'_>) -> Status {
        let uri = request.uri();
        if uri.first().is_some_and(|byte| *byte != b'/') {
            return Status::DECLINED;
        }
        let aliases = aliases_of(request);
        let found =
            aliases.iter().zip(1..).find_map(|(alias, number)| Some((alias.locate(request.pool(), uri)?, number)));
        let Some((location, number)) = found else { return Status::DECLINED };
        match location.as_file().filter(|(file, _)| request.adopt_file(file)) {
            Some((_, path_info)) => request.set_path_info(path_info),
            // A folder of scripts, or nothing: httpd finds out.
            None => request.set_filename(location.path()),
        }
        request.set_handler(HANDLER);
        request.remember(number);
        Status::OK
    }
}

fn aliases_of(request: Request<'_>) -> &[ScriptAlias] {
    server_settings::<WsgiConfiguration>(request.server()).map_or(&[], |settings| &settings.aliases)
}

/// The alias that led to the request's file name, if one did.
pub(crate) fn alias_of(request: Request<'_>) -> Option<&ScriptAlias> {
    aliases_of(request).get(request.remembered().checked_sub(1)?)
}
