//! How a daemon with `server-metrics=On` reads httpd's scoreboard: it asks the supervisor, over a line of its own.
//!
//! A daemon has none of httpd's shared memory (`isolation`): what it could see there it could also write to. The
//! supervisor, which has the scoreboard from httpd's parent, copies records into an answer and keeps nothing. A question
//! names the first record wanted, and the answer holds as many as fit into a packet: the daemon asks until it has all.
//! The supervisor takes one question of a daemon at a time, between its other work, and waits for no one who does not
//! read the answer.

use crate::apache::scoreboard::{self, ProcessScore, Scoreboard, ServerScore, WorkerScore};
use crate::unix::fork::{self, Private};
use crate::wire::fields::{Field, Fields, payload};
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use parking_lot::Mutex;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// More than any question, and more than an answer grows to.
const LONGEST: usize = 64 << 10;
/// An answer with so many bytes is sent off.
const FULL: usize = 48 << 10;
/// The most records of threads in one answer.
const MOST_WORKERS: usize = 4096;
/// How long a daemon waits for all answers: the supervisor does nothing that takes long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes a line: the daemon's end, and the supervisor's.
///
/// # Errors
/// The system has no descriptor left.
pub(crate) fn line() -> nix::Result<(Asking, Answering)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (asking, answering) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Asking(asking), Answering(answering)))
}

/// Which records are wanted: those from this one of a thread on, of the first process to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    /// The same in the answer.
    number: u64,
    from: u32,
}

payload! { Question { number, from } }

/// Where the records come from.
trait Records {
    fn server(&self) -> Option<ServerScore>;
    fn process(&self, number: u32) -> Option<ProcessScore>;
    fn worker(&self, process: u32, thread: u32) -> Option<WorkerScore>;
}

/// The scoreboard of this process.
struct OfHttpd;

impl Records for OfHttpd {
    fn server(&self) -> Option<ServerScore> {
        scoreboard::server()
    }

    fn process(&self, number: u32) -> Option<ProcessScore> {
        scoreboard::process(number)
    }

    fn worker(&self, process: u32, thread: u32) -> Option<WorkerScore> {
        scoreboard::worker(process, thread)
    }
}

/// The supervisor's end.
pub(crate) struct Answering(OwnedFd);

impl AsFd for Answering {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Answering {
    /// Answers the next question, if there is one; `false` if there will be none.
    pub(crate) fn answer(&self) -> bool {
        self.answer_from(&OfHttpd)
    }

    fn answer_from(&self, records: &impl Records) -> bool {
        let mut packet = [0; 64];
        match recv(self.0.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => false,
            Ok(length) => {
                if let Some(answer) = Fields(&packet[..length]).next().and_then(|question| answer(question, records)) {
                    // A daemon that has not read what it asked for before gets nothing.
                    let _ = send(self.0.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
                }
                true
            }
            Err(Errno::EAGAIN | Errno::EINTR) => true,
            Err(_) => false,
        }
    }
}

fn answer(question: Question, records: &impl Records) -> Option<Vec<u8>> {
    let server = records.server()?;
    let mut out = Vec::new();
    question.number.put(&mut out);
    server.put(&mut out);
    let all = server.server_limit.saturating_mul(server.thread_limit);
    for number in (question.from..all).take(MOST_WORKERS) {
        let (process, thread) = (number / server.thread_limit, number % server.thread_limit);
        if thread == 0 {
            records.process(process)?.put(&mut out);
        }
        packed(records.worker(process, thread)?).put(&mut out);
        if out.len() >= FULL {
            break;
        }
    }
    Some(out)
}

payload! { ServerScore { server_limit, thread_limit, running_generation, restart_time } }
payload! { ProcessScore { process, generation, quiescing } }
payload! {
    WorkerScore {
        status, number, generation, accesses, bytes_served, start_time, stop_time, last_used, client, request, host,
    }
}

/// The record of a thread as it goes over the line. Most have never been used: these are one byte.
fn packed(worker: WorkerScore) -> Option<WorkerScore> {
    (worker != WorkerScore::default()).then_some(worker)
}

/// The daemon's end, before anyone asks.
pub(crate) struct Asking(OwnedFd);

impl AsFd for Asking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The daemon's end, for all threads of it.
pub(crate) struct Scores(Mutex<Asker>);

struct Asker {
    line: Private<OwnedFd>,
    /// The number of the last question.
    number: u64,
}

impl Scores {
    pub(crate) fn new(asking: Asking) -> Self {
        Self(Mutex::new(Asker { line: Private::new(asking.0), number: 0 }))
    }

