//! The operating system, where neither std nor nix has safe words for it.
//!
//! Knows neither httpd nor Python.

pub(crate) mod access;
pub(crate) mod descriptors;
pub(crate) mod environment;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod last_line;
pub(crate) mod late_stop;
pub(crate) mod locale;
pub(crate) mod one_thread;
pub(crate) mod parked;
pub(crate) mod peer;
pub(crate) mod priority;
pub(crate) mod process;
pub(crate) mod process_title;
pub(crate) mod random;
pub(crate) mod readiness;
pub(crate) mod shared;
pub(crate) mod signals;
pub(crate) mod slices;
pub(crate) mod socket;
