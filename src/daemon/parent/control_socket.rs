//! The socket of `wsgictl`, and those who have connected to it: each sends one line and gets one line.
//!
//! The supervisor looks here between its other work. Nothing here waits: a client that stalls, or sends what is no line,
//! is given up after a time, and there are never more than [`CLIENTS`].

use crate::config::control_socket::{Rights, check_path};
use crate::daemon::generation::Control;
use crate::unix::peer::{Peer, peer};
use crate::unix::process;
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::lchown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// So many may be connected; others are told to come again.
const CLIENTS: usize = 32;
/// So many are let in before others have their turn.
const AT_ONCE: usize = 16;
/// The longest line of a client.
const LONGEST: usize = 4096;
/// How long a client may take to send its line ...
const READ_WITHIN: Duration = Duration::from_secs(60);
/// ... and to take the answer.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// How often the log says that someone was refused.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The socket, and its clients.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    rights: Rights,
    /// Who httpd was started as.
    start_user: u32,
    start_group: u32,
    clients: Vec<Client>,
    /// Counts clients.
    number: u64,
    told: Option<Instant>,
}

struct Client {
    number: u64,
    stream: UnixStream,
    peer: Peer,
    state: State,
}

enum State {
    Reading {
        line: Vec<u8>,
        until: Instant,
    },
    /// What it asked for is under way.
    Waiting,
    Writing {
        text: Vec<u8>,
        sent: usize,
        until: Instant,
    },
    Done,
}

/// What a client asks for.
pub(crate) struct Asked {
    /// The number to answer to.
    pub(crate) client: u64,
    pub(crate) peer: Peer,
    pub(crate) line: Vec<u8>,
}

/// What has come from clients.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) asked: Vec<Asked>,
    /// One that was refused, if the log is to tell.
    pub(crate) refused: Option<Peer>,
}

impl ControlSocket {
    /// Makes the socket. One that nobody listens at any more is replaced, and so is one of an earlier supervisor of this
    /// httpd.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub(crate) fn open(control: &Control) -> Result<Self, String> {
        let Control { path, rights, .. } = control;
        check_path(&path.display().to_string())?;
        if let Some(other) = other_server(path) {
            return Err(format!("process {other} of another server listens there"));
        }
        let listener = bind(path, rights).map_err(|error| error.to_string())?;
        Ok(Self {
            listener,
            path: path.clone(),
            rights: *rights,
            start_user: geteuid().as_raw(),
            start_group: getegid().as_raw(),
            clients: Vec::new(),
            number: 0,
            told: None,
        })
    }

    /// What to poll for.
    pub(crate) fn watch<'s>(&'s self, descriptors: &mut Vec<PollFd<'s>>) {
        descriptors.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        descriptors.extend(self.clients.iter().map(|client| {
            let events = match client.state {
                State::Reading { .. } => PollFlags::POLLIN,
                State::Writing { .. } => PollFlags::POLLOUT,
                State::Waiting | State::Done => PollFlags::empty(),
            };
            PollFd::new(client.stream.as_fd(), events)
        }));
    }

    /// Lets clients in and out, and takes what they have sent.
    pub(crate) fn look(&mut self) -> News {
        let mut news = News::default();
        self.accept(&mut news);
        for client in &mut self.clients {
            if let Some(line) = client.read() {
                news.asked.push(Asked { client: client.number, peer: client.peer.clone(), line });
            }
            client.write();
            if client.has_hung_up() || client.is_late() {
                client.state = State::Done;
            }
        }
        self.clients.retain(|client| !matches!(client.state, State::Done));
        news
    }

    /// Answers a client, if it is still there.
    pub(crate) fn answer(&mut self, number: u64, answer: &Value) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.number == number) {
            client.answer(answer);
        }
    }

    /// Whether that client still waits for an answer.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.clients.iter().any(|client| client.number == number)
    }

    /// Answers all that wait, as far as they take it at once: this is the end.
    pub(crate) fn end(mut self, answer: &Value) {
        let waiting = self.clients.iter_mut().filter(|client| !matches!(client.state, State::Writing { .. }));
        waiting.for_each(|client| client.answer(answer));
    }

    /// Removes the socket's name. To be called only if no other supervisor may have taken it over.
    pub(crate) fn remove_name(&self) {
        let _ = fs::remove_file(&self.path);
    }

    fn accept(&mut self, news: &mut News) {
        for _ in 0..AT_ONCE {
            let Ok((stream, _)) = self.listener.accept() else { return };
            let Ok(peer) = peer(&stream) else { continue };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.number += 1;
            let state = State::Reading { line: Vec::new(), until: Instant::now() + READ_WITHIN };
            let mut client = Client { number: self.number, stream, peer, state };
            if !self.admits(&client.peer) {
                client.answer(&error(&format!("user {} may not use this socket", client.peer.user)));
                if self.told.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
                    self.told = Some(Instant::now());
                    news.refused = Some(client.peer.clone());
                }
            } else if self.clients.len() >= CLIENTS {
                client.answer(&error("too many others are connected; try again"));
            } else {
                self.clients.push(client);
            }
        }
    }

    /// Root, who has started httpd, and whom the rights of the socket let in. Its file says the same, unless someone has
    /// changed it.
    fn admits(&self, peer: &Peer) -> bool {
        let Rights { mode, owner, group } = self.rights;
        let owners = [Some(0), Some(self.start_user), owner];
        let of_group = mode & 0o020 != 0 && peer.groups.contains(&group.unwrap_or(self.start_group));
        owners.contains(&Some(peer.user)) || of_group || mode & 0o002 != 0
    }
}

