//! A request in httpd, from its URL to the end of its answer: which script, on what terms, what the application sees of it
//! (`exchange`, behind one lock), how it went (`fault`, `log_entry`). Embedded requests are served with all of it; those of
//! daemon processes begin and end here too.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod client;
pub(crate) mod counting;
pub(crate) mod exchange;
pub(crate) mod facts;
pub(crate) mod fault;
pub(crate) mod forwarded;
pub(crate) mod group;
pub(crate) mod log_entry;
pub(crate) mod proxy;
pub(crate) mod response;
pub(crate) mod said;
pub(crate) mod script_owner;
pub(crate) mod slow;
pub(crate) mod target;
pub(crate) mod trace;
pub(crate) mod translate;
