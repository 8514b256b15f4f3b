#![forbid(unsafe_code)]
//! What is seen of requests and processes, from outside of Python: counters, the requests that run, the processes of
//! groups, and the pages that show them.
//!
//! # Where the numbers are
//!
//! The parent of httpd makes a [`board`] in shared memory before its first child, and keeps it for its life. It has a row
//! for each thread of httpd that serves requests ([`threads`]) and, for each process group and for embedded mode, a
//! [`meter`] with such a row for each of these threads. A thread writes to its own rows only ([`watch`]), so that no two
//! threads write to the same cache line. Whoever looks adds the rows up.
//!
//! Requests are counted where httpd has them, also if a daemon serves them: a daemon that dies takes no number with it,
//! and it has none of this memory to write to. A child of httpd that dies leaves its rows: what had begun there and not
//! ended counts as died.
//!
//! What is known of the processes of a group is in a [`roll`], which only its supervisor writes. What a process with
//! Python tells of itself is in a [`bulletin`]. How much CPU time processes have used is kept by the parent ([`cpu`]).
//!
//! Nothing here knows Python or httpd, nor waits for either.

pub(crate) mod board;
pub(crate) mod buckets;
pub(crate) mod bulletin;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod ends;
pub(crate) mod exemplars;
pub(crate) mod meter;
pub(crate) mod page;
pub(crate) mod roll;
pub(crate) mod text;
pub(crate) mod threads;
pub(crate) mod trace_context;
pub(crate) mod watch;