    /// A copy of the scoreboard; `None` if the supervisor does not answer in time. Blocks, and is to be called detached.
    pub(crate) fn read(&self) -> Option<Scoreboard> {
        // A copy of the daemon has no line, and may have no thread that gives the lock back.
        if fork::is_copy() {
            return None;
        }
        self.0.lock().read(Instant::now() + PATIENCE)
    }
}

impl Asker {
    fn read(&mut self, until: Instant) -> Option<Scoreboard> {
        let mut gathering: Option<Gathering> = None;
        while gathering.as_ref().is_none_or(|gathering| !gathering.is_complete()) {
            let from = gathering.as_ref().map_or(0, |gathering| gathering.workers);
            let packet = self.ask(from, until)?;
            let mut fields = Fields(&packet);
            let (_, server): (u64, _) = (fields.next()?, fields.next()?);
            let gathering = gathering.get_or_insert_with(|| Gathering::new(server));
            gathering.take(fields)?;
        }
        gathering.map(|gathering| gathering.scoreboard)
    }

    /// The answer to a question; those to earlier ones, which came too late, are passed over.
    fn ask(&mut self, from: u32, until: Instant) -> Option<Vec<u8>> {
        self.number += 1;
        let mut question = Vec::new();
        Question { number: self.number, from }.put(&mut question);
        send(self.line.as_raw_fd(), &question, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT).ok()?;
        let mut packet = vec![0; LONGEST];
        loop {
            match recv(self.line.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return None,
                Ok(length) if Fields(&packet[..length]).next() == Some(self.number) => {
                    packet.truncate(length);
                    return Some(packet);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(until)?,
                Err(_) => return None,
            }
        }
    }

    /// Waits for a packet; `None` if the time is up.
    fn wait(&self, until: Instant) -> Option<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let mut descriptors = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        // Rounded up: a wait of no time at all would be repeated.
        let wait = left + Duration::from_millis(1);
        let _ = poll(&mut descriptors, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX));
        Some(())
    }
}

/// A scoreboard that comes in pieces.
struct Gathering {
    scoreboard: Scoreboard,
    /// How many records of threads there are so far.
    workers: u32,
}

impl Gathering {
    fn new(server: ServerScore) -> Self {
        Self { scoreboard: Scoreboard { server, processes: Vec::new() }, workers: 0 }
    }

    fn is_complete(&self) -> bool {
        let server = self.scoreboard.server;
        self.workers >= server.server_limit.saturating_mul(server.thread_limit)
    }

