use super::*;
use crate::config::account::Group;
use core::time::Duration;

const HTTPD: Ids = Ids { uid: 33, gid: 34 };
const ROOT: Ids = Ids { uid: 0, gid: 0 };
const SOMEONE: Ids = Ids { uid: 1000, gid: 1001 };

fn group() -> ProcessGroup {
    ProcessGroup::with_defaults("demo", 1)
}

fn user(uid: u32) -> User {
    User { uid, name: "someone".into(), home: "/home/someone".into() }
}

#[test]
fn a_group_without_options_is_who_httpd_is() {
    let group = group();
    let decision = Decision::new(&group, HTTPD, ROOT);
    assert_eq!(decision.ids, HTTPD);
    assert_eq!(decision.memberships, Memberships::OfUser);
    assert_eq!(decision.directory, Directory::Kept);
}

#[test]
fn a_user_of_its_own_brings_its_home_but_not_its_group() {
    let group = ProcessGroup { user: Some(user(77)), ..group() };
    let decision = Decision::new(&group, HTTPD, ROOT);
    assert_eq!(decision.ids, Ids { uid: 77, gid: HTTPD.gid });
    assert_eq!(decision.directory, Directory::HomeOfUser);
}

#[test]
fn httpd_s_own_user_named_once_more_changes_nothing() {
    let named = ProcessGroup { user: Some(user(HTTPD.uid)), ..group() };
    assert_eq!(Decision::new(&named, HTTPD, ROOT), Decision::new(&group(), HTTPD, ROOT));
}

#[test]
fn a_group_of_its_own_counts_without_a_user() {
    let group = ProcessGroup { group: Some(Group { gid: 78, name: "some".into() }), ..group() };
    assert_eq!(Decision::new(&group, HTTPD, ROOT).ids, Ids { uid: HTTPD.uid, gid: 78 });
}

#[test]
fn listed_groups_replace_those_of_the_user_and_hold_the_own_once() {
    for (listed, expected) in [(vec![], vec![34]), (vec![5, 34, 6], vec![34, 5, 6])] {
        let group = ProcessGroup { supplementary_groups: Some(listed), ..group() };
        assert_eq!(Decision::new(&group, HTTPD, ROOT).memberships, Memberships::Exactly(expected));
    }
}

#[test]
fn without_root_users_and_groups_stay() {
    let group = ProcessGroup {
        user: Some(user(77)),
        group: Some(Group { gid: 78, name: "some".into() }),
        supplementary_groups: Some(vec![5]),
        ..group()
    };
    let decision = Decision::new(&group, HTTPD, SOMEONE);
    assert_eq!(decision.ids, SOMEONE);
    assert_eq!(decision.memberships, Memberships::Kept);
    assert_eq!(decision.directory, Directory::HomeOfUser, "someone is not the User of httpd");
    let same = Decision::new(&group, SOMEONE, SOMEONE);
    assert_eq!(same.directory, Directory::Kept);
}

#[test]
fn a_given_home_comes_first() {
    let group = ProcessGroup { user: Some(user(77)), home: Some("/srv".into()), ..group() };
    for started in [ROOT, SOMEONE] {
        assert_eq!(Decision::new(&group, HTTPD, started).directory, Directory::Given("/srv"));
    }
}

#[test]
fn a_user_that_is_only_a_number_is_a_member_of_nothing() {
    let group = group();
    let decision = Decision::new(&group, HTTPD, ROOT);
    assert_eq!(memberships(&decision, None), Ok(Some(vec![HTTPD.gid])));
}

#[test]
fn only_root_s_choice_of_a_home_must_be_there() {
    let group = ProcessGroup { user: Some(user(77)), ..group() };
    let missing = User { home: "/no/such/folder".into(), ..user(77) };
    let by_root = Decision::new(&group, HTTPD, ROOT);
    let error = enter_directory(&by_root, Some(&missing)).expect_err("no directory");
    assert_eq!(
        error.to_string(),
        "WSGI0010: '/no/such/folder', the home directory of the user 'someone', cannot be entered (No such file or \
         directory); expected home= to name another directory"
    );
    assert_eq!(enter_directory(&by_root, None), Err(IdentityError::NoHome { uid: 77 }));
    assert_code(&IdentityError::NoHome { uid: 77 }, "WSGI0011");
    let by_another = Decision::new(&group, HTTPD, SOMEONE);
    assert_eq!(enter_directory(&by_another, Some(&missing)), Ok(Some(error)));
    assert_eq!(enter_directory(&by_another, None), Ok(Some(IdentityError::NoHome { uid: SOMEONE.uid })));
}

