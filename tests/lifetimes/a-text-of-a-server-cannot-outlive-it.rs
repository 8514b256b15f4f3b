// error: lifetime may not live long enough
use crate::apache::server::Server;

fn claim(server: Server<'_>) -> &'static [u8] {
    server.banner()
}
