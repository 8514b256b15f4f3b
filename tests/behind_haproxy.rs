//! Two servers behind a HAProxy that asks `/health/ready`: both are replaced under load, and no request fails.

use crate::support::faults::serving;
use crate::support::{Httpd, Load, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// As docs/more-than-one-machine.md has it, with checks that come sooner and may take longer.
const CONF: &str = "\
global
    stats socket {root}/haproxy.sock level admin
defaults
    mode http
    timeout connect 20s
    timeout client 30s
    timeout server 30s
    timeout check 20s
frontend site
    bind 127.0.0.1:{front}
    default_backend wsgi
backend wsgi
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host health
    http-check expect status 200
    default-server check inter 100ms fall 2 rise 2
    option redispatch
    retry-on conn-failure empty-response
    server one 127.0.0.1:{one}
    server two 127.0.0.1:{two}
";

struct HaProxy {
    root: TempDir,
    process: Child,
    port: u16,
}

impl HaProxy {
    fn start(one: &Httpd, two: &Httpd) -> Self {
        let root = tempfile::Builder::new().prefix("haproxy-test-").tempdir_in("/tmp").expect("a directory");
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a bound socket has an address").port();
            drop(listener);
            let conf = CONF
                .replace("{root}", root.path().to_str().expect("text"))
                .replace("{front}", &port.to_string())
                .replace("{one}", &one.port.to_string())
                .replace("{two}", &two.port.to_string());
            let file = root.path().join("haproxy.cfg");
            fs::write(&file, conf).expect("our own directory");
            // Should this test die, it leaves as well.
            let mut process = Command::new("setpriv")
                .args(["--pdeathsig", "TERM", "/usr/sbin/haproxy", "-db", "-f"])
                .arg(&file)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("setpriv runs");
            let listens = wait_for("HAProxy to listen", || {
                let has_ended = process.try_wait().expect("our child").is_some();
                if has_ended { Some(false) } else { TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true) }
            });
            // Else somebody was quicker to take the port.
            if listens {
                return Self { root, process, port };
            }
        }
        panic!("HAProxy does not start");
    }

    fn socket(&self) -> PathBuf {
        self.root.path().join("haproxy.sock")
    }

    /// Gives a command, and returns the answer.
    fn say(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.socket()).expect("HAProxy listens");
        writeln!(socket, "{command}").expect("HAProxy reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }

    #[track_caller]
    fn wait_until(&self, server: &str, state: &str) {
        let start = format!("wsgi,{server},");
        wait_for(&format!("HAProxy to say that {server} is {state}"), || {
            let answer = self.say("show stat");
            let line = answer.lines().find(|line| line.starts_with(&start))?;
            // The 18th column is the status.
            (line.split(',').nth(17) == Some(state)).then_some(())
        });
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn instance() -> Httpd {
    let conf = "<Location /health>\nSetHandler wsgi-health\n</Location>\nWSGIDrainTime 3600";
    serving("threads=4", conf).start()
}

#[test]
fn no_request_fails_while_both_servers_are_replaced_one_after_the_other() {
    let (one, two) = (instance(), instance());
    let haproxy = HaProxy::start(&one, &two);
    ["one", "two"].iter().for_each(|name| haproxy.wait_until(name, "UP"));
    let load = Load::start(haproxy.port, 4, "/plain", "done");
    let mut successors = Vec::new();
    for (name, httpd) in [("one", one), ("two", two)] {
        load.wait_for_answers(40);
        httpd.parent().signal("WINCH");
        haproxy.wait_until(name, "DOWN");
        // It serves on until it is told again: what HAProxy had sent there is answered.
        load.wait_for_answers(40);
        httpd.finish_by("WINCH", &[]);
        let successor = instance();
        let answer = haproxy.say(&format!("set server wsgi/{name} addr 127.0.0.1 port {}", successor.port));
        assert!(answer.contains("port changed"), "{answer}");
        haproxy.wait_until(name, "UP");
        successors.push(successor);
    }
    load.wait_for_answers(40);
    let tally = load.stop();
    assert_eq!(tally.repeated, 0, "{tally:?}");
    drop(haproxy);
    successors.into_iter().for_each(|httpd| httpd.finish(&[]));
}
