//! From a URL to a script: the script aliases, in httpd's translate-name phase.

use crate::apache::directive::server_settings;
use crate::apache::hook::RequestHook;
use crate::apache::request::{FileKind, Request};
use crate::apache::status::Status;
use crate::config::WsgiConfiguration;
use crate::config::alias::ScriptAlias;
use crate::request::group::collapse_slashes;
use core::ffi::CStr;

/// The handler name of scripts.
pub(crate) const HANDLER: &CStr = c"wsgi-script";

/// The hook that maps URLs to files.
pub(crate) struct Translate;

impl RequestHook for Translate {
    fn run(request: &mut Request<'_>) -> Status {
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
            // A directory of scripts, or nothing: httpd finds out.
            None => request.set_filename(location.path()),
        }
        request.set_handler(HANDLER);
        note_alias(request, number);
        Status::OK
    }
}

/// The hook for what httpd makes of a file without asking for its URL: the variants of mod_negotiation, and the files that
/// mod_include includes. Below the target of an alias they are scripts of that alias like all others.
pub(crate) struct FileOfAlias;

impl RequestHook for FileOfAlias {
    fn run(request: &mut Request<'_>) -> Status {
        let handler = request.handler();
        let may_be_ours = request.is_sub_request()
            && request.file_kind() == FileKind::Regular
            && (handler.is_empty() || handler == HANDLER.to_bytes())
            && alias_of(request).is_none();
        if may_be_ours && let Some(number) = alias_of_file(request) {
            request.set_handler(HANDLER);
            note_alias(request, number);
        }
        Status::DECLINED
    }
}

/// The number of the first alias that leads from the URI of the request to its file.
fn alias_of_file(request: &Request<'_>) -> Option<usize> {
    let (uri, path) = (request.uri(), [request.filename(), request.path_info()].concat());
    let location = |alias: &ScriptAlias| alias.locate(request.pool(), uri);
    let (location, number) =
        aliases_of(request).iter().zip(1..).find_map(|(a, number)| Some((location(a)?, number)))?;
    (collapse_slashes(location.path()) == collapse_slashes(&path)).then_some(number)
}

/// The note that says which alias has led to the file, and from which URI: httpd copies notes from a request to another
/// (`ap_internal_fast_redirect`, for `DirectoryIndex`, `FallbackResource` and mod_negotiation), with the URI or without.
const ALIAS: &CStr = c"mod_wsgi-alias";

fn note_alias(request: &Request<'_>, number: usize) {
    let note = [number.to_string().as_bytes(), b" ", request.uri()].concat();
    request.notes().add(request.pool(), ALIAS.to_bytes(), &note);
}

fn aliases_of<'r>(request: &Request<'r>) -> &'r [ScriptAlias] {
    server_settings::<WsgiConfiguration>(request.server()).map_or(&[], |settings| &settings.aliases)
}

/// The alias that led to the request's file name, if one did. The note of another URI does not count.
pub(crate) fn alias_of<'r>(request: &Request<'r>) -> Option<&'r ScriptAlias> {
    let uri = request.uri();
    let number = request.notes().values(ALIAS).find_map(|note| number_in(note, uri))?;
    aliases_of(request).get(number.checked_sub(1)?)
}

/// The number in a note, if the note is about `uri`.
fn number_in(note: &[u8], uri: &[u8]) -> Option<usize> {
    let blank = note.iter().position(|byte| *byte == b' ')?;
    let (number, of) = (&note[..blank], &note[blank + 1..]);
    (of == uri).then(|| core::str::from_utf8(number).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::number_in;

    #[test]
    fn a_note_counts_for_its_own_uri_only() {
        assert_eq!(number_in(b"12 /a b", b"/a b"), Some(12));
        assert_eq!(number_in(b"12 /a b", b"/a"), None);
        assert_eq!(number_in(b"12 ", b""), Some(12));
        for broken in [&b""[..], b"12", b" /a", b"x /a", b"-1 /a"] {
            assert_eq!(number_in(broken, b"/a"), None);
        }
    }
}
