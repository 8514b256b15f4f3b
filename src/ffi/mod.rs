//! httpd and APR as C has them: bindgen's declarations, the C macros rewritten
//! in [`inline`], and the check that both compilers agree on the layouts.
//!
//! Names keep their C spelling, so one search finds a word here and in httpd.
//! Only `apache/` and the module record use this directory.

#[allow(
    missing_docs,
    dead_code,
    unnecessary_transmutes,
    unused_imports,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::missing_safety_doc,
    reason = "generated from httpd's headers"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/httpd.rs"));
}

pub(crate) mod inline;
#[cfg(test)]
mod layout;

pub(crate) use bindings::*;
