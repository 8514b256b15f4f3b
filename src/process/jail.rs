//! `chroot`: what a request says of files, as a daemon with a root of its own sees them.

use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;

/// `path` as it is called inside of `root`; `None` if it is not there.
pub(crate) fn inside<'p>(root: &str, path: &'p [u8]) -> Option<&'p [u8]> {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root.as_bytes()).filter(|rest| rest.starts_with(b"/"))
}

/// The path as a daemon with that root, or with none of its own, calls it.
pub(crate) fn seen_from<'p>(root: Option<&str>, path: &'p [u8]) -> Option<&'p [u8]> {
    root.map_or(Some(path), |root| inside(root, path))
}

/// The variables of a request for a daemon with a root of its own. Directories that it cannot see are not named to it.
pub(crate) struct Jailed<'f> {
    pub(crate) facts: &'f dyn RequestFacts,
    pub(crate) root: &'f str,
}

impl RequestFacts for Jailed<'_> {
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        self.facts.variables(&mut |variable, value| {
            let Variable::Known(
                Key::ScriptFilename | Key::DocumentRoot | Key::ContextDocumentRoot | Key::HandlerScript,
            ) = variable
            else {
                return visit(variable, value);
            };
            match inside(self.root, value) {
                Some(value) => visit(variable, value),
                // The root itself, or no path at all.
                None if value == self.root.trim_end_matches('/').as_bytes() => visit(variable, b"/"),
                None if value.is_empty() => visit(variable, value),
                None => {}
            }
        });
    }

    fn request_start(&self) -> i64 {
        self.facts.request_start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_root_loses_it() {
        assert_eq!(inside("/srv/jail", b"/srv/jail/app.wsgi"), Some(&b"/app.wsgi"[..]));
        assert_eq!(inside("/srv/jail/", b"/srv/jail/app.wsgi"), Some(&b"/app.wsgi"[..]));
        assert_eq!(inside("/", b"/srv/app.wsgi"), Some(&b"/srv/app.wsgi"[..]));
    }

    #[test]
    fn a_path_beside_the_root_is_not_there() {
        for path in ["/srv/jailer/app.wsgi", "/srv/jail", "/srv", "", "srv/jail/app.wsgi"] {
            assert_eq!(inside("/srv/jail", path.as_bytes()), None, "{path}");
        }
    }

    struct Files(&'static [(Key, &'static [u8])]);

    impl RequestFacts for Files {
        fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
            self.0.iter().for_each(|(key, value)| visit(Variable::Known(*key), value));
        }

        fn request_start(&self) -> i64 {
            7
        }
    }

    #[test]
    fn variables_name_what_the_daemon_can_see() {
        let facts = Files(&[
            (Key::PathInfo, b"/srv/jail/x"),
            (Key::ScriptFilename, b"/srv/jail/app.wsgi"),
            (Key::DocumentRoot, b"/srv/jail"),
            (Key::ContextDocumentRoot, b"/srv/www"),
            (Key::HandlerScript, b""),
        ]);
        let jailed = Jailed { facts: &facts, root: "/srv/jail" };
        let mut seen = Vec::new();
        jailed.variables(&mut |variable, value| seen.push(format!("{variable:?} {}", String::from_utf8_lossy(value))));
        assert_eq!(
            seen,
            [
                "Known(PathInfo) /srv/jail/x",
                "Known(ScriptFilename) /app.wsgi",
                "Known(DocumentRoot) /",
                "Known(HandlerScript) "
            ]
        );
        assert_eq!(jailed.request_start(), 7);
    }
}
