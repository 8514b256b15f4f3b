//! Where the worlds meet: the module record, the hooks, the start of a child, the
//! handler, and the embedded implementation of the traits of `wsgi/`.
//!
//! Knows everybody and does little.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod counting;
pub(crate) mod exchange;
pub(crate) mod facts;
pub(crate) mod fault;
pub(crate) mod forwarded;
pub(crate) mod group;
pub(crate) mod handler;
pub(crate) mod health;
pub(crate) mod home_access;
pub(crate) mod log_entry;
pub(crate) mod new_interpreter;
pub(crate) mod preload;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod readiness;
pub(crate) mod record;
pub(crate) mod response;
pub(crate) mod said;
pub(crate) mod script_owner;
pub(crate) mod script_path;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod translate;
