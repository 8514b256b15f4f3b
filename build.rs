//! Asks `apxs` where httpd's headers are, has bindgen read them, compiles the
//! two C files, and tells the linker how the module finds its libpython.

use std::path::PathBuf;
use std::process::Command;
use std::{env, error::Error};

/// What of httpd and APR the crate uses. A name that is missing here fails to
/// compile; a name that no one uses any more costs nothing but this line.
const FUNCTIONS: &[&str] = &[
    "ap_(hook_(child_init|post_read_request|post_config|pre_mpm|child_status|monitor|handler|translate_name|access_checker|fixups)|register_auth_provider|log_rerror_|log_error_)",
    "ap_hook_check_config",
    "ap_(get_(request|server)_module_loglevel|run_generate_log_id|add_version_component|check_cmd_context|walk_config)",
    "ap_(get_server_banner|get_server_description|get_server_built|show_mpm|mpm_query|state_query)",
    "ap_(get_server_name_for_url|get_server_port|document_root|context_prefix|context_document_root)",
    "ap_(construct_url|run_http_scheme|ssl_conn_is_ssl|ssl_var_lookup|get_useragent_host|psignature|allow_options|get_limit_req_body|get_core_module_config)",
    "ap_(register_output_filter|add_output_filter_handle|remove_output_filter)",
    "ap_(pass_brigade|get_brigade|set_content_type|set_content_length|bucket_error_create)",
    "ap_(internal_redirect_handler|send_interim_response|discard_request_body|get_conn_socket)|apr_socket_timeout_(get|set)|apr_os_sock_get",
    "ap_(regcomp|regfree|regexec|pregsub|server_root_relative)",
    "apr_(palloc|pstrmemdup|pool_cleanup_register|pool_cleanup_null)",
    "apr_table_(get|addn|setn|unset|clear|elts)",
    "apr_brigade_(create|cleanup|insert_file)",
    "apr_bucket_(transient_create|flush_create|eos_create|file_enable_mmap|file_set_buf_size)",
    "apr_(stat|os_file_(put|get)|strerror|hash_get|proc_other_child_(register|unregister))",
    "ap_runtime_dir_relative",
    "ap_(exists_scoreboard_image|get_scoreboard_(global|process|worker_from_indexes))",
];

const TYPES: &[&str] = &[
    "authn_(provider|status)|authz_(provider|status)|request_rec|server_rec|conn_rec|process_rec|module|command_rec|cmd_parms|core_dir_config",
    "apr_(proc_t|pool_t|table_t|table_entry_t|array_header_t|bucket|bucket_brigade|bucket_type_t|file_t|finfo_t|status_t)",
    "ap_(filter_t|filter_rec_t|filter_type|bucket_error|regex_t|regmatch_t|conn_keepalive_e|input_mode_t)|global_score|process_score|worker_score|mpm_child_status",
];

const CONSTANTS: &[&str] = &[
    "MODULE_MAGIC_(NUMBER_MAJOR|NUMBER_MINOR|COOKIE)|AP_SERVER_(MAJORVERSION|MINORVERSION|PATCHLEVEL)_NUMBER",
    "(GLOBAL_ONLY|OR_AUTHCFG|OR_FILEINFO|ACCESS_CONF|RSRC_CONF|OPT_EXECCGI)|AP_CORE_CONFIG_ON|AP_CGI_PASS_AUTH_ON",
    "APR_HOOK_MIDDLE|APLOG_.*|AP_MPMQ_.*|AP_SQ_.*|OK|DECLINED|HTTP_.*|AP_REQ_REJECT_PATH_INFO",
    "APR_(OC_REASON_.*|FINFO_(MIN|OWNER|PROT)|FPROT_[GW]WRITE|NOFILE|REG|DIR|SUCCESS|FOPEN_READ|FOPEN_SENDFILE_ENABLED|BLOCK_READ|NONBLOCK_READ)",
    "AP_(FTYPE_(PROTOCOL|RESOURCE)|MODE_READBYTES|CONN_CLOSE|FILTER_ERROR)|M_GET|SERVER_[A-Z_]+|apr_bucket_type_eos|ap_bucket_type_error|ap_server_conf|ap_unixd_config|ap_coredumpdir_configured",
    "AUTH_.*|AUTH[NZ]_(PROVIDER_(GROUP|VERSION)|DENIED|GRANTED|DENIED_NO_USER)|AP_AUTH_INTERNAL_PER_CONF|REMOTE_(HOST|NAME)",
    "APR_HAS_(FLOCK|FCNTL|SYSVSEM|POSIXSEM|PROC_PTHREAD)_SERIALIZE",
];

