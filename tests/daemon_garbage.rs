//! Each side of the connection between httpd's children and daemons is sent what the other one never sends.

use crate::support::faults::{answering, serving, wait_until_started};
use crate::support::{Httpd, in_both_modes, is_root, wait_for};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// The socket of the one daemon, once httpd's children may connect to it.
fn socket(httpd: &Httpd) -> PathBuf {
    wait_for("the socket", || {
        let files = fs::read_dir(httpd.root().join("run")).expect("the runtime folder").flatten();
        let mut sockets =
            files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "sock"));
        let path = sockets.next()?;
        let is_given = fs::metadata(&path).ok()?.uid() != 0 || !is_root();
        is_given.then_some(path)
    })
}

/// A frame with that kind and length before its payload.
fn frame(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = length.to_le_bytes();
    [&[kind, 0, 0, 0, a, b, c, d], payload].concat()
}

/// Bytes without any order, always the same.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// What no child of httpd sends.
fn for_daemons() -> Vec<Vec<u8>> {
    let mut all = vec![
        frame(0, 0, b""),
        frame(255, 0, b""),
        // A request without a head, one of nonsense, one that is longer than may be.
        frame(1, 0, b""),
        frame(1, 5, b"hello"),
        frame(1, 400, &[0xff; 400]),
        frame(1, u32::MAX, b""),
        frame(1, 200, &[0; 200]),
        // Kinds that make no sense here.
        frame(2, 3, b"abc"),
        frame(17, 0, b""),
        frame(22, 0, b""),
        // A request whose variables have lengths beyond its end.
        frame(1, 60, &[&[1, 1][..], &[0; 32], &[0xff; 26]].concat()),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    all.extend((1..20).map(|seed| noise(seed, 3000)));
    // A kind that is known, and then noise.
    all.extend((1..20).map(|seed| frame(1, 500, &noise(seed, 500))));
    all
}

#[test]
fn a_daemon_drops_a_connection_over_which_it_is_sent_nonsense() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
        let daemon = answering(&httpd);
        let descriptors = daemon.descriptors();
        for bytes in for_daemons() {
            let mut stream = UnixStream::connect(socket(&httpd)).expect("the daemon listens");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an open socket");
            let _ = stream.write_all(&bytes);
            // No answer, and no waiting for more.
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => assert!(answer.is_empty(), "an answer to {bytes:?}: {answer:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{bytes:?}"),
            }
        }
        wait_for("the connections to be closed", || (daemon.descriptors() <= descriptors + 1).then_some(()));
        assert_eq!(answering(&httpd), daemon);
        httpd.finish(&["WSGI0034: process group 'group': a request that did not come from httpd was refused"]);
    });
}

#[test]
fn a_daemon_does_not_wait_for_the_rest_of_a_request_for_long() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1 socket-timeout=1", "").gil_mode(mode).start();
        wait_until_started(&httpd, 1);
        let daemon = answering(&httpd);
        let mut slow = UnixStream::connect(socket(&httpd)).expect("the daemon listens");
        slow.set_read_timeout(Some(Duration::from_secs(10))).expect("an open socket");
        slow.write_all(&frame(1, 1 << 20, b"begun")).expect("written");
        assert_eq!(slow.read(&mut [0]).map_err(|error| error.kind()), Ok(0), "the daemon hangs up");
        assert_eq!(answering(&httpd), daemon);
        httpd.finish(&[]);
    });
}

/// What no daemon sends, and whether the client sees a response of it that is cut short.
fn for_children() -> Vec<(Vec<u8>, bool)> {
    let head = {
        let mut payload = u64::MAX.to_le_bytes().to_vec();
        for text in [&b"200 OK"[..], b"Content-Type", b"text/plain"] {
            payload.extend_from_slice(&(text.len() as u32).to_le_bytes());
            payload.extend_from_slice(text);
        }
        frame(17, payload.len() as u32, &payload)
    };
    let data = frame(18, 4, b"data");
    let mut all = vec![
        (frame(0, 0, b""), false),
        (frame(17, 0, b""), false),
        (frame(17, 12, &[0; 12]), false),
        (frame(17, u32::MAX, b""), false),
        // Data, a file and an end without a head.
        (data.clone(), false),
        (frame(19, 17, &[0; 17]), false),
        (frame(22, 0, b""), false),
        (frame(20, 0, b""), false),
        (frame(21, 3, &[200, 0, 0]), false),
        (frame(23, 1, b"x"), false),
        (frame(1, 0, b""), false),
        (head[..head.len() - 3].to_vec(), false),
        ([&head[..], &data, &frame(18, 100_000, b"")].concat(), true),
        ([&head[..], &data, &frame(18, 40, b"less")].concat(), true),
        // A file without a descriptor.
        ([&head[..], &data, &frame(19, 17, &[0; 17])].concat(), true),
    ];
    all.extend((1..12).map(|seed| (noise(seed, 2000), false)));
    all
}

#[test]
fn a_child_of_httpd_that_is_answered_nonsense_tells_its_client_that_something_failed() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
        // Nobody has asked yet, so the child has no connection to the daemon, and finds this listener in its place.
        let path = socket(&httpd);
        let owner = fs::metadata(&path).expect("the socket").uid();
        fs::remove_file(&path).expect("we may");
        let listener = UnixListener::bind(&path).expect("the place is free");
        chown(&path, Some(owner), None).expect("we may");
        let cases = for_children();
        let answers: Vec<_> = cases.iter().map(|(bytes, _)| bytes.clone()).collect();
        let liar = thread::spawn(move || {
            for bytes in answers {
                let (mut stream, _) = listener.accept().expect("a child of httpd");
                let mut request = [0; 65536];
                let _ = stream.read(&mut request).expect("a request");
                stream.write_all(&bytes).expect("the child reads");
            }
        });
        for (bytes, begun) in cases {
            let response = httpd.get("/plain");
            if begun {
                response.assert_cut_short(200, "data");
            } else {
                assert!([500, 502].contains(&response.status), "{bytes:?}: {response:?}");
                response.assert_error_page(response.status);
            }
        }
        liar.join().expect("every answer was read");
        httpd.finish(&["WSGI0148", "WSGI014"]);
    });
}
