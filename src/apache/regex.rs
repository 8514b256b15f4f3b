//! httpd's regular expressions (PCRE), for `WSGIScriptAliasMatch`.

use super::pool::Pool;
use crate::ffi;
use core::ptr::NonNull;

/// As many groups as `$0` to `$9` can name.
const GROUPS: usize = 10;

/// A compiled expression, kept by settings that live in the same pool (POOL).
#[derive(Clone, Copy)]
pub(crate) struct Regex {
    raw: NonNull<ffi::ap_regex_t>,
}

/// Where an expression matched: offsets of the whole and of its groups.
pub(crate) struct Match {
    groups: [ffi::ap_regmatch_t; GROUPS],
}

impl Regex {
    /// Compiles a case-sensitive extended expression; `None` if it is no expression.
    pub(crate) fn compile(pool: Pool<'_>, pattern: &[u8]) -> Option<Self> {
        let pattern = pool.c_string(pattern);
        // SAFETY: POOL; the pattern is a string of the pool.
        let raw = unsafe { ffi::ap_pregcomp(pool.as_raw(), pattern, 0) };
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// Matches anywhere in `subject`; `pool` holds what the match needs meanwhile.
    pub(crate) fn find(self, pool: Pool<'_>, subject: &[u8]) -> Option<Match> {
        let subject = pool.c_string(subject);
        let mut groups = [ffi::ap_regmatch_t { rm_so: -1, rm_eo: -1 }; GROUPS];
        // SAFETY: POOL; the array has as many groups as it says.
        let status =
            unsafe { ffi::ap_regexec(self.raw.as_ptr(), subject, GROUPS as ffi::apr_size_t, groups.as_mut_ptr(), 0) };
        (status == 0).then_some(Match { groups })
    }
}

impl Match {
    /// The offset behind the last byte that matched.
    pub(crate) fn end(&self) -> usize {
        usize::try_from(self.groups[0].rm_eo).unwrap_or(0)
    }

    /// The offset of the first byte that matched.
    pub(crate) fn start(&self) -> usize {
        usize::try_from(self.groups[0].rm_so).unwrap_or(0)
    }

    /// `template` with `$0` to `$9` and `&` replaced, by the rules of `ap_pregsub`.
    pub(crate) fn substitute<'p>(&self, pool: Pool<'p>, template: &[u8], subject: &[u8]) -> &'p [u8] {
        let (template, subject) = (pool.c_string(template), pool.c_string(subject));
        let mut groups = self.groups;
        // SAFETY: POOL; the offsets are those of this subject.
        let text = unsafe {
            ffi::ap_pregsub(pool.as_raw(), template, subject, GROUPS as ffi::apr_size_t, groups.as_mut_ptr())
        };
        // SAFETY: a string of the pool, or null when out of bounds.
        unsafe { super::bytes(text) }.unwrap_or_default()
    }
}