#[test]
fn a_given_home_must_be_there_whoever_started_httpd() {
    let group = ProcessGroup { home: Some("/no/such/folder".into()), ..group() };
    for started in [ROOT, SOMEONE] {
        let error = enter_directory(&Decision::new(&group, HTTPD, started), None).expect_err("no directory");
        let text = "WSGI0009: home=/no/such/folder: the directory cannot be entered (No such file or directory)";
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_display_name_is_taken_as_it_is_but_for_one_word() {
    for (name, shown) in [("%{GROUP}", "(wsgi:demo)"), ("x %{GROUP}", "x %{GROUP}"), ("site", "site")] {
        let group = ProcessGroup { display_name: Some(name.into()), ..group() };
        assert_eq!(title(&group).as_deref(), Some(shown));
    }
    assert_eq!(title(&group()), None);
}

#[test]
fn cpu_time_leaves_the_time_to_end_in() {
    let limited = |shutdown| ProcessGroup { cpu_time_limit: Some(10), shutdown_timeout: shutdown, ..group() };
    assert_eq!(cpu_limits(&limited(Some(Duration::from_secs(5)))), Some((10, 16)));
    assert_eq!(cpu_limits(&limited(None)), Some((10, 11)));
    assert_eq!(cpu_limits(&group()), None);
}

#[test]
fn variables_tell_of_the_user_and_replace_names_that_are_there() {
    let group = ProcessGroup { lang: Some("C".into()), locale: Some("C.UTF-8".into()), ..group() };
    let someone = user(77);
    let text = |name: &'static str, value: &'static str| (name, OsStr::new(value));
    let all = [text("LANG", "C"), text("LC_ALL", "C.UTF-8"), text("HOME", "/home/someone"), text("LOGNAME", "someone")];
    assert_eq!(variables(&group, Some(&someone), |name| name == "LOGNAME"), all);
    assert_eq!(variables(&group, None, |_| true), all[..2]);
}

#[track_caller]
fn assert_code(error: &IdentityError, code: &str) {
    assert!(error.to_string().starts_with(&format!("{code}: ")), "{code}: {error}");
}

/// No user and no group has this number: the calls that take one refuse it.
const NOBODY: u32 = u32::MAX;

#[test]
fn what_a_process_cannot_become_has_a_code() {
    let own = so_far();
    let become_them = |uid, gid, groups| {
        let decision = Decision {
            ids: Ids { uid, gid },
            from_root: true,
            memberships: Memberships::Kept,
            directory: Directory::Kept,
        };
        become_user(&decision, groups).expect_err("it cannot")
    };
    assert_code(&become_them(own.uid, NOBODY, None), "WSGI0004");
    assert_code(&become_them(own.uid, own.gid, Some(vec![NOBODY])), "WSGI0005");
    assert_code(&become_them(NOBODY, own.gid, None), "WSGI0007");
    if own.uid == 0 {
        assert_code(&become_them(0, own.gid, None), "WSGI0008");
    }
    let missing = ProcessGroup { chroot: Some("/no/such/directory".into()), ..group() };
    assert_code(&enter_root(&missing).expect_err("no directory"), "WSGI0003");
    let strange = User { name: "no\0name".into(), ..user(77) };
    let decision = Decision::new(&missing, HTTPD, ROOT);
    assert_code(&memberships(&decision, Some(&strange)).expect_err("no user"), "WSGI0006");
}

#[test]
fn what_a_process_with_other_threads_cannot_change_is_a_warning() {
    std::thread::scope(|scope| {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || wait.recv());
        let threads = Threads::of_this_process().expect("Linux");
        let group = ProcessGroup {
            display_name: Some("name".into()),
            lang: Some("C".into()),
            locale: Some("C".into()),
            ..group()
        };
        assert_code(&show_title(&group, &threads).expect_err("another thread"), "WSGI1012");
        let warnings = set_surroundings(&group, None, &threads);
        let codes = ["WSGI1013", "WSGI1013", "WSGI0079"];
        assert_eq!(warnings.len(), codes.len(), "{warnings:?}");
        warnings.iter().zip(codes).for_each(|(warning, code)| assert_code(warning, code));
        drop(done);
    });
}

/// Whether `body` succeeds in a process of its own, which may change what it is.
fn in_another_process(body: impl FnOnce()) -> bool {
    use nix::sys::wait::{WaitStatus, waitpid};
    let pid = crate::unix::fork::fork(|| {
        body();
        0
    });
    matches!(waitpid(pid.expect("a process"), None), Ok(WaitStatus::Exited(_, 0)))
}

#[test]
fn limits_that_another_user_may_not_raise_are_warnings() {
    assert!(in_another_process(|| {
        let limits = [(Resource::RLIMIT_CPU, 1000), (Resource::RLIMIT_DATA, 1 << 40), (Resource::RLIMIT_AS, 1 << 45)];
        for (resource, limit) in limits {
            setrlimit(resource, limit, limit).expect("lower than before");
        }
        if so_far().uid == 0 {
            unistd::setuid(Uid::from_raw(65534)).expect("root may");
        }
        let group = ProcessGroup {
            cpu_priority: Some(-5),
            cpu_time_limit: Some(5000),
            memory_limit: Some(1 << 41),
            virtual_memory_limit: Some(1 << 46),
            ..group()
        };
        assert_code(&set_priority(&group).expect_err("not allowed"), "WSGI0075");
        let warnings = set_limits(&group);
        let codes = ["WSGI0076", "WSGI0077", "WSGI0078"];
        assert_eq!(warnings.len(), codes.len(), "{warnings:?}");
        warnings.iter().zip(codes).for_each(|(warning, code)| assert_code(warning, code));
    }));
}

#[test]
fn a_process_that_cannot_count_its_threads_does_not_start() {
    if so_far().uid != 0 {
        println!("not shown: the tests run without root");
        return;
    }
    let empty = tempfile::tempdir().expect("a temporary directory");
    assert!(in_another_process(|| {
        // Without /proc.
        unistd::chroot(empty.path()).expect("root may");
        assert_code(&threads().expect_err("no /proc"), "WSGI1014");
    }));
}
