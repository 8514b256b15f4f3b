//! Where the worlds meet: the module record, the hooks, the start of a child, the
//! handler, and the embedded implementation of the traits of `wsgi/`.
//!
//! Knows everybody and does little.

pub(crate) mod answer;
pub(crate) mod child;
pub(crate) mod handler;
pub(crate) mod health;
pub(crate) mod home_access;
pub(crate) mod readiness;
pub(crate) mod record;
pub(crate) mod slow_watch;
pub(crate) mod start;
pub(crate) mod status;
