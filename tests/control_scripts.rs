//! Scripts that decide about requests before an application has its say: who may come in, with which password, in which
//! groups, and which application answers.

use crate::support::{Builder, GilMode, Httpd, Request, Response, in_both_modes, wait_for};
use std::fs;

const MODULES: [&str; 4] = ["auth_basic", "auth_digest", "authn_core", "authz_user"];
/// `user:secret`
const RIGHT: &str = "Basic dXNlcjpzZWNyZXQ=";
/// `user:wrong`
const WRONG: &str = "Basic dXNlcjp3cm9uZw==";

/// A server for everyone who passes what `conf` says of `/`; `{script}` in it is the control script.
fn guarded(conf: &str) -> Builder {
    let conf = format!("WSGIScriptAlias / {{app}}\n<Location />\n{conf}\n</Location>\n");
    let conf = conf.replace("{script}", "{root}/apps/control.py");
    Httpd::with(&conf, "evaluate.py").app("control.py").modules(&MODULES)
}

const BASIC: &str = "AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\nWSGIAuthUserScript {script}\n";

fn with_password() -> Builder {
    guarded(&format!("{BASIC}Require valid-user"))
}

fn with_groups(groups: &str) -> Builder {
    guarded(&format!("{BASIC}WSGIAuthGroupScript {{script}}\nRequire wsgi-group {groups}"))
}

/// A request that asks the application for its user.
fn who(httpd: &Httpd) -> Request {
    httpd.request("GET", "/").header("X-Python", "environ.get('REMOTE_USER')")
}

fn logged_in(httpd: &Httpd) -> Request {
    who(httpd).header("Authorization", RIGHT)
}

#[track_caller]
fn assert_user(response: &Response, user: &str) {
    response.assert(200, user);
}

#[test]
fn an_access_script_decides_who_comes_in() {
    in_both_modes(|mode| {
        let httpd = guarded("WSGIAccessScript {script}").gil_mode(mode).log_level("warn wsgi:info").start();
        let ask = |answer: &str| who(&httpd).header("X-Allow-Access", answer).send();
        for welcome in ["True", "None"] {
            assert_user(&ask(welcome), "None");
        }
        // Only the constants count.
        for refused in ["False", "1", "'True'", "[]", "1/0", "sys.exit()"] {
            ask(refused).assert_error_page(403);
        }
        httpd.finish(&[
            "loading the script in*interpreter",
            "Python * started, GIL*",
            "WSGI0057: allow_access() does not let this client in [script */control.py] [request *]",
            "WSGI0055: allow_access() returned int; expected True, False or None [script */control.py] [request *]",
            "WSGI0055: allow_access() returned str; expected True, False or None",
            "WSGI0055: allow_access() returned list; expected True, False or None",
            "WSGI0174: allow_access() raised ZeroDivisionError [script */control.py]",
            "ZeroDivisionError: division by zero",
            "WSGI0175: allow_access() raised SystemExit [script */control.py]",
            "SystemExit",
        ]);
    });
}

#[test]
fn an_access_script_is_told_where_the_client_is() {
    let httpd = guarded("WSGIAccessScript {script}").start();
    let ask = |answer: &str| who(&httpd).header("X-Allow-Access", answer).send().status;
    assert_eq!(ask("arguments == ('127.0.0.1',)"), 200);
    assert_eq!(ask("environ['REMOTE_ADDR'] == '127.0.0.1' and 'REMOTE_HOST' not in environ"), 200);
    httpd.finish(&[]);
}

#[test]
fn no_opinion_leaves_it_to_other_checks() {
    let httpd = guarded("WSGIAccessScript {script}\nRequire all denied").start();
    for answer in ["None", "True"] {
        who(&httpd).header("X-Allow-Access", answer).send().assert_error_page(403);
    }
    httpd.finish(&["AH01630: client denied by server configuration*"]);
}

