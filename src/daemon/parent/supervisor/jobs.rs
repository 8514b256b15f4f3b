//! What `wsgictl` has asked for and takes time: the replacement of a group's processes, and questions to processes.

use super::{Phase, Supervisor};
use crate::daemon::parent::control_socket::error;
use crate::daemon::process::start;
use crate::wire::control::{Part, Reason};
use core::time::Duration;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::time::Instant;

/// How long a process may take to answer. It may have to wait for other threads to let it into Python.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The most text of an answer: what a process says takes no more memory.
const TEXT_AT_MOST: usize = 2 << 20;

/// What a client waits for.
pub(super) struct Job {
    client: Option<u64>,
    kind: Kind,
}

pub(super) enum Kind {
    Reload(Reload),
    Answers(Vec<Poll>),
}

/// The processes of a group are replaced, one by one.
pub(super) struct Reload {
    pub(super) group: usize,
    /// How many there were.
    pub(super) replaced: usize,
    /// Those that still take requests, or are about to.
    pub(super) waiting: Vec<Pid>,
    pub(super) failure: Option<String>,
}

/// A question to a process.
pub(super) struct Poll {
    number: u64,
    pid: Pid,
    /// Whether nobody misses its answer if it ends as it was told to.
    is_one_of_many: bool,
    text: Vec<u8>,
    end: Option<Part>,
    until: Instant,
}

impl Job {
    pub(super) fn new(client: u64, kind: Kind) -> Self {
        Self { client: Some(client), kind }
    }

    /// Whether this is a replacement of that group whose client is gone.
    pub(super) fn is_forgotten_reload_of(&self, group: usize) -> bool {
        self.client.is_none() && matches!(&self.kind, Kind::Reload(reload) if reload.group == group)
    }
}

impl Poll {
    pub(super) fn new(number: u64, pid: Pid, is_one_of_many: bool) -> Self {
        let until = Instant::now() + ANSWER_WITHIN;
        Self { number, pid, is_one_of_many, text: Vec::new(), end: None, until }
    }

    /// The last that is heard.
    pub(super) fn end(&mut self, part: Part, text: &[u8]) {
        self.text = text.to_vec();
        self.end = Some(part);
    }

    fn take(&mut self, part: Part, text: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let room = TEXT_AT_MOST.saturating_sub(self.text.len());
        self.text.extend_from_slice(&text[..text.len().min(room)]);
        self.end = (part != Part::More).then_some(part);
    }

    fn answer(&self) -> Value {
        let text = String::from_utf8_lossy(&self.text);
        match self.end {
            Some(Part::Failure) => json!({ "pid": self.pid.as_raw(), "error": text }),
            _ => json!({ "pid": self.pid.as_raw(), "text": text }),
        }
    }
}

impl Supervisor {
    /// Takes the jobs one step further, and answers those who wait for what is done.
    pub(super) fn look_at_jobs(&mut self) {
        let mut jobs = core::mem::take(&mut self.jobs);
        jobs.retain_mut(|job| {
            let done = match &mut job.kind {
                Kind::Reload(reload) => self.go_on_reloading(reload),
                Kind::Answers(polls) => gather(polls),
            };
            job.client = job.client.filter(|client| self.control.as_ref().is_some_and(|socket| socket.has(*client)));
            if let (Some(answer), Some(client)) = (&done, job.client) {
                self.answer(client, answer);
            }
            // A replacement goes on without its client; answers are of no use to anyone else.
            done.is_none() && (job.client.is_some() || matches!(job.kind, Kind::Reload(_)))
        });
        self.jobs = jobs;
    }

