//! The directives: where they may stand, what a wrong value is told, and which
//! setting counts for a request.

use crate::support::{GilMode, Httpd, variable};
use std::process::Command;

const ON_OFF: &[&str] = &["expected", "On", "Off"];

#[test]
fn a_wrong_value_is_told_by_name_value_and_what_was_expected() {
    for (line, value, expected) in [
        ("WSGIFreeThreading yes", "yes", ON_OFF),
        ("WSGIFreeThreading 1", "1", ON_OFF),
        ("WSGIFreeThreadingAudit maybe", "maybe", &["expected", "Log", "Strict", "Off"]),
        ("WSGIPassAuthorization true", "true", ON_OFF),
        ("WSGIScriptReloading never", "never", ON_OFF),
        ("WSGIChunkedRequest 0", "0", ON_OFF),
        ("WSGIMapHEADToGET sometimes", "sometimes", &["expected", "On", "Off", "Auto"]),
        ("WSGIEnableSendfile no", "no", ON_OFF),
        ("WSGIPythonHome /no/such/folder", "/no/such/folder", &["expected", "Python"]),
        ("WSGIPythonHome {root}", "/tmp/mod_wsgi-test-", &["expected", "Python"]),
        ("WSGIPythonHome {root}/venv", "/venv", &["expected", "3.1.4"]),
        (
            "WSGIScriptAlias /a {root}/a.wsgi script-reloading=On",
            "script-reloading=On",
            &["expected", "callable-object="],
        ),
        ("WSGIScriptAlias /a {root}/a.wsgi Callable-Object=x", "Callable-Object=x", &["expected", "callable-object="]),
        ("WSGIScriptAlias /a {root}/a.wsgi lonely", "lonely", &["expected", "callable-object="]),
        ("WSGIScriptAlias /a {root}/a.wsgi callable-object=", "callable-object=", &["expected", "VALUE"]),
        ("WSGIScriptAlias /a {root}/a.wsgi pass-authorization=yes", "yes", ON_OFF),
        ("WSGIScriptAlias /a {root}/a.wsgi callable-object=\"x", "\"x", &["quote"]),
        ("WSGIScriptAliasMatch ^/( {root}/a.wsgi", "^/(", &["expected", "regular expression"]),
        ("WSGIHandlerScript a {root}/a.wsgi lonely", "lonely", &["expected", "application-group="]),
        ("WSGIHandlerScript a {root}/a.wsgi callable-object=x", "callable-object=x", &["expected", "process-group="]),
        ("WSGIHandlerScript a {root}/a.wsgi process-group=", "process-group=", &["expected", "VALUE"]),
        ("WSGIHandlerScript a {root}/a.wsgi pass-authorization=yes", "yes", ON_OFF),
        ("WSGIPassApacheRequest yes", "yes", ON_OFF),
        ("WSGIErrorOverride yes", "yes", ON_OFF),
        ("WSGIIgnoreActivity yes", "yes", ON_OFF),
        // The number of arguments.
        ("WSGIScriptAlias /a", "", &["expected", "script"]),
        ("WSGIScriptAlias", "", &["expected", "script"]),
        ("WSGIScriptAlias \"\" {root}/a.wsgi", "", &["expected"]),
        ("WSGIScriptAlias /a \"\"", "", &["expected"]),
        ("WSGIScriptAliasMatch ^/a", "", &["expected", "script"]),
        ("WSGIHandlerScript a", "", &["expected", "script"]),
        ("WSGIHandlerScript \"\" {root}/a.wsgi", "", &["expected"]),
        ("WSGIPassApacheRequest On Off", "", &["expected"]),
        ("WSGICallableObject", "", &["expected"]),
        ("WSGICallableObject a b", "", &["expected"]),
        ("WSGICallableObject \"\"", "", &["expected"]),
        ("WSGIApplicationGroup", "", &["expected"]),
        ("WSGIApplicationGroup a b", "", &["expected"]),
        ("WSGIFreeThreading", "", &["expected"]),
        ("WSGIFreeThreading On Off", "", &["expected"]),
        ("WSGIPythonPath", "", &["expected"]),
    ] {
        println!("{line}");
        let test = Httpd::bare(line).file("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.1.4\n").config_test();
        let directive = line.split(' ').next().unwrap_or(line);
        test.assert_fails_with(&[expected, &["AH00526: Syntax error on line", directive, value]].concat());
    }
}

