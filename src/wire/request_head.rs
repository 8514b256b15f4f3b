//! A request as a child of httpd describes it to a daemon.

use crate::metrics::clock::Moment;
use crate::python::interpreter::Origin;
use crate::wire::fields::{Fields, put_bytes, put_u32, put_u64};
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
    /// How long the child waits for each read and write, in whole milliseconds; zero is without limit.
    pub(crate) timeout: Duration,
    pub(crate) tries: Tries,
    /// What `LogLevel` lets through, in syslog's order.
    pub(crate) log_level: u8,
    pub(crate) options: Options,
}

/// How the search for a process went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How many processes the child has turned to, with this one.
    pub(crate) connects: u8,
    /// How many have sent the request away, because another one had newer code. It takes what code there is then.
    pub(crate) restarts: u8,
}

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
    fn to_bits(self) -> u8 {
        u8::from(self.reloading) | u8::from(self.head_only) << 1 | u8::from(self.ignore_activity) << 2
    }

    fn of_bits(bits: u8) -> Self {
        let bit = |number: u8| bits >> number & 1 == 1;
        Self { reloading: bit(0), head_only: bit(1), ignore_activity: bit(2) }
    }
}

/// Before the name of a variable that has no number of its own.
const HEADER: u8 = 254;
const NAMED: u8 = 255;

impl<'a> RequestHead<'a> {
    /// Appends the payload of a request frame.
    pub(crate) fn write(&self, facts: &dyn RequestFacts, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.pass.to_le_bytes());
        out.extend_from_slice(&[self.options.to_bits(), u8::from(self.origin == Origin::Client)]);
        out.extend_from_slice(&[self.tries.connects, self.tries.restarts, self.log_level]);
        for number in [self.modified, self.request_start, self.queue_start, self.queue_moment.number()] {
            put_u64(out, number as u64);
        }
        put_u64(out, u64::try_from(self.server_time.as_micros()).unwrap_or(u64::MAX));
        put_u32(out, self.seat.number);
        put_u32(out, self.seat.ticket);
        put_u32(out, u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
        put_bytes(out, self.script);
        put_bytes(out, self.resource);
        put_bytes(out, self.callable.as_bytes());
        put_bytes(out, self.application_group.as_bytes());
        facts.variables(&mut |variable, value| {
            match variable {
                Variable::Known(key) => out.push(key as u8),
                Variable::Header(name) => {
                    out.push(HEADER);
                    put_bytes(out, name);
                }
                Variable::Named(name) => {
                    out.push(NAMED);
                    put_bytes(out, name);
                }
            }
            put_u32(out, value.len() as u32);
            out.extend_from_slice(value);
        });
    }

    /// The head in the payload of a request frame, and the variables behind it; `None` if it is none.
    pub(crate) fn read(payload: &'a [u8]) -> Option<(Self, Variables<'a>)> {
        let pass = pass_of(payload)?;
        let mut fields = Fields(payload.get(size_of_val(&pass)..)?);
        let options = Options::of_bits(fields.u8()?);
        let origin = if fields.u8()? == 0 { Origin::Configuration } else { Origin::Client };
        let tries = Tries { connects: fields.u8()?, restarts: fields.u8()? };
        let log_level = fields.u8()?;
        let (modified, request_start, queue_start) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let head = Self {
            pass,
            modified: modified as i64,
            request_start: request_start as i64,
            queue_start: queue_start as i64,
            queue_moment: Moment::of_number(fields.u64()? as i64),
            server_time: Duration::from_micros(fields.u64()?),
            seat: Seat { number: fields.u32()?, ticket: fields.u32()? },
            timeout: Duration::from_millis(fields.u32()?.into()),
            script: fields.bytes()?,
            resource: fields.bytes()?,
            callable: fields.text()?,
            application_group: fields.text()?,
            origin,
            tries,
            log_level,
            options,
        };
        Some((head, Variables::check(fields)?))
    }
}

/// What the payload of a request frame shows, before anything else of it is looked at; `None` if that is nothing.
pub(crate) fn pass_of(payload: &[u8]) -> Option<u128> {
    payload.first_chunk().map(|bytes| u128::from_le_bytes(*bytes))
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
        let variable = match fields.u8()? {
            HEADER => Variable::Header(fields.bytes()?),
            NAMED => Variable::Named(fields.bytes()?),
            number => Variable::Known(Key::of_number(number)?),
        };
        Some((variable, fields.bytes()?))
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
            timeout: Duration::from_millis(1500),
            tries: Tries { connects: 2, restarts: 1 },
            log_level: 6,
            options: Options { reloading: true, head_only: true, ..Options::default() },
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let listed = vec![
            (Variable::Known(Key::RequestMethod), &b"GET"[..]),
            (Variable::Header(b"X-A"), b""),
            (Variable::Named(b"SET"), b"\xff\0"),
        ];
        let mut payload = Vec::new();
        head().write(&Listed(listed.clone()), &mut payload);
        let (read, variables) = RequestHead::read(&payload).expect("a head");
        assert_eq!(read, head());
        let mut seen = Vec::new();
        variables.visit(&mut |variable, value| seen.push(format!("{variable:?} {value:?}")));
        let expected: Vec<_> = listed.iter().map(|(variable, value)| format!("{variable:?} {value:?}")).collect();
        assert_eq!(seen, expected);
    }

    proptest! {
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
