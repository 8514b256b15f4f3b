#![forbid(unsafe_code)]
//! What httpd's child processes, daemon processes and the supervisor say to each other: frames on a connection, control
//! packets, and the table in shared memory. Both sides use the same code.

pub(crate) mod channel;
pub(crate) mod control;
pub(crate) mod fields;
pub(crate) mod frame;
pub(crate) mod log_allowance;
pub(crate) mod request_head;
pub(crate) mod response;
pub(crate) mod scores;
pub(crate) mod table;