#[test]
fn keywords_are_not_case_sensitive() {
    let conf = "WSGIFreeThreading oN\nWSGIFreeThreadingAudit sTRICT\nWSGIPassAuthorization OFF\n\
                WSGIMapHEADToGET auto\nWSGIScriptAlias /a {root}/a.wsgi pass-authorization=ON";
    Httpd::bare(conf).config_test().assert_ok();
}

#[test]
fn directives_stand_only_where_they_may() {
    const MAIN_ONLY: [&str; 4] =
        ["WSGIFreeThreading On", "WSGIFreeThreadingAudit Off", "WSGIPythonHome /usr", "WSGIPythonPath /tmp"];
    const SERVER: [&str; 2] = ["WSGIScriptAlias /a {root}/a.wsgi", "WSGIScriptAliasMatch ^/a {root}/a.wsgi"];
    const ANYWHERE: [&str; 11] = [
        "WSGIApplicationGroup x",
        "WSGICallableObject x",
        "WSGIPassAuthorization On",
        "WSGIScriptReloading Off",
        "WSGIChunkedRequest On",
        "WSGIMapHEADToGET On",
        "WSGIEnableSendfile On",
        "WSGIHandlerScript a {root}/a.wsgi",
        "WSGIPassApacheRequest On",
        "WSGIErrorOverride On",
        "WSGIIgnoreActivity On",
    ];
    let sections = |line: &str| {
        [
            ("VirtualHost *:80", format!("<VirtualHost *:80>\n{line}\n</VirtualHost>")),
            ("Directory", format!("<Directory {{root}}>\n{line}\n</Directory>")),
            ("Location", format!("<Location /x>\n{line}\n</Location>")),
            ("Files", format!("<Files x>\n{line}\n</Files>")),
            ("If", format!("<If \"true\">\n{line}\n</If>")),
        ]
    };
    for line in MAIN_ONLY {
        for (section, conf) in sections(line) {
            println!("{line} in {section}");
            let directive = line.split(' ').next().unwrap_or(line);
            Httpd::bare(&conf).config_test().assert_fails_with(&[directive]);
        }
        let wrapped = format!("<IfModule wsgi_module>\n{line}\n</IfModule>");
        if !line.starts_with("WSGIPythonHome") {
            Httpd::bare(&wrapped).config_test().assert_ok();
        }
    }
    for line in SERVER {
        for (section, conf) in sections(line) {
            println!("{line} in {section}");
            let test = Httpd::bare(&conf).config_test();
            if section.starts_with("VirtualHost") {
                test.assert_ok();
            } else {
                test.assert_fails_with(&["not allowed", line.split(' ').next().unwrap_or(line)]);
            }
        }
    }
    let everywhere: Vec<_> = ANYWHERE.iter().flat_map(|line| sections(line)).map(|(_, conf)| conf).collect();
    Httpd::bare(&everywhere.join("\n")).config_test().assert_ok();
}

/// The functions of apps/callables.py tell by which name they were found.
#[track_caller]
fn assert_callables(httpd: &Httpd, table: &[(&str, &str)]) {
    for (url, name) in table {
        let response = httpd.get(url);
        assert_eq!((response.status, response.text()), (200, *name), "{url}");
    }
}

#[test]
fn the_more_specific_setting_counts() {
    let conf = "WSGIScriptAlias / {app}\nWSGICallableObject a\n\
                <VirtualHost *:{port}>\nServerName first\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName second\nWSGICallableObject b\n\
                <Location /c>\nWSGICallableObject c\n</Location>\n\
                <Location /c/d>\nWSGICallableObject d\n</Location>\n\
                <LocationMatch e$>\nWSGICallableObject e\nWSGICallableObject f\n</LocationMatch>\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName third\nWSGICallableObject b\n\
                <Directory {root}/apps>\nWSGICallableObject e\n</Directory>\n</VirtualHost>";
    let httpd = Httpd::with(conf, "callables.py").start();
    for (host, path, name) in [
        ("first", "/", "a"),
        ("second", "/", "b"),
        ("second", "/c", "c"),
        ("second", "/c/d/x", "d"),
        ("second", "/c/d/e", "f"),
        ("third", "/", "e"),
    ] {
        httpd.get(&format!("http://{host}{path}")).assert(200, name);
    }
    httpd.finish(&[]);
}

