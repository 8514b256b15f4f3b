// error: lifetime may not live long enough
use crate::apache::pool::Pool;

fn claim(pool: Pool<'_>) -> &'static [u32] {
    pool.slice(&[1, 2])
}
