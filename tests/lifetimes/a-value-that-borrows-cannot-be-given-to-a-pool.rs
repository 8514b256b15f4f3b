// error: `text` does not live long enough
use crate::apache::pool::Pool;

fn claim(pool: Pool<'static>) {
    let text = String::from("gone before the pool is cleared");
    pool.own(&text);
}
