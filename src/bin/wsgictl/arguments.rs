//! The command line.

use core::time::Duration;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Usage: wsgictl [--socket PATH] COMMAND

See what runs:
  status [--json] [--watch [SECONDS]]
                          process groups, processes and running requests; with --watch again every 2 seconds
  requests [--json]       the requests that run, the oldest first
  stack GROUP|PID         where all threads of Python are now
  profile GROUP|PID SECONDS
                          sample the busiest process (Python 3.15 and later)

Change what runs:
  reload GROUP            replace the processes of a group one by one; no request is lost
  drain [--stop]          have wsgi-health say \"not ready\"; with --stop httpd stops after WSGIDrainTime
  undrain                 be ready again
  kill REQUEST-ID         raise mod_wsgi.RequestTimeout in a request (its id is %L in the logs)
  gc GROUP|PID            collect garbage, and say how long it took
  loglevel LEVEL          log as LogLevel wsgi:LEVEL says, until the next restart; \"default\" ends that

Options:
  --socket PATH           the socket that WSGIControlSocket names; else the variable WSGICTL_SOCKET, else
                          wsgi.control in the usual runtime directories of httpd
  --help, --version

GROUP is the name of a WSGIDaemonProcess. The exit status is 0 if it is done, 1 if the server could not do it, and 2
if the command line makes no sense or no server is reached. Only root may use the socket, and the user who started
httpd, unless WSGIControlSocket says otherwise.
";

/// The longest that a profile may take.
const PROFILE_AT_MOST: u64 = 3600;
/// How often the view is refreshed, unless the command line says.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, PartialEq)]
pub(crate) struct Invocation {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) command: Command,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Version,
    Status { json: bool, watch: Option<Duration> },
    Requests { json: bool },
    Reload { group: String },
    Drain { stop: bool },
    Undrain,
    Stack { target: String },
    Kill { request: String },
    Gc { target: String },
    LogLevel { level: String },
    Profile { target: String, seconds: u64 },
}

/// What may stand in a command line, in any order.
#[derive(Default)]
struct Words {
    socket: Option<PathBuf>,
    json: bool,
    watch: Option<Duration>,
    stop: bool,
    values: Vec<String>,
}

/// # Errors
/// What makes no sense, in words.
pub(crate) fn parse<I: IntoIterator<Item = OsString>>(words: I) -> Result<Invocation, String> {
    let mut parser = lexopt::Parser::from_iter(words);
    let mut found = Words::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Invocation { socket: None, command: Command::Help }),
            Short('V') | Long("version") => return Ok(Invocation { socket: None, command: Command::Version }),
            Long("socket") => found.socket = Some(parser.value().map_err(|error| error.to_string())?.into()),
            Long("json") => found.json = true,
            Long("stop") => found.stop = true,
            Long("watch") => found.watch = Some(interval(&mut parser)?),
            Value(value) => found.values.push(text(value)?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let Words { socket, .. } = &found;
    let socket = socket.clone();
    Ok(Invocation { socket, command: found.command()? })
}

/// The number behind `--watch`, if there is one.
fn interval(parser: &mut lexopt::Parser) -> Result<Duration, String> {
    let seconds = |value: &str| {
        let seconds = value.parse().ok().filter(|seconds: &f64| *seconds >= 0.1 && *seconds <= 3600.0);
        seconds.map(Duration::from_secs_f64)
    };
    if let Some(value) = parser.optional_value() {
        let value = text(value)?;
        return seconds(&value)
            .ok_or_else(|| format!("'{value}' is not a valid value of --watch; expected seconds from 0.1 to 3600"));
    }
    let next = parser.try_raw_args().and_then(|mut rest| {
        let number = rest.peek().and_then(|word| seconds(word.to_str()?))?;
        rest.next();
        Some(number)
    });
    Ok(next.unwrap_or(INTERVAL))
}

fn text(word: OsString) -> Result<String, String> {
    word.into_string().map_err(|word| format!("'{}' is not UTF-8", word.to_string_lossy()))
}

