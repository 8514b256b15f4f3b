//! The main job: an application answers.

use crate::support::{Framing, Httpd, Mpm, in_both_modes};

#[test]
fn an_application_answers_under_every_mpm() {
    in_both_modes(|mode| {
        for mpm in Mpm::ALL {
            let httpd = Httpd::serving("hello.py").mpm(mpm).gil_mode(mode).start();
            let mut connection = httpd.connect();
            for _ in 0..3 {
                let response = connection.get("/");
                response.assert(200, "Hello, World!");
                assert_eq!(response.framing, Framing::Length(13));
                assert_eq!(response.header("Content-Type"), Some("text/plain"));
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn a_real_client_gets_its_answer() {
    let httpd = Httpd::serving("hello.py").start();
    let output = httpd.curl(&["--fail", "{url}/"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello, World!", "{output:?}");
    httpd.finish(&[]);
}

#[test]
fn requests_sent_together_are_answered_in_order() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("method.py").gil_mode(mode).start();
        let methods = ["GET", "POST", "OPTIONS", "DELETE", "PATCH"];
        let requests = methods.map(|method| format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut connection = httpd.connect();
        connection.send(requests.concat());
        for method in methods {
            connection.response().assert(200, method);
        }
        httpd.finish(&[]);
    });
}
