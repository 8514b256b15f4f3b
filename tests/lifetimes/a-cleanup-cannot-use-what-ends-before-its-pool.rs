// error: closure may outlive the current function, but it borrows `count`, which is owned by the current function
use crate::apache::pool::Pool;

fn claim(pool: Pool<'static>) {
    let mut count = 0;
    pool.on_clear(|| count += 1);
}