impl Client {
    /// The line, once it is whole.
    fn read(&mut self) -> Option<Vec<u8>> {
        let State::Reading { line, .. } = &mut self.state else { return None };
        let mut piece = [0; LONGEST];
        let length = match self.stream.read(&mut piece) {
            Ok(length) => length,
            Err(error) if is_for_later(&error) => return None,
            Err(_) => {
                self.state = State::Done;
                return None;
            }
        };
        line.extend_from_slice(&piece[..length]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
        } else if length > 0 && line.len() <= LONGEST {
            return None;
        }
        let line = core::mem::take(line);
        if line.is_empty() && length == 0 {
            self.state = State::Done;
            return None;
        }
        self.state = State::Waiting;
        if line.len() > LONGEST {
            self.answer(&error("the request is too long"));
            return None;
        }
        Some(line)
    }

    fn answer(&mut self, answer: &Value) {
        let mut text = answer.to_string().into_bytes();
        text.push(b'\n');
        self.state = State::Writing { text, sent: 0, until: Instant::now() + WRITE_WITHIN };
        self.write();
    }

    fn write(&mut self) {
        let State::Writing { text, sent, .. } = &mut self.state else { return };
        while *sent < text.len() {
            match self.stream.write(&text[*sent..]) {
                Ok(0) => break,
                Ok(length) => *sent += length,
                Err(error) if is_for_later(&error) => return,
                Err(_) => break,
            }
        }
        self.state = State::Done;
    }

    /// Whether it is gone. One that has only ended what it sends still waits for its answer.
    fn has_hung_up(&self) -> bool {
        let mut descriptors = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        matches!(self.state, State::Waiting) && poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    fn is_late(&self) -> bool {
        match self.state {
            State::Reading { until, .. } | State::Writing { until, .. } => until <= Instant::now(),
            State::Waiting | State::Done => false,
        }
    }
}

fn is_for_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What a client is told that gets nothing else.
pub(crate) fn error(text: &str) -> Value {
    json!({ "error": text })
}

/// The process of another httpd that listens at this socket.
fn other_server(path: &Path) -> Option<i32> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
    match connect(stream.as_raw_fd(), &UnixAddr::new(path).ok()?) {
        // As many wait there as may.
        Ok(()) | Err(Errno::EAGAIN) => {}
        Err(_) => return None,
    }
    let listening = peer(&stream).map_or(0, |peer| peer.process);
    let parent = u32::try_from(listening).ok().and_then(process::parent_of);
    (parent != Some(std::os::unix::process::parent_id())).then_some(listening)
}

