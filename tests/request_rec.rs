//! WSGIPassApacheRequest: httpd's own record of a request, for extension modules.

use crate::support::{Builder, GilMode, Httpd};

#[test]
fn the_record_is_there_until_the_response_is_closed_and_not_later() {
    let builds: [fn(Builder) -> Builder; 3] =
        [|builder| builder.gil_mode(GilMode::Shared), |builder| builder.gil_mode(GilMode::Free), Builder::gil_build];
    for build in builds {
        let conf = "WSGIScriptAlias /at {app}\nWSGIApplicationGroup %{GLOBAL}\nWSGIPassApacheRequest On\n\
                    WSGIFreeThreadingAudit Off";
        let httpd = build(Httpd::with(conf, "request_rec.py")).start();
        httpd.get("/at/keep?now").assert(200, "GET /at/keep?now HTTP/1.1\n");
        let name = "b'expired: the request is over'";
        httpd.get("/at/late").assert(200, &format!("(b'GET /at/keep?now HTTP/1.1', {name}, 'ValueError', None)"));
        httpd.finish(&[]);
    }
}

#[test]
fn an_application_has_it_only_where_it_is_passed() {
    let conf = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\nSetEnv apache.request_rec forged\n\
                <Location /on>\nWSGIPassApacheRequest On\n</Location>\n\
                <Location /on/off>\nWSGIPassApacheRequest Off\n</Location>\n\
                <VirtualHost *:{port}>\nServerName off\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName on\nWSGIPassApacheRequest On\n</VirtualHost>";
    let httpd = Httpd::with(conf, "request_rec.py").modules(&["env"]).start();
    for (url, kind) in [
        ("http://off/", "NoneType"),
        ("http://off/on", "PyCapsule"),
        ("http://off/on/off", "NoneType"),
        ("http://on/", "PyCapsule"),
    ] {
        httpd.get(url).assert(200, kind);
    }
    httpd.finish(&[]);
}
