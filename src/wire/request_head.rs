//! A request as a child of httpd describes it to a daemon.

use crate::metrics::clock::Moment;
use crate::python::interpreter::Origin;
use crate::wire::fields::{Field, Fields, numbered, payload};
use crate::wire::table::Seat;
use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;
use core::time::Duration;

/// What a daemon is told of a request besides its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead<'a> {
    /// What shows that it comes from a child of httpd.
    pub(crate) pass: u128,
    /// The script that has the application.
    pub(crate) script: &'a [u8],
    /// When that file changed last, in microseconds since the epoch.
    pub(crate) modified: i64,
    /// What a script's own `reload_required` is asked about.
    pub(crate) resource: &'a [u8],
    pub(crate) callable: &'a str,
    pub(crate) application_group: &'a str,
    pub(crate) origin: Origin,
    /// Microseconds since the epoch at which httpd had the request.
    pub(crate) request_start: i64,
    /// ... and at which it began to look for a process.
    pub(crate) queue_start: i64,
    /// How long that was after `request_start`, whatever the time of day says.
    pub(crate) server_time: Duration,
    /// The moment of `queue_start`.
    pub(crate) queue_moment: Moment,
    /// Which thread of the process is kept for it.
    pub(crate) seat: Seat,
    /// How long the child waits for each read and write; zero is without limit.
    pub(crate) timeout: Milliseconds,
    pub(crate) tries: Tries,
    /// What `LogLevel` lets through, in syslog's order.
    pub(crate) log_level: u8,
    pub(crate) options: Options,
}

payload! {
    RequestHead<'a> {
        pass, options, origin, tries, log_level, modified, request_start, queue_start, queue_moment, server_time, seat,
        timeout, script, resource, callable, application_group,
    }
}

numbered! { Origin }

impl<'a> Field<'a> for Moment {
    fn put(&self, out: &mut Vec<u8>) {
        self.number().put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next().map(Self::of_number)
    }
}

/// A time in whole milliseconds, of which the longest is 50 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Milliseconds(u32);

payload! { Milliseconds { 0 } }

impl From<Duration> for Milliseconds {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }
}

impl From<Milliseconds> for Duration {
    fn from(time: Milliseconds) -> Self {
        Self::from_millis(time.0.into())
    }
}

/// How the search for a process went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How many processes the child has turned to, with this one.
    pub(crate) connects: u8,
    /// How many have sent the request away, because another one had newer code. It takes what code there is then.
    pub(crate) restarts: u8,
}

payload! { Tries { connects, restarts } }

/// Yes or no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `WSGIScriptReloading`
    pub(crate) reloading: bool,
    /// A HEAD request: less of a body than announced is no fault.
    pub(crate) head_only: bool,
    /// `WSGIIgnoreActivity`
    pub(crate) ignore_activity: bool,
}

impl Options {
    /// Each has a bit, from the lowest one on.
    const ALL: [fn(&mut Self) -> &mut bool; 3] =
        [|options| &mut options.reloading, |options| &mut options.head_only, |options| &mut options.ignore_activity];
}

impl<'a> Field<'a> for Options {
    fn put(&self, out: &mut Vec<u8>) {
        let mut options = *self;
        let bits = Self::ALL.iter().rev().fold(0, |bits: u8, option| bits << 1 | u8::from(*option(&mut options)));
        bits.put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        let bits: u8 = fields.next()?;
        let mut options = Self::default();
        Self::ALL.iter().zip(0_u8..).for_each(|(option, number)| *option(&mut options) = bits >> number & 1 == 1);
        Some(options)
    }
}

impl<'a> RequestHead<'a> {
    /// Appends the payload of a request frame.
    pub(crate) fn write(&self, facts: &dyn RequestFacts, out: &mut Vec<u8>) {
        self.put(out);
        facts.variables(&mut |variable, value| {
            variable.put(out);
            value.put(out);
        });
    }

    /// The head in the payload of a request frame, and the variables behind it; `None` if it is none.
    pub(crate) fn read(payload: &'a [u8]) -> Option<(Self, Variables<'a>)> {
        let mut fields = Fields(payload);
        Some((fields.next()?, Variables::check(fields)?))
    }
}

/// Before the name of a variable that has no number of its own.
const HEADER: u8 = 254;
const NAMED: u8 = 255;

impl<'a> Field<'a> for Variable<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Known(key) => (*key as u8).put(out),
            Self::Header(name) => {
                HEADER.put(out);
                name.put(out);
            }
            Self::Named(name) => {
                NAMED.put(out);
                name.put(out);
            }
        }
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        Some(match fields.next()? {
            HEADER => Self::Header(fields.next()?),
            NAMED => Self::Named(fields.next()?),
            number => Self::Known(Key::of_number(number)?),
        })
    }
}

/// What the payload of a request frame shows, before anything else of it is looked at; `None` if that is nothing.
pub(crate) fn pass_of(payload: &[u8]) -> Option<u128> {
    Fields(payload).next()
}

/// The variables of a request, in the order in which the child named them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables<'a> {
    fields: Fields<'a>,
    request_id: Option<&'a [u8]>,
}

