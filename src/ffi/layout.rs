//! The layouts that bindgen made must be those of the C compiler.

use super::*;
use core::mem::{offset_of, size_of};

unsafe extern "C" {
    static mod_wsgi_layout: [usize; 38];
    static mod_wsgi_layout_entries: usize;
}

#[test]
fn structures_of_httpd_have_the_layout_that_c_gives_them() {
    let rust = [
        size_of::<request_rec>(),
        offset_of!(request_rec, pool),
        offset_of!(request_rec, status_line),
        offset_of!(request_rec, headers_in),
        offset_of!(request_rec, headers_out),
        offset_of!(request_rec, handler),
        offset_of!(request_rec, filename),
        offset_of!(request_rec, path_info),
        offset_of!(request_rec, finfo),
        offset_of!(request_rec, output_filters),
        offset_of!(request_rec, useragent_ip),
        size_of::<module>(),
        offset_of!(module, module_index),
        offset_of!(module, create_dir_config),
        offset_of!(module, cmds),
        offset_of!(module, flags),
        size_of::<command_rec>(),
        offset_of!(command_rec, cmd_data),
        offset_of!(command_rec, args_how),
        size_of::<cmd_parms>(),
        size_of::<server_rec>(),
        offset_of!(server_rec, module_config),
        offset_of!(server_rec, keep_alive_timeout),
        size_of::<conn_rec>(),
        offset_of!(conn_rec, keepalive),
        offset_of!(conn_rec, bucket_alloc),
        size_of::<core_dir_config>(),
        offset_of!(core_dir_config, cgi_var_rules),
        size_of::<global_score>(),
        offset_of!(global_score, restart_time),
        size_of::<process_score>(),
        offset_of!(process_score, quiescing),
        size_of::<worker_score>(),
        offset_of!(worker_score, status),
        offset_of!(worker_score, bytes_served),
        offset_of!(worker_score, last_used),
        offset_of!(worker_score, request),
        offset_of!(worker_score, client64),
    ];
    // SAFETY: CONSTANT: a constant of layout.c, which is linked into this test.
    let entries = unsafe { mod_wsgi_layout_entries };
    assert_eq!(rust.len(), entries, "layout.c and layout.rs list different members");
    // SAFETY: CONSTANT: a constant array of layout.c, whose length was just compared.
    let c = unsafe { mod_wsgi_layout };
    assert_eq!(rust, c);
}
