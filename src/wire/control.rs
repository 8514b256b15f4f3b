//! What a daemon and the supervisor tell each other: one message is one packet.

use crate::wire::fields::{Field, Fields, numbered, payload};
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use num_enum::{IntoPrimitive, TryFromPrimitive};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// An application that a daemon has loaded, for its successor to load beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) application_group: String,
    pub(crate) script: Vec<u8>,
}

payload! { Application { application_group, script } }

/// Why a process is to be replaced or to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Reason {
    ShutdownSignal,
    GracefulSignal,
    EvictionSignal,
    MaximumRequests,
    RestartInterval,
    InactivityTimeout,
    RequestTimeout,
    StartupTimeout,
    DeadlockTimeout,
    CpuTimeLimit,
    ScriptReload,
    ReloadCommand,
}

numbered! { Reason }

impl Reason {
    /// For the log.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::ShutdownSignal => "it was told to end",
            Self::GracefulSignal => "SIGUSR1 asked for it",
            Self::EvictionSignal => "SIGUSR1 asked for its eviction",
            Self::MaximumRequests => "it has served maximum-requests",
            Self::RestartInterval => "restart-interval is over",
            Self::InactivityTimeout => "it had no request for inactivity-timeout",
            Self::RequestTimeout => "a request took longer than request-timeout",
            Self::StartupTimeout => "it loaded no application within startup-timeout",
            Self::DeadlockTimeout => "its GIL was held for deadlock-timeout",
            Self::CpuTimeLimit => "it has used its cpu-time-limit",
            Self::ScriptReload => "a script has changed",
            Self::ReloadCommand => "wsgictl reload asked for it",
        }
    }

    /// `shutdown_reason` of the event `process_stopping`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ShutdownSignal => "shutdown_signal",
            Self::GracefulSignal => "graceful_signal",
            Self::EvictionSignal => "eviction_signal",
            Self::MaximumRequests => "maximum_requests",
            Self::RestartInterval => "restart_interval",
            Self::InactivityTimeout => "inactivity_timeout",
            Self::RequestTimeout => "request_timeout",
            Self::StartupTimeout => "startup_timeout",
            Self::DeadlockTimeout => "deadlock_timeout",
            Self::CpuTimeLimit => "cpu_time_limit",
            Self::ScriptReload => "script_reload",
            Self::ReloadCommand => "reload_command",
        }
    }
}

/// An enumeration of which each variant has a number, and its fields behind it in their order.
macro_rules! messages {
    ($(#[$doc:meta])* enum $name:ident {
        $($(#[$of:meta])* $number:literal $variant:ident $(($whole:ident: $type:ty))? $({ $($field:ident: $kind:ty),+ })?,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$of])* $variant $(($type))? $({ $($field: $kind),+ })?,)+
        }

        impl<'a> Field<'a> for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($whole))? $({ $($field),+ })? => {
                        out.push($number);
                        $($whole.put(out);)?
                        $($($field.put(out);)+)?
                    })+
                }
            }

            fn take(fields: &mut Fields<'a>) -> Option<Self> {
                Some(match fields.next::<u8>()? {
                    $($number => Self::$variant $((fields.next::<$type>()?))? $({ $($field: fields.next()?),+ })?,)+
                    _ => return None,
                })
            }
        }
    };
}

messages! {
    /// A message.
    enum Message {
        /// Daemon: it could take requests.
        1 Ready,
        /// Daemon: an application was loaded.
        2 Loaded(application: Application),
        /// Daemon: it is to be replaced; after a change of a script, so are the others. The number stands for the change.
        3 Replace { reason: Reason, change: u64 },
        /// Daemon: an application does not load.
        4 LoadFailed(application: Application),
        /// Supervisor: take no further request, end when the last one has.
        5 Drain { reason: Reason, milliseconds: u64 },
        /// Supervisor: SIGTERM follows, for that reason.
        6 End { reason: Reason },
        /// Supervisor: a question of an operator, by a number of its own.
        7 Ask { number: u64, question: Question },
        /// Daemon: to the question of that number.
        8 Answer { number: u64, part: Part, text: Vec<u8> },
    }
}