#[test]
fn a_folder_of_the_main_server_counts_more_than_a_virtual_host() {
    let conf = "WSGIScriptAlias / {app}\n<Directory {root}/apps>\nWSGICallableObject a\n</Directory>\n\
                <VirtualHost *:{port}>\nWSGICallableObject b\n</VirtualHost>";
    let httpd = Httpd::with(conf, "callables.py").start();
    assert_callables(&httpd, &[("/", "a")]);
    httpd.finish(&[]);
}

#[test]
fn htaccess_may_set_what_belongs_to_file_info() {
    let conf = "WSGIScriptAlias / {app}\nWSGICallableObject a\n\
                <Directory {root}/apps>\nAllowOverride FileInfo\n</Directory>";
    let fitting = "WSGICallableObject b\nWSGIPassAuthorization On\nWSGIScriptReloading Off\nWSGIChunkedRequest On\n\
                   WSGIMapHEADToGET On\nWSGIEnableSendfile On\nWSGIErrorOverride On\nWSGIIgnoreActivity On\n";
    let httpd = Httpd::with(conf, "callables.py").file("apps/.htaccess", fitting).start();
    assert_callables(&httpd, &[("/", "b")]);
    httpd.request("POST", "/").chunked(&["x"]).send().assert(200, "b");
    httpd.finish(&[]);

    for line in [
        "WSGIApplicationGroup x",
        "WSGIScriptAlias /x /x",
        "WSGIFreeThreading On",
        "WSGICallableObject a b",
        "WSGIHandlerScript x /x",
        "WSGIPassApacheRequest On",
    ] {
        let httpd = Httpd::with(conf, "callables.py").file("apps/.htaccess", line).start();
        httpd.get("/").assert_error_page(500);
        httpd.finish(&[&format!(".htaccess: {}", line.split(' ').next().unwrap_or(line))]);
    }
    let closed = conf.replace("FileInfo", "None");
    let httpd = Httpd::with(&closed, "callables.py").file("apps/.htaccess", fitting).start();
    assert_callables(&httpd, &[("/", "a")]);
    httpd.finish(&[]);
}

#[test]
fn a_variable_may_name_the_callable() {
    let conf = "WSGIScriptAlias / {app}\nWSGICallableObject %{ENV:CALL}\nSetEnvIf Request_URI ^/(.)$ CALL=$1\n\
                SetEnvIf Request_URI ^/missing CALL=missing\n\
                <Location /global>\nWSGICallableObject %{GLOBAL}\n</Location>";
    let httpd = Httpd::with(conf, "callables.py").modules(&["setenvif"]).start();
    assert_callables(&httpd, &[("/a", "a"), ("/b", "b"), ("/unset", "application"), ("/global", "application")]);
    httpd.get("/missing").assert_error_page(404);
    httpd.finish(&["WSGI0089*missing"]);
}

#[test]
fn the_application_group_is_named_by_what_the_tokens_stand_for() {
    let mut conf = "WSGIScriptAlias /at {app} callable-object=groups\nSetEnvIf X-Group (.*) GROUP=$1\n\
                    SetEnv NOTHING \"\"\n"
        .to_owned();
    for (path, group) in [
        ("global", "%{GLOBAL}"),
        ("server", "%{SERVER}"),
        ("host", "%{HOST}"),
        ("resource", "%{RESOURCE}"),
        ("env", "%{ENV:GROUP}"),
        ("empty", "%{ENV:NOTHING}"),
        ("process", "%{ENV:OF_THE_PROCESS}"),
        ("unset", "%{ENV:UNSET}"),
        ("literal", "a group"),
        ("odd", "%{server}"),
    ] {
        conf += &format!("<Location /at/{path}>\nWSGIApplicationGroup \"{group}\"\n</Location>\n");
    }
    conf += "<VirtualHost *:{port}>\nServerName name\nServerAlias *\n</VirtualHost>";
    let httpd = Httpd::with(&conf, "where.py").modules(&["setenvif", "env"]).env("OF_THE_PROCESS", "inherited").start();
    let group = |path: &str, host: &str, variable: &str| {
        let mut connection = httpd.connect();
        let request = format!("GET /at{path} HTTP/1.1\r\nHost: {host}\r\nX-Group: {variable}\r\n\r\n");
        let response = connection.send(request).response();
        let [_, group, _] = response.text().split('|').collect::<Vec<_>>()[..] else {
            // %{RESOURCE} has a bar of its own.
            let (_, rest) = response.text().split_once('|').expect("three parts");
            return rest.strip_suffix("|groups").expect("three parts").to_owned();
        };
        group.to_owned()
    };
    for (path, host, variable, expected) in [
        ("/global", "Other", "", ""),
        ("/server", "Other", "", "name"),
        ("/server", "Other:80", "", "name"),
        ("/server", "Other:443", "", "name"),
        ("/server", "Other:8080", "", "name:8080"),
        ("/host", "Other", "", "other"),
        ("/host", "Other:8080", "", "other:8080"),
        ("/resource", "Other", "", "name|/at"),
        ("/resource/x", "Other:8080", "", "name:8080|/at"),
        ("/default", "Other", "", "name|/at"),
        ("/env", "Other", "chosen", "chosen"),
        ("/env", "Other", "%{GLOBAL}", ""),
        ("/env", "Other", "%{SERVER}", "name"),
        ("/env", "Other", "%{ENV:NOTHING}", "%{ENV:NOTHING}"),
        ("/empty", "Other", "", ""),
        ("/process", "Other", "", "inherited"),
        ("/unset", "Other", "", "%{ENV:UNSET}"),
        ("/literal", "Other", "", "a group"),
        ("/odd", "Other", "", "%{server}"),
    ] {
        assert_eq!(group(path, host, variable), expected, "{path} of {host}, {variable}");
    }
    httpd.finish(&[]);
}

