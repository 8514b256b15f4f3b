//! What a server of a test needs to speak TLS: a certificate of its own, made for this run.

use std::path::Path;
use std::process::Command;

pub const MODULES: [&str; 2] = ["socache_shmcb", "ssl"];

pub const DIRECTIVES: &str = "SSLEngine On\nSSLSessionCache shmcb:{root}/run/tls(65536)\n\
                              SSLCertificateFile {root}/tls.pem\nSSLCertificateKeyFile {root}/tls.key\n";

/// Writes `tls.key` and `tls.pem` for `localhost`.
pub fn make_certificate(folder: &Path) {
    let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
                   -addext basicConstraints=CA:FALSE";
    let made = Command::new("openssl")
        .args(options.split_whitespace())
        .arg("-keyout")
        .arg(folder.join("tls.key"))
        .arg("-out")
        .arg(folder.join("tls.pem"))
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
}