#[test]
fn an_access_script_that_is_not_there_lets_nobody_in() {
    for (script, file, expected) in [
        ("{root}/apps/none.py", "", vec!["WSGI0105: the script cannot be read or compiled*", "FileNotFoundError*"]),
        ("{root}/empty.py", "", vec!["WSGI0056: the script has no 'allow_access' [script */empty.py]"]),
        ("{root}/empty.py", "1/0\n", vec!["WSGI0109: *", "ZeroDivisionError*"]),
        ("{root}/empty.py", "def\n", vec!["WSGI0105: *", "SyntaxError*"]),
    ] {
        let httpd = guarded(&format!("WSGIAccessScript {script}")).file("empty.py", file).start();
        for _ in 0..2 {
            who(&httpd).send().assert_error_page(403);
        }
        httpd.finish(&expected);
    }
}

#[test]
fn a_password_is_checked() {
    in_both_modes(|mode| {
        let httpd = with_password().gil_mode(mode).start();
        let response = who(&httpd).send();
        assert_eq!((response.status, response.header("WWW-Authenticate")), (401, Some("Basic realm=\"here\"")));
        assert_user(&logged_in(&httpd).send(), "'user'");
        assert_eq!(who(&httpd).header("Authorization", WRONG).send().status, 401);
        let ask = |answer: &str| logged_in(&httpd).header("X-Check-Password", answer).send();
        assert_eq!(ask("None").status, 401);
        assert_user(&ask("'someone else'"), "'someone else'");
        // In the environ, bytes of UTF-8 are shown by latin-1.
        assert_user(&ask("'\\u20ac'"), "'â\\x82¬'");
        for broken in ["''", "1", "b'user'", "'a\\0b'", "1/0"] {
            ask(broken).assert_error_page(500);
        }
        httpd.finish(&[
            "AH01617: user user: authentication failure*Password Mismatch",
            "AH01618: user user not found*",
            "WSGI0176: check_password() returned an empty name of the user [script */control.py]",
            "WSGI0177: check_password() returned int; expected True, False, None or the name of the user",
            "WSGI0177: check_password() returned bytes; expected True, False, None or the name of the user",
            "WSGI0177: check_password() returned a name of the user with a null character",
            "WSGI0174: check_password() raised ZeroDivisionError",
            "ZeroDivisionError*",
        ]);
    });
}

#[test]
fn users_and_passwords_are_shown_by_latin_1() {
    let httpd = with_password().start();
    // "ü:€" in UTF-8
    let request = who(&httpd).header("Authorization", "Basic w7w64oKs");
    let right = "arguments == ('\\xc3\\xbc', '\\xe2\\x82\\xac')";
    assert_user(&request.header("X-Check-Password", right).send(), "'Ã¼'");
    httpd.finish(&[]);
}

#[test]
fn a_password_script_that_is_not_there_is_an_error() {
    let unset = BASIC.replace("WSGIAuthUserScript {script}\n", "");
    let httpd = guarded(&format!("{unset}Require valid-user")).start();
    logged_in(&httpd).send().assert_error_page(500);
    httpd.finish(&["WSGI0041: the provider 'wsgi' is to be asked, and WSGIAuthUserScript is not set here"]);

    let empty = BASIC.replace("{script}", "{root}/empty.py");
    let httpd = guarded(&format!("{empty}Require valid-user")).file("empty.py", "").start();
    logged_in(&httpd).send().assert_error_page(500);
    httpd.finish(&["WSGI0043: the script has no 'check_password' [script */empty.py]"]);
}

#[test]
fn a_digest_script_that_is_not_there_is_an_error() {
    let digest = "AuthType Digest\nAuthName here\nAuthDigestProvider wsgi\nRequire valid-user\n";
    for (script, line) in [
        ("", "WSGI0044: the provider 'wsgi' is to be asked, and WSGIAuthUserScript is not set here"),
        ("WSGIAuthUserScript {root}/empty.py", "WSGI0046: the script has no 'get_realm_hash' [script */empty.py]"),
    ] {
        let httpd = guarded(&format!("{digest}{script}")).file("empty.py", "").start();
        let status = httpd.curl(&["--digest", "-u", "user:secret", "-o", "-", "-w", "|%{http_code}", "{url}/"]);
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.ends_with("|500"), "{status}");
        httpd.finish(&[line]);
    }
}