fn apxs(variable: &str) -> Result<String, Box<dyn Error>> {
    let apxs = env::var("APXS").unwrap_or_else(|_| "apxs".into());
    let output = Command::new(&apxs)
        .args(["-q", variable])
        .output()
        .map_err(|error| format!("{apxs}: {error} (Debian: apache2-dev)"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-changed=src/python/module_gil.c");
    println!("cargo:rerun-if-changed=src/python/layout.c");
    println!("cargo:rerun-if-env-changed=APXS");
    pyo3_build_config::use_pyo3_cfgs();

    let mut include = vec![apxs("INCLUDEDIR")?, apxs("APR_INCLUDEDIR")?, apxs("APU_INCLUDEDIR")?];
    include.dedup();
    let flags: Vec<String> = apxs("EXTRA_CPPFLAGS")?.split_whitespace().map(str::to_owned).collect();
    bind_httpd(&include, &flags)?;
    compile_httpd_layout(&include, &flags);
    // Where wsgictl looks for the socket of an httpd.
    println!("cargo:rustc-env=MOD_WSGI_RUNTIME_DIRECTORY={}", apxs("RUNTIMEDIR")?);
    link_python(pyo3_build_config::get())
}

fn bind_httpd(include: &[String], flags: &[String]) -> Result<(), Box<dyn Error>> {
    let mut builder = bindgen::Builder::default()
        .header("src/ffi/wrapper.h")
        .clang_args(include.iter().map(|path| format!("-I{path}")))
        .clang_args(flags)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(false)
        .generate_comments(false)
        .layout_tests(false)
        .sort_semantically(true)
        .use_core();
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    let out = PathBuf::from(env::var("OUT_DIR")?).join("httpd.rs");
    builder.generate()?.write_to_file(out)?;
    Ok(())
}

/// Sizes and offsets as the C compiler sees them, for the test that compares
/// them with what bindgen made.
fn compile_httpd_layout(include: &[String], flags: &[String]) {
    let mut build = cc::Build::new();
    build.file("src/ffi/layout.c").includes(include).warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("mod_wsgi_httpd_layout");
}

fn link_python(python: &pyo3_build_config::InterpreterConfig) -> Result<(), Box<dyn Error>> {
    let executable = python.executable().ok_or("no Python interpreter was found: set PYO3_PYTHON")?;
    let query = "import sys, sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_config_var('LIBDIR')); print(sysconfig.get_path('stdlib'))";
    let answer = Command::new(executable).args(["-c", query]).output()?;
    let answer = String::from_utf8(answer.stdout)?;
    let mut lines = answer.lines();
    let headers = lines.next().ok_or("the interpreter did not name its header directory")?;
    let library = lines.next().ok_or("the interpreter did not name its library directory")?;

    let standard_library = lines.next().ok_or("the interpreter did not name its standard library")?;
    let standard_library = standard_library.rsplit('/').next().unwrap_or_default();

    cc::Build::new()
        .file("src/python/module_gil.c")
        .file("src/python/layout.c")
        .include(headers)
        .include(format!("{headers}/internal"))
        .warnings(false)
        .compile("mod_wsgi_cpython");

    println!("cargo:rustc-env=MOD_WSGI_PYTHON_EXECUTABLE={executable}");
    println!("cargo:rustc-env=MOD_WSGI_STANDARD_LIBRARY={standard_library}");
    println!("cargo:rustc-env=MOD_WSGI_PYTHON_VERSION={}.{}", python.version().major, python.version().minor);
    // libpython is found where it was at build time, without LD_LIBRARY_PATH. The system's own needs no help.
    if !library.starts_with("/usr/lib") || library.starts_with("/usr/lib/mod-wsgi-rs") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{library}");
    }
    // httpd unloads and reloads modules at every restart; Python and thread-local destructors
    // must not lose the code beneath them, so the object stays mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    Ok(())
}