impl<'a> Variables<'a> {
    /// `fields`, if they are variables and nothing else.
    fn check(fields: Fields<'a>) -> Option<Self> {
        let (mut rest, mut request_id) = (fields, None);
        while !rest.is_empty() {
            if let (Variable::Known(Key::RequestId), value) = Self::next(&mut rest)? {
                request_id = Some(value);
            }
        }
        Some(Self { fields, request_id })
    }

    /// What the log calls the request.
    pub(crate) fn request_id(self) -> Option<&'a [u8]> {
        self.request_id
    }

    fn next(fields: &mut Fields<'a>) -> Option<(Variable<'a>, &'a [u8])> {
        Some((fields.next()?, fields.next()?))
    }

    /// Calls `visit` with each variable.
    pub(crate) fn visit(self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        let mut fields = self.fields;
        while let Some((variable, value)) = Self::next(&mut fields) {
            visit(variable, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::tests::sent;
    use proptest::prelude::*;

    struct Listed(Vec<(Variable<'static>, &'static [u8])>);

    impl RequestFacts for Listed {
        fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
            self.0.iter().for_each(|(variable, value)| visit(*variable, value));
        }

        fn request_start(&self) -> i64 {
            0
        }
    }

    fn head() -> RequestHead<'static> {
        RequestHead {
            pass: u128::MAX / 3 - 1,
            script: b"/srv/app.wsgi",
            modified: -1,
            resource: b"/srv/app.wsgi",
            callable: "application",
            application_group: "a|b",
            origin: Origin::Client,
            request_start: 1_700_000_000_000_000,
            queue_start: i64::MAX,
            server_time: Duration::from_micros(7),
            queue_moment: Moment::of_number(-5),
            seat: Seat { number: 14, ticket: 1 << 20 },
            timeout: Duration::from_millis(1500).into(),
            tries: Tries { connects: 2, restarts: 1 },
            log_level: 6,
            options: Options { reloading: true, head_only: true, ..Options::default() },
        }
    }

    /// A head with any numbers and texts. Texts last as long as the tests do.
    fn any_head() -> impl Strategy<Value = RequestHead<'static>> {
        let numbers =
            (any::<u128>(), any::<(i64, i64, i64, i64)>(), any::<(u64, u32, u32, u32)>(), any::<(u8, u8, u8)>());
        let texts = (any::<Vec<u8>>(), any::<Vec<u8>>(), any::<String>(), any::<String>());
        (numbers, texts, any::<(bool, bool)>()).prop_map(
            |((pass, times, seats, small), texts, (by_client, reloading))| RequestHead {
                pass,
                script: texts.0.leak(),
                modified: times.0,
                resource: texts.1.leak(),
                callable: texts.2.leak(),
                application_group: texts.3.leak(),
                origin: if by_client { Origin::Client } else { Origin::Configuration },
                request_start: times.1,
                queue_start: times.2,
                server_time: Duration::from_micros(seats.0),
                queue_moment: Moment::of_number(times.3),
                seat: Seat { number: seats.1, ticket: seats.2 },
                timeout: Milliseconds(seats.3),
                tries: Tries { connects: small.0, restarts: small.1 },
                log_level: small.2,
                options: Options { reloading, ..Options::default() },
            },
        )
    }

    /// Any variable and its value.
    fn any_variable() -> impl Strategy<Value = (Variable<'static>, &'static [u8])> {
        let known = (0..=u8::MAX).prop_filter_map("a key", |number| Key::of_number(number).map(Variable::Known));
        let header = any::<Vec<u8>>().prop_map(|name| Variable::Header(name.leak()));
        let named = any::<Vec<u8>>().prop_map(|name| Variable::Named(name.leak()));
        (prop_oneof![known, header, named], any::<Vec<u8>>().prop_map(|value| &*value.leak()))
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(head in any_head(), variables in prop::collection::vec(any_variable(), 0..6)) {
            let mut payload = Vec::new();
            head.write(&Listed(variables.clone()), &mut payload);
            let (read, listed) = RequestHead::read(&payload).expect("a head");
            prop_assert_eq!(read, head);
            let mut seen = Vec::new();
            listed.visit(&mut |variable, value| seen.push(format!("{variable:?} {value:?}")));
            let expected: Vec<_> = variables.iter().map(|(variable, value)| format!("{variable:?} {value:?}")).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn each_option_is_the_same_on_the_other_side(reloading: bool, head_only: bool, ignore_activity: bool) {
            let options = Options { reloading, head_only, ignore_activity };
            prop_assert_eq!(sent(&options), options);
        }

        #[test]
        fn bytes_that_are_no_head_are_refused(payload: Vec<u8>) {
            if let Some((_, variables)) = RequestHead::read(&payload) {
                variables.visit(&mut |_, _| {});
            }
        }

        #[test]
        fn a_head_that_is_cut_anywhere_is_refused_or_has_fewer_variables(cut in 0_usize..200) {
            let mut payload = Vec::new();
            head().write(&Listed(vec![(Variable::Header(b"X-A"), b"value")]), &mut payload);
            payload.truncate(cut);
            if let Some((read, _)) = RequestHead::read(&payload) {
                prop_assert_eq!(read, head());
            }
        }
    }
}
