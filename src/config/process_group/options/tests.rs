use super::*;

/// An option with a value that counts, with one that turns it off, and with two that are wrong.
macro_rules! limit {
    ($name:literal) => {
        [concat!($name, "=7"), concat!($name, "=0"), concat!($name, "=-1"), concat!($name, "=")]
    };
}

/// What a line with these words behind the name gives.
fn line(words: &[&'static str]) -> Result<ProcessGroup, String> {
    let mut group = ProcessGroup::with_defaults("demo", 1);
    apply(&mut group, words).map(|()| group)
}

fn accepted(word: &'static str) -> ProcessGroup {
    line(&[word]).expect("a valid option")
}

/// Shows that each word is an error that names its option, its value and what was expected.
#[track_caller]
fn assert_refused(words: &[&'static str], expected: &str) {
    for word in words {
        let (name, value) = word.split_once('=').expect("an option and its value");
        let message = line(&[word]).expect_err(word);
        let all = [format!("{name}: "), format!("'{value}'"), format!("expected {expected}")];
        assert!(all.iter().all(|part| message.contains(part)), "{word}: {message}");
    }
}

#[test]
fn merely_giving_the_number_of_processes_is_remembered() {
    let group = accepted("processes=1");
    assert_eq!((group.processes, group.processes_given), (1, true));
    assert_refused(&["processes=0", "processes=-1", "processes="], "a whole number from 1 to 2147483647");
}

#[test]
fn no_threads_make_a_service() {
    assert_eq!(accepted("threads=0").threads, 0);
    assert_eq!(accepted("threads=65533").threads, 65_533);
    assert_refused(&["threads=65534", "threads=-1", "threads="], "a whole number from 0 to 65533");
}

#[test]
fn a_number_with_something_behind_it_is_no_number() {
    assert_refused(&["threads=abc", "threads=2x", "threads=1.5", "threads=10k", "threads= 2"], "a whole number");
    assert_refused(&["memory-limit=1G", "memory-limit=0x10"], "a whole number of bytes");
    assert_refused(&["request-timeout=60s", "request-timeout=1e3"], "a whole number of seconds");
    assert_refused(&["response-flush-delay=0.5"], "a whole number of milliseconds");
    assert_refused(&["cpu-priority=", "cpu-priority=high", "cpu-priority=1.5"], "a whole number");
    assert_refused(&["switch-interval=0", "switch-interval=-1", "switch-interval=1s"], "a positive number of seconds");
}

#[test]
fn each_time_limit_is_in_seconds_and_off_at_zero() {
    type Field = fn(&ProcessGroup) -> Option<Duration>;
    let limits: [(&str, [&'static str; 4], Field); 12] = [
        ("startup", limit!("startup-timeout"), |group| group.startup_timeout),
        ("shutdown", limit!("shutdown-timeout"), |group| group.shutdown_timeout),
        ("deadlock", limit!("deadlock-timeout"), |group| group.deadlock_timeout),
        ("inactivity", limit!("inactivity-timeout"), |group| group.inactivity_timeout),
        ("request", limit!("request-timeout"), |group| group.request_timeout),
        ("interrupt", limit!("interrupt-timeout"), |group| group.interrupt_timeout),
        ("graceful", limit!("graceful-timeout"), |group| group.graceful_timeout),
        ("eviction", limit!("eviction-timeout"), |group| group.eviction_timeout),
        ("interval", limit!("restart-interval"), |group| group.restart_interval),
        ("socket", limit!("socket-timeout"), |group| group.socket_timeout),
        ("queue", limit!("queue-timeout"), |group| group.queue_timeout),
        ("response", limit!("response-socket-timeout"), |group| group.response_socket_timeout),
    ];
    for (what, [seven, zero, negative, empty], field) in limits {
        assert_eq!(field(&accepted(seven)), Some(Duration::from_secs(7)), "{what}");
        assert_eq!(field(&accepted(zero)), None, "{what}");
        assert_refused(&[negative, empty], "a whole number of seconds from 0 to 2147483647");
    }
}

#[test]
fn one_attempt_to_connect_is_no_time_to_go_on_trying() {
    assert_eq!(accepted("connect-timeout=0").connect_timeout, Duration::ZERO);
    assert_eq!(accepted("connect-timeout=3").connect_timeout, Duration::from_secs(3));
    assert_refused(&["connect-timeout=-1", "connect-timeout="], "a whole number of seconds");
}

#[test]
fn the_flush_delay_is_in_milliseconds_and_may_be_none() {
    assert_eq!(accepted("response-flush-delay=0").response_flush_delay, Duration::ZERO);
    assert_eq!(accepted("response-flush-delay=20").response_flush_delay, Duration::from_millis(20));
    assert_refused(&["response-flush-delay=-1", "response-flush-delay="], "a whole number of milliseconds");
}

#[test]
fn a_graceful_timeout_that_is_given_is_remembered() {
    assert!(accepted("graceful-timeout=15").graceful_timeout_given);
    assert!(!accepted("eviction-timeout=15").graceful_timeout_given);
}

#[test]
fn a_buffer_has_a_least_size_and_zero_is_the_default() {
    assert_eq!(accepted("send-buffer-size=0").send_buffer_size, None);
    assert_eq!(accepted("send-buffer-size=512").send_buffer_size, Some(512));
    assert_eq!(accepted("receive-buffer-size=512").receive_buffer_size, Some(512));
    assert_eq!(accepted("header-buffer-size=0").header_buffer_size, 32_768);
    assert_eq!(accepted("header-buffer-size=8192").header_buffer_size, 8192);
    assert_eq!(accepted("response-buffer-size=0").response_buffer_size, 8_388_608);
    assert_eq!(accepted("response-buffer-size=65536").response_buffer_size, 65_536);
    let small = ["send-buffer-size=511", "receive-buffer-size=1", "send-buffer-size=-1", "receive-buffer-size="];
    assert_refused(&small, "a whole number of bytes from 512 to 2147483647, or 0");
    assert_refused(&["header-buffer-size=8191", "header-buffer-size="], "a whole number of bytes from 8192");
    assert_refused(&["response-buffer-size=65535", "response-buffer-size=-1"], "a whole number of bytes from 65536");
}

#[test]
fn limits_of_a_process_are_off_at_zero() {
    assert_eq!(accepted("cpu-time-limit=60").cpu_time_limit, Some(60));
    assert_eq!(accepted("cpu-time-limit=0").cpu_time_limit, None);
    assert_eq!(accepted("memory-limit=8000000000").memory_limit, Some(8_000_000_000));
    assert_eq!(accepted("memory-limit=0").memory_limit, None);
    assert_eq!(accepted("virtual-memory-limit=1").virtual_memory_limit, Some(1));
    assert_eq!(accepted("virtual-memory-limit=0").virtual_memory_limit, None);
    assert_eq!(accepted("maximum-requests=100").maximum_requests, Some(100));
    assert_eq!(accepted("maximum-requests=0").maximum_requests, None);
    assert_eq!(accepted("cpu-priority=-5").cpu_priority, Some(-5));
    assert_eq!(accepted("cpu-priority=100").cpu_priority, Some(100));
    assert_eq!(accepted("cpu-priority=0").cpu_priority, None);
    assert_refused(
        &["cpu-time-limit=-1", "memory-limit=-1", "virtual-memory-limit=", "maximum-requests=-1"],
        "a whole",
    );
    assert_refused(&["stack-size=0", "stack-size=-1", "stack-size="], "a whole number of bytes from 1");
    assert_refused(&["listen-backlog=-1", "listen-backlog="], "a whole number from 0");
}

#[test]
fn a_umask_is_octal() {
    assert_eq!(accepted("umask=0027").umask, Some(0o27));
    assert_eq!(accepted("umask=777").umask, Some(0o777));
    assert_refused(&["umask=8", "umask=-1", "umask=", "umask=1000", "umask=u=rwx"], "an octal number from 0 to 777");
}

#[test]
fn a_path_that_must_be_absolute_begins_with_a_slash() {
    assert_eq!(accepted("home=/no/such/folder").home.as_deref(), Some("/no/such/folder"));
    assert_refused(&["home=relative", "home="], "a path that begins with a slash");
}

#[test]
fn a_jail_needs_root() {
    if geteuid().is_root() {
        assert_eq!(accepted("chroot=/srv/jail").chroot.as_deref(), Some("/srv/jail"));
        assert_refused(&["chroot=jail", "chroot="], "a path that begins with a slash");
    } else {
        assert_refused(&["chroot=/srv/jail"], "no such option");
    }
}

#[test]
fn no_process_runs_as_root() {
    assert_refused(&["user=root", "user=#0"], "another user");
    assert_refused(&["group=root", "group=#0"], "another group");
    assert_refused(&["user=no-such-user", "user=", "script-user=", "socket-user=no-such-user"], "a user");
    assert_refused(&["group=no-such-group", "group=", "script-group="], "a group");
    assert_refused(&["script-user=#4294967294"], "a user");
    assert_refused(&["script-group=#4294967294"], "a group that has a name");
}

#[test]
fn users_and_groups_are_names_or_numbers() {
    let daemon = accepted("user=daemon").user.expect("every system has it");
    assert_eq!(accepted("user=#1").user.map(|user| user.uid), Some(1));
    assert_eq!(daemon.name, "daemon");
    assert_eq!(accepted("group=#4242").group.map(|group| group.gid), Some(4242));
    assert_eq!(accepted("socket-user=#0").socket_user, Some(0));
    assert_eq!(accepted("script-user=#1").script_user.as_deref(), Some("daemon"));
    assert_eq!(accepted("script-group=#0").script_group.as_deref(), Some("root"));
}

#[test]
fn supplementary_groups_are_a_list_that_may_be_empty() {
    assert_eq!(accepted("supplementary-groups=").supplementary_groups, Some(vec![]));
    assert_eq!(accepted("supplementary-groups=#1,daemon, #7").supplementary_groups, Some(vec![1, 1, 7]));
    assert_eq!(line(&[]).expect("no option").supplementary_groups, None);
    let message = line(&["supplementary-groups=daemon,no-such-group"]).expect_err("unknown");
    assert!(message.contains("supplementary-groups: 'no-such-group'") && message.contains("expected a group"));
    assert!(line(&["supplementary-groups=daemon,"]).is_err());
}

#[test]
fn a_script_has_an_owner_or_a_group_to_be_checked_not_both() {
    let message = line(&["script-user=daemon", "script-group=daemon"]).expect_err("both");
    assert!(message.contains("script-user=") && message.contains("script-group=") && message.contains("expected one"));
}

#[test]
fn text_is_taken_as_it_is() {
    let group = line(&["lang=C", "locale=C.UTF-8", "display-name=%{GROUP}", "python-path=/a:/b", "python-eggs=/c"]);
    let group = group.expect("valid options");
    assert_eq!((group.lang.as_deref(), group.locale.as_deref()), (Some("C"), Some("C.UTF-8")));
    assert_eq!(group.display_name.as_deref(), Some("%{GROUP}"));
    assert_eq!((group.python_path.as_deref(), group.python_eggs.as_deref()), (Some("/a:/b"), Some("/c")));
}

#[test]
fn a_home_of_python_is_one() {
    let message = line(&["python-home=/no/such/folder"]).expect_err("no directory");
    assert!(message.starts_with("python-home: '/no/such/folder' is not a directory; expected"), "{message}");
}

#[test]
fn the_last_of_an_option_counts() {
    assert_eq!(line(&["threads=1", "threads=2"]).map(|group| group.threads), Ok(2));
}

#[test]
fn an_option_that_there_is_not_is_named() {
    for word in ["thread=1", "Threads=1", "lonely", "=1", "threads =1"] {
        let message = line(&[word]).expect_err("no option");
        assert!(message.starts_with(&format!("'{word}' is not an option; expected one of processes=")), "{message}");
    }
}

#[test]
fn no_option_stands_twice_in_the_table() {
    let names: std::collections::BTreeSet<_> = OPTIONS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), OPTIONS.len());
}
