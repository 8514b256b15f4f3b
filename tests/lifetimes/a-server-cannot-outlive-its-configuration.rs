// error: lifetime may not live long enough
use crate::apache::pool::ConfigurationPool;
use crate::apache::server::Server;

fn claim<'c>(_configuration: ConfigurationPool<'c>, server: Server<'c>) -> Server<'static> {
    server
}
