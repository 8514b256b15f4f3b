//! What runs in httpd's child processes: a request goes to a daemon process, its response comes back and is checked.

pub(crate) mod connections;
pub(crate) mod dispatch;
pub(crate) mod relay;
pub(crate) mod reply;