#[test]
fn a_hash_is_looked_up_for_digest_authentication() {
    in_both_modes(|mode| {
        let conf =
            "AuthType Digest\nAuthName here\nAuthDigestProvider wsgi\nWSGIAuthUserScript {script}\nRequire valid-user";
        let httpd = guarded(conf).gil_mode(mode).start();
        let ask = |answer: &str| {
            let answer = format!("X-Get-Realm-Hash: {answer}");
            let show = "X-Python: environ.get('REMOTE_USER')";
            let options = [
                "--digest",
                "-u",
                "user:secret",
                "-H",
                &answer,
                "-H",
                show,
                "-o",
                "-",
                "-w",
                "|%{http_code}",
                "{url}/",
            ];
            let output = httpd.curl(&options);
            String::from_utf8_lossy(&output.stdout).rsplit('|').next().map(str::to_owned).expect("a status")
        };
        let hash = "__import__('hashlib').md5(b'user:here:secret').hexdigest()";
        assert_eq!(ask(hash), "200");
        assert_eq!(ask(&format!("{hash}.encode()")), "200");
        assert_eq!(ask(&format!("{hash} if arguments == ('user', 'here') else 1")), "200");
        assert_eq!(ask(&hash.replace("secret", "other")), "401");
        assert_eq!(ask("None"), "401");
        for broken in ["''", "1", "'\\u20ac'", "1/0"] {
            assert_eq!(ask(broken), "500", "{broken}");
        }
        httpd.finish(&[
            "AH01794: user user: password mismatch*",
            "AH01790: user *not found*",
            "WSGI0178: get_realm_hash() returned an empty hash",
            "WSGI0179: get_realm_hash() returned int; expected the hash as str or bytes, or None",
            "WSGI0179: get_realm_hash() returned str; expected the hash as str or bytes, or None",
            "WSGI0174: get_realm_hash() raised ZeroDivisionError",
            "ZeroDivisionError*",
        ]);
    });
}

#[test]
fn groups_of_a_user_are_looked_up() {
    in_both_modes(|mode| {
        let httpd = with_groups("admin STAFF").gil_mode(mode).log_level("warn wsgi:info").start();
        // Who has not said who it is is asked.
        assert_eq!(who(&httpd).send().status, 401);
        let ask = |answer: &str| logged_in(&httpd).header("X-Groups-For-User", answer).send().status;
        for member in ["['staff']", "[b'Admin', 'x']", "(n for n in ['admin'])", "{'staff': 1}", "'x admin'.split()"] {
            assert_eq!(ask(member), 200, "{member}");
        }
        for stranger in ["[]", "['staffing']", "'staff'", "[1, 'staff']", "['\\u20ac', 'staff']", "1", "1/0"] {
            assert_eq!(ask(stranger), 401, "{stranger}");
        }
        // Half an answer is none.
        assert_eq!(ask("(('staff', 1/0)[n] for n in range(2))"), 401);
        httpd.finish(&[
            "loading the script in*interpreter",
            "Python * started, GIL*",
            "AH01631: user user: authorization failure*",
            "WSGI0059: the user belongs to no group",
            "WSGI0060: the user belongs to none of the groups that are required",
            "WSGI0050: groups_for_user() returned int among its groups; expected str (latin-1) or bytes",
            "WSGI0049: groups_for_user() returned str among its groups; expected str (latin-1) or bytes",
            "WSGI0051: groups_for_user() returned int; expected names of groups, to iterate over",
            "WSGI0174: groups_for_user() raised ZeroDivisionError",
            "ZeroDivisionError*",
        ]);
    });
}

#[test]
fn a_group_may_have_blanks_in_its_name_and_refusal_may_be_forbidden() {
    let httpd = with_groups("\"web team\"").start();
    assert_eq!(logged_in(&httpd).send().status, 200);
    httpd.finish(&[]);
    let httpd = with_groups("admin\nAuthzSendForbiddenOnFailure On").start();
    logged_in(&httpd).send().assert_error_page(403);
    httpd.finish(&["AH01631: user user: authorization failure*"]);
}

