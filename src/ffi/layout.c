/* Sizes and offsets of httpd's structures as the C compiler sees them. The test
 * in ffi/layout.rs compares them with what Rust was told: a wrong offset is
 * otherwise silent. */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "scoreboard.h"
#include <stddef.h>

const size_t mod_wsgi_layout[] = {
    sizeof(request_rec),
    offsetof(request_rec, pool),
    offsetof(request_rec, status_line),
    offsetof(request_rec, headers_in),
    offsetof(request_rec, headers_out),
    offsetof(request_rec, handler),
    offsetof(request_rec, filename),
    offsetof(request_rec, path_info),
    offsetof(request_rec, finfo),
    offsetof(request_rec, output_filters),
    offsetof(request_rec, useragent_ip),
    sizeof(module),
    offsetof(module, module_index),
    offsetof(module, create_dir_config),
    offsetof(module, cmds),
    offsetof(module, flags),
    sizeof(command_rec),
    offsetof(command_rec, cmd_data),
    offsetof(command_rec, args_how),
    sizeof(cmd_parms),
    sizeof(server_rec),
    offsetof(server_rec, module_config),
    offsetof(server_rec, keep_alive_timeout),
    sizeof(conn_rec),
    offsetof(conn_rec, keepalive),
    offsetof(conn_rec, bucket_alloc),
    sizeof(core_dir_config),
    offsetof(core_dir_config, cgi_var_rules),
    sizeof(global_score),
    offsetof(global_score, restart_time),
    sizeof(process_score),
    offsetof(process_score, quiescing),
    sizeof(worker_score),
    offsetof(worker_score, status),
    offsetof(worker_score, bytes_served),
    offsetof(worker_score, last_used),
    offsetof(worker_score, request),
    offsetof(worker_score, client64),
};
const size_t mod_wsgi_layout_entries = sizeof(mod_wsgi_layout) / sizeof(mod_wsgi_layout[0]);
