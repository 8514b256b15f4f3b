//! Beside modules of httpd that read bodies, log in, keep sessions, rename clients or stand in front.

use crate::support::{Builder, Connection, Httpd, Response, has_module};

/// `evaluate.py` at `/`.
fn evaluating(conf: &str, modules: &[&str]) -> Builder {
    Httpd::with(&format!("WSGIScriptAlias / {{app}}\n{conf}"), "evaluate.py").modules(modules)
}

/// Posts a body to an application that evaluates an expression.
#[track_caller]
fn post(httpd: &Httpd, path: &str, expression: &str, body: &str) -> Response {
    httpd.request("POST", path).header("X-Python", expression).body(body).send()
}

#[test]
fn modules_that_watch_a_body_leave_it_whole() {
    let conf = "DumpIOInput On\nDumpIOOutput On\nRequestReadTimeout header=20 body=20,MinRate=1\nWSGIChunkedRequest On\n\
                <Location /kept>\nKeptBodySize 1000\n</Location>\n\
                <Location /buffered>\nSetInputFilter BUFFER\nBufferSize 1000\n</Location>";
    let modules = ["dumpio", "reqtimeout", "request", "buffer"];
    let httpd = evaluating(conf, &modules).start();
    let body = "one\ntwo";
    for path in ["/", "/kept", "/buffered"] {
        post(&httpd, path, "(input.read(2), input.read())", body).assert(200, r"(b'on', b'e\ntwo')");
        post(&httpd, path, "list(input)", body).assert(200, r"[b'one\n', b'two']");
        post(&httpd, path, "input.read()", "").assert(200, "b''");
        let chunked = httpd.request("POST", path).header("X-Python", "input.read()").chunked(&["one", "\ntwo"]);
        chunked.send().assert(200, r"b'one\ntwo'");
        let mut connection = httpd.connect();
        for _ in 0..2 {
            // A body that nobody reads.
            connection.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nX-Python: 1\r\nContent-Length: 3\r\n\r\nabc"));
            connection.response().assert(200, "1");
        }
    }
    let large = "x".repeat(300_000);
    for path in ["/", "/buffered"] {
        post(&httpd, path, "len(input.read())", &large).assert(200, "300000");
    }
    // More than is to be kept is refused, and the application may still answer.
    post(&httpd, "/kept", "attempt(input.read)", &large).assert(200, "'OSError'");
    httpd.finish(&["AH01412: Requested content-length"]);
}

#[test]
fn a_client_that_is_too_slow_for_mod_reqtimeout_is_an_error_of_its_body() {
    let conf = "WSGIScriptAlias /echo {apps}/error_documents.py\nRequestReadTimeout body=1\nWSGIScriptAlias / {app}";
    let httpd = Httpd::with(conf, "evaluate.py").app("error_documents.py").modules(&["reqtimeout"]).start();
    let slow = |path: &str| {
        let mut connection = httpd.connect();
        let headers = "Host: a\r\nX-Python: attempt(input.read)\r\nContent-Length: 10";
        connection.send(format!("POST {path} HTTP/1.1\r\n{headers}\r\n\r\npart")).response()
    };
    slow("/").assert(200, "'OSError'");
    // An application that does not handle the error has not failed.
    slow("/echo").assert_error_page(408);
    httpd.get("/").assert(200, "KeyError");
    httpd.finish(&["WSGI0174", "OSError: "]);
}

/// A password file with the user `u` and the password `p`.
const PASSWORDS: &str = "u:{SHA}UWuXg/ylF+7L0dBk2i0WUxCxl1k=\n";

