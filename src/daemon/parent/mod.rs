//! What runs in the supervisor: it forks daemon processes, replaces them, and writes what they say outside of requests.

pub(crate) mod control_socket;
pub(crate) mod log_pipe;
pub(crate) mod supervisor;