    /// Takes the records of an answer; `None` if there are none, or too many.
    fn take(&mut self, mut fields: Fields<'_>) -> Option<()> {
        let before = self.workers;
        while !fields.is_empty() && !self.is_complete() {
            if self.workers.is_multiple_of(self.scoreboard.server.thread_limit) {
                self.scoreboard.processes.push((fields.next()?, Vec::new()));
            }
            let (_, workers) = self.scoreboard.processes.last_mut()?;
            workers.push(fields.next::<Option<WorkerScore>>()?.unwrap_or_default());
            self.workers += 1;
        }
        (fields.is_empty() && (self.workers > before || self.is_complete())).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::tests::sent;
    use proptest::prelude::*;

    const SERVER: ServerScore =
        ServerScore { server_limit: 2, thread_limit: 3, running_generation: -1, restart_time: 1_700_000_000_000_000 };

    fn used(number: i32) -> WorkerScore {
        WorkerScore {
            number,
            generation: 7,
            status: 4,
            accesses: u64::MAX,
            bytes_served: -1,
            start_time: 1,
            stop_time: 2,
            last_used: i64::MAX,
            client: b"::1".to_vec(),
            request: b"GET /\xff HTTP/1.1".to_vec(),
            host: Vec::new(),
        }
    }

    fn process(process: i32) -> ProcessScore {
        ProcessScore { process, generation: 3, quiescing: process == 1 }
    }

    #[test]
    fn records_are_gathered_from_any_pieces() {
        let workers = [used(0), WorkerScore::default(), used(2), used(3), used(4), WorkerScore::default()];
        for cut in 1..workers.len() {
            let mut gathering = Gathering::new(SERVER);
            for range in [0..cut, cut..workers.len()] {
                assert!(!gathering.is_complete());
                let mut piece = Vec::new();
                for number in range {
                    if number % 3 == 0 {
                        process(number as i32 / 3).put(&mut piece);
                    }
                    packed(workers[number].clone()).put(&mut piece);
                }
                gathering.take(Fields(&piece)).expect("records");
            }
            assert!(gathering.is_complete());
            let [(first, one), (second, other)] = &gathering.scoreboard.processes[..] else { panic!("two processes") };
            assert_eq!((*first, *second), (process(0), process(1)));
            assert_eq!((&one[..], &other[..]), (&workers[..3], &workers[3..]));
        }
    }

    /// A scoreboard of so many records, of which every third has been used.
    struct Made(ServerScore);

    impl Records for Made {
        fn server(&self) -> Option<ServerScore> {
            Some(self.0)
        }

        fn process(&self, number: u32) -> Option<ProcessScore> {
            (number < self.0.server_limit).then(|| process(number as i32))
        }

        fn worker(&self, process: u32, thread: u32) -> Option<WorkerScore> {
            let number = process * self.0.thread_limit + thread;
            (thread < self.0.thread_limit).then(|| match number % 3 {
                0 => used(number as i32),
                _ => WorkerScore::default(),
            })
        }
    }

    #[test]
    fn what_is_asked_for_is_what_there_is() {
        for (server_limit, thread_limit) in [(1, 1), (2, 3), (100, 100), (1, 9000), (9000, 1)] {
            let made = Made(ServerScore { server_limit, thread_limit, ..SERVER });
            let (asking, answering) = line().expect("a line");
            let read = std::thread::scope(|scope| {
                scope.spawn(|| while answering.answer_from(&made) {});
                let scores = Scores::new(asking);
                scores.0.lock().read(Instant::now() + PATIENCE)
            });
            let read = read.expect("a scoreboard");
            assert_eq!(read.processes.len(), server_limit as usize);
            for (number, (process, workers)) in (0..).zip(read.processes) {
                assert_eq!(Some(process), made.process(number));
                let expected: Vec<_> = (0..thread_limit).filter_map(|thread| made.worker(number, thread)).collect();
                assert_eq!(workers, expected);
            }
        }
    }

    #[test]
    fn an_answer_without_records_ends_the_gathering() {
        assert!(Gathering::new(SERVER).take(Fields(&[])).is_none());
        let empty = ServerScore { thread_limit: 0, ..SERVER };
        assert!(Gathering::new(empty).is_complete());
    }

    #[test]
    fn a_side_that_is_gone_is_noticed() {
        let (asking, answering) = line().expect("a line");
        assert!(answering.answer_from(&Made(SERVER)), "no question is no end");
        drop(asking);
        assert!(!answering.answer_from(&Made(SERVER)));
        let (asking, answering) = line().expect("a line");
        drop(answering);
        assert_eq!(Scores::new(asking).0.lock().read(Instant::now() + PATIENCE), None);
    }

    #[test]
    fn a_late_answer_is_passed_over() {
        let (asking, answering) = line().expect("a line");
        let mut late = Vec::new();
        0_u64.put(&mut late);
        SERVER.put(&mut late);
        let mut right = Vec::new();
        1_u64.put(&mut right);
        ServerScore { server_limit: 0, ..SERVER }.put(&mut right);
        for packet in [late, right] {
            send(answering.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).expect("sent");
        }
        let read = Scores::new(asking).0.lock().read(Instant::now() + PATIENCE);
        assert_eq!(read.map(|scoreboard| scoreboard.server.server_limit), Some(0));
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_records_are_refused(piece: Vec<u8>) {
            let mut gathering = Gathering::new(SERVER);
            if gathering.take(Fields(&piece)).is_some() {
                prop_assert!(gathering.workers > 0 && gathering.scoreboard.processes.len() <= 2);
            }
        }

        #[test]
        fn what_is_said_is_what_is_read(number: u64, from: u32, worker in worker(), quiescing: bool) {
            let question = Question { number, from };
            prop_assert_eq!(sent(&question), question);
            let process = ProcessScore { process: from as i32, generation: worker.generation, quiescing };
            prop_assert_eq!(sent(&process), process);
            let server = ServerScore { server_limit: from, running_generation: worker.number, restart_time: worker.start_time, ..SERVER };
            prop_assert_eq!(sent(&server), server);
            prop_assert_eq!(sent(&packed(worker.clone())).unwrap_or_default(), worker);
        }
    }

    /// Any record of a thread.
    fn worker() -> impl Strategy<Value = WorkerScore> {
        let numbers = (any::<i32>(), any::<i32>(), any::<u8>(), any::<u64>());
        let times = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>());
        let texts = (any::<Vec<u8>>(), any::<Vec<u8>>(), any::<Vec<u8>>());
        (numbers, times, texts).prop_map(|(numbers, times, (client, request, host))| {
            let (number, generation, status, accesses) = numbers;
            let (bytes_served, start_time, stop_time, last_used) = times;
            WorkerScore {
                number,
                generation,
                status,
                accesses,
                bytes_served,
                start_time,
                stop_time,
                last_used,
                client,
                request,
                host,
            }
        })
    }
}