#[test]
fn a_form_logs_in_and_the_session_reaches_the_application() {
    let conf = "WSGIScriptAlias /form {apps}/error_documents.py callable-object=page\n\
                <Location />\nSession On\nSessionEnv On\nSessionCookieName kept path=/\n</Location>\n\
                <Location /private>\nAuthType form\nAuthName x\nAuthFormProvider file\nAuthUserFile {root}/passwords\n\
                Require valid-user\nErrorDocument 401 /form\n</Location>\n\
                <Location /login>\nSetHandler form-login-handler\nAuthType form\nAuthName x\nAuthFormProvider file\n\
                AuthUserFile {root}/passwords\nAuthFormLoginSuccessLocation /private\nRequire all granted\n</Location>";
    let modules = ["authn_core", "authn_file", "authz_user", "session", "session_cookie", "request", "auth_form"];
    let builder = Httpd::with(&format!("{conf}\nWSGIScriptAlias / {{app}}"), "evaluate.py").app("error_documents.py");
    let httpd = builder.modules(&modules).file("passwords", PASSWORDS).start();
    let expression = "(environ['REQUEST_METHOD'], environ.get('REMOTE_USER'), input.read())";
    // The page with the form is an application.
    httpd.get("/private").assert(401, "GET 401 /private b''");
    let form = "httpd_username=u&httpd_password=p";
    let login = |path: &str, body: &str| {
        let request = httpd.request("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        request.header("X-Python", expression).body(body).send()
    };
    assert_eq!(login("/private", "httpd_username=u&httpd_password=x").status, 401);
    let inline = login("/private", form);
    assert_eq!(inline.status, 200, "{inline:?}");
    assert!(inline.text().contains("'u'"), "{inline:?}");
    let response = login("/login", form);
    assert_eq!((response.status, response.header("Location").is_some()), (302, true), "{response:?}");
    let cookies = response.values("Set-Cookie");
    let cookie = cookies.first().and_then(|cookie| cookie.split(';').next()).expect("a session");
    let with_session = |expression: &str| {
        httpd.request("GET", "/private").header("Cookie", cookie).header("X-Python", expression).send()
    };
    with_session(expression).assert(200, "('GET', 'u', b'')");
    let session = with_session("environ.get('HTTP_SESSION')");
    assert!(session.status == 200 && session.text().contains("x-user=u"), "{session:?}");
    httpd.finish(&["AH01807:"]);
}

#[test]
fn a_client_that_mod_remoteip_names_is_the_client() {
    let conf = "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1";
    let httpd = evaluating(conf, &["remoteip"]).start();
    let expression = "(environ['REMOTE_ADDR'], environ.get('HTTP_X_FORWARDED_FOR'))";
    let request = httpd.request("GET", "/").header("X-Forwarded-For", "192.0.2.7");
    request.header("X-Python", expression).send().assert(200, "('192.0.2.7', None)");
    httpd.finish(&[]);
}

/// A virtual host that passes all requests on to the first one.
const FRONT: &str = "<VirtualHost *:{port}>\nServerName back\n</VirtualHost>\n\
                     <VirtualHost *:{port}>\nServerName front\nProxyPass /own !\nProxyPass / http://127.0.0.1:{port}/\n\
                     ProxyErrorOverride On 502\nErrorDocument 502 /own\n\
                     WSGIScriptAlias /own {apps}/error_documents.py callable-object=page\n</VirtualHost>\n\
                     WSGIChunkedRequest On\nWSGIScriptAlias /failures {apps}/failures.py\nWSGIScriptAlias / {app}";

#[test]
fn an_application_behind_a_proxy_of_the_same_httpd_answers_as_ever() {
    let builder = Httpd::with(FRONT, "evaluate.py").app("error_documents.py").app("failures.py");
    let httpd = builder.modules(&["proxy", "proxy_http"]).start();
    let send = |connection: &mut Connection, method: &str, path: &str, rest: &str| {
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: front\r\n{rest}"));
        connection.response_to(method)
    };
    let mut connection = httpd.connect();
    let echo = "X-Python: (environ['HTTP_X_FORWARDED_HOST'], input.read())\r\n";
    for length in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] {
        send(&mut connection, "POST", "/", &format!("{echo}{length}")).assert(200, "('front', b'abc')");
    }
    send(&mut connection, "HEAD", "/", "X-Python: 1\r\n\r\n").assert(200, "");
    send(&mut connection, "GET", "/failures/raises", "\r\n").assert_error_page(500);
    let cut = send(&mut httpd.connect(), "GET", "/failures/sends_and_raises", "\r\n");
    assert!(cut.status == 200 && !cut.complete, "{cut:?}");
    httpd.finish(&["WSGI0174", "ValueError", "AH01110:"]);
}

/// Whole bodies are looked at: the one of a request before the application runs, the one of a response before any of it goes
/// to the client.
const RULES: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 400000\n\
                     SecRequestBodyNoFilesLimit 400000\nSecResponseBodyAccess On\n\
                     SecResponseBodyMimeType text/plain text/html\nSecResponseBodyLimit 100000\n\
                     SecResponseBodyLimitAction Reject\nSecTmpDir {root}/kept\nSecDataDir {root}/kept\nSecAuditEngine Off\n\
                     SecAction \"id:1,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On\"\n\
                     SecRule REQUEST_BODY \"@contains attack\" \"id:2,phase:2,deny,status:403\"\n\
                     SecRule RESPONSE_BODY \"@contains secret\" \"id:3,phase:4,deny,status:500\"\n";

#[test]
fn mod_security_sees_whole_bodies_and_passes_them_on() {
    if !has_module("security2") {
        return;
    }
    let conf = format!(
        "Protocols h2c http/1.1\nWSGIChunkedRequest On\n{RULES}\
         WSGIScriptAlias /app {{apps}}/responses.py\nWSGIScriptAlias / {{app}}"
    );
    let builder = Httpd::with(&conf, "evaluate.py").app("responses.py").writable("kept");
    let httpd = builder.modules(&["http2", "unique_id", "security2"]).start();
    let body = "one\ntwo";
    post(&httpd, "/", "(input.read(2), input.read())", body).assert(200, r"(b'on', b'e\ntwo')");
    let chunked = httpd.request("POST", "/").header("X-Python", "list(input)").chunked(&["one", "\ntwo"]);
    chunked.send().assert(200, r"[b'one\n', b'two']");
    // One that is kept in a file meanwhile.
    post(&httpd, "/", "len(input.read())", &"x".repeat(300_000)).assert(200, "300000");
    post(&httpd, "/", "1", &"x".repeat(500_000)).assert_error_page(413);
    post(&httpd, "/", "1", "an attack").assert_error_page(403);
    post(&httpd, "/", "'sec' + 'ret'", "").assert_error_page(500);
    post(&httpd, "/", "'x' * 200_000", "").assert_error_page(500);
    let mut connection = httpd.connect();
    for _ in 0..2 {
        // A body that the application does not read.
        connection.send("POST / HTTP/1.1\r\nHost: a\r\nX-Python: 1\r\nContent-Length: 3\r\n\r\nabc");
        connection.response().assert(200, "1");
    }
    for path in ["/app/raises", "/app/writes", "/app/short"] {
        // What was held back for the rules is not sent either.
        httpd.get(path).assert_cut_short(200, "");
    }
    let ask = |data: &str| {
        let options = ["--http2-prior-knowledge", "--header", "X-Python: input.read()", "--data", data, "{url}/"];
        String::from_utf8_lossy(&httpd.curl(&options).stdout).into_owned()
    };
    assert_eq!(ask("hello"), "b'hello'");
    assert!(ask("an attack").contains("403 Forbidden"));
    httpd.finish(&["ModSecurity", "WSGI0174", "ValueError: ", "WSGI1003"]);
}