messages! {
    /// What an operator wants to know of a process, or done in it.
    enum Question {
        /// Where all threads of Python are.
        1 Stacks,
        /// Raise `RequestTimeout` in the request of that id.
        2 Interrupt { request: Vec<u8> },
        /// Collect garbage.
        3 Collect,
        /// Log as `LogLevel` with that number says, until the process exits; 255 leaves it to the configuration.
        4 Log { level: u8 },
    }
}

/// A part of the answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Part {
    More,
    Last,
    /// The last, and it says why there is no answer.
    Failure,
}

numbered! { Part }

impl Message {
    fn packet(&self) -> Vec<u8> {
        let mut packet = Vec::new();
        self.put(&mut packet);
        packet
    }
}

/// One end of the line between a daemon and the supervisor.
pub(crate) struct Line(OwnedFd);

/// What a look at the line gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Message(Message),
    /// Nothing, for now.
    Silence,
    /// The other side is gone.
    Gone,
}

/// Longer than any path.
const LONGEST: usize = 16 << 10;
/// The most text of one [`Message::Answer`].
const TEXT_AT_MOST: usize = 8 << 10;
/// How long an answer waits for a supervisor that does not listen.
const PATIENCE: Duration = Duration::from_secs(5);

impl Line {
    /// # Errors
    /// The system has no descriptor left.
    pub(crate) fn pair() -> nix::Result<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(one), Self(other)))
    }

    /// Says something. A side that does not listen any more is about to be ended by other means. It is lost if the other
    /// side is behind with some hundreds: the system keeps no more.
    pub(crate) fn say(&self, message: &Message) {
        let _ = send(self.0.as_raw_fd(), &message.packet(), MsgFlags::MSG_NOSIGNAL);
    }

    /// Says something that must not be lost: waits until the other side has room for it, or is gone.
    pub(crate) fn insist(&self, message: &Message) {
        let packet = message.packet();
        while let Err(Errno::EAGAIN | Errno::EINTR) = send(self.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL) {
            let _ = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
        }
    }

    /// Answers a question, in as many messages as it takes. Waits a while for the other side to have room for them.
    pub(crate) fn answer(&self, number: u64, answer: Result<&str, &str>) {
        let (text, last) = answer.map_or_else(|why| (why, Part::Failure), |text| (text, Part::Last));
        let until = Instant::now() + PATIENCE;
        let mut rest = text.as_bytes();
        loop {
            let (piece, after) = rest.split_at(rest.len().min(TEXT_AT_MOST));
            rest = after;
            let part = if rest.is_empty() { last } else { Part::More };
            if !self.say_until(&Message::Answer { number, part, text: piece.to_vec() }, until) || rest.is_empty() {
                return;
            }
        }
    }

    /// Says something, waiting until the other side has room for it; `false` if the time is up, or no one listens.
    fn say_until(&self, message: &Message, until: Instant) -> bool {
        let packet = message.packet();
        loop {
            match send(self.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return true,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => return false,
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let wait = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLOUT)], wait);
        }
    }

    /// The next message. One that cannot be read counts as silence.
    pub(crate) fn hear(&self) -> Heard {
        let mut packet = vec![0; LONGEST];
        match recv(self.0.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Heard::Gone,
            Ok(length) => Fields(&packet[..length]).next().map_or(Heard::Silence, Heard::Message),
            Err(Errno::EAGAIN | Errno::EINTR) => Heard::Silence,
            Err(_) => Heard::Gone,
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::tests::sent;

    #[test]
    fn what_is_said_is_heard() {
        let (here, there) = Line::pair().expect("a pair");
        let application = Application { application_group: "a|b".into(), script: b"/srv/\xff".to_vec() };
        let messages = [
            Message::Ready,
            Message::Loaded(application.clone()),
            Message::Replace { reason: Reason::ScriptReload, change: u64::MAX },
            Message::LoadFailed(application),
            Message::Drain { reason: Reason::CpuTimeLimit, milliseconds: 1 },
            Message::End { reason: Reason::GracefulSignal },
        ];
        messages.iter().for_each(|message| here.say(message));
        for message in messages {
            assert_eq!(there.hear(), Heard::Message(message));
        }
        assert_eq!(there.hear(), Heard::Silence);
        drop(here);
        assert_eq!(there.hear(), Heard::Gone);
    }

    #[test]
    fn what_is_insisted_on_waits_for_a_side_that_is_behind() {
        const MANY: u64 = 2000;
        let drain = |milliseconds| Message::Drain { reason: Reason::ShutdownSignal, milliseconds };
        let (here, there) = Line::pair().expect("a pair");
        std::thread::scope(|scope| {
            scope.spawn(move || (0..MANY).for_each(|number| here.insist(&drain(number))));
            let heard = core::iter::repeat_with(|| there.hear()).filter(|heard| *heard != Heard::Silence);
            let heard: Vec<_> = heard.take_while(|heard| *heard != Heard::Gone).collect();
            assert_eq!(heard, (0..MANY).map(|number| Heard::Message(drain(number))).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_long_answer_comes_in_parts() {
        let (here, there) = Line::pair().expect("a pair");
        let text = "x".repeat(TEXT_AT_MOST * 2 + 1);
        here.answer(7, Ok(&text));
        here.answer(8, Err(""));
        let heard: Vec<_> = core::iter::from_fn(|| match there.hear() {
            Heard::Message(Message::Answer { number, part, text }) => Some((number, part, text.len())),
            _ => None,
        })
        .collect();
        let more = (7, Part::More, TEXT_AT_MOST);
        assert_eq!(heard, [more, more, (7, Part::Last, 1), (8, Part::Failure, 0)]);
        drop(there);
        here.answer(9, Ok(&text));
    }

    #[test]
    fn nobody_insists_when_the_other_side_is_gone() {
        let (here, there) = Line::pair().expect("a pair");
        drop(there);
        here.insist(&Message::Ready);
    }

    #[test]
    fn ends_of_each_reason_are_counted() {
        for reason in (0..=u8::MAX).map_while(|number| Reason::try_from(number).ok()) {
            assert!(crate::observe::ends::CAUSES.contains(&reason.name()), "{reason:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_said_is_what_is_read(number: u64, reason in 0_u8..12, application_group: String, script: Vec<u8>) {
            let reason = Reason::try_from(reason).expect("a reason");
            let application = Application { application_group, script };
            for message in [
                Message::Ready,
                Message::Loaded(application.clone()),
                Message::Replace { reason, change: number },
                Message::LoadFailed(application),
                Message::Drain { reason, milliseconds: number },
                Message::End { reason },
                Message::Ask { number, question: Question::Stacks },
                Message::Ask { number, question: Question::Interrupt { request: b"id".to_vec() } },
                Message::Ask { number, question: Question::Collect },
                Message::Ask { number, question: Question::Log { level: 7 } },
                Message::Answer { number, part: Part::Failure, text: b"why".to_vec() },
            ] {
                proptest::prop_assert_eq!(sent(&message), message);
            }
        }

        #[test]
        fn a_packet_that_cannot_be_read_is_silence_and_the_next_one_is_heard(packet: Vec<u8>) {
            let (here, there) = Line::pair().expect("a pair");
            let known = Fields(&packet).next();
            proptest::prop_assume!(!packet.is_empty());
            send(here.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).expect("sent");
            here.say(&Message::Ready);
            proptest::prop_assert_eq!(there.hear(), known.map_or(Heard::Silence, Heard::Message));
            proptest::prop_assert_eq!(there.hear(), Heard::Message(Message::Ready));
        }
    }
}
