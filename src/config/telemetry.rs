//! `WSGIServerMetrics`, `WSGITelemetryService`, `WSGISlowRequests` and
//! `WSGITelemetryOptions`: what a process is to measure and where it reports.

use super::values::seconds;
use core::time::Duration;

/// All of it; only the main server's counts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Telemetry {
    /// `WSGIServerMetrics`
    pub(crate) server_metrics: bool,
    /// `WSGITelemetryService`
    pub(crate) service: Option<TelemetryService>,
    /// `WSGISlowRequests`: from how long on a request is slow; `None` if none is
    pub(crate) slow_requests: Option<Duration>,
    /// `WSGITelemetryOptions`
    pub(crate) options: TelemetryOptions,
}

/// Who is reported to, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TelemetryService {
    /// The path of a socket.
    pub(crate) socket: String,
    pub(crate) interval: Duration,
}

impl TelemetryService {
    const INTERVAL: Duration = Duration::from_secs(1);
    const SHORTEST: Duration = Duration::from_millis(500);

    /// `unix:/path [interval=seconds]`. A later line replaces the socket; its interval stays unless another is given.
    ///
    /// # Errors
    /// Names the word and what was expected.
    pub(crate) fn parse(words: &[&str], before: Option<&Self>) -> Result<Self, String> {
        let (socket, interval) = match words {
            [socket] => (socket, before.map_or(Self::INTERVAL, |before| before.interval)),
            [socket, interval] => (socket, Self::parse_interval(interval)?),
            [_, _, word, ..] => {
                return Err(format!("'{word}' is one word too many; expected unix:/path and interval="));
            }
            [] => return Err("expected unix:/path".into()),
        };
        let path = socket.strip_prefix("unix:").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| format!("'{socket}' is not a valid value; expected unix:/path"))?;
        Ok(Self { socket: path.to_owned(), interval })
    }

    fn parse_interval(word: &str) -> Result<Duration, String> {
        let interval = word.strip_prefix("interval=").and_then(|value| seconds(value).ok());
        interval.filter(|interval| *interval >= Self::SHORTEST).ok_or_else(|| {
            format!("'{word}' is not a valid value; expected interval= and a number of seconds from 0.5")
        })
    }
}

/// `WSGISlowRequests`; 0 turns it off.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn slow_requests(word: &str) -> Result<Option<Duration>, String> {
    seconds(word).map(|threshold| Some(threshold).filter(|threshold| !threshold.is_zero()))
}

/// What reports may hold beside numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TelemetryOptions {
    /// The User-Agent of slow requests.
    pub(crate) capture_user_agent: bool,
}

impl TelemetryOptions {
    const NONE: Self = Self { capture_user_agent: false };
    const ALL: Self = Self { capture_user_agent: true };

    /// One line of flags. Signed words change what is `before`; words without a sign begin anew.
    ///
    /// # Errors
    /// Names the word and what was expected.
    pub(crate) fn parse(words: &[&str], before: Self) -> Result<Self, String> {
        let is_signed = |word: &str| word.starts_with(['+', '-']);
        let signed = words.first().is_some_and(|word| is_signed(word));
        if let Some(word) = words.iter().find(|word| is_signed(word) != signed) {
            return Err(format!(
                "'{word}' stands beside words of the other kind; expected all words with + or -, or none"
            ));
        }
        let start = if signed { before } else { Self::NONE };
        words.iter().try_fold(start, |options, word| options.changed_by(word))
    }

