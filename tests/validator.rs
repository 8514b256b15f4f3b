//! `wsgiref.validate`, between the server and an application that exercises
//! everything, finds nothing to complain about.

use crate::support::{Httpd, Mpm, in_both_modes};

#[test]
fn the_validator_finds_nothing() {
    in_both_modes(|mode| {
        for mpm in Mpm::ALL {
            let httpd = Httpd::serving("validator.py").mpm(mpm).gil_mode(mode).start();
            let mut connection = httpd.connect();
            connection.get("/").assert(200, "simple");
            connection.get("/%C3%A9/../simple?q=%E9").assert(200, "simple");
            connection.get("/writes").assert(200, "written returned");
            connection.get("/generates").assert(200, "one two");
            connection.get("/replaces").assert(500, "replaced");
            httpd.get("/wraps").assert(200, "wrapped");
            httpd.get("/wraps_file").assert(200, "a file");
            assert_eq!(httpd.get("/no_content").status, 204);
            httpd.post("/reads", "one\ntwo\nthree\nfour\nfive").assert(200, "one|\n|two\n|four\n|five");
            let mut connection = httpd.connect();
            let head = connection.send("HEAD /simple HTTP/1.1\r\nHost: a\r\n\r\n").response_to("HEAD");
            assert_eq!(head.status, 200);
            httpd.finish(&["] noted", "] listed"]);
        }
    });
}
