//! Process groups: an application runs apart from httpd's own processes.

use crate::support::{Httpd, Mpm, in_both_modes};

const GROUP: &str = "WSGIDaemonProcess group processes=2 threads=4\n\
                     WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n";

#[test]
fn an_application_answers_under_every_mpm() {
    in_both_modes(|mode| {
        for mpm in Mpm::ALL {
            let httpd = Httpd::bare(GROUP).app("hello.py").mpm(mpm).gil_mode(mode).start();
            let mut connection = httpd.connect();
            for _ in 0..3 {
                let response = connection.get("/");
                response.assert(200, "Hello, World!");
                assert_eq!(response.header("Content-Type"), Some("text/plain"));
            }
            httpd.finish(&[]);
        }
    });
}