#[test]
fn the_gil_is_off_only_when_asked() {
    let enabled = |httpd: &Httpd| httpd.python("__import__('sys')._is_gil_enabled()");
    for group in ["%{GLOBAL}", "%{RESOURCE}"] {
        let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}");
        let default = Httpd::with(&conf, "evaluate.py").start();
        assert_eq!(enabled(&default), "True", "{group}");
        default.finish(&[]);
        for (mode, expected) in [(GilMode::Shared, "True"), (GilMode::Free, "False")] {
            let httpd = Httpd::with(&conf, "evaluate.py").gil_mode(mode).start();
            assert_eq!(enabled(&httpd), expected, "{group}");
            httpd.finish(&[]);
        }
    }
}

#[test]
fn the_python_path_leads_the_search() {
    let conf = "WSGIScriptAlias / {app}\nWSGIPythonPath {root}/one:{root}/two";
    for group in ["%{GLOBAL}", "named"] {
        let conf = format!("{conf}\nWSGIApplicationGroup {group}");
        let httpd = Httpd::with(&conf, "evaluate.py")
            .file("one/mine.py", "name = 'one'")
            .file("two/mine.py", "name = 'two'")
            .file("two/json.py", "name = 'not the standard one'")
            .file("two/more.pth", "../three\n")
            .file("three/further.py", "name = 'three'")
            .start();
        for (module, name) in [("mine", "'one'"), ("json", "'not the standard one'"), ("further", "'three'")] {
            assert_eq!(httpd.python(&format!("__import__('{module}').name")), name, "{group}");
        }
        let root = httpd.root().display().to_string();
        assert_eq!(httpd.python("__import__('sys').path[:3]"), format!("['{root}/one', '{root}/two', '{root}/three']"));
        httpd.finish(&[]);
    }
}

#[test]
fn the_python_home_may_be_a_virtual_environment() {
    let builder = Httpd::with("WSGIScriptAlias / {app}\nWSGIPythonHome {root}/venv", "evaluate.py");
    let venv = builder.root().join("venv");
    let made = Command::new(variable("MOD_WSGI_PYTHON")).args(["-m", "venv", "--without-pip"]).arg(&venv).output();
    let made = made.expect("Python runs");
    assert!(made.status.success(), "{made:?}");
    let packages = std::fs::read_dir(venv.join("lib")).expect("lib").next().expect("python").expect("read").path();
    std::fs::write(packages.join("site-packages/installed_here.py"), "name = 'installed'").expect("written");
    let httpd = builder.start();
    assert_eq!(httpd.python("__import__('sys').prefix"), format!("'{}'", venv.display()));
    assert_eq!(httpd.python("__import__('installed_here').name"), "'installed'");
    // The standard library is that of the Python it was made with.
    assert_eq!(httpd.python("__import__('ssl').OPENSSL_VERSION != ''"), "True");
    httpd.finish(&[]);
}