    fn changed_by(self, word: &str) -> Result<Self, String> {
        let (flag, on) = match word.split_at_checked(1) {
            Some(("+", flag)) => (flag, true),
            Some(("-", flag)) => (flag, false),
            _ if word.eq_ignore_ascii_case("None") => return Ok(Self::NONE),
            _ if word.eq_ignore_ascii_case("All") => return Ok(Self::ALL),
            _ => (word, true),
        };
        if flag.eq_ignore_ascii_case("CaptureUserAgent") {
            return Ok(Self { capture_user_agent: on });
        }
        Err(format!("'{word}' is not a valid value; expected CaptureUserAgent (with + or - or without), None or All"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "unix:/run/telemetry.sock";

    fn service(words: &[&str], before: Option<&TelemetryService>) -> Result<TelemetryService, String> {
        TelemetryService::parse(words, before)
    }

    #[test]
    fn a_service_is_a_socket_and_an_interval_of_a_second_unless_given() {
        let given = service(&[SOCKET], None).expect("a service");
        assert_eq!(given, TelemetryService { socket: "/run/telemetry.sock".into(), interval: Duration::from_secs(1) });
        let given = service(&[SOCKET, "interval=0.5"], None).expect("a service");
        assert_eq!(given.interval, Duration::from_millis(500));
    }

    #[test]
    fn a_later_service_keeps_the_interval_that_it_does_not_name() {
        let first = service(&[SOCKET, "interval=7"], None).expect("a service");
        let second = service(&["unix:/other"], Some(&first)).expect("a service");
        assert_eq!((&*second.socket, second.interval), ("/other", Duration::from_secs(7)));
        let third = service(&["unix:/other", "interval=2"], Some(&second)).expect("a service");
        assert_eq!(third.interval, Duration::from_secs(2));
    }

    #[test]
    fn a_wrong_service_is_named() {
        let socket_only = ["/run/telemetry.sock", "tcp:127.0.0.1", "UNIX:/x", "unix:"];
        for word in socket_only {
            let message = service(&[word], None).expect_err("no socket");
            assert!(message.contains(word) && message.contains("expected unix:/path"), "{message}");
        }
        for word in ["interval=0.4", "interval=-1", "interval=", "interval=2s", "interval=nan", "every=2", "2"] {
            let message = service(&[SOCKET, word], None).expect_err("no interval");
            assert!(message.contains(word) && message.contains("expected interval="), "{message}");
        }
        let message = service(&[SOCKET, "interval=1", "more"], None).expect_err("too many");
        assert!(message.contains("'more'"), "{message}");
    }

    #[test]
    fn no_request_is_slow_from_zero_on() {
        assert_eq!(slow_requests("0"), Ok(None));
        assert_eq!(slow_requests("0.25"), Ok(Some(Duration::from_millis(250))));
        for word in ["-1", "soon", "1s", "inf", "nan", "1e300", ""] {
            let message = slow_requests(word).expect_err("no number of seconds");
            assert!(message.contains(&format!("'{word}'")) && message.contains("expected"), "{message}");
        }
    }

    #[test]
    fn flags_without_a_sign_begin_anew() {
        let on = TelemetryOptions::ALL;
        for (words, before, expected) in [
            (&["CaptureUserAgent"][..], TelemetryOptions::NONE, true),
            (&["captureuseragent"], TelemetryOptions::NONE, true),
            (&["all"], TelemetryOptions::NONE, true),
            (&["None"], on, false),
            (&["None", "CaptureUserAgent"], on, true),
            (&["CaptureUserAgent", "None"], on, false),
            (&["+CaptureUserAgent"], TelemetryOptions::NONE, true),
            (&["-captureUserAgent"], on, false),
            (&["-CaptureUserAgent", "+CaptureUserAgent"], TelemetryOptions::NONE, true),
        ] {
            let options = TelemetryOptions::parse(words, before).expect("flags");
            assert_eq!(options.capture_user_agent, expected, "{words:?}");
        }
    }

    #[test]
    fn a_wrong_flag_is_named() {
        for (words, wrong) in [
            (&["+"][..], "+"),
            (&["-"], "-"),
            (&[""], ""),
            (&["Everything"], "Everything"),
            (&["+None"], "+None"),
            (&["-All"], "-All"),
            (&["+CaptureUserAgent", "CaptureUserAgent"], "CaptureUserAgent"),
            (&["None", "+CaptureUserAgent"], "+CaptureUserAgent"),
        ] {
            let message = TelemetryOptions::parse(words, TelemetryOptions::NONE).expect_err("no flags");
            assert!(message.contains(&format!("'{wrong}'")) && message.contains("expected"), "{message}");
        }
    }
}
