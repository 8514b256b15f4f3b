//! mod_wsgi
mod api;
mod apache;
mod config;
mod ffi;
mod module;
mod python;
mod wsgi;