    /// Plans the replacement of those that take requests, once each; `Some` when none is left to replace.
    fn go_on_reloading(&mut self, reload: &mut Reload) -> Option<Value> {
        let group = reload.group;
        if let Some(why) = reload.failure.take() {
            self.progress[group].to_replace.drop_reason(Reason::ReloadCommand);
            return Some(error(&why));
        }
        if self.ending {
            return Some(error("httpd is being stopped"));
        }
        let is_service = start::is_service(&self.generation.groups[group]);
        reload.waiting.retain(|pid| {
            let number = self.members.iter().position(|member| member.pid == *pid);
            match number.map(|number| (number, self.members[number].phase)) {
                None | Some((_, Phase::Leaving { .. })) => false,
                // Two of a kind do not run at the same time.
                Some((number, _)) if is_service => {
                    self.end_member(number, Reason::ReloadCommand);
                    false
                }
                Some((_, Phase::Ready)) => {
                    self.plan(group, *pid, Reason::ReloadCommand);
                    true
                }
                Some((_, Phase::Starting)) => true,
            }
        });
        if !reload.waiting.is_empty() {
            return None;
        }
        let members = self.members.iter().filter(|member| member.group == group);
        let leaving = members.filter(|member| matches!(member.phase, Phase::Leaving { .. })).count();
        Some(json!({ "ok": true, "replaced": reload.replaced, "finishing": leaving }))
    }

    /// The successor of a process could not be started: those that wait for the replacement are told.
    pub(super) fn fail_reloads(&mut self, group: usize, why: &str) {
        for job in &mut self.jobs {
            if let Kind::Reload(reload) = &mut job.kind
                && reload.group == group
            {
                reload.failure = Some(why.to_owned());
            }
        }
    }

    /// A process has answered.
    pub(super) fn note_answer(&mut self, pid: Pid, number: u64, part: Part, text: &[u8]) {
        let asked = |poll: &&mut Poll| poll.number == number && poll.pid == pid;
        if let Some(poll) = self.polls().find(asked) {
            poll.take(part, text);
        }
    }

    /// A process has ended, and answers nothing any more.
    pub(super) fn forget_questions_to(&mut self, pid: Pid, was_told_to_end: bool) {
        self.polls().filter(|poll| poll.pid == pid && poll.end.is_none()).for_each(|poll| {
            let is_missed = !(was_told_to_end && poll.is_one_of_many);
            let part = if is_missed { Part::Failure } else { Part::Last };
            poll.end(part, b"it has ended");
        });
    }

    fn polls(&mut self) -> impl Iterator<Item = &mut Poll> {
        self.jobs.iter_mut().flat_map(|job| match &mut job.kind {
            Kind::Answers(polls) => polls.iter_mut(),
            Kind::Reload(_) => [].iter_mut(),
        })
    }
}

/// All answers, if there is one from each process.
fn gather(polls: &mut [Poll]) -> Option<Value> {
    for poll in polls.iter_mut().filter(|poll| poll.end.is_none() && poll.until <= Instant::now()) {
        poll.end(Part::Failure, b"it does not answer: a thread holds up all of Python, or the process is stopped");
    }
    let are_there = polls.iter().all(|poll| poll.end.is_some());
    are_there.then(|| json!({ "processes": polls.iter().map(Poll::answer).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_part_and_bounded() {
        let mut polls = [Poll::new(1, Pid::from_raw(10), true), Poll::new(2, Pid::from_raw(11), true)];
        polls[0].take(Part::More, b"a");
        polls[0].take(Part::Last, b"b");
        polls[0].take(Part::Last, b"c");
        assert_eq!(gather(&mut polls), None);
        (0..5).for_each(|_| polls[1].take(Part::More, &vec![b'x'; 1 << 20]));
        assert_eq!(polls[1].text.len(), TEXT_AT_MOST);
        polls[1].end(Part::Failure, b"why");
        let expected = json!({ "processes": [{ "pid": 10, "text": "ab" }, { "pid": 11, "error": "why" }] });
        assert_eq!(gather(&mut polls), Some(expected));
    }

    #[test]
    fn who_does_not_answer_in_time_is_given_up() {
        let mut poll = Poll::new(1, Pid::from_raw(10), false);
        poll.until = Instant::now();
        let answer = gather(&mut [poll]).expect("an answer");
        assert!(
            answer["processes"][0]["error"].as_str().is_some_and(|why| why.contains("does not answer")),
            "{answer}"
        );
    }
}
