//! httpd's regular expressions (PCRE), for `WSGIScriptAliasMatch`.

use super::pool::Pool;
use crate::ffi;
use std::ffi::CString;

/// As many groups as `$0` to `$9` can name.
const GROUPS: usize = 10;

/// A compiled expression.
pub(crate) struct Regex {
    raw: ffi::ap_regex_t,
}

// SAFETY: STRUCTURE: a compiled expression never changes, and a match keeps what it needs for itself.
unsafe impl Send for Regex {}
// SAFETY: STRUCTURE: a compiled expression never changes, and a match keeps what it needs for itself.
unsafe impl Sync for Regex {}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: STRUCTURE: `compile` has made it, and nothing uses it any more.
        unsafe { ffi::ap_regfree(&mut self.raw) };
    }
}

/// Where an expression matched: offsets of the whole and of its groups.
pub(crate) struct Match {
    groups: [ffi::ap_regmatch_t; GROUPS],
}

impl Regex {
    /// Compiles a case-sensitive extended expression; `None` if it is no expression.
    pub(crate) fn compile(pattern: &str) -> Option<Self> {
        let pattern = CString::new(pattern).ok()?;
        // SAFETY: STRUCTURE: all zeroes is a valid ap_regex_t, which ap_regcomp fills in.
        let mut raw: ffi::ap_regex_t = unsafe { core::mem::zeroed() };
        // SAFETY: STRUCTURE: the record is ours; a C string. Where it fails there is nothing to free.
        let status = unsafe { ffi::ap_regcomp(&mut raw, pattern.as_ptr(), 0) };
        (status == 0).then_some(Self { raw })
    }

    /// Matches anywhere in `subject`; `pool` holds what the match needs meanwhile.
    pub(crate) fn find(&self, pool: Pool<'_>, subject: &[u8]) -> Option<Match> {
        let subject = pool.c_string(subject);
        let mut groups = [ffi::ap_regmatch_t { rm_so: -1, rm_eo: -1 }; GROUPS];
        // SAFETY: POOL; the array has as many groups as it says.
        let status = unsafe { ffi::ap_regexec(&self.raw, subject, GROUPS as ffi::apr_size_t, groups.as_mut_ptr(), 0) };
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
        // SAFETY: STRUCTURE: a string of the pool, or null when out of bounds.
        unsafe { super::bytes(text) }.unwrap_or_default()
    }
}