impl Words {
    fn command(self) -> Result<Command, String> {
        let mut values = self.values.iter().cloned();
        let verb = values.next().ok_or("a command is missing")?;
        let mut next = |what: &str| values.next().ok_or_else(|| format!("{verb}: {what} is missing"));
        let command = match &*verb {
            "help" => return Ok(Command::Help),
            "status" => Command::Status { json: self.json, watch: self.watch },
            "requests" => Command::Requests { json: self.json },
            "reload" => Command::Reload { group: next("the name of a process group")? },
            "drain" => Command::Drain { stop: self.stop },
            "undrain" => Command::Undrain,
            "stack" => Command::Stack { target: next("the name of a process group, or a process id,")? },
            "kill" => Command::Kill { request: next("the id of a request")? },
            "loglevel" => Command::LogLevel { level: next("a level, such as debug or default,")? },
            "gc" => Command::Gc { target: next("the name of a process group, or a process id,")? },
            "profile" => Command::Profile {
                target: next("the name of a process group, or a process id,")?,
                seconds: whole_seconds(&next("a number of seconds")?)?,
            },
            _ => return Err(format!("'{verb}' is no command")),
        };
        if let Some(word) = values.next() {
            return Err(format!("{verb}: '{word}' is one word too many"));
        }
        self.check_options(&verb)?;
        Ok(command)
    }

    /// Options belong to their commands.
    fn check_options(&self, verb: &str) -> Result<(), String> {
        let options = [
            ("--json", self.json, &["status", "requests"][..]),
            ("--watch", self.watch.is_some(), &["status"]),
            ("--stop", self.stop, &["drain"]),
        ];
        for (option, is_there, verbs) in options {
            if is_there && !verbs.contains(&verb) {
                return Err(format!("{verb}: {option} is no option of it"));
            }
        }
        if self.json && self.watch.is_some() {
            return Err("status: --json and --watch do not go together".to_owned());
        }
        Ok(())
    }
}

fn whole_seconds(word: &str) -> Result<u64, String> {
    let seconds = word.parse().ok().filter(|seconds| (1..=PROFILE_AT_MOST).contains(seconds));
    seconds
        .ok_or_else(|| format!("profile: '{word}' is not a valid value; expected seconds from 1 to {PROFILE_AT_MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(["wsgictl"].into_iter().chain(line.split_whitespace()).map(OsString::from))
    }

    fn command(line: &str) -> Command {
        parsed(line).expect(line).command
    }

    #[test]
    fn options_may_stand_before_and_behind_the_command() {
        let expected =
            Invocation { socket: Some("/run/x".into()), command: Command::Status { json: true, watch: None } };
        assert_eq!(parsed("--socket /run/x status --json"), Ok(expected));
        assert_eq!(parsed("status --json --socket=/run/x").expect("fine").socket, Some("/run/x".into()));
        assert_eq!(command("reload demo"), Command::Reload { group: "demo".into() });
        assert_eq!(command("drain --stop"), Command::Drain { stop: true });
        assert_eq!(command("reload -- --odd"), Command::Reload { group: "--odd".into() });
        assert_eq!((command("reload x --help"), command("-V")), (Command::Help, Command::Version));
    }

    #[test]
    fn watch_takes_a_number_or_none() {
        let watch = |line| match command(line) {
            Command::Status { watch, .. } => watch.map(|interval| interval.as_secs_f64()),
            _ => None,
        };
        assert_eq!(watch("status"), None);
        assert_eq!(watch("status --watch"), Some(2.0));
        assert_eq!(watch("status --watch 0.5"), Some(0.5));
        assert_eq!(watch("status --watch=7"), Some(7.0));
        assert_eq!(watch("--watch status"), Some(2.0));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, part) in [
            ("", "a command is missing"),
            ("stat", "'stat' is no command"),
            ("reload", "reload: the name of a process group is missing"),
            ("reload a b", "'b' is one word too many"),
            ("reload a --json", "--json is no option of it"),
            ("status --stop", "--stop is no option of it"),
            ("status --watch --json", "do not go together"),
            ("status --watch=0", "'0' is not a valid value of --watch"),
            ("status --quick", "--quick"),
            ("profile a", "a number of seconds is missing"),
            ("profile a 0", "'0' is not a valid value"),
            ("--socket", "missing argument"),
        ] {
            let why = parsed(line).expect_err(line);
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