#[test]
fn a_group_script_that_is_not_there_makes_nobody_a_member() {
    let httpd = guarded(&format!("{BASIC}Require wsgi-group staff")).start();
    assert_eq!(logged_in(&httpd).send().status, 401);
    httpd.finish(&[
        "WSGI0058: 'Require wsgi-group' is to be checked, and WSGIAuthGroupScript is not set here",
        "AH01631: user user: authorization failure*",
    ]);
    let empty = format!("{BASIC}WSGIAuthGroupScript {{root}}/empty.py\nRequire wsgi-group staff");
    let httpd = guarded(&empty).file("empty.py", "").start();
    assert_eq!(logged_in(&httpd).send().status, 401);
    httpd.finish(&[
        "WSGI0052: the script has no 'groups_for_user' [script */empty.py]",
        "AH01631: user user: authorization failure*",
    ]);
}

/// Asks the password script for the value of an expression: it becomes the name of the user.
#[track_caller]
fn seen(httpd: &Httpd, expression: &str) -> String {
    let response = logged_in(httpd).header("X-Check-Password", &format!("repr({expression})")).send();
    assert_eq!(response.status, 200, "{expression}: {response:?}");
    response.text().trim_matches(['"', '\'']).to_owned()
}

#[test]
fn a_script_sees_the_request_and_no_more() {
    let conf =
        format!("{BASIC}Require valid-user\nSetEnv SECRET x\nWSGIPassAuthorization On\nWSGIPassApacheRequest On");
    let httpd = guarded(&conf).modules(&["env"]).start();
    for (key, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/"),
        ("PATH_INFO", "/"),
        ("SCRIPT_NAME", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("mod_wsgi.process_group", ""),
        ("mod_wsgi.application_group", ""),
    ] {
        assert_eq!(seen(&httpd, &format!("environ['{key}']")), value, "{key}");
    }
    for key in ["SECRET", "HTTP_AUTHORIZATION", "REMOTE_USER", "SCRIPT_FILENAME", "wsgi.input", "mod_wsgi.request_id"] {
        assert_eq!(seen(&httpd, &format!("'{key}' in environ")), "False", "{key}");
    }
    for key in ["SERVER_SIGNATURE", "SERVER_SOFTWARE", "SERVER_NAME", "SERVER_PORT", "DOCUMENT_ROOT", "REMOTE_PORT"] {
        assert_eq!(seen(&httpd, &format!("type(environ['{key}']).__name__")), "str", "{key}");
    }
    assert_eq!(seen(&httpd, "type(environ['apache.request_rec']).__name__"), "PyCapsule");
    assert_eq!(seen(&httpd, "environ['mod_wsgi.version'][0]"), "6");
    assert_eq!(seen(&httpd, "environ['apache.version'][:2]"), "(2, 4)");
    httpd.finish(&[]);
}

#[test]
fn what_a_script_writes_is_logged_for_its_request() {
    in_both_modes(|mode| {
        let httpd = with_password().gil_mode(mode).start();
        for (number, stream) in ["environ['wsgi.errors']", "sys.stderr", "sys.stdout"].into_iter().enumerate() {
            seen(&httpd, &format!("print('line', {number}, file={stream})"));
        }
        let of_request = httpd.error_log().entries.iter().filter(|entry| entry.client.is_some()).count();
        assert_eq!(of_request, 3, "{:#?}", httpd.error_log());
        httpd.finish(&["[script */control.py] line 0", "[script */control.py] line 1", "[script */control.py] line 2"]);
    });
}

#[test]
fn tls_can_be_asked_about() {
    for (builder, url, https, cipher) in
        [(with_password(), "{url}/", "0", "NoneType"), (with_password().tls(), "{tls}/", "1", "str")]
    {
        let httpd = builder.start();
        let ask = |expression: &str| {
            let answer = format!("X-Check-Password: repr({expression})");
            let show = "X-Python: environ.get('REMOTE_USER')";
            let output = httpd.curl(&["-u", "user:secret", "-H", &answer, "-H", show, url]);
            String::from_utf8_lossy(&output.stdout).trim_matches(['"', '\'']).to_owned()
        };
        assert_eq!(ask("environ['mod_ssl.is_https']()"), https);
        for name in ["'SSL_CIPHER'", "b'SSL_CIPHER'"] {
            assert_eq!(ask(&format!("type(environ['mod_ssl.var_lookup']({name})).__name__")), cipher);
        }
        assert_eq!(ask("environ['mod_ssl.var_lookup']('NO_SUCH_VARIABLE') or ''"), "");
        // Kept beyond the question, they know nothing.
        ask("kept.update(environ)");
        for call in ["is_https()", "var_lookup('HTTPS')"] {
            let (name, arguments) = call.split_once('(').expect("a call");
            let late = format!("X-Check-Password: kept['mod_ssl.{name}']({arguments}");
            let output = httpd.curl(&["-u", "user:secret", "-H", &late, "-o", "-", "-w", "|%{http_code}", url]);
            assert!(String::from_utf8_lossy(&output.stdout).ends_with("|500"), "{call}");
        }
        httpd.finish(&["WSGI0174: check_password() raised RuntimeError", "RuntimeError: the request is over"]);
    }
}

#[test]
fn a_changed_script_is_loaded_again() {
    in_both_modes(|mode| {
        let conf = BASIC.replace("{script}", "{root}/password.py");
        let text = "def check_password(environ, user, password):\n    return False\n";
        let httpd = guarded(&format!("{conf}Require valid-user")).gil_mode(mode).file("password.py", text).start();
        assert_eq!(logged_in(&httpd).send().status, 401);
        fs::write(httpd.root().join("password.py"), text.replace("False", "True")).expect("our own file");
        wait_for("the new script", || (logged_in(&httpd).send().status == 200).then_some(()));
        httpd.finish(&["AH01617: user user: authentication failure*Password Mismatch"]);
    });
}

#[test]
fn a_script_has_an_interpreter_of_its_own_if_it_is_told_so() {
    let conf = BASIC.replace("{script}", "{root}/apps/control.py application-group=auth");
    let httpd = guarded(&format!("{conf}Require valid-user\nWSGIApplicationGroup %{{GLOBAL}}")).start();
    assert_eq!(seen(&httpd, "environ['mod_wsgi.application_group']"), "auth");
    assert_eq!(seen(&httpd, "__import__('mod_wsgi').application_group"), "auth");
    httpd.finish(&[]);
}

#[test]
fn scripts_run_in_httpd_s_own_processes_whatever_is_restricted() {
    in_both_modes(|mode| {
        let conf = format!(
            "WSGIRestrictEmbedded On\nWSGIDaemonProcess group\nWSGIProcessGroup group\nWSGIScriptAlias / {{app}}\n<Location />\n{BASIC}Require valid-user\n</Location>"
        );
        let conf = conf.replace("{script}", "{root}/apps/control.py");
        let httpd = Httpd::with(&conf, "evaluate.py").app("control.py").modules(&MODULES).gil_mode(mode).start();
        assert_user(&logged_in(&httpd).send(), "'user'");
        assert_eq!(seen(&httpd, "environ['mod_wsgi.process_group']"), "");
        assert_eq!(logged_in(&httpd).header("X-Python", "environ['mod_wsgi.process_group']").send().status, 200);
        httpd.finish(&[]);
    });
}

#[test]
fn a_script_of_htaccess_cannot_start_python_and_lets_nobody_in() {
    let htaccess = BASIC.replace("{script}", "APPS/control.py");
    let builder =
        Httpd::bare("WSGIRestrictEmbedded On\n<Directory {root}/htdocs>\nAllowOverride AuthConfig\n</Directory>")
            .app("control.py")
            .modules(&MODULES);
    let htaccess = htaccess.replace("APPS", &builder.root().join("apps").display().to_string());
    let httpd = builder
        .file("htdocs/.htaccess", &format!("{htaccess}Require valid-user\n"))
        .file("htdocs/page.html", "page")
        .start();
    httpd.request("GET", "/page.html").header("Authorization", RIGHT).send().assert_error_page(500);
    httpd.finish(&["WSGI0210: Python was not started in this process"]);

    // Where Python runs, it works.
    let builder = Httpd::bare("<Directory {root}/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .app("control.py")
        .modules(&MODULES);
    let apps = builder.root().join("apps").display().to_string();
    let htaccess = BASIC.replace("{script}", &format!("{apps}/control.py"));
    let httpd = builder
        .file("htdocs/.htaccess", &format!("{htaccess}Require valid-user\n"))
        .file("htdocs/page.html", "page")
        .start();
    httpd.request("GET", "/page.html").header("Authorization", RIGHT).send().assert(200, "page");
    httpd.request("GET", "/page.html").header("Authorization", WRONG).send().assert_error_page(401);
    httpd.finish(&["AH01617: user user: authentication failure*Password Mismatch"]);
}

/// A server with two groups whose dispatch script answers by headers.
fn dispatching(options: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess one\nWSGIDaemonProcess two\nWSGIProcessGroup one\nWSGIApplicationGroup %{{GLOBAL}}\n\
         WSGIScriptAlias / {{app}}\nSetEnv FROM_SETENV yes\nWSGIDispatchScript {{root}}/apps/control.py {options}"
    );
    Httpd::with(&conf, "evaluate.py").app("control.py").modules(&["env"])
}

const WHERE: &str = "environ['mod_wsgi.process_group'], environ['mod_wsgi.application_group']";

#[track_caller]
fn dispatched(httpd: &Httpd, headers: &[(&str, &str)]) -> Response {
    let request = httpd.request("GET", "/").header("X-Python", WHERE);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn a_dispatch_script_chooses_who_answers() {
    in_both_modes(|mode| {
        let httpd = dispatching("").gil_mode(mode).start();
        for (headers, answer) in [
            (vec![], "('one', '')"),
            (vec![("X-Process-Group", "'two'")], "('two', '')"),
            (vec![("X-Process-Group", "b'two'"), ("X-Application-Group", "'named'")], "('two', 'named')"),
            (vec![("X-Process-Group", "'%{GLOBAL}'")], "('', '')"),
            (vec![("X-Process-Group", "'%{ENV:GROUP}'.replace('GROUP', 'NO_SUCH')and None")], "('one', '')"),
            (vec![("X-Application-Group", "'%{ENV:FROM_SETENV}'")], "('one', 'yes')"),
            // One dictionary for all of them, with what SetEnv says.
            (
                vec![("X-Process-Group", "environ.update(seen='named')"), ("X-Application-Group", "environ['seen']")],
                "('one', 'named')",
            ),
            (vec![("X-Application-Group", "environ['FROM_SETENV']")], "('one', 'yes')"),
            (vec![("X-Callable-Object", "'application'")], "('one', '')"),
        ] {
            dispatched(&httpd, &headers).assert(200, answer);
        }
        dispatched(&httpd, &[("X-Callable-Object", "'missing'")]).assert_error_page(500);
        dispatched(&httpd, &[("X-Callable-Object", "'missing'"), ("X-Process-Group", "'%{GLOBAL}'")])
            .assert_error_page(404);
        dispatched(&httpd, &[("X-Process-Group", "'three'")]).assert_error_page(500);
        for wrong in ["1", "'\\u20ac'", "1/0", "sys.exit()"] {
            // What comes behind it is not called.
            let headers = [("X-Process-Group", wrong), ("X-Application-Group", "kept.update(called=1)")];
            dispatched(&httpd, &headers).assert_error_page(500);
        }
        dispatched(&httpd, &[("X-Application-Group", "'called' if 'called' in kept else 'not'")])
            .assert(200, "('one', 'not')");
        httpd.finish(&[
            "WSGI0089: the script has no 'missing'",
            "WSGI0151: process group 'three' is not defined",
            "WSGI1064: process_group() returned int; expected str (latin-1), bytes or None [script */control.py]",
            "WSGI1064: process_group() returned str; expected str (latin-1), bytes or None",
            "WSGI0174: process_group() raised ZeroDivisionError",
            "ZeroDivisionError*",
            "WSGI0175: process_group() raised SystemExit",
            "SystemExit",
            "WSGI1062: the dispatch script has not said which application is to answer",
        ]);
    });
}

#[test]
fn a_dispatch_script_is_told_what_the_application_is_told() {
    let httpd = dispatching("application-group=dispatch").start();
    let ask = |expression: &str| {
        let group = format!("repr({expression})");
        let response = dispatched(&httpd, &[("X-Application-Group", &group)]);
        assert_eq!(response.status, 200, "{expression}: {response:?}");
        response.text().to_owned()
    };
    for (expression, answer) in [
        ("environ['PATH_INFO']", "/"),
        ("environ['mod_wsgi.process_group'] == ''", "True"),
        ("environ['mod_wsgi.application_group']", "dispatch"),
        ("'mod_wsgi.callable_object' in environ", "False"),
        ("'wsgi.input' in environ", "False"),
        ("'wsgi.version' in environ", "False"),
        ("'mod_wsgi.version' in environ", "False"),
        ("environ['SCRIPT_FILENAME'].endswith('evaluate.py')", "True"),
        ("environ['wsgi.errors'].write('said\\n')", "5"),
    ] {
        let seen = ask(expression);
        assert!(seen.contains(answer), "{expression}: {seen}");
    }
    httpd.finish(&["[script */control.py] said"]);
}

#[test]
fn a_dispatch_script_that_is_not_there_changes_nothing() {
    for (text, expected) in [
        (None, vec!["WSGI0105: the script cannot be read or compiled*", "FileNotFoundError*"]),
        (Some(""), vec!["WSGI1063: the script has no 'process_group', 'application_group' or 'callable_object'"]),
        (Some("1/0\n"), vec!["WSGI0109: *", "ZeroDivisionError*"]),
        (Some("def callable_object(environ):\n    return None\n"), vec![]),
    ] {
        let conf = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\nWSGIDispatchScript {root}/dispatch.py";
        let mut builder = Httpd::with(conf, "evaluate.py");
        if let Some(text) = text {
            builder = builder.file("dispatch.py", text);
        }
        let httpd = builder.start();
        dispatched(&httpd, &[]).assert(200, "('', '')");
        httpd.finish(&expected);
    }
}

#[test]
fn a_dispatched_group_must_be_allowed() {
    let conf = "WSGIDaemonProcess one\nWSGIDaemonProcess two\nWSGIProcessGroup one\nWSGIRestrictProcess one\n\
                WSGIScriptAlias / {app}\nWSGIDispatchScript {root}/apps/control.py";
    let httpd = Httpd::with(conf, "evaluate.py").app("control.py").start();
    assert_eq!(dispatched(&httpd, &[]).status, 200);
    dispatched(&httpd, &[("X-Process-Group", "'two'")]).assert_error_page(500);
    httpd.finish(&["WSGI0149: process group 'two' may not be used here: WSGIRestrictProcess"]);
}

#[test]
fn mistakes_stop_the_start() {
    for directive in ["WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript"] {
        guarded(&format!("{directive} /x lonely")).config_test().assert_fails_with(&[
            directive,
            "'lonely' is not an option",
            "expected application-group=",
        ]);
        Httpd::bare(&format!("{directive} /x")).config_test().assert_fails_with(&[directive, "not allowed here"]);
    }
    Httpd::bare("WSGIDispatchScript").config_test().assert_fails_with(&["WSGIDispatchScript", "expected a script"]);
    Httpd::bare("WSGIDispatchScript /x application-group=").config_test().assert_fails_with(&[
        "WSGIDispatchScript",
        "'application-group=' has no value",
        "expected application-group=NAME",
    ]);
}

#[test]
fn a_build_with_the_gil_asks_scripts_as_well() {
    let httpd = with_groups("staff").gil_build().start();
    assert_user(&logged_in(&httpd).send(), "'user'");
    assert_eq!(who(&httpd).header("Authorization", WRONG).send().status, 401);
    httpd.finish(&["AH01617: user user: authentication failure*Password Mismatch"]);
    let httpd = dispatching("").gil_build().start();
    dispatched(&httpd, &[("X-Process-Group", "'two'")]).assert(200, "('two', '')");
    httpd.finish(&[]);
}

#[test]
fn threads_ask_at_the_same_time() {
    let httpd = with_groups("staff").gil_mode(GilMode::Free).start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| assert_user(&logged_in(&httpd).send(), "'user'")));
        }
    });
    httpd.finish(&[]);
}