/// A listening socket of that name. It gets the name when it is ready, so that no one finds it half-made.
fn bind(path: &Path, rights: &Rights) -> std::io::Result<UnixListener> {
    let new = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    let _ = fs::remove_file(&new);
    let before = umask(Mode::from_bits_truncate(!rights.mode & 0o777));
    let listener = UnixListener::bind(&new);
    umask(before);
    let named = listener.and_then(|listener| {
        if rights.owner.is_some() || rights.group.is_some() {
            lchown(&new, rights.owner, rights.group)?;
        }
        listener.set_nonblocking(true)?;
        fs::rename(&new, path)?;
        Ok(listener)
    });
    if named.is_err() {
        let _ = fs::remove_file(&new);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;

    fn open(directory: &tempfile::TempDir) -> ControlSocket {
        let control = Control { path: directory.path().join("control"), rights: Rights::default(), is_default: false };
        ControlSocket::open(&control).expect("a socket")
    }

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn connected(socket: &ControlSocket) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(&socket.path).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        BufReader::new(stream)
    }

    fn read(client: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        client.read_line(&mut line).expect("a line");
        line
    }

    #[test]
    fn a_line_is_answered_by_a_line() {
        let directory = directory();
        let mut socket = open(&directory);
        let mode = fs::metadata(&socket.path).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = connected(&socket);
        assert!(socket.look().asked.is_empty());
        client.get_ref().write_all(b"ask").expect("written");
        assert!(socket.look().asked.is_empty());
        client.get_ref().write_all(b" me\nmore").expect("written");
        let asked = socket.look().asked;
        assert_eq!(asked.len(), 1);
        assert_eq!((&asked[0].line[..], asked[0].peer.process), (&b"ask me"[..], std::process::id() as i32));
        socket.answer(asked[0].client, &json!({"ok": true}));
        assert_eq!(read(&mut client), "{\"ok\":true}\n");
        assert!(socket.look().asked.is_empty() && socket.clients.is_empty());
    }

    #[test]
    fn who_sends_no_line_or_goes_away_leaves_nothing_behind() {
        let directory = directory();
        let mut socket = open(&directory);
        let mut long = connected(&socket);
        socket.look();
        long.get_ref().write_all(&[b'x'; LONGEST + 1]).expect("written");
        while socket.clients.iter().any(|client| matches!(client.state, State::Reading { .. })) {
            assert!(socket.look().asked.is_empty());
        }
        assert_eq!(read(&mut long), "{\"error\":\"the request is too long\"}\n");
        // One that is gone before it has sent anything, and one that does not wait for its answer.
        drop(connected(&socket));
        let impatient = connected(&socket);
        impatient.get_ref().write_all(b"x\n").expect("written");
        let asked = socket.look().asked;
        assert_eq!((asked.len(), socket.clients.len()), (1, 1));
        drop(impatient);
        socket.look();
        assert!(socket.clients.is_empty());
        socket.answer(asked[0].client, &json!({}));
    }

    #[test]
    fn there_are_never_too_many() {
        let directory = directory();
        let mut socket = open(&directory);
        let _many: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = connected(&socket);
                socket.look();
                client
            })
            .collect();
        let mut other = connected(&socket);
        socket.look();
        assert!(read(&mut other).contains("too many"));
        assert_eq!(socket.clients.len(), CLIENTS);
    }

    #[test]
    fn a_socket_that_nobody_serves_is_replaced_and_other_files_are_not() {
        let directory = directory();
        drop(open(&directory));
        let socket = open(&directory);
        // Of this process, which is no child of its own parent's httpd: a sibling is what a supervisor before was.
        assert_eq!(other_server(&socket.path), None);
        fs::remove_file(&socket.path).expect("our own");
        fs::write(&socket.path, "mine").expect("a file");
        let control = Control { path: socket.path.clone(), rights: Rights::default(), is_default: false };
        let refused = ControlSocket::open(&control).err().expect("refused");
        assert!(refused.contains("is not a socket"), "{refused}");
        assert_eq!(fs::read_to_string(&socket.path).expect("the file"), "mine");
    }

    #[test]
    fn the_rights_say_who_may_come() {
        let directory = directory();
        let mut socket = open(&directory);
        let peer = |user, groups: &[u32]| Peer { process: 1, user, groups: groups.to_vec() };
        socket.start_user = 30;
        assert!(socket.admits(&peer(0, &[])) && socket.admits(&peer(30, &[])));
        assert!(!socket.admits(&peer(31, &[0, 40])));
        socket.rights = Rights { mode: 0o660, owner: Some(31), group: Some(40) };
        assert!(socket.admits(&peer(31, &[])) && socket.admits(&peer(32, &[1, 40])) && !socket.admits(&peer(32, &[1])));
        socket.rights.mode = 0o600;
        assert!(!socket.admits(&peer(32, &[40])));
        socket.rights.mode = 0o666;
        assert!(socket.admits(&peer(32, &[])));
    }
}
