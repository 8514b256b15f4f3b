// error: lifetime may not live long enough
use crate::apache::pool::Pool;

fn claim(pool: Pool<'_>) -> &'static str {
    pool.text("in the pool")
}
