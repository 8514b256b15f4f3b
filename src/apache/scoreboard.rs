//! httpd's scoreboard: what its processes and their threads do, as each of them has written it there.
//!
//! It lies in memory that all processes of httpd share and write to without a lock. What is read here is a copy; the
//! records of it need not agree with each other.

use super::mpm;
use crate::ffi;
use core::ffi::c_char;
use core::ptr::NonNull;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scoreboard {
    pub(crate) server: ServerScore,
    pub(crate) processes: Vec<(ProcessScore, Vec<WorkerScore>)>,
}

/// What holds for all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerScore {
    /// The records of processes (`ServerLimit`).
    pub(crate) server_limit: u32,
    /// The records of threads that each process has (`ThreadLimit`).
    pub(crate) thread_limit: u32,
    /// The generation that new children belong to.
    pub(crate) running_generation: i32,
    /// Microseconds since the epoch.
    pub(crate) restart_time: i64,
}

/// The record of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessScore {
    /// 0 if no process has the record.
    pub(crate) process: i32,
    pub(crate) generation: i32,
    /// Whether it finishes what it has and then ends.
    pub(crate) quiescing: bool,
}

/// The record of a thread. Times are microseconds since the epoch, 0 for never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkerScore {
    pub(crate) number: i32,
    pub(crate) generation: i32,
    pub(crate) status: u8,
    pub(crate) accesses: u64,
    pub(crate) bytes_served: i64,
    pub(crate) start_time: i64,
    pub(crate) stop_time: i64,
    pub(crate) last_used: i64,
    pub(crate) client: Vec<u8>,
    pub(crate) request: Vec<u8>,
    pub(crate) host: Vec<u8>,
}

impl WorkerScore {
    /// The letter that mod_status shows for what the thread does.
    pub(crate) fn letter(&self) -> char {
        match u32::from(self.status) {
            ffi::SERVER_STARTING => 'S',
            ffi::SERVER_READY => '_',
            ffi::SERVER_BUSY_READ => 'R',
            ffi::SERVER_BUSY_WRITE => 'W',
            ffi::SERVER_BUSY_KEEPALIVE => 'K',
            ffi::SERVER_BUSY_LOG => 'L',
            ffi::SERVER_BUSY_DNS => 'D',
            ffi::SERVER_CLOSING => 'C',
            ffi::SERVER_GRACEFUL => 'G',
            ffi::SERVER_IDLE_KILL => 'I',
            _ => '.',
        }
    }
}

/// Whether there is a scoreboard: httpd makes it before its first child, and keeps it for its life.
pub(crate) fn exists() -> bool {
    // SAFETY: HTTPD: a plain query.
    unsafe { ffi::ap_exists_scoreboard_image() != 0 }
}

/// A copy of the scoreboard.
pub(crate) fn read() -> Option<Scoreboard> {
    let server = server()?;
    let processes = (0..server.server_limit).map_while(|number| {
        let workers = (0..server.thread_limit).map_while(|thread| worker(number, thread));
        Some((process(number)?, workers.collect()))
    });
    Some(Scoreboard { server, processes: processes.collect() })
}

/// What holds for all processes.
pub(crate) fn server() -> Option<ServerScore> {
    if !exists() {
        return None;
    }
    // SAFETY: SCOREBOARD: it exists.
    let score = NonNull::new(unsafe { ffi::ap_get_scoreboard_global() })?.as_ptr();
    // SAFETY: SCOREBOARD: any bytes are a record.
    let score = unsafe { score.read_volatile() };
    Some(ServerScore {
        // As this process knows them: others could have changed what stands in the shared memory.
        server_limit: mpm::most_processes().unsigned_abs(),
        thread_limit: mpm::most_threads().unsigned_abs(),
        running_generation: score.running_generation,
        restart_time: score.restart_time,
    })
}

/// The record of a process; `None` if there is none of that number.
pub(crate) fn process(number: u32) -> Option<ProcessScore> {
    let number = i32::try_from(number).ok().filter(|_| exists())?;
    // SAFETY: SCOREBOARD: it exists; httpd checks the number.
    let score = NonNull::new(unsafe { ffi::ap_get_scoreboard_process(number) })?.as_ptr();
    // SAFETY: SCOREBOARD: any bytes are a record.
    let score = unsafe { score.read_volatile() };
    Some(ProcessScore { process: score.pid, generation: score.generation, quiescing: score.quiescing != 0 })
}

/// The record of a thread of a process; `None` if there is none of that number.
pub(crate) fn worker(process: u32, thread: u32) -> Option<WorkerScore> {
    let (process, thread) = (i32::try_from(process).ok()?, i32::try_from(thread).ok()?);
    if !exists() {
        return None;
    }
    // SAFETY: SCOREBOARD: it exists; httpd checks both numbers.
    let score = NonNull::new(unsafe { ffi::ap_get_scoreboard_worker_from_indexes(process, thread) })?.as_ptr();
    // SAFETY: SCOREBOARD: any bytes are a record.
    let score = unsafe { score.read_volatile() };
    Some(WorkerScore {
        number: score.thread_num,
        generation: score.generation,
        status: score.status,
        accesses: score.access_count,
        bytes_served: score.bytes_served,
        start_time: score.start_time,
        stop_time: score.stop_time,
        last_used: score.last_used,
        client: up_to_nul(&score.client64),
        request: up_to_nul(&score.request),
        host: up_to_nul(&score.vhost),
    })
}

/// A text that may have been copied while it was written: it ends at the first NUL, or with the array.
fn up_to_nul(text: &[c_char]) -> Vec<u8> {
    text.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_its_nul_or_with_its_array() {
        assert_eq!(up_to_nul(&[71, 69, 84, 0, 88, 0].map(|byte: i8| byte as c_char)), b"GET");
        assert_eq!(up_to_nul(&[-1, 69].map(|byte: i8| byte as c_char)), b"\xffE");
        assert_eq!(up_to_nul(&[]), b"");
    }

    #[test]
    fn what_a_thread_does_has_a_letter() {
        let letters = (0..12).map(|status| WorkerScore { status, ..WorkerScore::default() }.letter());
        assert_eq!(letters.collect::<String>(), ".S_RWKLDCGI.");
    }
}
