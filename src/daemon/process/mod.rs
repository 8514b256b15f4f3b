//! What runs in a daemon process: its start, the threads that serve, the thread that minds signals and limits.

pub(crate) mod activity;
pub(crate) mod child_wait;
pub(crate) mod examiner;
pub(crate) mod gateway;
pub(crate) mod isolation;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod questions;
pub(crate) mod service;
pub(crate) mod signal_events;
pub(crate) mod slow;
pub(crate) mod start;
pub(crate) mod stuck;
pub(crate) mod worker;
